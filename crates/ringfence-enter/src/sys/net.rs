//! The loopback interface of a new network namespace (netdevice(7)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Brings `lo` up.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: a new descriptor, owned here; the request is zeroed, holds a terminated name, and outlives both calls.
    unsafe {
        let fd = super::check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).into())?;
        let socket = OwnedFd::from_raw_fd(fd as i32);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        super::check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request).into())?;
    }
    Ok(())
}

/// bind(2) with an address that was copied from elsewhere, so of any family.
pub(crate) fn bind(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length of one buffer; the kernel copies and checks it.
    let result =
        unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t) };
    super::check(result.into()).map(drop)
}
