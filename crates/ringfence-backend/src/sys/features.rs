//! Questions to the kernel that change nothing: which Landlock, which seccomp actions, am I filtered already.

use super::check;

/// LANDLOCK_CREATE_RULESET_VERSION (landlock_create_ruleset(2)).
const RULESET_VERSION: libc::c_ulong = 1;

/// The Landlock ABI; 0 where it is missing or switched off.
pub(crate) fn landlock_abi() -> u32 {
    // SAFETY: with this flag the kernel reads no memory and creates nothing; it returns a number or an error.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            RULESET_VERSION,
        )
    };
    check(version).map_or(0, |version| version as u32)
}

/// Whether seccomp(2) knows user notification.
pub(crate) fn has_user_notification() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the kernel reads four bytes behind the pointer, which lives across the call.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0_usize, &raw const action)
    };
    check(answer).is_ok()
}

/// Whether a system-call filter already stands over this process, as in containers: then what the kernel offers and
/// what this process may use differ.
pub(crate) fn is_filtered() -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// Whether the kernel knows of netfilter (netlink(7)): opens a socket and closes it.
pub(crate) fn netfilter() -> std::io::Result<()> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let (family, kind) = (rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW);
    rustix::net::socket_with(family, kind, flags, Some(rustix::net::netlink::NETFILTER))?;
    Ok(())
}
