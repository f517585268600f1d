//! A system-call filter that makes this machine look like one whose kernel was built without netfilter. Not a fence.

use std::io;

/// From here on, for all that this process becomes, socket(2) knows no NETLINK_NETFILTER.
pub(crate) fn forget_netfilter() -> io::Result<()> {
    // BPF_LD | BPF_W | BPF_ABS of `struct seccomp_data`, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K (linux/filter.h).
    let load = |offset| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    let unless = |value: u32, skip| libc::sock_filter { code: 0x15, jt: 0, jf: skip, k: value };
    let answer = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let mut program = [
        load(0),
        unless(libc::SYS_socket as u32, 5),
        load(16),
        unless(libc::AF_NETLINK as u32, 3),
        load(32),
        unless(libc::NETLINK_NETFILTER as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the first takes numbers; of the second the kernel copies the program, which lives across the call.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
