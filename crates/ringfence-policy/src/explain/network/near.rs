//! What is near this machine: addresses that the gateway keeps back, and single ports of the host's loopback.
//!
//! Not the addresses of this machine's own interfaces: they are known only where something is dialled.

use ringfence_plan::guard::Special;
use ringfence_plan::{Granted, Network, NetworkMode, Plan, Protocol, Target};

use super::is_loopback;
use crate::explain::{Because, Decision, Lost, Question, Verdict};
use crate::{Stage, StageKind};

/// The names by which a port of the host's loopback is reached.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What a plan says of a port of the host's loopback that `network.host` names or does not bound.
pub(super) fn host_port(
    network: &Network,
    (host, port, protocol): (&Target, u16, Protocol),
) -> Option<Decision> {
    if network.mode == NetworkMode::None || !is_host_port(host, protocol) {
        return None;
    }
    let rule = match &network.host {
        Granted::Any => network.rule,
        Granted::Only(ports) => ports.iter().find(|known| known.port == port)?.rule,
    };
    let denied = names(host, protocol).into_iter().find_map(|name| {
        network.deny.iter().find(|deny| deny.endpoint.covers(&name, port, protocol)).map(|deny| deny.rule)
    });
    Some(match denied {
        None => Decision::new(Verdict::Allowed, Because::Granted, Some(rule)),
        Some(deny) => {
            let mut decision = Decision::new(Verdict::Refused, Because::Denied, Some(deny));
            decision.lost.push((rule, Lost::DenyWins));
            decision
        }
    })
}

/// Whether it is a name or address by which `network.host` reaches the host's loopback.
pub(in crate::explain) fn is_host_port(host: &Target, protocol: Protocol) -> bool {
    protocol == Protocol::Tcp
        && NAMES.iter().any(|name| Target::parse(name).is_ok_and(|known| known == *host))
}

/// Everything by which a deny keeps this host away: a port of the host's loopback goes by three names.
pub(in crate::explain) fn names(host: &Target, protocol: Protocol) -> Vec<Target> {
    match is_host_port(host, protocol) {
        true => NAMES.iter().filter_map(|name| Target::parse(name).ok()).collect(),
        false => vec![host.clone()],
    }
}

/// Refuses what rules allow and the gateway keeps back. Only of all stages together it is known: a ceiling for every
/// address beside a grant for one block leads to that block.
pub(in crate::explain) fn keep_back(decided: &mut [(&Stage, Decision)], question: &Question) {
    let (host, port, protocol) = match question {
        Question::Connect { host, port, protocol } => (host, *port, *protocol),
        Question::Request { host, port, .. } => (host, *port, Protocol::Tcp),
        Question::Read(_) | Question::Write(_) | Question::Env(_) => return,
    };
    if decided.iter().any(|(_, decision)| decision.verdict == Verdict::Refused) {
        return;
    }
    let Some(network) = together(decided) else { return };
    if host_port(&network, (host, port, protocol)).is_some() {
        return;
    }
    if not_bound(decided, (host, port, protocol)) {
        return;
    }
    let address = match host {
        Target::Address(address) => *address,
        Target::Name(_) if is_loopback(host) => std::net::Ipv4Addr::LOCALHOST.into(),
        Target::Name(_) => return,
    };
    let (because, note) = match network.keeps_back(address, port, protocol) {
        None => return,
        Some(Special::Never(what)) if is_host_port(host, protocol) => {
            (Because::NotInRules, format!("it is {what}"))
        }
        Some(Special::Never(what)) => (Because::Floor, format!("it is {what}")),
        Some(Special::Within(block, what)) => (
            Because::NotInRules,
            format!(
                "it is {what}: that takes a rule for it or for a block within {}/{}",
                block.address, block.prefix
            ),
        ),
    };
    let grants = decided.iter().position(|(stage, _)| stage.kind == StageKind::Grants).unwrap_or(0);
    let (stage, decision) = &mut decided[grants];
    let mut refusal = Decision::new(Verdict::Refused, because, Some(stage.plan.network.rule));
    refusal.notes.push(note);
    if is_loopback(host) {
        refusal.notes.push(
            "inside, a loopback of its own answers; `network.host` names single ports of the host's".into(),
        );
    }
    let allowed = decision.rule.filter(|rule| *rule != stage.plan.network.rule);
    refusal.lost = allowed.into_iter().map(|rule| (rule, Lost::Far)).collect();
    *decision = refusal;
}

/// Whether a port of the host's loopback is granted and a bound names others; then the bound says no.
fn not_bound(decided: &mut [(&Stage, Decision)], (host, port, protocol): (&Target, u16, Protocol)) -> bool {
    let names = |stage: &Stage| stage.plan.network.host.iter().any(|known| known.port == port);
    let granted = |(stage, _): &(&Stage, Decision)| stage.kind == StageKind::Grants && names(stage);
    if !is_host_port(host, protocol) || !decided.iter().any(granted) {
        return false;
    }
    let bound = decided.iter_mut().find(|(stage, _)| {
        matches!(stage.kind, StageKind::Ceiling | StageKind::Parent)
            && matches!(stage.plan.network.host, Granted::Only(_))
            && !names(stage)
    });
    let Some((stage, decision)) = bound else { return false };
    let network = &stage.plan.network;
    let rule = network.host.iter().next().map_or(network.rule, |first| first.rule);
    *decision = Decision::new(Verdict::Refused, Because::Bound, Some(rule));
    true
}

/// What the plans grant together, those of the grants on the left.
fn together(decided: &[(&Stage, Decision)]) -> Option<Network> {
    let grants = |stage: &&Stage| stage.kind == StageKind::Grants;
    let stages = decided.iter().map(|(stage, _)| *stage);
    let first = stages.clone().filter(grants);
    let bounds = stages.filter(|stage| matches!(stage.kind, StageKind::Ceiling | StageKind::Parent));
    let met = first
        .chain(bounds)
        .map(|stage| &stage.plan)
        .fold(None, |met: Option<Plan>, plan| Some(met.map_or_else(|| plan.clone(), |met| met.meet(plan))));
    met.map(|plan| plan.network)
}
