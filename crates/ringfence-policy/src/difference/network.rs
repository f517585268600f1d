//! Network: every endpoint that the new rules allow is looked for among the old ones, by containment.
//!
//! Ports of several rules for one host count together; address blocks of several rules do not.

use std::net::IpAddr;

use ringfence_plan::{Endpoint, HostPattern, Network, NetworkMode, NetworkRule, Plan, Ports, Protocol, Rule};

use super::{Area, Sides, rule};

pub(super) fn compare(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    let Network { mode, allow, deny: _, rule: _ } = after;
    match (before.mode, *mode) {
        (_, NetworkMode::None) => return,
        (NetworkMode::Host, _) => {}
        (old, NetworkMode::Host) => {
            let rules = sides.both(|plan| rule(plan, plan.network.rule));
            sides.say(Area::Network, "network.mode", [word(old), "host"], rules);
        }
        (old, NetworkMode::Rules) => {
            let known: &[NetworkRule] = if old == NetworkMode::Rules { &before.allow } else { &[] };
            for allowed in allow.iter().filter(|allowed| !takes_in(known, &allowed.endpoint)) {
                let rules = [refusal(sides.before), rule(sides.after, allowed.rule)];
                sides.say(Area::Network, shown(&allowed.endpoint), ["refused", "allowed"], rules);
            }
        }
    }
    if before.mode != NetworkMode::None {
        denied_no_more(sides);
    }
}

/// Endpoints that were denied, and that the new rules let.
fn denied_no_more(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    for denied in &before.deny {
        let open = match after.mode {
            NetworkMode::None => false,
            NetworkMode::Host => !takes_in(&after.deny, &denied.endpoint),
            NetworkMode::Rules => {
                let mut common =
                    after.allow.iter().filter_map(|allow| meet(&allow.endpoint, &denied.endpoint));
                common.any(|endpoint| !takes_in(&after.deny, &endpoint))
            }
        };
        if open {
            let rules = [rule(sides.before, denied.rule), None];
            sides.say(Area::Network, shown(&denied.endpoint), ["denied", "not denied"], rules);
        }
    }
}

/// The rule by which the old plan refuses what no rule of it allows.
fn refusal(plan: &Plan) -> Option<Rule> {
    (plan.network.mode == NetworkMode::None).then(|| rule(plan, plan.network.rule)).flatten()
}

fn word(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::None => "none",
        NetworkMode::Rules => "rules",
        NetworkMode::Host => "host",
    }
}

/// Whether `rules` together mean every host and port of `inner`.
fn takes_in(rules: &[NetworkRule], inner: &Endpoint) -> bool {
    let speaks = |rule: &&NetworkRule| {
        rule.endpoint.protocol == inner.protocol && host_takes_in(&rule.endpoint.host, &inner.host)
    };
    let mut ports: Vec<Ports> = rules.iter().filter(speaks).map(|rule| rule.endpoint.ports).collect();
    ports.sort_unstable();
    let mut next = u32::from(inner.ports.first);
    for Ports { first, last } in ports {
        if u32::from(first) <= next {
            next = next.max(u32::from(last) + 1);
        }
    }
    next > u32::from(inner.ports.last)
}

/// What both mean.
fn meet(one: &Endpoint, other: &Endpoint) -> Option<Endpoint> {
    let first = one.ports.first.max(other.ports.first);
    let last = one.ports.last.min(other.ports.last);
    let host = match () {
        () if host_takes_in(&one.host, &other.host) => &other.host,
        () if host_takes_in(&other.host, &one.host) => &one.host,
        () => return None,
    };
    (one.protocol == other.protocol && first <= last).then(|| Endpoint {
        host: host.clone(),
        ports: Ports { first, last },
        protocol: one.protocol,
    })
}

fn host_takes_in(outer: &HostPattern, inner: &HostPattern) -> bool {
    let below = |name: &str, top: &str| name.strip_suffix(top).is_some_and(|head| head.ends_with('.'));
    match (outer, inner) {
        (HostPattern::Name(one), HostPattern::Name(other)) => one == other,
        (HostPattern::Below(top), HostPattern::Name(name)) => below(name.as_str(), top.as_str()),
        (HostPattern::Below(top), HostPattern::Below(name)) => {
            top == name || below(name.as_str(), top.as_str())
        }
        (
            HostPattern::Block { address: outer, prefix },
            HostPattern::Block { address: inner, prefix: longer },
        ) => prefix <= longer && same_block(*outer, *inner, *prefix),
        _ => false,
    }
}

fn same_block(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let (one, other, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits()), u128::from(other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let behind = u32::from(width - prefix.min(width));
    one.checked_shr(behind) == other.checked_shr(behind)
}

/// An endpoint as a policy words it.
fn shown(endpoint: &Endpoint) -> String {
    let host = match &endpoint.host {
        HostPattern::Name(name) => name.as_str().to_owned(),
        HostPattern::Below(name) => format!("*.{}", name.as_str()),
        HostPattern::Block { address, prefix } => {
            let (address, width) = match address {
                IpAddr::V4(address) => (address.to_string(), 32),
                IpAddr::V6(address) => (format!("[{address}]"), 128),
            };
            if *prefix == width { address } else { format!("{address}/{prefix}") }
        }
    };
    let scheme = if endpoint.protocol == Protocol::Udp { "udp://" } else { "" };
    match endpoint.ports {
        Ports { first, last } if first == last => format!("{scheme}{host}:{first}"),
        Ports { first, last } => format!("{scheme}{host}:{first}-{last}"),
    }
}
