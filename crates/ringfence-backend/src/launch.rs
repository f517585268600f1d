//! Cloning the process that goes behind the fence. The same for every backend of Linux: they differ in the fence.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use ringfence_enter::protocol::Control;
use ringfence_enter::sys::clone::{NAMESPACES, Side, fork_into};
use ringfence_enter::{Command, Confinement, Fence, enter};
use rustix::process::Pid;

use crate::scratch::Scratch;

/// A sandbox that was launched.
#[derive(Debug)]
pub struct Running {
    /// Its init, as the host numbers it. Killing it ends everything inside.
    pub pid: Pid,
    /// Init for poll(2): readable when it has ended.
    pub pidfd: OwnedFd,
    /// What init tells and is told.
    pub control: Control,
    /// What is to be removed when the sandbox has ended.
    pub scratch: Option<Scratch>,
}

/// Why no process could be made.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The channel to init.
    #[error("failed to make the channel to the sandbox: {0}")]
    Channel(io::Error),
    /// The directory for temporary files.
    #[error("failed to make a directory for temporary files: {0}")]
    Scratch(io::Error),
    /// Giving up root's groups.
    #[error("failed to give up the supplementary groups of root: {0}")]
    Groups(io::Error),
    /// The clone.
    #[error("failed to create the sandbox's process: {0}")]
    Clone(io::Error),
}

/// Clones this process; the copy puts itself behind `fence` and runs `command`.
pub(crate) fn launch(fence: &Fence, mut command: Command) -> Result<Running, LaunchError> {
    let namespaces = match &fence.confinement {
        Confinement::Namespaces(_) => NAMESPACES,
        Confinement::Process => 0,
    };
    // A sandbox around this one has done it.
    if rustix::process::geteuid().is_root() && !fence.enclosed {
        // Inside, setgroups(2) is denied, so what root's groups may reach has to be given up here. Of other users it may
        // not be: a group can also take access away (user_namespaces(7)).
        give_up_groups().map_err(LaunchError::Groups)?;
    }
    let caller = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let (ours, theirs) = Control::pair().map_err(LaunchError::Channel)?;
    let cgroup = command.cgroup.take();
    match fork_into(namespaces, cgroup.as_ref().map(AsFd::as_fd)).map_err(LaunchError::Clone)? {
        Side::Child => {
            // The supervisor's end must not stay open here, or init would never see it close.
            drop((ours, cgroup));
            enter(fence, command, theirs, caller)
        }
        Side::Parent { pid, pidfd } => Ok(Running { pid, pidfd, control: ours, scratch: None }),
    }
}

/// Leaves the supplementary groups. In a user namespace that forbids it, whose root is an ordinary user outside, they
/// are that user's, and stay as they do for any other.
fn give_up_groups() -> io::Result<()> {
    match rustix::thread::set_thread_groups(&[]) {
        Err(rustix::io::Errno::PERM) if setgroups_is_denied() => Ok(()),
        done => Ok(done?),
    }
}

fn setgroups_is_denied() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny")
}
