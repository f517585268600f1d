//! Datagrams with the address that they were sent to (ip(7), ipv6(7)): an answer has to come from where the question went.
//! Those that were meant for others come with their port as well.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

/// A datagram's two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Who sent the question.
    pub(crate) peer: SocketAddr,
    /// The address that it was sent to, and the port, where the socket tells it; 0 where it is the socket's own.
    pub(crate) local: SocketAddr,
}

/// Room for one control message of either version, aligned as `struct cmsghdr` is.
type Control = [u64; 16];

/// linux/in6.h.
const IPV6_ORIGDSTADDR: libc::c_int = 74;

/// recvmsg(2).
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control: Control = [0; 16];
    let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid msghdr; the pointers set below are to locals, with their sizes, that outlive the call.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: see above.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed before the kernel wrote to it, so initialised throughout.
    let peer = unsafe { name.assume_init() };
    let ends = peer_of(&peer).zip(local_of(&message)).map(|(peer, local)| Ends { peer, local });
    Ok((length as usize, ends.ok_or(io::ErrorKind::InvalidData)?))
}

fn peer_of(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let pointer: *const libc::sockaddr_storage = name;
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: of this family, the storage holds a sockaddr_in, which is smaller and no stricter aligned.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the same with sockaddr_in6.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

fn local_of(message: &libc::msghdr) -> Option<SocketAddr> {
    // SAFETY: the kernel wrote the control messages and their length; CMSG_FIRSTHDR gives none where there is no room for
    // one, and the data of the kinds below has the type that is read.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null() {
            return None;
        }
        let data = libc::CMSG_DATA(header);
        match ((*header).cmsg_level, (*header).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                Some(SocketAddr::new(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into(), 0))
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                Some(SocketAddr::new(Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), 0))
            }
            (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR) => {
                let name = data.cast::<libc::sockaddr_in>().read_unaligned();
                let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
            }
            (libc::IPPROTO_IPV6, IPV6_ORIGDSTADDR) => {
                let name = data.cast::<libc::sockaddr_in6>().read_unaligned();
                let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, 0).into())
            }
            _ => None,
        }
    }
}

/// sendmsg(2), from `ends.local` to `ends.peer`.
pub(crate) fn send(socket: &OwnedFd, bytes: &[u8], ends: Ends) -> io::Result<()> {
    let mut control: Control = [0; 16];
    let mut data = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let (mut name, length) = name_of(ends.peer);
    // SAFETY: all zero is a valid msghdr; the pointers are to locals that outlive the call. The control buffer has room
    // for one message of either kind, so that CMSG_FIRSTHDR is not null.
    let sent = unsafe {
        let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = length;
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Control>() as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let room = match ends.local.ip() {
            IpAddr::V4(address) => {
                let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi_spec_dst.s_addr = u32::from(address).to_be();
                (*header).cmsg_level = libc::IPPROTO_IP;
                (*header).cmsg_type = libc::IP_PKTINFO;
                libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().write_unaligned(info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(address) => {
                let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi6_addr.s6_addr = address.octets();
                (*header).cmsg_level = libc::IPPROTO_IPV6;
                (*header).cmsg_type = libc::IPV6_PKTINFO;
                libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().write_unaligned(info);
                size_of::<libc::in6_pktinfo>()
            }
        } as libc::c_uint;
        (*header).cmsg_len = libc::CMSG_LEN(room) as _;
        message.msg_controllen = libc::CMSG_SPACE(room) as _;
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn name_of(address: SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
    // SAFETY: all zero is valid for both; the smaller sockaddr_in fits into, and is no stricter aligned than, sockaddr_in6.
    unsafe {
        let mut name: libc::sockaddr_in6 = MaybeUninit::zeroed().assume_init();
        match address {
            SocketAddr::V4(address) => {
                let mut inner: libc::sockaddr_in = MaybeUninit::zeroed().assume_init();
                inner.sin_family = libc::AF_INET as libc::sa_family_t;
                inner.sin_port = address.port().to_be();
                inner.sin_addr.s_addr = u32::from(*address.ip()).to_be();
                (&raw mut name).cast::<libc::sockaddr_in>().write(inner);
                (name, size_of::<libc::sockaddr_in>() as libc::socklen_t)
            }
            SocketAddr::V6(address) => {
                name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                name.sin6_port = address.port().to_be();
                name.sin6_addr.s6_addr = address.ip().octets();
                (name, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
            }
        }
    }
}
