//! Addresses that a name never leads to: this machine's, its networks', and those of cloud metadata, in every form in
//! which an IPv6 address carries an IPv4 one. A grant for a name speaks of the internet.
//!
//! Not the addresses of this machine's own interfaces: those are asked of the kernel, when something is dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address needs a rule of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The machine itself, everybody, or nobody: no rule reaches it.
    Never(&'static str),
    /// Only a rule for a block of addresses that lies within this one.
    Within(Block, &'static str),
}

/// Addresses with a common prefix (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first address.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

impl Block {
    /// Whether `address` lies within.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(block) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(block) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }

    /// Whether all of `other` lies within.
    pub fn covers(self, other: Block) -> bool {
        other.prefix >= self.prefix && self.contains(other.address)
    }
}

/// The address as it is decided upon and dialled: an IPv4-mapped one (RFC 4291, 2.5.5.2) is an IPv4 one.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What is special about an address, `None` for one of the internet at large. Expects a [`canonical`] one.
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special4(address),
        IpAddr::V6(address) => special6(address),
    }
}

const NEVER4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an address of this network (RFC 1122)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "the broadcast address"),
];

/// The most telling first: the first that contains an address is taken.
const WITHIN4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address, where cloud metadata is served"),
    (Ipv4Addr::new(100, 100, 100, 200), 32, "a cloud metadata address"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud metadata address"),
    (Ipv4Addr::new(192, 0, 0, 192), 32, "a cloud metadata address"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier's private address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an address of protocol assignments"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "an address for benchmarks"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

fn special4(address: Ipv4Addr) -> Option<Special> {
    let find = |list: &'static [(Ipv4Addr, u8, &'static str)]| {
        list.iter()
            .map(|(first, prefix, what)| (Block { address: (*first).into(), prefix: *prefix }, *what))
            .find(|(block, _)| block.contains(address.into()))
    };
    let never = find(NEVER4).map(|(_, what)| Special::Never(what));
    never.or_else(|| find(WITHIN4).map(|(block, what)| Special::Within(block, what)))
}

const NEVER6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "the loopback address"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
    // Without its interface it leads nowhere, and the interface is this machine's.
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
];

const WITHIN6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, "a cloud metadata address"),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, "a cloud metadata address"),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, "a cloud metadata address"),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, "a cloud metadata address"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "a unique local address"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "a site-local address"),
];

fn special6(address: Ipv6Addr) -> Option<Special> {
    let find = |list: &'static [(Ipv6Addr, u8, &'static str)]| {
        list.iter()
            .map(|(first, prefix, what)| (Block { address: (*first).into(), prefix: *prefix }, *what))
            .find(|(block, _)| block.contains(address.into()))
    };
    if let Some((_, what)) = find(NEVER6) {
        return Some(Special::Never(what));
    }
    // A translator or a tunnel on the way would turn it into the IPv4 address that it carries.
    if carried(address).any(|inner| special4(inner).is_some()) {
        return Some(Special::Never("an IPv6 address that carries a special IPv4 one"));
    }
    find(WITHIN6).map(|(block, what)| Special::Within(block, what))
}

/// The IPv4 addresses that an IPv6 address carries, by every way that there is.
pub fn carried(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = u128::from(address);
    let at = move |shift: u32| Ipv4Addr::from((bits >> shift) as u32);
    let segments = address.segments();
    let starts = move |prefix: &[u16]| segments.starts_with(prefix);
    let compatible =
        starts(&[0, 0, 0, 0, 0, 0]) || starts(&[0, 0, 0, 0, 0, 0xffff]) || starts(&[0, 0, 0, 0, 0xffff, 0]);
    let well_known = starts(&[0x64, 0xff9b, 0, 0, 0, 0]);
    // RFC 8215 leaves the length to the network; RFC 6052, 2.2: at /48, /56, /64 and /96, around the byte that is zero.
    let local_use = starts(&[0x64, 0xff9b, 1]);
    let six_to_four = starts(&[0x2002]);
    let teredo = starts(&[0x2001, 0]);
    let isatap = segments[5] == 0x5efe && segments[4] & !0x0200 == 0;
    [
        (compatible || well_known || local_use || isatap).then(|| at(0)),
        local_use.then(|| embedded(bits, 48)),
        local_use.then(|| embedded(bits, 56)),
        local_use.then(|| embedded(bits, 64)),
        six_to_four.then(|| at(80)),
        teredo.then(|| at(64)),
        teredo.then(|| Ipv4Addr::from(!(bits as u32))),
    ]
    .into_iter()
    .flatten()
}

/// The IPv4 address behind a prefix of `length` bits, without the byte at bits 64 to 71 (RFC 6052, 2.2).
fn embedded(bits: u128, length: u32) -> Ipv4Addr {
    let bytes = bits.to_be_bytes();
    let behind = bytes.iter().enumerate().skip(length as usize / 8).filter(|(index, _)| *index != 8);
    let mut four = behind.map(|(_, byte)| *byte);
    let mut next = || four.next().unwrap_or(0);
    Ipv4Addr::new(next(), next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Special> {
        special(canonical(text.parse().unwrap()))
    }

    #[test]
    fn what_is_not_the_internet_at_large_is_special() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "64:ff9b:1::7f00:1",
            "2002:a00:1::1",
            "2001:0:a00:1::",
            "2001::f5ff:fffe",
            "64:ff9b::169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "2a00::5efe:10.0.0.1",
        ] {
            assert!(matches!(of(address), Some(Special::Never(_))), "{address}: {:?}", of(address));
        }
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "100.127.0.1",
            "198.19.0.1",
            "250.0.0.1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fc00::1",
            "fdff::1",
            "fec0::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(matches!(of(address), Some(Special::Within(..))), "{address}: {:?}", of(address));
        }
        for address in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "2002:808:808::1", "64:ff9b::8.8.8.8"]
        {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn a_block_covers_what_lies_within() {
        let block = |text: &str, prefix| Block { address: text.parse().unwrap(), prefix };
        assert!(block("10.0.0.0", 8).covers(block("10.1.0.0", 16)));
        assert!(!block("10.1.0.0", 16).covers(block("10.0.0.0", 8)));
        assert!(block("0.0.0.0", 0).contains("9.9.9.9".parse().unwrap()));
        assert!(!block("::", 0).contains("9.9.9.9".parse().unwrap()));
    }
}
