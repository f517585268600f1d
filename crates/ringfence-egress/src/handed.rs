//! What the gateway and the inspector tell each other: a packet for each connection that is handed over, with its two
//! descriptors, and packets back that tell how much has gone through. Not a public format: both ends are the same build.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ringfence_plan::{HostName, Network, RuleId, Upstream};

/// A connection that is handed over, client and server already connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Its number.
    pub id: u32,
    /// Where it leads.
    pub address: SocketAddr,
    /// The rule that allowed it.
    pub rule: RuleId,
    /// Whom the client may name; nobody in particular where the address is allowed for its own sake.
    pub names: Vec<HostName>,
    /// Whether it is.
    pub anybody: bool,
    /// What the client has said already.
    pub first: Vec<u8>,
}

/// What the inspector tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its number.
    pub id: u32,
    /// Bytes from the workload, so far.
    pub sent: u64,
    /// Bytes to the workload, so far.
    pub received: u64,
    /// Requests, so far.
    pub requests: u32,
    /// Whether it has ended.
    pub ended: bool,
}

/// What the gateway says beside: the place of a number, which no connection has.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A connection, whose descriptors come with it.
    Handed(Handed),
    /// Whatever the connection with this number does, it ends now.
    Cut(u32),
    /// From now on these rules say who may be named.
    Rules(Box<Network>),
    /// A parent proxy behind TLS: what the gateway says on the first descriptor that comes with it goes to this name, or
    /// address, on the second.
    Wrap(String),
    /// A resolver behind TLS, connected on the second descriptor that comes with it. On the first it is said how it stands
    /// ([`Agreement`]); from then on questions and answers, each behind its length.
    Resolver(Box<Upstream>),
}

/// What becomes of TLS with a resolver, one byte in front of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Questions may be asked.
    Reached,
    /// Its certificate is not trusted, or not for it.
    Untrusted,
    /// It failed otherwise.
    Failed,
}

impl Agreement {
    /// As a byte.
    pub fn pack(self) -> [u8; 1] {
        [self as u8]
    }

    /// Reads it; what is none has failed.
    pub fn unpack(byte: u8) -> Agreement {
        let known = [Agreement::Reached, Agreement::Untrusted];
        known.into_iter().find(|known| known.pack() == [byte]).unwrap_or(Agreement::Failed)
    }
}

const CUT: u32 = u32::MAX;
const RULES: u32 = u32::MAX - 1;
const WRAP: u32 = u32::MAX - 2;
const RESOLVER: u32 = u32::MAX - 3;
/// The first number that is none of a connection.
pub const NO_CONNECTION: u32 = RESOLVER;

/// As a packet: a parent proxy that is spoken to by TLS.
pub fn wrap(name: &str) -> Vec<u8> {
    [&WRAP.to_ne_bytes(), name.as_bytes()].concat()
}

/// As a packet: a resolver that is spoken to by TLS.
pub fn resolver(upstream: &Upstream) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(upstream).ok()?;
    Some([&RESOLVER.to_ne_bytes()[..], &text].concat())
}

/// As a packet: that a connection ends.
pub fn cut(id: u32) -> Vec<u8> {
    [CUT.to_ne_bytes(), id.to_ne_bytes()].concat()
}

/// As a packet: other rules; `None` where they are longer than one.
pub fn rules(network: &Network) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(network).ok()?;
    let packet = [&RULES.to_ne_bytes()[..], &text].concat();
    (packet.len() <= LONGEST).then_some(packet)
}

impl Said {
    /// Reads a packet.
    pub fn unpack(packet: &[u8]) -> Option<Said> {
        let (number, rest) = packet.split_at_checked(4)?;
        match u32::from_ne_bytes(number.try_into().ok()?) {
            CUT => Some(Said::Cut(u32::from_ne_bytes(rest.try_into().ok()?))),
            RULES => serde_json::from_slice(rest).ok().map(Said::Rules),
            WRAP => std::str::from_utf8(rest).ok().map(|name| Said::Wrap(name.to_owned())),
            RESOLVER => serde_json::from_slice(rest).ok().map(Said::Resolver),
            _ => Handed::unpack(packet).map(Said::Handed),
        }
    }
}

/// Longest packet, bytes.
pub const LONGEST: usize = 160 * 1024;
/// Most names that one address is handed over with.
const MOST_NAMES: usize = 64;

impl Handed {
    /// As a packet; `None` where the client has said more than one holds.
    pub fn pack(&self) -> Option<Vec<u8>> {
        let mut bytes = self.id.to_ne_bytes().to_vec();
        let six = match self.address.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        bytes.extend(six.octets());
        bytes.extend(self.address.port().to_ne_bytes());
        bytes.extend(self.rule.0.to_ne_bytes());
        let names = &self.names[self.names.len().saturating_sub(MOST_NAMES)..];
        bytes.push(self.anybody.into());
        bytes.push(names.len() as u8);
        for name in names {
            bytes.push(name.as_str().len() as u8);
            bytes.extend_from_slice(name.as_str().as_bytes());
        }
        bytes.extend_from_slice(&self.first);
        (bytes.len() <= LONGEST).then_some(bytes)
    }

    /// Reads a packet.
    pub fn unpack(packet: &[u8]) -> Option<Handed> {
        let (head, mut rest) = packet.split_at_checked(28)?;
        let six = Ipv6Addr::from(<[u8; 16]>::try_from(&head[4..20]).ok()?);
        let port = u16::from_ne_bytes([head[20], head[21]]);
        let mut names = Vec::new();
        for _ in 0..head[27] {
            let (length, behind) = rest.split_first()?;
            let (name, behind) = behind.split_at_checked((*length).into())?;
            names.push(HostName::parse(std::str::from_utf8(name).ok()?).ok()?);
            rest = behind;
        }
        Some(Handed {
            id: u32::from_ne_bytes(head[..4].try_into().ok()?),
            address: SocketAddr::new(IpAddr::V6(six).to_canonical(), port),
            rule: RuleId(u32::from_ne_bytes(head[22..26].try_into().ok()?)),
            names,
            anybody: head[26] != 0,
            first: rest.to_vec(),
        })
    }
}

impl Progress {
    /// As a packet.
    pub fn pack(&self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[..4].copy_from_slice(&self.id.to_ne_bytes());
        bytes[4..12].copy_from_slice(&self.sent.to_ne_bytes());
        bytes[12..20].copy_from_slice(&self.received.to_ne_bytes());
        bytes[20..24].copy_from_slice(&self.requests.to_ne_bytes());
        bytes[24] = self.ended.into();
        bytes
    }

    /// Reads a packet.
    pub fn unpack(packet: &[u8]) -> Option<Progress> {
        let packet: &[u8; 25] = packet.try_into().ok()?;
        Some(Progress {
            id: u32::from_ne_bytes(packet[..4].try_into().ok()?),
            sent: u64::from_ne_bytes(packet[4..12].try_into().ok()?),
            received: u64::from_ne_bytes(packet[12..20].try_into().ok()?),
            requests: u32::from_ne_bytes(packet[20..24].try_into().ok()?),
            ended: packet[24] != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_arrive_as_they_were() {
        let handed = Handed {
            id: 7,
            address: "10.0.0.1:443".parse().unwrap(),
            rule: RuleId(3),
            names: vec![HostName::parse("a.org").unwrap(), HostName::parse("b.org").unwrap()],
            anybody: false,
            first: b"\x16\x03\x01".to_vec(),
        };
        assert_eq!(Handed::unpack(&handed.pack().unwrap()), Some(handed.clone()));
        assert_eq!(Handed::unpack(&handed.pack().unwrap()[..20]), None);
        assert_eq!(Said::unpack(&handed.pack().unwrap()), Some(Said::Handed(handed.clone())));
        assert_eq!(Said::unpack(&cut(7)), Some(Said::Cut(7)));
        let network = Network::none(RuleId(1));
        assert_eq!(Said::unpack(&rules(&network).unwrap()), Some(Said::Rules(Box::new(network))));
        assert_eq!(Said::unpack(&wrap("a.org")), Some(Said::Wrap("a.org".to_owned())));
        let resolver = Upstream {
            scheme: ringfence_plan::UpstreamScheme::Https("/dns-query".into()),
            host: ringfence_plan::Target::parse("2001:db8::1").unwrap(),
            port: 443,
            rule: RuleId(4),
        };
        let packet = self::resolver(&resolver).unwrap();
        assert_eq!(Said::unpack(&packet), Some(Said::Resolver(Box::new(resolver))));
        for said in [Agreement::Reached, Agreement::Untrusted, Agreement::Failed] {
            assert_eq!(Agreement::unpack(said.pack()[0]), said);
        }
        assert_eq!(Agreement::unpack(b'+'), Agreement::Failed);
        assert_eq!(Handed { first: vec![0; LONGEST], ..handed }.pack(), None);
        let progress = Progress { id: 7, sent: 1, received: u64::MAX, requests: 5, ended: true };
        assert_eq!(Progress::unpack(&progress.pack()), Some(progress));
    }
}
