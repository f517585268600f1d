//! The asking end.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::{About, Answer, Request, Unreachable, place};

/// How long a run may take to answer.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Longest answer.
const LONGEST: usize = 256 * 1024;

/// The runs of this user that are under way and have a gateway. Names that an end without a farewell left behind are
/// cleared away.
pub fn runs(state: &Path) -> Vec<About> {
    let question = Request { change: None, endpoints: Vec::new(), said: String::new() };
    let Ok(entries) = std::fs::read_dir(place(state)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut runs: Vec<About> = names
        .filter_map(|id| match ask(state, &id, &question) {
            Ok(answer) => Some(answer.run),
            Err(Unreachable::Io(_, error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = std::fs::remove_file(place(state).join(&id));
                None
            }
            Err(_) => None,
        })
        .collect();
    runs.sort_by(|one, other| (&one.time, &one.id).cmp(&(&other.time, &other.id)));
    runs
}

/// Asks a run, and waits for its answer.
///
/// # Errors
/// When there is no such run, or it does not answer.
pub fn ask(state: &Path, id: &str, request: &Request) -> Result<Answer, Unreachable> {
    let unknown = || Unreachable::Unknown(id.into());
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(unknown());
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => unknown(),
        _ => Unreachable::Io(id.into(), error),
    };
    let socket = connect(&place(state), id).map_err(failed)?;
    let request = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
    let sent = rustix::net::send(&socket, &request, SendFlags::NOSIGNAL);
    let hung_up = |error: Errno| match error {
        Errno::PIPE | Errno::CONNRESET => Unreachable::HungUp(id.into()),
        error => Unreachable::Io(id.into(), error.into()),
    };
    sent.map_err(hung_up)?;
    let ready = poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&PATIENCE)).map_err(hung_up)?;
    if ready == 0 {
        return Err(failed(io::ErrorKind::TimedOut.into()));
    }
    let mut buffer = vec![0; LONGEST];
    let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()).map_err(hung_up)?;
    if length == 0 {
        return Err(Unreachable::HungUp(id.into()));
    }
    serde_json::from_slice(&buffer[..length]).map_err(|error| failed(error.into()))
}

/// By the directory's descriptor: a path may be longer than an address takes (unix(7)).
fn connect(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))?;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}
