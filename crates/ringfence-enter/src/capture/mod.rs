//! The network of a sandbox whose connections are captured: every address is local there, and whatever is sent to one
//! arrives at a listener whose descriptor is handed out. As netlink(7) messages, built before they are needed.
//!
//! Not a fence of its own: the namespace has no interface but its loopback, so nothing leaves it but through those
//! descriptors. Without the rules the network would be dead, not open.

mod message;
pub(crate) mod sockets;
mod tables;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use message::Batch;
pub(crate) use message::acknowledged;
pub(crate) use sockets::hand_over;

use crate::socket;

/// Where captured connections arrive, on every address. Privileged, so that the workload cannot take it (ip(7)).
pub const PORT: u16 = 1023;

/// The domain name service's port, which is answered on every address.
pub const DNS_PORT: u16 = 53;

/// What the sandbox calls itself: an address that programs take for a usable network (RFC 7335), so that getaddrinfo(3)
/// with AI_ADDRCONFIG looks names up.
pub const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 2);

/// The same for the sixth version: a unique local address (RFC 4193), which ranks below [`OWN`] for any global one (RFC
/// 6724).
pub const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd72, 0x696e, 0x6766, 0, 0, 0, 0, 2);

/// What resolv.conf(5) names inside.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);

/// What the gateway's raw sockets put on packets (SO_MARK, socket(7)), so that the rules know them for its answers. The
/// workload lacks the capability for it.
pub(crate) const MARK: u32 = 0x7266_0001;

/// How what is sent inside comes to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// By nf_tables(8): TCP to every port, and of UDP what these let through.
    Tables(Vec<Opening>),
    /// By a listener on each of these ports; every other one answers that nobody listens.
    Listeners {
        /// Of TCP.
        tcp: Vec<u16>,
        /// Of UDP.
        udp: Vec<u16>,
    },
}

/// Datagrams that come to the gateway; others are refused where they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// To addresses that begin with so many bits of this one; to all where there is none.
    pub block: Option<(IpAddr, u8)>,
    /// From this port on.
    pub first: u16,
    /// To this one.
    pub last: u16,
}

/// The messages, each batch to be sent whole on a socket of its own protocol.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    /// Own address and local route, rtnetlink(7).
    pub(crate) routes: Batch,
    /// The same for the sixth version, which a host may lack.
    pub(crate) routes6: Batch,
    /// nf_tables(8) rules.
    pub(crate) tables: Option<Batch>,
}

/// The channel from init, who makes the listeners, to the gateway.
///
/// # Errors
/// When no descriptor is left.
pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    socket::seqpacket_pair()
}

/// What a packet to the gateway brings, if it is none of the capture's own sockets: a listener on a port that leads to the
/// host's.
pub const HOST_PORT: u8 = 128;
/// A socket that the gateway asked for (`crate::inbound`).
pub const SOCKET: u8 = 129;
/// The end of the listeners; none follows.
pub const LAST: u8 = 255;

impl Capture {
    pub(crate) fn new(means: &Means) -> Capture {
        Capture {
            routes: message::local_everywhere(&OWN.octets()),
            routes6: message::local_everywhere(&OWN6.octets()),
            tables: match means {
                Means::Tables(openings) => Some(tables::rules(openings)),
                Means::Listeners { .. } => None,
            },
        }
    }
}
