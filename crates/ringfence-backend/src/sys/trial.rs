//! Tries a kernel feature in a child that exits at once: the one way to know what a filter, a security module or a
//! missing module says. Not for the common path: a process each.

use std::io;

use ringfence_enter::capture::{Means, Opening};
use ringfence_enter::sys::net::Rehearsal;

use super::check;

/// A kernel feature that can only be known by using it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trial {
    /// A user and a mount namespace, and a tmpfs mounted there: Ubuntu's AppArmor grants the first and refuses the
    /// second.
    UserNamespaceMount,
    /// The same with overlayfs, whose module may be missing.
    Overlay,
    /// A seccomp filter with a listener; EBUSY where an outer filter has one (seccomp_unotify(2)).
    Notification,
    /// A network namespace whose connections nf_tables brings to listeners, TCP and UDP.
    Tables,
    /// The same without nf_tables.
    Listeners,
}

/// Whether it works; otherwise the kernel's answer.
pub(crate) fn attempt(trial: Trial) -> io::Result<()> {
    // What takes memory is done here.
    let rehearsal = match trial {
        Trial::Tables => Some(Means::Tables(vec![Opening { block: None, first: 1, last: u16::MAX }])),
        Trial::Listeners => Some(Means::Listeners { tcp: vec![443], udp: vec![443] }),
        _ => None,
    };
    let rehearsal = rehearsal.as_ref().map(Rehearsal::new);
    // SAFETY: the child makes raw system calls and exits: it allocates nothing and takes no lock, so it is sound even
    // where the caller has threads.
    let pid = unsafe { libc::fork() };
    match check(pid.into())? {
        0 => {
            let errno = run(trial, rehearsal.as_ref())
                .map_or_else(|error| error.raw_os_error().unwrap_or(libc::EINVAL), |()| 0);
            // SAFETY: ends the child without exit handlers, which belong to the parent. An errno fits an exit code
            // (the largest that these calls give is EOVERFLOW or so, far below 256).
            unsafe { libc::_exit(errno & 0xff) }
        }
        pid => wait(pid as libc::pid_t),
    }
}

fn wait(pid: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives across the call; the child is ours and nobody else waits for it by number.
        match check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into()) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, 0) => Ok(()),
        (true, errno) => Err(io::Error::from_raw_os_error(errno)),
        // Killed by the filter that stands over us.
        (false, _) => Err(io::Error::from_raw_os_error(libc::EPERM)),
    }
}

fn run(trial: Trial, rehearsal: Option<&Rehearsal>) -> io::Result<()> {
    match trial {
        Trial::Tables | Trial::Listeners => {
            enter_namespaces()?;
            rehearsal.map_or(Ok(()), Rehearsal::perform)
        }
        Trial::UserNamespaceMount => {
            enter_namespaces()?;
            mount(c"tmpfs", c"/", c"tmpfs", c"")
        }
        Trial::Overlay => {
            enter_namespaces()?;
            // Two directories that every host has; the layer is read-only, so nothing needs to be created.
            mount(c"overlay", c"/", c"overlay", c"lowerdir=/usr:/etc,userxattr")
        }
        Trial::Notification => listen(),
    }
}

fn enter_namespaces() -> io::Result<()> {
    // SAFETY: changes this (child) process only.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) }.into()).map(drop)
}

fn mount(
    source: &std::ffi::CStr,
    target: &std::ffi::CStr,
    kind: &std::ffi::CStr,
    options: &std::ffi::CStr,
) -> io::Result<()> {
    // SAFETY: four strings that live across the call; the mount namespace is the child's own.
    let result =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
    check(result.into()).map(drop)
}

fn listen() -> io::Result<()> {
    // SAFETY: takes no pointers; concerns this (child) process only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // BPF_RET | BPF_K: allow everything; the listener is what is tried.
    let mut allow = libc::sock_filter { code: 6, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let program = libc::sock_fprog { len: 1, filter: &raw mut allow };
    // SAFETY: the program and its one instruction live across the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    check(fd).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_answers_and_leaves_this_process_alone() {
        let before = std::fs::read_link("/proc/self/ns/user").unwrap();
        for trial in [Trial::UserNamespaceMount, Trial::Overlay, Trial::Notification] {
            // Either answer may be right on the host at hand; that it comes, and without a trace, is the promise.
            if let Err(error) = attempt(trial) {
                assert!(error.raw_os_error().is_some_and(|errno| errno > 0), "{trial:?}: {error}");
            }
        }
        assert_eq!(std::fs::read_link("/proc/self/ns/user").unwrap(), before);
    }
}
