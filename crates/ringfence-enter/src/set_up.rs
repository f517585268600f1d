//! Everything that shuts this process in, in order: a recipe for each confinement, of steps with an error each.
//! Not the steps themselves, and not the start of the command.

use std::os::fd::{AsFd, OwnedFd};

use ringfence_plan::Protect;
use rustix::fs::{Mode, OFlags};

use crate::capture;
use crate::command;
use crate::fence::{Command, Confinement, Fence, NetworkLayout, RootLayout, SetUpError, StdioSource, Step};
use crate::inbound::Inbound;
use crate::nest::{self, Bounds};
use crate::protocol::{Control, FromInit};
use crate::steps::landlock::{Rights, Rule};
use crate::steps::resolve::Opened;
use crate::steps::{During, denied, dev, etc, holds, identity, landlock, resolve, root, shown};
use crate::sys::clone::block_signal;
use crate::sys::net::Network;
use crate::sys::{ids, mount};

/// What the set-up found out.
pub(crate) struct Ready {
    /// Whether a terminal was made.
    pub(crate) terminal: bool,
    /// Names that protected symlinks lead to.
    pub(crate) linked: Vec<Protect>,
    /// For whom connects to what listens inside.
    pub(crate) inbound: Option<Inbound>,
}

/// Everything that holds for init and command alike.
pub(crate) fn set_up(
    fence: &Fence,
    command: &mut Command,
    control: &Control,
    caller: (u32, u32),
) -> Result<Ready, SetUpError> {
    ids::hide_arguments();
    raise_descriptor_limit();
    // A session of its own: the caller's terminal is out of reach, and stopping works as under a shell.
    rustix::process::setsid().during(Step::Stdio)?;
    let (rules, linked) = match &fence.confinement {
        Confinement::Namespaces(layout) => enter_namespaces(fence, layout, command, caller)?,
        Confinement::Process => stay_in_host(fence)?,
    };
    // In a sandbox both are done, and the calls for it are refused.
    if !fence.enclosed {
        identity::leave_keyring()?;
        drop_capabilities(&fence.confinement, caller.0)?;
    }
    rustix::process::chdir(command.cwd.as_path()).during_on(Step::WorkingDirectory, &command.cwd)?;
    let terminal = take_stdio(command, control)?;
    ids::undumpable().during(Step::Capabilities)?;
    ids::no_new_privileges().during(Step::Capabilities)?;
    if fence.landlock > 0 {
        let rules = rules.iter().map(|(object, directory, rights)| Rule {
            object: object.as_fd(),
            directory: *directory,
            rights: *rights,
        });
        landlock::restrict_files(fence.landlock, rules)?;
    }
    let inbound = match &fence.confinement {
        Confinement::Namespaces(layout) if layout.inbound => command.gateway.take().map(Inbound::new),
        Confinement::Namespaces(_) | Confinement::Process => None,
    };
    Ok(Ready { terminal, linked, inbound })
}

fn drop_capabilities(confinement: &Confinement, uid: u32) -> Result<(), SetUpError> {
    let kept = match confinement {
        // For the broker, to look at processes that made themselves undumpable. The command gets none.
        Confinement::Namespaces(_) => 1 << ids::CAP_SYS_PTRACE,
        // On the host that capability would be over everybody's processes.
        Confinement::Process if uid == 0 => 0,
        // An ordinary user has none, and may not touch the bounding set.
        Confinement::Process => return Ok(()),
    };
    ids::forbid_capabilities().during(Step::Capabilities)?;
    ids::keep_capabilities(kept).during(Step::Capabilities)
}

type Granted = Vec<(OwnedFd, bool, Rights)>;

/// A policy may name more paths than a shell's usual 1,024 descriptors.
fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}

/// The recipe of the `namespaces` confinement.
fn enter_namespaces(
    fence: &Fence,
    layout: &RootLayout,
    command: &mut Command,
    (uid, gid): (u32, u32),
) -> Result<(Granted, Vec<Protect>), SetUpError> {
    ids::die_with_parent(libc::SIGKILL).during(Step::ParentDeath)?;
    identity::map_ids(uid, gid)?;
    identity::set_hostname()?;
    // Made beside all that follows.
    let network = match &layout.network {
        NetworkLayout::Host => None,
        NetworkLayout::Own => Some(Network::start(None, &layout.host_ports).during(Step::Network)?),
        NetworkLayout::Captured(means) => {
            Some(Network::start(Some(means), &layout.host_ports).during(Step::Network)?)
        }
    };
    let host = resolve::host_root()?;
    let holds = holds::find(&host, &fence.holds)?;
    let mut root = root::build(layout, &host, &holds.existing, fence.landlock > 0)?;
    dev::mount_dev(&mut root, &host)?;
    dev::mount_proc(&root, layout)?;
    etc::write_etc(&root, layout, &host)?;
    shown::show(&mut root, command)?;
    root.write_plan(command)?;
    root.seal()?;
    if let Some(network) = network {
        let listeners = network.join().or_else(|(step, error)| Err(error).during(step))?;
        if let Some(gateway) = &command.gateway {
            capture::hand_over(listeners, gateway).during(Step::Gateway)?;
        }
        command.gateway = command.gateway.take().filter(|_| layout.inbound);
    }
    rustix::process::fchdir(&root.fd).during(Step::PivotRoot)?;
    mount::pivot_to_current_directory().during(Step::PivotRoot)?;
    let mut granted: Granted = Vec::new();
    let readable = root.readable.unwrap_or_else(|| vec![(root.fd, true)]);
    granted.extend(readable.into_iter().map(|(object, directory)| (object, directory, Rights::Read)));
    for object in root.writable {
        let directory = is_directory(&object)?;
        granted.push((object, directory, Rights::Write));
    }
    if layout.writable_proc {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty()).during_on(Step::Landlock, "/proc")?;
        granted.push((proc, true, Rights::Write));
    }
    Ok((granted, holds.linked))
}

/// The `process` confinement opens what Landlock is to grant, and takes in orphans, since no pid namespace does.
fn stay_in_host(fence: &Fence) -> Result<(Granted, Vec<Protect>), SetUpError> {
    ids::adopt_orphans().during(Step::ParentDeath)?;
    let host = resolve::host_root()?;
    let mut opened = resolve::resolve(&host, &fence.layers)?.opened;
    denied::drop_void(&mut opened);
    let linked = holds::find(&host, &fence.holds)?.linked;
    if fence.enclosed {
        enclose(fence, &opened, &linked)?;
    }
    let rights = |mount| if mount == crate::Mount::ReadWrite { Rights::Write } else { Rights::Read };
    let granted = opened.into_iter().map(|entry| (entry.fd, entry.directory, rights(entry.mount))).collect();
    Ok((granted, linked))
}

/// Hands what holds for changes to the broker that makes them.
fn enclose(fence: &Fence, opened: &[Opened], linked: &[Protect]) -> Result<(), SetUpError> {
    let writable = opened.iter().filter(|entry| entry.mount == crate::Mount::ReadWrite);
    let bounds = Bounds {
        writable: writable.map(|entry| entry.path.clone()).collect(),
        protect: fence.protect.iter().chain(linked).map(|protect| protect.pattern.clone()).collect(),
        except: fence.protect_except.clone(),
    };
    nest::narrow(&bounds).during(Step::Enclose)
}

fn is_directory(fd: &OwnedFd) -> Result<bool, SetUpError> {
    let stat = rustix::fs::fstat(fd).during(Step::Landlock)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
}

/// Puts the standard descriptors in place; makes the terminal and hands its master out.
fn take_stdio(command: &mut Command, control: &Control) -> Result<bool, SetUpError> {
    let slave = if command.terminal { Some(make_terminal(control)?) } else { None };
    let mut place = |index: usize| -> Result<Option<OwnedFd>, SetUpError> {
        match std::mem::replace(&mut command.stdio[index], StdioSource::Inherit) {
            StdioSource::Inherit => Ok(None),
            StdioSource::Fd(fd) => Ok(Some(fd)),
            StdioSource::Terminal => match &slave {
                Some(slave) => Ok(Some(slave.try_clone().during(Step::Terminal)?)),
                None => Err(SetUpError::new(Step::Terminal, libc::ENOTTY)),
            },
        }
    };
    let sources = [place(0)?, place(1)?, place(2)?];
    command::place_stdio(sources)?;
    refuse_directories()?;
    Ok(slave.is_some())
}

/// A directory on a standard stream is a door to the host's own mounts: names start from any descriptor.
fn refuse_directories() -> Result<(), SetUpError> {
    for (stream, name) in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
        .into_iter()
        .zip(["standard input", "standard output", "standard error"])
    {
        // A closed stream is no door.
        let kind = rustix::fs::fstat(stream).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
        if kind == Ok(rustix::fs::FileType::Directory) {
            return Err(SetUpError::new(Step::Stdio, libc::EISDIR).on(name));
        }
    }
    Ok(())
}

fn make_terminal(control: &Control) -> Result<OwnedFd, SetUpError> {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).during(Step::Terminal)?;
    grantpt(&master).and_then(|()| unlockpt(&master)).during(Step::Terminal)?;
    let slave = ioctl_tiocgptpeer(&master, flags).during(Step::Terminal)?;
    rustix::process::ioctl_tiocsctty(&slave).during(Step::Terminal)?;
    control.report(&FromInit::Terminal(master)).during(Step::Terminal)?;
    // The command makes itself the foreground group while it is still in the background.
    block_signal(libc::SIGTTOU);
    Ok(slave)
}
