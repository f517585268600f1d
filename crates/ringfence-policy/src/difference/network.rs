//! Network: every endpoint that the new rules allow is looked for among the old ones, by containment.
//!
//! Ports of several rules for one host count together; address blocks of several rules do not.

use std::net::IpAddr;

use ringfence_plan::{Endpoint, HostPattern, Network, NetworkMode, NetworkRule, Plan, Ports, Rule};

use super::{Area, Sides, rule};

mod gateway;

pub(super) fn compare(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    // What leads inside takes no network.
    gateway::ports(sides);
    // Taken apart in `gateway`, so that a new field stops the build there.
    let Network { mode, allow, .. } = after;
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
                sides.say(Area::Network, allowed.endpoint.to_string(), ["refused", "allowed"], rules);
            }
        }
    }
    if before.mode != NetworkMode::None {
        denied_no_more(sides);
        gateway::bounds(sides);
    }
    gateway::leads(sides);
}

/// Endpoints that were denied, and that the new rules let.
fn denied_no_more(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    for denied in &before.deny {
        let open = match after.mode {
            NetworkMode::None => false,
            NetworkMode::Host => !takes_in(&after.deny, &denied.endpoint),
            NetworkMode::Rules => {
                let common = after.allow.iter().filter_map(|allow| common(&allow.endpoint, &denied.endpoint));
                common.into_iter().any(|endpoint| !takes_in(&after.deny, &endpoint))
            }
        };
        if open {
            let rules = [rule(sides.before, denied.rule), None];
            sides.say(Area::Network, denied.endpoint.to_string(), ["denied", "not denied"], rules);
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

/// What of `denied` an allowed endpoint reaches. Through a translator or a tunnel an IPv6 address may lead to any IPv4 one.
fn common(allowed: &Endpoint, denied: &Endpoint) -> Option<Endpoint> {
    let v6 = matches!(allowed.host, HostPattern::Block { address: IpAddr::V6(_), .. });
    let v4 = matches!(denied.host, HostPattern::Block { address: IpAddr::V4(_), .. });
    let reaching = if v6 && v4 { &denied.host } else { &allowed.host };
    Endpoint { host: reaching.clone(), ..allowed.clone() }.intersect(denied)
}

/// Whether `rules` together mean every host and port of `inner`.
fn takes_in(rules: &[NetworkRule], inner: &Endpoint) -> bool {
    let speaks = |rule: &&NetworkRule| {
        rule.endpoint.protocol == inner.protocol && inner.host.is_within(&rule.endpoint.host)
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
