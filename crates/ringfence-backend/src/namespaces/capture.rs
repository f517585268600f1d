//! Of a plan's network, what has to come to the gateway for it to decide: as little as the rules could let through. Pure.

use std::collections::BTreeSet;

use ringfence_enter::capture::{DNS_PORT, Means, Opening, PORT};
use ringfence_plan::{Capture, HostPattern, Network, NetworkMode, NetworkRule, Ports, Protocol};

/// Most openings, each of which is a rule that datagrams are held against; more become one.
const MOST: usize = 64;

/// Most listeners of each protocol, where every port needs one.
const MOST_LISTENERS: usize = 256;

/// Of rules for more ports than that, those that are most likely meant.
const LIKELY: [u16; 4] = [22, 80, 123, 443];

pub(super) fn means(network: &Network, capture: &Capture) -> Means {
    match capture {
        // Without any, the plan is not held, and this is never used.
        Capture::Tables | Capture::None { .. } => Means::Tables(openings(network)),
        Capture::Listeners { .. } => {
            let ports = |protocol| listened(network, protocol).ports.into_iter().collect();
            Means::Listeners { tcp: ports(Protocol::Tcp), udp: ports(Protocol::Udp) }
        }
    }
}

/// What is lost where each port needs a listener, if anything is.
pub(super) fn lost(network: &Network) -> Option<String> {
    let [tcp, udp] = [Protocol::Tcp, Protocol::Udp].map(|protocol| listened(network, protocol));
    let mut lost = Vec::new();
    if !tcp.all || !udp.all {
        lost.push(format!(
            "of rules for many ports only {} are captured, and the others of TCP are reached through the proxy alone",
            LIKELY.map(|port| port.to_string()).join(", "),
        ));
    }
    if tcp.ports.iter().chain(&udp.ports).any(|port| *port >= UNPRIVILEGED) {
        lost.push("the command cannot listen itself on a port that a rule names".to_owned());
    }
    (!lost.is_empty()).then(|| lost.join("; "))
}

/// From here on, whoever comes first may listen (ip(7)).
const UNPRIVILEGED: u16 = 1024;

/// The ports that rules name, as far as there can be listeners.
struct Listened {
    ports: BTreeSet<u16>,
    all: bool,
}

fn listened(network: &Network, protocol: Protocol) -> Listened {
    let mut ranges: Vec<Ports> = match network.mode {
        NetworkMode::Host => vec![Ports::ALL],
        _ => {
            let rules = network.allow.iter().filter(|rule| rule.endpoint.protocol == protocol);
            rules.map(|rule| rule.endpoint.ports).collect()
        }
    };
    ranges.sort_by_key(|ports| ports.last - ports.first);
    let mut listened = Listened { ports: BTreeSet::new(), all: true };
    for Ports { first, last } in ranges {
        let fits = usize::from(last - first) < MOST_LISTENERS
            && (first..=last).filter(|port| !listened.ports.contains(port)).count() + listened.ports.len()
                <= MOST_LISTENERS;
        if fits {
            listened.ports.extend(first..=last);
        } else {
            listened.all = false;
            listened.ports.extend(LIKELY.iter().filter(|port| (first..=last).contains(port)));
        }
    }
    if network.is_closed() && protocol == Protocol::Tcp {
        // What may be added while it runs is most likely one of these.
        listened.ports.extend(LIKELY);
    }
    // The gateway is there already.
    listened.ports.retain(|port| !matches!(*port, DNS_PORT | PORT));
    listened
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
    fn without_tables_each_port_that_a_rule_names_has_a_listener() {
        let capture = Capture::Listeners { why: String::new(), mend: String::new() };
        let few = network(&["a.example:22", "a.example:5430-5432", "udp://a.example:123"].map(str::to_owned));
        let tcp = vec![22, 5430, 5431, 5432];
        assert_eq!(means(&few, &capture), Means::Listeners { tcp, udp: vec![123] });
        assert!(lost(&few).unwrap().contains("cannot listen"));
        let many = network(&["a.example:443", "a.example:1-65535"].map(str::to_owned));
        let tcp = vec![22, 80, 123, 443];
        assert_eq!(means(&many, &capture), Means::Listeners { tcp, udp: vec![] });
        assert!(lost(&many).unwrap().contains("proxy"));
        assert_eq!(lost(&network(&["a.example:443".to_owned()])), None);
        // Where no rule is there yet, one may come.
        let tcp = LIKELY.to_vec();
        assert_eq!(means(&network(&[]), &capture), Means::Listeners { tcp, udp: vec![] });
    }

    #[test]
    fn a_crowd_of_rules_becomes_one_opening_that_covers_them() {
        let texts: Vec<String> = (100..1000).map(|port| format!("udp://a.example:{port}")).collect();
        assert_eq!(openings(&network(&texts)), [opening(None, Ports { first: 100, last: 999 })]);
    }
}
