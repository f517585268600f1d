//! Packets of UDP and ICMP, header and all: what the gateway answers inside comes from whom the client sent to, whose
//! address and port no socket of the gateway's has.
//!
//! Not a socket for each answer: bind(2) to such a port would take a privilege, and a descriptor for each peer.

use std::net::{IpAddr, SocketAddr};

const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
/// Bytes of a header of UDP.
const HEADER: usize = 8;
/// Longest packet of the fourth version, and longest content of one of the sixth (RFC 791, RFC 8200).
const LONGEST: usize = 65_535;

/// Puts a datagram into `out`; false if there is none with these ends and as much content.
pub(crate) fn datagram(from: SocketAddr, to: SocketAddr, content: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let length = HEADER + content.len();
    if !network_header(out, Ends { from: from.ip(), to: to.ip() }, UDP, length) {
        return false;
    }
    let start = out.len();
    transport_header(out, from, to, length);
    out.extend_from_slice(content);
    let sum = match checksum(&pseudo_header(from.ip(), to.ip(), UDP, length), &out[start..]) {
        // Nothing at all would mean that there is none (RFC 768).
        0 => u16::MAX,
        sum => sum,
    };
    out[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
    true
}

/// Puts into `out` what tells `client` that nobody receives at `target` what it sends there: port unreachable (RFC 792,
/// RFC 4443).
pub(crate) fn unreachable(target: SocketAddr, client: SocketAddr, out: &mut Vec<u8>) -> bool {
    out.clear();
    // The head of what was sent, by which the kernel finds the socket.
    let mut quoted = Vec::with_capacity(48);
    if !network_header(&mut quoted, Ends { from: client.ip(), to: target.ip() }, UDP, HEADER) {
        return false;
    }
    transport_header(&mut quoted, client, target, HEADER);
    let (kind, code, protocol) = if target.is_ipv4() { (3, 3, ICMP) } else { (1, 4, ICMP6) };
    let length = 8 + quoted.len();
    if !network_header(out, Ends { from: target.ip(), to: client.ip() }, protocol, length) {
        return false;
    }
    let start = out.len();
    out.extend([kind, code, 0, 0, 0, 0, 0, 0]);
    out.extend(quoted);
    let pseudo =
        if target.is_ipv4() { Vec::new() } else { pseudo_header(target.ip(), client.ip(), protocol, length) };
    let sum = checksum(&pseudo, &out[start..]);
    out[start + 2..start + 4].copy_from_slice(&sum.to_be_bytes());
    true
}

struct Ends {
    from: IpAddr,
    to: IpAddr,
}

/// The header for `length` bytes behind it. Of the fourth version's, the kernel fills the checksum in (raw(7)).
fn network_header(out: &mut Vec<u8>, Ends { from, to }: Ends, protocol: u8, length: usize) -> bool {
    const HOPS: u8 = 64;
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) if length + 20 <= LONGEST => {
            let [high, low] = ((length + 20) as u16).to_be_bytes();
            // No options; not to be fragmented, which the loopback never has to.
            out.extend([0x45, 0, high, low, 0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) if length <= LONGEST => {
            let [high, low] = (length as u16).to_be_bytes();
            out.extend([0x60, 0, 0, 0, high, low, protocol, HOPS]);
            out.extend(from.octets());
            out.extend(to.octets());
        }
        _ => return false,
    }
    true
}

/// Without a checksum yet.
fn transport_header(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr, length: usize) {
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
    out.extend((length as u16).to_be_bytes());
    out.extend([0, 0]);
}

/// What is summed up beside the packet (RFC 768; RFC 8200, section 8.1).
fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend((length as u32).to_be_bytes());
    header.extend([0, 0, 0, protocol]);
    header
}

/// The internet's checksum (RFC 1071). The first part has an even length.
fn checksum(first: &[u8], second: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for part in [first, second] {
        let (pairs, last) = part.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        sum += last.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
        (from.parse().unwrap(), to.parse().unwrap())
    }

    /// What a receiver sums up is all ones.
    fn is_whole(packet: &[u8], pseudo: &[u8], header: usize) -> bool {
        checksum(pseudo, &packet[header..]) == 0
    }

    #[test]
    fn a_datagram_is_as_its_receiver_wants_it() {
        let mut out = Vec::new();
        for content in [&b""[..], b"x", b"hello"] {
            let (from, to) = ends("203.0.113.10:9999", "192.0.0.2:40000");
            assert!(datagram(from, to, content, &mut out));
            assert_eq!(out.len(), 28 + content.len());
            assert!(is_whole(&out, &pseudo_header(from.ip(), to.ip(), UDP, out.len() - 20), 20));
            let (from, to) = ends("[2001:db8::1]:443", "[2001:db8::2]:40000");
            assert!(datagram(from, to, content, &mut out));
            assert!(is_whole(&out, &pseudo_header(from.ip(), to.ip(), UDP, out.len() - 40), 40));
            assert_eq!(&out[48..], content);
        }
    }

    #[test]
    fn what_is_too_long_or_of_two_versions_is_none() {
        let mut out = Vec::new();
        let (from, to) = ends("203.0.113.10:9", "192.0.0.2:9");
        assert!(datagram(from, to, &[0; 65_507], &mut out));
        assert!(!datagram(from, to, &[0; 65_508], &mut out));
        let (from, other) = ends("[::1]:9", "[::2]:9");
        assert!(datagram(from, other, &[0; 65_527], &mut out));
        assert!(!datagram(from, other, &[0; 65_528], &mut out));
        assert!(!datagram(from, to, b"", &mut out));
        assert!(!unreachable(from, to, &mut out));
    }

    #[test]
    fn an_answer_that_nobody_is_there_quotes_what_was_sent() {
        let mut out = Vec::new();
        let (target, client) = ends("203.0.113.10:9999", "192.0.0.2:40000");
        assert!(unreachable(target, client, &mut out));
        assert!(is_whole(&out, &[], 20));
        assert_eq!(out[20..22], [3, 3]);
        assert_eq!(out[28 + 12..28 + 20], [192, 0, 0, 2, 203, 0, 113, 10]);
        assert_eq!(out[48..52], [40000_u16.to_be_bytes(), 9999_u16.to_be_bytes()].concat());
        let (target, client) = ends("[2001:db8::1]:443", "[2001:db8::2]:40000");
        assert!(unreachable(target, client, &mut out));
        assert!(is_whole(&out, &pseudo_header(target.ip(), client.ip(), ICMP6, out.len() - 40), 40));
    }
}
