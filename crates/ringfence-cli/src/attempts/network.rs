//! Attempts at sockets under the default policy, which grants no network.
//! Not at names or addresses: there are no rules by name yet.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketType, socket};

use super::{Attempt, From, Judge, REFUSED, Stage, scene::Scene};

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "connect_loopback",
        promise: "A service on the host's loopback is not reached",
        act: connect_loopback,
        harm: Some(Scene::was_called),
        ..REFUSED
    },
    Attempt {
        name: "send_datagram",
        promise: "No datagram reaches the host's loopback",
        act: send_datagram,
        harm: Some(Scene::got_datagram),
        judge: Judge::Harm,
        ..REFUSED
    },
    Attempt {
        name: "connect_abstract_socket",
        promise: "The host's abstract unix sockets are not reached",
        act: connect_abstract,
        ..REFUSED
    },
    Attempt {
        name: "connect_unix_socket",
        promise: "A unix socket outside the workspace is not reached",
        act: |stage| UnixStream::connect(stage.outside().join("socket")).map(|_| ()),
        ..REFUSED
    },
    Attempt {
        name: "read_connections",
        promise: "The host's open ports are not listed",
        act: read_connections,
        from: From::Namespaces,
        ..REFUSED
    },
    Attempt {
        name: "open_vsock",
        promise: "Sockets between virtual machines, which no network namespace holds, are refused",
        act: |_| open(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ..REFUSED
    },
    Attempt {
        name: "open_alg_socket",
        promise: "Sockets to the kernel's cryptography are refused",
        act: |_| open(libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        ..REFUSED
    },
    Attempt {
        name: "open_netlink_generic",
        promise: "Netlink is refused but for routes",
        act: |_| open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC),
        ..REFUSED
    },
    Attempt {
        name: "open_packet_socket",
        promise: "Raw packet sockets are refused",
        act: |_| open(libc::AF_PACKET, libc::SOCK_RAW, 0),
        ..REFUSED
    },
    Attempt {
        name: "open_mptcp",
        promise: "Multipath TCP, which port rules do not see, is refused",
        act: |_| open(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        ..REFUSED
    },
];

fn connect_loopback(stage: &Stage) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.tcp_port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1))?.write_all(b"hello")
}

fn send_datagram(stage: &Stage) -> io::Result<()> {
    let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    own.send_to(b"hello", (Ipv4Addr::LOCALHOST, stage.udp_port)).map(|_| ())
}

fn connect_abstract(stage: &Stage) -> io::Result<()> {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&stage.abstract_name)?;
    UnixStream::connect_addr(&address).map(|_| ())
}

fn read_connections(stage: &Stage) -> io::Result<()> {
    // The kernel prints addresses as hexadecimal numbers in host order (proc_net_tcp.txt).
    let listener = format!(":{:04X} ", stage.tcp_port);
    match fs::read_to_string("/proc/net/tcp")?.contains(&listener) {
        true => Ok(()),
        false => Err(io::Error::other("the host's listener is not listed")),
    }
}

fn open(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    let family = AddressFamily::from_raw(u16::try_from(family).map_err(io::Error::other)?);
    let kind = SocketType::from_raw(u32::try_from(kind).map_err(io::Error::other)?);
    let protocol = u32::try_from(protocol).ok().and_then(std::num::NonZeroU32::new).map(Protocol::from_raw);
    socket(family, kind, protocol).map(|_| ()).map_err(io::Error::from)
}
