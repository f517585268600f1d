//! What the gateway may call: sockets of the internet, memory, and waiting. No file, no process, no other socket.

use super::table::{Action, Check, Rule};

/// The table, sorted by call number; every other call answers ENOSYS.
pub(super) fn rules() -> Vec<(i64, Rule)> {
    let mut rules: Vec<_> = ALLOWED.iter().map(|number| (*number, Rule::Always(Action::Allow))).collect();
    #[cfg(target_arch = "x86_64")]
    rules.push((libc::SYS_epoll_wait, Rule::Always(Action::Allow)));
    let family = |value: i32| Check::Equal { arg: 0, value: value as u32, action: Action::Allow };
    let refused = Action::Errno(libc::EPERM);
    rules.push((libc::SYS_socket, Rule::When(vec![family(libc::AF_INET), family(libc::AF_INET6)], refused)));
    // To speak to a parent proxy through the inspector: a pair leads nowhere by itself.
    rules.push((libc::SYS_socketpair, Rule::When(vec![family(libc::AF_UNIX)], refused)));
    let executable = Check::AnyBit { arg: 2, mask: libc::PROT_EXEC as u32, action: refused };
    rules.push((libc::SYS_mmap, Rule::When(vec![executable], Action::Allow)));
    rules.push((libc::SYS_mprotect, Rule::When(vec![executable], Action::Allow)));
    rules.sort_by_key(|(number, _)| *number);
    rules
}

const ALLOWED: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_connect,
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
