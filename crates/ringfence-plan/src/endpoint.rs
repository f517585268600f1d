//! Where a connection goes: a host by name or by address, ports, a protocol. Names are canonical; matching is exact.
//!
//! Not resolution: a name covers no address and an address block no name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod embedded;
mod parse;

pub use parse::BadEndpoint;

/// Hosts, ports and a protocol that a rule speaks of. Written out as the text that [`Endpoint::parse`] reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
#[serde(try_from = "String", into = "String")]
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
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Where a connection of the workload is to go: one name or one address, as it named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A name, not resolved.
    Name(HostName),
    /// An address; an IPv4 one in an IPv6 dress (`::ffff:1.2.3.4`) counts as what it is.
    Address(IpAddr),
}

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Whether it is TCP, which records leave out.
    pub fn is_tcp(&self) -> bool {
        *self == Protocol::Tcp
    }

    /// What stands before the host in a rule.
    pub fn scheme(self) -> &'static str {
        match self {
            Protocol::Tcp => "",
            Protocol::Udp => "udp://",
        }
    }
}

impl Endpoint {
    /// Reads one rule's text. Without a port it means two endpoints, those of the web: 80 and 443.
    ///
    /// # Errors
    /// Whatever a resolver, a library or a person could read in two ways; see [`BadEndpoint`].
    pub fn parse(text: &str) -> Result<Vec<Endpoint>, BadEndpoint> {
        parse::endpoints(text)
    }

    /// Whether a connection to `target` is meant.
    pub fn covers(&self, target: &Target, port: u16, protocol: Protocol) -> bool {
        self.protocol == protocol && self.ports.contain(port) && self.host.covers(target)
    }

    /// Whether everything that this one means is meant by `other` too.
    pub fn is_within(&self, other: &Endpoint) -> bool {
        self.protocol == other.protocol
            && self.ports.is_within(other.ports)
            && self.host.is_within(&other.host)
    }

    /// What both mean, if there is anything.
    pub fn intersect(&self, other: &Endpoint) -> Option<Endpoint> {
        let host = self.host.intersect(&other.host)?.clone();
        let ports = self.ports.intersect(other.ports)?;
        (self.protocol == other.protocol).then_some(Endpoint { host, ports, protocol: self.protocol })
    }
}

impl HostPattern {
    /// Reads hosts without ports: a name, `*.` before one, an address or a block of them.
    ///
    /// # Errors
    /// As for an endpoint; and a port.
    pub fn parse(text: &str) -> Result<HostPattern, BadEndpoint> {
        parse::hosts(text)
    }

    /// Whether `target` is meant.
    pub fn covers(&self, target: &Target) -> bool {
        match (self, target) {
            (HostPattern::Name(own), Target::Name(name)) => own == name,
            (HostPattern::Below(top), Target::Name(name)) => name.is_below(top),
            (HostPattern::Block { address, prefix }, Target::Address(target)) => {
                first_of_block(*target, *prefix) == Some(*address)
            }
            (HostPattern::Name(_) | HostPattern::Below(_), Target::Address(_)) => false,
            (HostPattern::Block { .. }, Target::Name(_)) => false,
        }
    }

    /// Whether every host of this pattern is one of `other`.
    pub fn is_within(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Name(name), HostPattern::Name(other)) => name == other,
            (HostPattern::Name(name), HostPattern::Below(top)) => name.is_below(top),
            (HostPattern::Below(inner), HostPattern::Below(top)) => inner == top || inner.is_below(top),
            (
                HostPattern::Block { address, prefix },
                HostPattern::Block { address: other, prefix: shorter },
            ) => prefix >= shorter && first_of_block(*address, *shorter) == Some(*other),
            // A name is no block, and what lies below a name is never a single one.
            _ => false,
        }
    }

    /// The hosts of both. Of two patterns that have a host in common one always holds the other.
    pub fn intersect<'a>(&'a self, other: &'a HostPattern) -> Option<&'a HostPattern> {
        match () {
            () if self.is_within(other) => Some(self),
            () if other.is_within(self) => Some(other),
            () => None,
        }
    }
}

impl HostName {
    /// `text` in canonical form.
    ///
    /// # Errors
    /// What is no host name, and what could be read as an address.
    pub fn parse(text: &str) -> Result<HostName, BadEndpoint> {
        parse::name(text).map(HostName)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name lies one or more labels below `top`.
    pub fn is_below(&self, top: &HostName) -> bool {
        self.0.strip_suffix(top.as_str()).is_some_and(|labels| labels.ends_with('.'))
    }

    /// The names that this one lies below, nearest first.
    pub(crate) fn parents(&self) -> impl Iterator<Item = HostName> + '_ {
        self.0.match_indices('.').map(|(dot, _)| HostName(self.0[dot + 1..].to_owned()))
    }
}

impl Target {
    /// A host as a program names it: a name, or an address with or without the brackets of a URL.
    ///
    /// # Errors
    /// As for a rule: what could be read in two ways is refused, not guessed.
    pub fn parse(text: &str) -> Result<Target, BadEndpoint> {
        parse::target(text)
    }

    /// An address.
    pub fn address(address: IpAddr) -> Target {
        Target::Address(address.to_canonical())
    }

    /// The IPv4 addresses that a packet to this IPv6 address may end up at.
    pub(crate) fn embedded(&self) -> Vec<Target> {
        match self {
            Target::Address(IpAddr::V6(address)) => {
                embedded::ipv4(*address).map(|address| Target::Address(IpAddr::V4(address))).collect()
            }
            Target::Address(IpAddr::V4(_)) | Target::Name(_) => Vec::new(),
        }
    }
}

impl Ports {
    /// Every port that can be connected to.
    pub const ALL: Ports = Ports { first: 1, last: u16::MAX };

    /// One port.
    pub fn one(port: u16) -> Ports {
        Ports { first: port, last: port }
    }

    /// Whether `port` is among them.
    pub fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether all of them are among `other`.
    pub fn is_within(self, other: Ports) -> bool {
        other.first <= self.first && self.last <= other.last
    }

    /// Those of both, if there are any.
    pub fn intersect(self, other: Ports) -> Option<Ports> {
        let both = Ports { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }
}

/// The first address of the block of `prefix` bits around `address`; `None` where it has fewer bits.
pub(crate) fn first_of_block(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    // A shift by all bits is no shift for the processor, hence `checked`: a block of no bits holds every address.
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32u32.checked_sub(prefix)?).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128u32.checked_sub(prefix)?).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", self.protocol.scheme(), self.host, self.ports)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Name(name) => f.write_str(name.as_str()),
            HostPattern::Below(name) => write!(f, "*.{}", name.as_str()),
            HostPattern::Block { address: IpAddr::V4(address), prefix: 32 } => write!(f, "{address}"),
            HostPattern::Block { address: IpAddr::V6(address), prefix: 128 } => write!(f, "[{address}]"),
            HostPattern::Block { address: IpAddr::V4(address), prefix } => write!(f, "{address}/{prefix}"),
            HostPattern::Block { address: IpAddr::V6(address), prefix } => write!(f, "[{address}]/{prefix}"),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name) => name.fmt(f),
            Target::Address(IpAddr::V4(address)) => address.fmt(f),
            Target::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ports { first, last } if first == last => first.fmt(f),
            Ports { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;
    /// One endpoint; a text without a port is two.
    fn from_str(text: &str) -> Result<Endpoint, BadEndpoint> {
        match Endpoint::parse(text)?.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(BadEndpoint::NoPort),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = BadEndpoint;
    fn try_from(text: String) -> Result<Endpoint, BadEndpoint> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl TryFrom<String> for HostPattern {
    type Error = BadEndpoint;
    fn try_from(text: String) -> Result<HostPattern, BadEndpoint> {
        HostPattern::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(host: HostPattern) -> String {
        host.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = BadEndpoint;
    fn try_from(text: String) -> Result<Target, BadEndpoint> {
        Target::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl TryFrom<String> for HostName {
    type Error = BadEndpoint;
    fn try_from(text: String) -> Result<HostName, BadEndpoint> {
        HostName::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests;
