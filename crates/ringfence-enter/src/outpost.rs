//! A process outside that serves one sandbox and shuts itself in too: what it has been handed, and no file, process or
//! privilege beside. For the gateway, whose work it does not know.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;

use crate::fence::{SetUpError, Step};
use crate::seccomp;
use crate::steps::{During, landlock};
use crate::sys::{clone, ids, notify};

/// Makes a fresh copy of the supervisor a process of its own that ends with it: no terminal, no arguments to be read, and
/// of the descriptors only these two, which come back under other numbers.
///
/// # Errors
/// When a step fails. The process has to end then.
pub fn detach(kept: [OwnedFd; 2]) -> Result<[OwnedFd; 2], SetUpError> {
    ids::die_with_parent(libc::SIGKILL).during(Step::ParentDeath)?;
    rustix::process::setsid().during(Step::Stdio)?;
    ids::hide_arguments();
    ids::undumpable().during(Step::Capabilities)?;
    let kept = keep_only(kept).during(Step::Stdio)?;
    ids::set_limit(libc::RLIMIT_CORE, 0).during(Step::Rlimits)?;
    // What the sandbox makes it hold is not in the sandbox's own limit.
    ids::set_limit(libc::RLIMIT_DATA, MOST_MEMORY).during(Step::Rlimits)?;
    let most = ids::hard_limit(libc::RLIMIT_NOFILE).during(Step::Rlimits)?;
    ids::set_limit(libc::RLIMIT_NOFILE, most).during(Step::Rlimits)?;
    Ok(kept)
}

/// Takes everything else: from here on, sockets of the internet alone are opened.
///
/// # Errors
/// When a step fails. The process has to end then.
pub fn lock(landlock: u32) -> Result<(), SetUpError> {
    rustix::process::chdir("/").during(Step::WorkingDirectory)?;
    if rustix::process::geteuid().is_root() {
        ids::forbid_capabilities().during(Step::Capabilities)?;
    }
    ids::keep_capabilities(0).during(Step::Capabilities)?;
    ids::no_new_privileges().during(Step::Capabilities)?;
    if landlock > 0 {
        landlock::restrict_files(landlock, std::iter::empty())?;
        landlock::restrict_scope(landlock, false)?;
    }
    notify::install(&seccomp::gateway_program(), false).during(Step::Seccomp)?;
    Ok(())
}

/// Bytes of memory; a process that needs more ends.
const MOST_MEMORY: u64 = 512 << 20;

/// /dev/null on the standard descriptors, `kept` on the next two, and nothing above.
fn keep_only(kept: [OwnedFd; 2]) -> io::Result<[OwnedFd; 2]> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // Out of the way first, so that no place that is filled is one still to be read.
    let above = |fd: &OwnedFd| fcntl_dupfd_cloexec(fd, 16).map(IntoRawFd::into_raw_fd);
    let sources = [above(&kept[0])?, above(&kept[1])?];
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // Before the places that they had are filled by others, who must not be closed with them.
    drop((null, kept));
    clone::take_over_table(&sources)
}
