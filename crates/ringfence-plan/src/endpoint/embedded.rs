//! IPv4 addresses inside IPv6 ones: a translator or a tunnel on the way may carry a packet there.
//!
//! Only for denies. What is allowed is allowed by its own address.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Every IPv4 address that `address` stands for.
pub(super) fn ipv4(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = address.to_bits();
    let word = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    // RFC 6052, figure 1: for a prefix of 48 bits the address stands on both sides of the byte that is zero.
    let around = Ipv4Addr::from_bits(((bits >> 48) as u32 & 0xffff_0000) | ((bits >> 40) as u32 & 0xffff));
    let found = match address.segments() {
        // IPv4-mapped and IPv4-compatible (RFC 4291, section 2.5.5), and translated (RFC 7915).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(word(0)), None],
        // NAT64 (RFC 6052), and its prefix for local use (RFC 8215), which may be cut at 48 bits or at 96.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(word(0)), None],
        [0x64, 0xff9b, 1, ..] => [Some(word(0)), Some(around)],
        // 6to4 (RFC 3056).
        [0x2002, ..] => [Some(word(80)), None],
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, ..] => [Some(word(64)), Some(Ipv4Addr::from_bits(!(bits as u32)))],
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [Some(word(0)), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dress_of_an_ipv4_address_is_seen_through() {
        let cases = [
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1:abcd::127.0.0.1",
            "2002:7f00:1::9",
            "2001:0:7f00:1::",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "fe80::5efe:127.0.0.1",
            "fe80::200:5efe:127.0.0.1",
        ];
        for text in cases {
            let found: Vec<_> = ipv4(text.parse().unwrap()).collect();
            assert!(found.contains(&Ipv4Addr::LOCALHOST), "{text}: {found:?}");
        }
        for text in ["2001:db8::7f00:1", "2606:4700::7f00:1", "fe80::7f00:1"] {
            assert_eq!(ipv4(text.parse().unwrap()).count(), 0, "{text}");
        }
    }
}
