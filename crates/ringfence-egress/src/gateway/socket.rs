//! Sockets towards the world, never waited for.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with, sockopt};

use crate::guard::carried;
use crate::rules::Owner;

/// A socket that is connected to `address`, or about to be.
pub(crate) fn connected(address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    begin_to_connect(socket, address)
}

/// Begins to connect a socket that does not wait.
pub(crate) fn begin_to_connect(socket: OwnedFd, address: SocketAddr) -> io::Result<OwnedFd> {
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connection under way has come about; an error when it has failed.
pub(crate) fn is_connected(socket: &OwnedFd, address: SocketAddr) -> io::Result<bool> {
    // Asked again, connect(2) tells how the first attempt stands.
    match connect(socket, &address) {
        Ok(()) | Err(Errno::ISCONN) => Ok(true),
        Err(Errno::ALREADY | Errno::INPROGRESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether an address is one of this machine's own, or carries one that a translator on the way would lead back to.
pub(crate) fn owner(address: IpAddr) -> Owner {
    let carried = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(carried(address).map(IpAddr::V4)),
    };
    let is_own = std::iter::once(address).chain(carried.into_iter().flatten()).any(is_own);
    if is_own { Owner::ThisMachine } else { Owner::Other }
}

/// To an address of its own, the kernel sends from the address itself. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let own = connected(SocketAddr::new(address, 9), SocketType::DGRAM).and_then(|socket| local(&socket));
    own.is_ok_and(|local| local.ip() == address)
}

/// Whether this machine has a way to the internet of the sixth version.
pub(crate) fn has_sixth() -> bool {
    let global = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1);
    connected(SocketAddr::new(global.into(), 9), SocketType::DGRAM).is_ok()
}

/// A socket's own address; of a captured connection, the one that the client connected to.
pub(crate) fn local(socket: &OwnedFd) -> io::Result<SocketAddr> {
    Ok(SocketAddr::try_from(getsockname(socket)?)?)
}

/// Small messages go at once.
pub(crate) fn without_delay(socket: &OwnedFd) {
    let _ = sockopt::set_tcp_nodelay(socket, true);
}

/// Closing it will reset the connection, so that the other end learns at once that it came to nothing.
pub(crate) fn reset_when_closed(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_address_is_known_in_whatever_carries_it() {
        for own in ["127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1"] {
            assert_eq!(owner(own.parse().unwrap()), Owner::ThisMachine, "{own}");
        }
        for other in ["192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1"] {
            assert_eq!(owner(other.parse().unwrap()), Owner::Other, "{other}");
        }
    }
}
