//! Blocks of addresses, and what is left of one without others. Exact: an address is in the outcome or not, as written.
//!
//! Not rules: whether a block is allowed is said elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_plan::HostPattern;

/// Addresses with a common prefix (RFC 4632); the bits behind it are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Block {
    address: IpAddr,
    prefix: u8,
}

/// Every IPv4 address.
pub(super) const ALL4: Block = Block { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 };
/// Every IPv6 address.
pub(super) const ALL6: Block = Block { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 };

impl Block {
    /// `10.0.0.0/8`, or one address.
    ///
    /// # Errors
    /// What is none, or could be read in two ways; completes "`text` …".
    pub(super) fn parse(text: &str) -> Result<Block, String> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr =
            address.parse().map_err(|_| "must be a valid network CIDR: an address, a slash and bits")?;
        let bits = width(address);
        let prefix = match prefix {
            None => bits,
            Some(text)
                if text.bytes().all(|byte| byte.is_ascii_digit())
                    && (text == "0" || !text.starts_with('0')) =>
            {
                text.parse()
                    .ok()
                    .filter(|prefix| *prefix <= bits)
                    .ok_or(format!("must be a valid network CIDR: it has at most {bits} bits"))?
            }
            Some(_) => return Err("must be a valid network CIDR: the bits are a number".into()),
        };
        let block = Block::of(number(address), bits, prefix);
        if block.address != address {
            return Err(format!("must be a valid network CIDR: its network is {}", block.text()));
        }
        // An IPv4 address in an IPv6 dress is decided upon as what it is, so that such a block would mean nothing.
        if let IpAddr::V6(address) = address
            && prefix >= 96
            && address.to_ipv4_mapped().is_some()
        {
            return Err("is a block of IPv4 addresses in IPv6 form; write it as IPv4".into());
        }
        Ok(block)
    }

    /// As a rule names it.
    pub(super) fn host(self) -> HostPattern {
        HostPattern::Block { address: self.address, prefix: self.prefix }
    }

    pub(super) fn text(self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }

    /// Whether all of `other` lies within.
    pub(super) fn covers(self, other: Block) -> bool {
        let bits = width(self.address);
        bits == width(other.address)
            && self.prefix <= other.prefix
            && Block::of(number(other.address), bits, self.prefix) == self
    }

    /// What is left without `holes`, as few blocks as can be, in the order of addresses.
    pub(super) fn without(self, holes: &[Block]) -> Vec<Block> {
        let mut left = Vec::new();
        let concerned: Vec<Block> =
            holes.iter().copied().filter(|hole| hole.covers(self) || self.covers(*hole)).collect();
        self.carve(&concerned, &mut left);
        left
    }

    fn carve(self, holes: &[Block], left: &mut Vec<Block>) {
        if holes.iter().any(|hole| hole.covers(self)) {
            return;
        }
        if holes.is_empty() {
            return left.push(self);
        }
        // A hole lies within, so there is a bit more to tell its two halves apart by.
        let bits = width(self.address);
        let first = number(self.address);
        let second = first | 1 << (bits - self.prefix - 1);
        for half in [first, second] {
            let half = Block::of(half, bits, self.prefix + 1);
            let within: Vec<Block> =
                holes.iter().copied().filter(|hole| half.covers(*hole) || hole.covers(half)).collect();
            half.carve(&within, left);
        }
    }

    fn of(number: u128, bits: u8, prefix: u8) -> Block {
        // A shift by all bits is no shift for the processor, hence `checked`.
        let behind = u32::from(bits - prefix);
        let number = number.checked_shr(behind).and_then(|top| top.checked_shl(behind)).unwrap_or(0);
        let address = match bits {
            32 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(number)),
        };
        Block { address, prefix }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::parse(text).unwrap_or_else(|why| panic!("{text} {why}"))
    }

    #[test]
    fn a_block_is_read_in_one_way_only() {
        assert_eq!(block("10.0.0.1"), block("10.0.0.1/32"));
        assert_eq!(block("0.0.0.0/0"), ALL4);
        assert_eq!(block("::/0"), ALL6);
        for text in [
            "",
            "example.com",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "10.0.0/8",
            "010.0.0.0/8",
            "::/129",
            "fe80::1%eth0",
            "::ffff:10.0.0.0/104",
            "2001:db8::1/32",
            " 10.0.0.0/8",
        ] {
            assert!(Block::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_left_is_exactly_what_no_hole_covers() {
        let of = |block: &str, holes: &[&str]| -> Vec<String> {
            let holes: Vec<Block> = holes.iter().map(|hole| Block::parse(hole).unwrap()).collect();
            Block::parse(block).unwrap().without(&holes).into_iter().map(Block::text).collect()
        };
        assert_eq!(of("10.0.0.0/8", &["10.128.0.0/9"]), ["10.0.0.0/9"]);
        assert_eq!(of("10.0.0.0/30", &["10.0.0.1"]), ["10.0.0.0/32", "10.0.0.2/31"]);
        assert_eq!(of("10.0.0.0/8", &["10.0.0.0/8"]), Vec::<String>::new());
        assert_eq!(of("10.0.0.0/8", &["0.0.0.0/0"]), Vec::<String>::new());
        assert_eq!(of("10.0.0.0/8", &["11.0.0.0/8", "::/0"]), ["10.0.0.0/8"]);
        assert_eq!(of("0.0.0.0/0", &["128.0.0.0/1", "0.0.0.0/1"]), Vec::<String>::new());
        assert_eq!(of("::/0", &["::/1"]), ["8000::/1"]);
        assert_eq!(of("0.0.0.0/0", &["255.255.255.255"]).len(), 32);
        assert_eq!(of("::/0", &["::1"]).len(), 128);
    }

    proptest::proptest! {
        /// Against the slow way: every address of a small block, asked one by one.
        #[test]
        fn carving_agrees_with_asking_each_address(holes in proptest::collection::vec((0u32..64, 26u8..=32), 0..6), outer in 26u8..=30) {
            let base = 0x0a00_0000;
            let outer = Block::of(base, 32, outer);
            let holes: Vec<Block> = holes.into_iter().map(|(at, prefix)| Block::of(u128::from(at) + base, 32, prefix)).collect();
            let left = outer.without(&holes);
            for at in 0..64 {
                let one = Block::of(base + at, 32, 32);
                let expected = outer.covers(one) && !holes.iter().any(|hole| hole.covers(one));
                let found = left.iter().filter(|block| block.covers(one)).count();
                proptest::prop_assert_eq!(found, usize::from(expected));
            }
        }
    }
}
