//! The nf_tables(8) rules of a captured network, as the kernel takes them (linux/netfilter/nf_tables.h).
//!
//! TCP comes to the listener by TPROXY, not by REDIRECT: the accepted socket has the original destination for its own
//! address, and neither address translation nor connection tracking is switched on for it.

use std::net::IpAddr;

use super::message::{APPEND, Attributes, Batch, CREATE};
use super::{DNS_PORT, MARK, OWN, OWN6, Opening, PORT};

const TABLE: &str = "ringfence";

/// NFPROTO_INET.
const INET: u8 = 1;
const ACCEPT: u32 = 1;

pub(super) fn rules(openings: &[Opening]) -> Batch {
    let mut batch = Batch::default();
    // NFNL_MSG_BATCH_BEGIN and _END: all or nothing.
    batch.mark(0x10, &[0, 0, 0, SUBSYSTEM as u8]);
    batch.message(kind(0), CREATE, &GENERIC, |attributes| {
        attributes.text(1, TABLE);
    });
    capture(&mut batch, openings);
    refuse(&mut batch, openings);
    batch.mark(0x11, &[0, 0, 0, SUBSYSTEM as u8]);
    batch
}

const SUBSYSTEM: u16 = 10;
/// `struct nfgenmsg`.
const GENERIC: [u8; 4] = [INET, 0, 0, 0];

fn kind(message: u16) -> u16 {
    SUBSYSTEM << 8 | message
}

/// What arrives: TCP to any address but the sandbox's own goes to the listener; so does UDP that is no question of names,
/// for of others only what an opening is for was sent.
fn capture(batch: &mut Batch, openings: &[Opening]) {
    chain(batch, "arriving", Hook { number: 0, priority: -150 });
    own_addresses(batch, "arriving");
    rule(batch, "arriving", |rule| {
        rule.is_protocol(libc::IPPROTO_TCP as u8);
        rule.hand_to_listener();
    });
    // Nobody listens any more: an answer, not silence.
    rule(batch, "arriving", |rule| {
        rule.is_protocol(libc::IPPROTO_TCP as u8);
        rule.expression("reject", |data| {
            data.number(1, 1).bytes(2, &[0]);
        });
    });
    if !openings.is_empty() {
        answers(batch, "arriving");
        questions(batch, "arriving");
        rule(batch, "arriving", |rule| {
            rule.is_protocol(libc::IPPROTO_UDP as u8);
            rule.hand_to_listener();
        });
        rule(batch, "arriving", |rule| {
            rule.is_protocol(libc::IPPROTO_UDP as u8);
            rule.port_unreachable();
        });
    }
}

/// What is sent: nothing but TCP, questions of names and what an opening is for goes to an address that is not the sandbox's own. Refused where
/// it is sent, the caller has the error from its call and waits for nothing.
fn refuse(batch: &mut Batch, openings: &[Opening]) {
    chain(batch, "sent", Hook { number: 3, priority: 0 });
    // First, since every packet of every connection comes here.
    rule(batch, "sent", |rule| {
        rule.is_protocol(libc::IPPROTO_TCP as u8);
        rule.verdict(ACCEPT);
    });
    own_addresses(batch, "sent");
    questions(batch, "sent");
    if !openings.is_empty() {
        answers(batch, "sent");
    }
    for opening in openings {
        rule(batch, "sent", |rule| {
            if let Some((address, prefix)) = opening.block {
                rule.is_to(address, prefix);
            }
            rule.is_protocol(libc::IPPROTO_UDP as u8);
            rule.destination_port(opening.first, opening.last);
            rule.verdict(ACCEPT);
        });
    }
    rule(batch, "sent", |rule| rule.port_unreachable());
}

/// Questions of names, and their answers, which come from where the question went. Source and destination port are the
/// first four bytes.
fn questions(batch: &mut Batch, chain: &str) {
    for offset in [0, 2] {
        rule(batch, chain, |rule| {
            rule.is_protocol(libc::IPPROTO_UDP as u8);
            rule.holds(TRANSPORT, offset, &DNS_PORT.to_be_bytes());
            rule.verdict(ACCEPT);
        });
    }
}

/// What the gateway sends by its raw sockets.
fn answers(batch: &mut Batch, chain: &str) {
    rule(batch, chain, |rule| {
        // NFT_META_MARK.
        rule.meta(3, &MARK.to_ne_bytes());
        rule.verdict(ACCEPT);
    });
}

/// The sandbox's own addresses are left alone.
fn own_addresses(batch: &mut Batch, chain: &str) {
    let loopback6 = std::net::Ipv6Addr::LOCALHOST.octets();
    for (family, offset, address) in [
        (libc::NFPROTO_IPV4, 16, &[127][..]),
        (libc::NFPROTO_IPV4, 16, &OWN.octets()),
        (libc::NFPROTO_IPV6, 24, &loopback6),
        (libc::NFPROTO_IPV6, 24, &OWN6.octets()),
    ] {
        rule(batch, chain, |rule| {
            rule.is_family(family as u8);
            rule.holds(NETWORK, offset, address);
            rule.verdict(ACCEPT);
        });
    }
}

/// Where a chain hangs (`enum nf_inet_hooks`), and before what else.
struct Hook {
    number: u32,
    priority: i32,
}

fn chain(batch: &mut Batch, name: &str, hook: Hook) {
    batch.message(kind(3), CREATE, &GENERIC, |attributes| {
        attributes.text(1, TABLE).text(3, name).nest(4, |attributes| {
            attributes.number(1, hook.number).number(2, hook.priority as u32);
        });
        attributes.number(5, ACCEPT).text(7, "filter");
    });
}

fn rule(batch: &mut Batch, chain: &str, fill: impl FnOnce(&mut Rule<'_, '_>)) {
    batch.message(kind(6), CREATE | APPEND, &GENERIC, |attributes| {
        attributes.text(1, TABLE).text(2, chain).nest(4, |list| fill(&mut Rule(list)));
    });
}

/// The expressions of a rule.
struct Rule<'a, 'b>(&'a mut Attributes<'b>);

/// NFT_REG_1; 0 is the verdict's.
const REGISTER: u32 = 1;
/// `enum nft_payload_bases`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

impl Rule<'_, '_> {
    fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) {
        self.0.nest(1, |element| {
            element.text(1, name).nest(2, fill);
        });
    }

    /// NFT_META_NFPROTO.
    fn is_family(&mut self, family: u8) {
        self.meta(15, &[family]);
    }

    /// NFT_META_L4PROTO.
    fn is_protocol(&mut self, protocol: u8) {
        self.meta(16, &[protocol]);
    }

    fn meta(&mut self, key: u32, value: &[u8]) {
        self.expression("meta", |data| {
            data.number(1, REGISTER).number(2, key);
        });
        self.equals(value);
    }

    /// The bytes at `offset` of the header are `value`.
    fn holds(&mut self, header: u32, offset: u32, value: &[u8]) {
        self.load(header, offset, value.len());
        self.equals(value);
    }

    fn load(&mut self, header: u32, offset: u32, length: usize) {
        self.expression("payload", |data| {
            data.number(1, REGISTER).number(2, header).number(3, offset).number(4, length as u32);
        });
    }

    fn equals(&mut self, value: &[u8]) {
        self.compare(0, value);
    }

    /// `enum nft_cmp_ops`: 0 is equal, 3 at most, 5 at least.
    fn compare(&mut self, operator: u32, value: &[u8]) {
        self.expression("cmp", |data| {
            data.number(1, REGISTER).number(2, operator).nest(3, |data| {
                data.bytes(1, value);
            });
        });
    }

    fn destination_port(&mut self, first: u16, last: u16) {
        self.load(TRANSPORT, 2, 2);
        self.compare(5, &first.to_be_bytes());
        self.compare(3, &last.to_be_bytes());
    }

    /// To an address whose first `prefix` bits are those of `address`.
    fn is_to(&mut self, address: IpAddr, prefix: u8) {
        let (family, offset, bytes) = match address {
            IpAddr::V4(address) => (libc::NFPROTO_IPV4, 16, address.octets().to_vec()),
            IpAddr::V6(address) => (libc::NFPROTO_IPV6, 24, address.octets().to_vec()),
        };
        let mask = mask(bytes.len(), prefix);
        let wanted: Vec<u8> = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
        self.is_family(family as u8);
        self.load(NETWORK, offset, bytes.len());
        self.expression("bitwise", |data| {
            data.number(1, REGISTER).number(2, REGISTER).number(3, bytes.len() as u32);
            data.nest(4, |data| {
                data.bytes(1, &mask);
            });
            data.nest(5, |data| {
                data.bytes(1, &vec![0; bytes.len()]);
            });
        });
        self.equals(&wanted);
    }

    /// TPROXY to [`PORT`], whatever the protocol.
    fn hand_to_listener(&mut self) {
        self.expression("immediate", |data| {
            data.number(1, REGISTER).nest(2, |data| {
                data.bytes(1, &PORT.to_be_bytes());
            });
        });
        self.expression("tproxy", |data| {
            data.number(1, 0).number(3, REGISTER);
        });
        self.verdict(ACCEPT);
    }

    /// NFT_REJECT_ICMPX_UNREACH, port unreachable.
    fn port_unreachable(&mut self) {
        self.expression("reject", |data| {
            data.number(1, 2).bytes(2, &[1]);
        });
    }

    fn verdict(&mut self, code: u32) {
        self.expression("immediate", |data| {
            data.number(1, 0).nest(2, |data| {
                data.nest(2, |data| {
                    data.number(1, code);
                });
            });
        });
    }
}

/// So many bytes, of whose bits the first `prefix` are set.
fn mask(length: usize, prefix: u8) -> Vec<u8> {
    let bits = |index: usize| usize::from(prefix).saturating_sub(index * 8).min(8) as u32;
    (0..length).map(|index| !0xff_u8.checked_shr(bits(index)).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_as_many_bits_as_the_prefix() {
        assert_eq!(mask(4, 0), [0, 0, 0, 0]);
        assert_eq!(mask(4, 12), [0xff, 0xf0, 0, 0]);
        assert_eq!(mask(4, 32), [0xff; 4]);
        assert_eq!(mask(16, 65)[7..10], [0xff, 0x80, 0]);
    }
}
