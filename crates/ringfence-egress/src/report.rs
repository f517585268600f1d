//! What the gateway tells its supervisor: packets of events. Not a public format: both ends are the same build.

use std::net::{IpAddr, Ipv6Addr};

use ringfence_plan::{Barrier, Event, Failure, Place, Protocol, RuleId};

/// Longest packet, bytes.
pub const LONGEST: usize = 8192;

/// The numbers of one event, with the length of the name behind them.
const HEAD: usize = 1 + 1 + 1 + 2 + 4 + 16 + 3 * 8 + 1;

/// Beside the version of the address: UDP.
const DATAGRAMS: u8 = 0x10;

/// In front of how many events were not told, in a packet of its own.
const MISSED: u8 = 0xff;

const BARRIERS: &[Barrier] = &[
    Barrier::NothingAllows,
    Barrier::Denied,
    Barrier::SpecialAddress,
    Barrier::OtherName,
    Barrier::Malformed,
    Barrier::HiddenName,
    Barrier::OverBudget,
    Barrier::HttpRules,
    Barrier::TooLarge,
    Barrier::Unnamed,
    Barrier::NoInspector,
    Barrier::Placeholder,
    Barrier::OnlyTcp,
];

/// Puts the event behind those of `packet`; false if there is no room for it.
pub fn append(packet: &mut Vec<u8>, event: &Event) -> bool {
    let Some(bytes) = encode(event) else { return true };
    let fits = packet.len() + bytes.len() <= LONGEST;
    if fits {
        packet.extend(bytes);
    }
    fits
}

/// A packet that says how many events were not told.
pub fn missed(events: u64) -> Vec<u8> {
    [&[MISSED][..], &events.to_ne_bytes()].concat()
}

/// What such a packet says; `None` for every other.
pub fn is_missed(packet: &[u8]) -> Option<u64> {
    match packet {
        [MISSED, events @ ..] => Some(u64::from_ne_bytes(events.try_into().ok()?)),
        _ => None,
    }
}

/// The events of a packet; what is none ends it.
pub fn events(mut packet: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((event, rest)) = decode(packet) {
        events.push(event);
        packet = rest;
    }
    events
}

fn encode(event: &Event) -> Option<Vec<u8>> {
    let packet = |kind: u8,
                  barrier: u8,
                  address: Option<IpAddr>,
                  (port, protocol): (u16, Protocol),
                  rule: RuleId,
                  numbers: [u64; 3],
                  host: &Option<String>| {
        let (has, address) = match address {
            None => (0, Ipv6Addr::UNSPECIFIED),
            Some(IpAddr::V4(address)) => (4, address.to_ipv6_mapped()),
            Some(IpAddr::V6(address)) => (6, address),
        };
        let mut bytes = vec![kind, barrier, has | if protocol.is_tcp() { 0 } else { DATAGRAMS }];
        bytes.extend_from_slice(&port.to_ne_bytes());
        bytes.extend_from_slice(&rule.0.to_ne_bytes());
        bytes.extend_from_slice(&address.octets());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_ne_bytes()));
        let host = host.as_deref().unwrap_or_default().as_bytes();
        let host = &host[..host.len().min(255)];
        bytes.push(host.len() as u8);
        bytes.extend_from_slice(host);
        bytes
    };
    match event {
        Event::NetworkRefused { host, address, port, protocol, barrier, rule } => {
            let barrier = BARRIERS.iter().position(|known| known == barrier).unwrap_or(0);
            Some(packet(1, barrier as u8, *address, (port.unwrap_or(0), *protocol), *rule, [0; 3], host))
        }
        Event::NetworkFailed { host, port, failure } => {
            let failure = Failure::ALL.iter().position(|known| known == failure)?;
            Some(packet(3, failure as u8, None, (port.unwrap_or(0), Protocol::Tcp), RuleId(0), [0; 3], host))
        }
        Event::Connected { host, address, port, protocol, rule, sent, received, millis } => {
            let numbers = [*sent, *received, *millis];
            Some(packet(2, 0, Some(*address), (*port, *protocol), *rule, numbers, host))
        }
        // Of all places, the gateway sees this one.
        Event::CredentialAlarm { host, port, place: Place::Connection, rule } => {
            Some(packet(4, 0, None, (*port, Protocol::Tcp), *rule, [0; 3], host))
        }
        Event::Inbound { outside, inside, rule, sent, received, millis } => {
            let ports = Some(IpAddr::V4(u32::from(*inside).into()));
            Some(packet(5, 0, ports, (*outside, Protocol::Tcp), *rule, [*sent, *received, *millis], &None))
        }
        _ => None,
    }
}

fn decode(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (host, rest) = rest.split_at_checked(head[HEAD - 1].into())?;
    let host = match std::str::from_utf8(host).ok()? {
        "" => None,
        // Of a name or an address, as the gateway writes them; it may have been taken over, and this may be shown.
        text if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)) => {
            Some(text.to_owned())
        }
        _ => return None,
    };
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(&head[9..25]).ok()?);
    let protocol = if head[2] & DATAGRAMS == 0 { Protocol::Tcp } else { Protocol::Udp };
    let address = match head[2] & !DATAGRAMS {
        0 => None,
        4 => Some(IpAddr::V4(six.to_ipv4_mapped()?)),
        _ => Some(IpAddr::V6(six)),
    };
    let port = u16::from_ne_bytes([head[3], head[4]]);
    let rule = RuleId(u32::from_ne_bytes(head[5..9].try_into().ok()?));
    let number = |index: usize| {
        let start = 25 + 8 * index;
        head[start..start + 8].try_into().ok().map(u64::from_ne_bytes)
    };
    let event = match head[0] {
        1 => Event::NetworkRefused {
            host,
            address,
            port: (port > 0).then_some(port),
            protocol,
            barrier: *BARRIERS.get(usize::from(head[1]))?,
            rule,
        },
        2 => Event::Connected {
            host,
            address: address?,
            port,
            protocol,
            rule,
            sent: number(0)?,
            received: number(1)?,
            millis: number(2)?,
        },
        3 => Event::NetworkFailed {
            host,
            port: (port > 0).then_some(port),
            failure: *Failure::ALL.get(usize::from(head[1]))?,
        },
        4 => Event::CredentialAlarm { host, port, place: Place::Connection, rule },
        5 => Event::Inbound {
            outside: port,
            inside: u16::try_from(u32::from(six.to_ipv4_mapped()?)).ok()?,
            rule,
            sent: number(0)?,
            received: number(1)?,
            millis: number(2)?,
        },
        _ => return None,
    };
    Some((event, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_as_they_were() {
        let refused = Event::NetworkRefused {
            host: Some("a.org".into()),
            address: Some("::ffff:1.2.3.4".parse().unwrap()),
            port: Some(443),
            protocol: Protocol::Udp,
            barrier: Barrier::SpecialAddress,
            rule: RuleId(3),
        };
        let looked_up = Event::NetworkRefused {
            host: Some("a".repeat(253)),
            address: None,
            port: None,
            protocol: Protocol::Tcp,
            barrier: Barrier::Denied,
            rule: RuleId(0),
        };
        let connected = Event::Connected {
            host: None,
            address: "1.2.3.4".parse().unwrap(),
            port: 1,
            protocol: Protocol::Udp,
            rule: RuleId(9),
            sent: 1,
            received: u64::MAX,
            millis: 3,
        };
        let failed = Event::NetworkFailed {
            host: Some("a.org".into()),
            port: Some(443),
            failure: Failure::ParentMalformed,
        };
        let mut packet = Vec::new();
        let (outside, inside) = (8080, 65535);
        let inbound = Event::Inbound { outside, inside, rule: RuleId(9), sent: 1, received: 2, millis: 3 };
        let told = [refused, looked_up, connected, failed, inbound];
        assert!(told.iter().all(|event| append(&mut packet, event)));
        assert_eq!(events(&packet), told);
        assert_eq!(events(b"\0"), []);
        let mut shown = Vec::new();
        append(
            &mut shown,
            &Event::NetworkFailed {
                host: Some("a\x1b[2J".into()),
                port: None,
                failure: Failure::NamesFailed,
            },
        );
        assert_eq!(events(&shown), []);
        assert_eq!((is_missed(&missed(7)), is_missed(&packet), events(&missed(7))), (Some(7), None, vec![]));
        let mut full = vec![0; LONGEST];
        assert!(!append(&mut full, &told[0]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_any_bytes_is_written_and_read_alike(
            heads in proptest::collection::vec((0_u8..7, 0_u8..12, 0_u8..24, "[a-z.]{0,9}"), 0..4),
            mut bytes: Vec<u8>,
        ) {
            for (kind, barrier, address, host) in heads {
                let mut head = [0; HEAD];
                (head[0], head[1], head[2], head[3]) = (kind, barrier, address, 80);
                (head[19], head[20], head[HEAD - 1]) = (0xff, 0xff, host.len() as u8);
                bytes.splice(0..0, head.into_iter().chain(host.bytes()));
            }
            let read = events(&bytes);
            let mut packet = Vec::new();
            proptest::prop_assert!(read.iter().all(|event| append(&mut packet, event)));
            proptest::prop_assert_eq!(events(&packet), read);
        }
    }
}
