//! What the supervisor tells the gateway while it serves: packets, some with a descriptor. Not a public format: both ends
//! are the same build.

use ringfence_plan::RuleId;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The run is over.
    End,
    /// With a listener on a port of the host's loopback: what connects there is to be led inside.
    Publish {
        /// The listener's port.
        outside: u16,
        /// The port inside.
        inside: u16,
        /// The rule that says so.
        rule: RuleId,
    },
    /// With a file: the rules from now on, as JSON of [`crate::rules::Rules::read`]. Answered by [`DONE`].
    Rules,
}

/// What the gateway answers: it serves, or it has taken new rules.
pub const DONE: &[u8] = b"\0";

/// Longest packet, bytes.
pub const LONGEST: usize = 9;

impl Order {
    /// As a packet.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Order::End => vec![0],
            Order::Publish { outside, inside, rule } => {
                let mut packet = vec![1];
                packet.extend_from_slice(&outside.to_ne_bytes());
                packet.extend_from_slice(&inside.to_ne_bytes());
                packet.extend_from_slice(&rule.0.to_ne_bytes());
                packet
            }
            Order::Rules => vec![2],
        }
    }

    /// From a packet. What is none ends the run: nothing else would be understood either.
    pub fn decode(packet: &[u8]) -> Order {
        match *packet {
            [1, a, b, c, d, e, f, g, h] => Order::Publish {
                outside: u16::from_ne_bytes([a, b]),
                inside: u16::from_ne_bytes([c, d]),
                rule: RuleId(u32::from_ne_bytes([e, f, g, h])),
            },
            [2] => Order::Rules,
            _ => Order::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_arrive_as_they_were_and_what_is_none_ends_the_run() {
        let publish = Order::Publish { outside: 8080, inside: 65535, rule: RuleId(1 << 20) };
        for order in [Order::End, publish, Order::Rules] {
            assert_eq!(Order::decode(&order.encode()), order);
            assert!(order.encode().len() <= LONGEST);
        }
        for packet in [&b""[..], b"\x01\0", b"\x02\0", b"\x09"] {
            assert_eq!(Order::decode(packet), Order::End);
        }
    }
}
