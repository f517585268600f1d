//! A process outside that serves one sandbox and shuts itself in too: what it has been handed, and no file, process or
//! privilege beside. For the gateway and the inspector, whose work it does not know.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;

use crate::fence::{SetUpError, Step};
use crate::seccomp;
use crate::steps::{During, landlock};
use crate::sys::{clone, ids, notify};

/// Makes a fresh copy of the supervisor a process of its own that ends with it: no terminal, no arguments to be read, and
/// of the descriptors only these, which come back under other numbers.
///
/// # Errors
/// When a step fails. The process has to end then.
pub fn detach<const N: usize>(kept: [OwnedFd; N]) -> Result<[OwnedFd; N], SetUpError> {
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
    lock_with(landlock, &seccomp::gateway_program())
}

/// The same, and no socket is opened either: there is only what is handed over.
///
/// # Errors
/// When a step fails. The process has to end then.
pub fn lock_without_sockets(landlock: u32) -> Result<(), SetUpError> {
    lock_with(landlock, &seccomp::inspector_program())
}

fn lock_with(landlock: u32, program: &[libc::sock_filter]) -> Result<(), SetUpError> {
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
    notify::install(program, false).during(Step::Seccomp)?;
    Ok(())
}

/// Overwrites the value of a variable of this process, of which copies are about to be made.
pub fn forget_variable(name: &str) {
    ids::forget_variable(name);
}

/// Bytes of memory; a process that needs more ends.
const MOST_MEMORY: u64 = 512 << 20;

/// /dev/null on the standard descriptors, `kept` on the next, and nothing above.
fn keep_only<const N: usize>(kept: [OwnedFd; N]) -> io::Result<[OwnedFd; N]> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // Out of the way first, so that no place that is filled is one still to be read.
    let above = |fd: &OwnedFd| fcntl_dupfd_cloexec(fd, 16).map(IntoRawFd::into_raw_fd);
    let mut sources = [0; N];
    for (source, fd) in sources.iter_mut().zip(&kept) {
        *source = above(fd)?;
    }
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // Before the places that they had are filled by others, who must not be closed with them.
    drop((null, kept));
    clone::take_over_table(&sources)
}
