//! What a process outside that serves one sandbox may call, whatever its work is: memory, waiting, and reading and writing
//! what it was handed. No file and no process; which sockets, the gateway and the inspector say for themselves.

use super::table::{Action, Check, Rule};

/// What is refused rather than not there.
pub(super) const REFUSED: Action = Action::Errno(libc::EPERM);

/// The table with what one of them may call beside, sorted by call number; every other call answers ENOSYS.
pub(super) fn rules(allowed: &[i64], more: impl IntoIterator<Item = (i64, Rule)>) -> Vec<(i64, Rule)> {
    let allow = |number: &i64| (*number, Rule::Always(Action::Allow));
    let mut rules: Vec<_> = ALLOWED.iter().chain(allowed).map(allow).chain(more).collect();
    #[cfg(target_arch = "x86_64")]
    rules.push((libc::SYS_epoll_wait, Rule::Always(Action::Allow)));
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        let executable = Check::AnyBit { arg: 2, mask: libc::PROT_EXEC as u32, action: REFUSED };
        rules.push((number, Rule::When(vec![executable], Action::Allow)));
    }
    rules.sort_by_key(|(number, _)| *number);
    rules
}

const ALLOWED: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpeername,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_write,
];
