//! Of a plan's network, what has to come to the gateway for it to decide: as little as the rules could let through. Pure.

use ringfence_enter::capture::{Means, Opening};
use ringfence_plan::{HostPattern, Network, NetworkMode, NetworkRule, Ports, Protocol};

/// Most openings, each of which is a rule that datagrams are held against; more become one.
const MOST: usize = 64;

pub(super) fn means(network: &Network) -> Means {
    Means::Tables(openings(network))
}

/// The datagrams that a rule could allow. What is left out is refused where it is sent.
fn openings(network: &Network) -> Vec<Opening> {
    if network.mode == NetworkMode::Host {
        return vec![opening(None, Ports::ALL)];
    }
    let rules = network.allow.iter().filter(|rule| rule.endpoint.protocol == Protocol::Udp);
    let mut openings: Vec<Opening> = rules.map(of_rule).collect();
    openings.sort_unstable();
    openings.dedup();
    if openings.len() > MOST {
        let first = openings.iter().map(|opening| opening.first).min().unwrap_or(1);
        let last = openings.iter().map(|opening| opening.last).max().unwrap_or(u16::MAX);
        openings = vec![opening(None, Ports { first, last })];
    }
    openings
}

fn of_rule(rule: &NetworkRule) -> Opening {
    let block = match rule.endpoint.host {
        HostPattern::Block { address, prefix } => Some((address, prefix)),
        // Where the name leads to is not known yet.
        HostPattern::Name(_) | HostPattern::Below(_) => None,
    };
    opening(block, rule.endpoint.ports)
}

fn opening(block: Option<(std::net::IpAddr, u8)>, Ports { first, last }: Ports) -> Opening {
    Opening { block, first, last }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::RuleId;

    use super::*;

    fn network(texts: &[String]) -> Network {
        let rule = |text: &String| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(0) };
        let allow = texts.iter().map(rule).collect();
        Network { mode: NetworkMode::Rules, allow, ..Network::none(RuleId(0)) }
    }

    #[test]
    fn only_what_a_rule_for_udp_names_is_let_through() {
        let texts = ["a.example:123", "udp://a.example:123", "udp://*.b.example:123", "udp://10.0.0.0/8:1-9"];
        let block = Some(("10.0.0.0".parse().unwrap(), 8));
        let expected =
            [opening(None, Ports { first: 123, last: 123 }), opening(block, Ports { first: 1, last: 9 })];
        assert_eq!(openings(&network(&texts.map(str::to_owned))), expected);
        assert_eq!(openings(&network(&["a.example:123".to_owned()])), []);
    }

    #[test]
    fn a_crowd_of_rules_becomes_one_opening_that_covers_them() {
        let texts: Vec<String> = (100..1000).map(|port| format!("udp://a.example:{port}")).collect();
        assert_eq!(openings(&network(&texts)), [opening(None, Ports { first: 100, last: 999 })]);
    }
}
