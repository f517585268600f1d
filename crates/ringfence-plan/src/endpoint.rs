//! Where a connection goes: a host by name or by address, ports, a protocol. Names are canonical; matching is exact.
//!
//! Not resolution: a name covers no address and an address block no name.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Hosts, ports and a protocol that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which hosts.
    pub host: HostPattern,
    /// Which ports.
    pub ports: Ports,
    /// Over which protocol.
    pub protocol: Protocol,
}

/// The hosts of an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPattern {
    /// One name.
    Name(HostName),
    /// Every name one or more labels below this one, never the name itself: `*.example.org`.
    Below(HostName),
    /// A block of addresses (RFC 4632); one address is a block of its full length.
    Block {
        /// The first address; bits behind the prefix are zero.
        address: IpAddr,
        /// Bits that count.
        prefix: u8,
    },
}

/// A host name in canonical form: ASCII letters in lower case, digits and hyphens in labels of 1 to 63, without a
/// trailing dot (RFC 1123, section 2.1). Internationalised names stand in their `xn--` form (RFC 5890).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostName(String);

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
