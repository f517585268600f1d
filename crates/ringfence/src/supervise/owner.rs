//! A socket on which the run's owner changes the rules of its network. In a directory that is his alone, with a name that
//! goes with the run; and who connects is looked at, since a sandbox that was granted that directory, or one that shares
//! the host's network, has his user number too.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ringfence_plan::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::change::Current;
use super::gateway::Gateway;
use crate::live::{About, Answer, Bound, Request, place};
use crate::outcome::EventLog;

/// The socket of a run. Dropping it removes its name.
pub(super) struct Owner {
    directory: OwnedFd,
    listener: OwnedFd,
    about: About,
    clients: Vec<Client>,
    rules: Current,
    /// What narrows rules that are added; worded when the first is.
    bounds: Box<dyn Fn() -> Vec<Bound>>,
}

struct Client {
    fd: OwnedFd,
    /// The number of its change, and what it is told once the gateway has taken that.
    waits_with: Option<(u32, Answer)>,
}

/// Most clients at once; the eldest makes room.
const MOST: usize = 8;
/// Longest request.
const LONGEST: usize = 64 * 1024;
/// Longest argument that is shown, and how many.
const SHOWN: (usize, usize) = (200, 20);

impl Owner {
    /// Opens the socket below the user's state directory.
    pub(super) fn open(
        state: &Path,
        about: About,
        rules: Current,
        bounds: Box<dyn Fn() -> Vec<Bound>>,
    ) -> io::Result<Owner> {
        let directory = own_directory(&place(state))?;
        let (listener, id) = bind(&directory)?;
        let (length, count) = SHOWN;
        let argv = about.argv.iter().take(count).map(|text| text.chars().take(length).collect()).collect();
        let about = About { id, argv, ..about };
        Ok(Owner { directory, listener, about, clients: Vec::new(), rules, bounds })
    }

    /// For poll(2): the listener, then every client.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|client| client.fd.as_fd()))
    }

    /// Takes clients, and does what they ask.
    pub(super) fn serve(&mut self, gateway: &Gateway, log: &mut EventLog<'_>) {
        while let Ok(client) =
            rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
        {
            if may_ask(&client).is_err() {
                continue;
            }
            if self.clients.len() == MOST {
                self.clients.remove(0);
            }
            self.clients.push(Client { fd: client, waits_with: None });
        }
        let mut buffer = vec![0; LONGEST];
        for mut client in std::mem::take(&mut self.clients) {
            match rustix::net::recv(&client.fd, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::AGAIN | Errno::INTR) => self.clients.push(client),
                Ok((length, _)) if length > 0 && client.waits_with.is_none() => {
                    let (answer, changed) = self.obey(&buffer[..length], gateway, log);
                    if changed {
                        client.waits_with = Some((self.rules.texts.len() as u32, answer));
                        self.clients.push(client);
                    } else {
                        tell(&client.fd, &answer);
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The gateway has taken the rules that it was given first of those that it has not answered.
    pub(super) fn taken(&mut self) {
        let number = |client: &Client| client.waits_with.as_ref().map(|(number, _)| *number);
        let waiting = self.clients.iter().enumerate().filter_map(|(at, client)| Some((number(client)?, at)));
        if let Some((_, at)) = waiting.min() {
            let client = self.clients.remove(at);
            if let Some((_, answer)) = client.waits_with {
                tell(&client.fd, &self.with_rules(answer));
            }
        }
    }

    /// There is no gateway any more.
    pub(super) fn lost(&mut self) {
        for client in std::mem::take(&mut self.clients) {
            tell(&client.fd, &self.refusal("the gateway has ended, and the network with it".into()));
        }
    }

    /// The answer, and whether it is one to a change.
    fn obey(&mut self, text: &[u8], gateway: &Gateway, log: &mut EventLog<'_>) -> (Answer, bool) {
        let Ok(request) = serde_json::from_slice::<Request>(text) else {
            return (self.refusal("the request cannot be read".into()), false);
        };
        let Some(change) = request.change else {
            let nothing = self.refusal(String::new());
            return (self.with_rules(Answer { refused: None, ..nothing }), false);
        };
        let before = self.rules.network.clone();
        let changed = match self.rules.change(change, &request, &(self.bounds)()) {
            Ok(changed) => changed,
            Err(why) => return (self.refusal(why), false),
        };
        if let Err(error) = gateway.change(&self.rules.network, &self.rules.texts) {
            self.rules.network = before;
            self.rules.texts.pop();
            return (self.refusal(format!("the gateway was not reached: {error}")), false);
        }
        let super::change::Changed { change, target, rule, text, notes } = changed;
        log.network(&Event::RuleChanged { change, target, rule, text });
        let answer = self.refusal(String::new());
        (Answer { refused: None, notes, ..answer }, true)
    }

    fn refusal(&self, why: String) -> Answer {
        let run = self.about.clone();
        Answer { run, refused: Some(why), notes: Vec::new(), rules: Vec::new(), left_out: 0 }
    }

    fn with_rules(&self, answer: Answer) -> Answer {
        let (rules, left_out) = self.rules.shown();
        Answer { rules, left_out, ..answer }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = unlinkat(&self.directory, self.about.id.as_str(), AtFlags::empty());
    }
}

fn tell(client: &OwnedFd, answer: &Answer) {
    if let Ok(text) = serde_json::to_vec(answer) {
        // Who does not wait for it is not waited for.
        let _ = rustix::net::send(client, &text, SendFlags::NOSIGNAL);
    }
}

/// Makes the directory, and takes none that others could have put something into.
fn own_directory(path: &Path) -> io::Result<OwnedFd> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&directory)?;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
    if is_own { Ok(directory) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// A listener under a name that is free: this process's number, and more if another namespace has such a process too.
fn bind(directory: &OwnedFd) -> io::Result<(OwnedFd, String)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let pid = std::process::id();
    let names = (0..10).map(|count: u32| if count == 0 { pid.to_string() } else { format!("{pid}-{count}") });
    for name in names {
        // By the directory's descriptor: a path may be longer than an address takes (unix(7)).
        let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))?;
        for _ in 0..2 {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            match rustix::net::bind(&socket, &address) {
                Ok(()) => {
                    rustix::net::listen(&socket, MOST as i32)?;
                    return Ok((socket, name));
                }
                Err(Errno::ADDRINUSE) => {}
                Err(error) => return Err(error.into()),
            }
            // Left behind by a run that was killed?
            match rustix::net::connect(&socket, &address) {
                Err(Errno::CONNREFUSED) => unlinkat(directory, name.as_str(), AtFlags::empty())?,
                _ => break,
            }
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Whether a client is the owner himself and not what he runs in a sandbox, this one or another.
fn may_ask(client: &OwnedFd) -> io::Result<()> {
    let peer = sockopt::socket_peercred(client)?;
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    if peer.uid != rustix::process::geteuid() {
        return Err(refused());
    }
    // By its number alone, where the kernel tells no more: it may be another's by now.
    let process = match ringfence_enter::sys::peer::process(client.as_fd()) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            pidfd_open(peer.pid, PidfdFlags::empty())?
        }
        found => found?,
    };
    if confined(peer.pid)? {
        return Err(refused());
    }
    // What was looked at was the client, and no other process that came to its number: it lives still.
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if ended == 0 { Ok(()) } else { Err(refused()) }
}

/// Whether a process is in other namespaces than this one, or behind more filters: namespaces alone do not tell of a
/// sandbox that has none.
fn confined(pid: Pid) -> io::Result<bool> {
    let pid = pid.as_raw_nonzero();
    for namespace in ["user", "pid"] {
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/{namespace}"));
        if of(&pid.to_string())? != of("self")? {
            return Ok(true);
        }
    }
    let (its, own) = (Locks::of(&pid.to_string())?, Locks::of("self")?);
    Ok(its.no_new_privileges > own.no_new_privileges || its.filters > own.filters)
}

/// What proc_pid_status(5) says of a process's fence.
struct Locks {
    no_new_privileges: u32,
    filters: u32,
}

impl Locks {
    fn of(process: &str) -> io::Result<Locks> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').trim().parse().ok())
        };
        let no_new_privileges = number("NoNewPrivs").ok_or(io::ErrorKind::InvalidData)?;
        // Counted since Linux 5.9; before, whether there is one.
        let filters = number("Seccomp_filters").or(number("Seccomp")).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Locks { no_new_privileges, filters })
    }
}
