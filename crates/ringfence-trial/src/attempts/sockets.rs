//! Attempts to reach other parties by socket: families that no namespace holds, and ways past rules on TCP alone.

use std::io::Write;
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use super::sys::{address, call};
use super::{Attempted, Entry, Failed, any, argument};

pub(super) const TABLE: &[Entry] = &[
    ("socket_families", |_| families()),
    ("socket_family", |arguments| family(number(arguments, 0)?)),
    ("socket_netlink", |arguments| socket(16, 3, number(arguments, 0)?)),
    ("socket_mptcp", |_| socket(2, 1, 262)),
    ("socket_sctp", |_| any([("stream".into(), socket(2, 1, 132)), ("packet".into(), socket(2, 5, 132))])),
    ("socket_raw", |_| any([("ipv4".into(), socket(2, 3, 1)), ("ipv6".into(), socket(10, 3, 58))])),
    ("connect_tcp", |arguments| connect_tcp(number(arguments, 0)?)),
    ("send_udp", |arguments| send_udp(number(arguments, 0)?)),
    ("send_fast_open", |arguments| send_fast_open(number(arguments, 0)?)),
    ("sendmsg_fast_open", |arguments| sendmsg_fast_open(number(arguments, 0)?)),
    ("connect_mptcp", |arguments| connect_mptcp(number(arguments, 0)?)),
    ("connect_abstract", |arguments| connect_abstract(argument(arguments, 0)?)),
    ("connect_unix", |arguments| connect_unix(argument(arguments, 0)?)),
];

fn number(arguments: &[String], at: usize) -> Result<usize, Failed> {
    argument(arguments, at)?.parse().map_err(|_| Failed::Setup("a number is wanted".into()))
}

fn socket(family: usize, kind: usize, protocol: usize) -> Attempted {
    call(libc::SYS_socket, &[family, kind, protocol]).map(drop)
}

/// One family with each kind of socket, by `socket` and by `socketpair`.
fn family(family: usize) -> Attempted {
    let mut pair = [0_i32; 2];
    any((1..=5).flat_map(|kind| {
        let by_pair = call(libc::SYS_socketpair, &[family, kind, 0, super::sys::address_mut(&mut pair)]);
        [
            (format!("kind {kind}"), socket(family, kind, 0)),
            (format!("pair of kind {kind}"), by_pair.map(drop)),
        ]
    }))
}

/// Every family but unix (1), inet (2), inet6 (10) and netlink (16).
fn families() -> Attempted {
    any((0..=60)
        .filter(|number| ![1, 2, 10, 16].contains(number))
        .map(|number| (format!("family {number}"), family(number))))
}

fn port(number: usize) -> Result<SocketAddrV4, Failed> {
    let port = u16::try_from(number).map_err(|_| Failed::Setup("no such port".into()))?;
    Ok(SocketAddrV4::new([127, 0, 0, 1].into(), port))
}

fn connect_tcp(number: usize) -> Attempted {
    let mut stream = TcpStream::connect_timeout(&port(number)?.into(), Duration::from_secs(3))?;
    Ok(stream.write_all(b"tcp")?)
}

fn send_udp(number: usize) -> Attempted {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    Ok(socket.send_to(b"udp", port(number)?).map(drop)?)
}

/// `sockaddr_in` as the kernel reads it (ip(7)).
fn raw_address(address: SocketAddrV4) -> [u8; 16] {
    let mut raw = [0; 16];
    raw[..2].copy_from_slice(&2_u16.to_ne_bytes());
    raw[2..4].copy_from_slice(&address.port().to_be_bytes());
    raw[4..8].copy_from_slice(&address.ip().octets());
    raw
}

const MSG_FASTOPEN: usize = 0x2000_0000;

/// Connects by sending: rules on `connect` do not see it (tcp(7)).
fn send_fast_open(number: usize) -> Attempted {
    let to = raw_address(port(number)?);
    let socket = call(libc::SYS_socket, &[2, 1, 0])?.cast_unsigned() as usize;
    call(libc::SYS_sendto, &[socket, address(b"fast"), 4, MSG_FASTOPEN, address(&to), 16]).map(drop)
}

fn sendmsg_fast_open(number: usize) -> Attempted {
    let to = raw_address(port(number)?);
    let socket = call(libc::SYS_socket, &[2, 1, 0])?.cast_unsigned() as usize;
    let vector = [address(b"fast"), 4];
    // struct msghdr on a 64-bit kernel: name, its length, vector, its length, control, its length, flags.
    let message = [address(&to), 16, address(&vector), 1, 0, 0, 0];
    let many = [message[0], 16, message[2], 1, 0, 0, 0, 0];
    any([
        ("sendmsg".into(), call(libc::SYS_sendmsg, &[socket, address(&message), MSG_FASTOPEN]).map(drop)),
        ("sendmmsg".into(), call(libc::SYS_sendmmsg, &[socket, address(&many), 1, MSG_FASTOPEN]).map(drop)),
    ])
}

fn connect_mptcp(number: usize) -> Attempted {
    let to = raw_address(port(number)?);
    let socket = call(libc::SYS_socket, &[2, 1, 262])?.cast_unsigned() as usize;
    call(libc::SYS_connect, &[socket, address(&to), 16]).map(drop)
}

fn connect_abstract(name: &str) -> Attempted {
    let to = SocketAddr::from_abstract_name(name)?;
    let datagram = UnixDatagram::unbound().and_then(|socket| socket.connect_addr(&to));
    any([
        ("stream".into(), UnixStream::connect_addr(&to).map(drop).map_err(Failed::from)),
        ("datagram".into(), datagram.map_err(Failed::from)),
    ])
}

/// By name, and by a descriptor of its directory.
fn connect_unix(path: &str) -> Attempted {
    let directory = std::path::Path::new(path).parent().map(std::fs::File::open);
    let around = match (directory, path.rsplit('/').next()) {
        (Some(Ok(directory)), Some(name)) => {
            UnixStream::connect(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
                .map(drop)
                .map_err(Failed::from)
        }
        _ => Err(Failed::Refused(libc::ENOENT)),
    };
    any([
        ("by name".into(), UnixStream::connect(path).map(drop).map_err(Failed::from)),
        ("by descriptor".into(), around),
    ])
}
