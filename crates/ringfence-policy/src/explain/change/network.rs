//! What has to be said so that a connection is let through, or is so no more.
//!
//! Not what counts: that is the plan's.

use std::net::Ipv4Addr;

use ringfence_plan::{NetworkMode, NetworkRule, Origin, Plan, Protocol, Target};

use super::{Step, Suggestion, text};
use crate::explain::{Question, cite, network};

pub(super) fn to_allow(plan: &Plan, question: &Question) -> Suggestion {
    let Question::Connect { host, port, protocol } = question else { return Suggestion::default() };
    let rules = &plan.network;
    let speaks = |rule: &&NetworkRule| rule.endpoint.covers(host, *port, *protocol);
    let mut suggestion = Suggestion::begin();
    // An address inside another may be denied without being named; then the deciding rule is the one.
    let deciding =
        (rules.mode != NetworkMode::None).then(|| rules.decide(host, *port, *protocol).1).flatten();
    let names = network::names(host, *protocol);
    let denies = |rule: &&NetworkRule| names.iter().any(|name| rule.endpoint.covers(name, *port, *protocol));
    let denying = rules.deny.iter().filter(denies).map(|rule| rule.rule).chain(deciding);
    for rule in denying.filter(|rule| rules.deny.iter().any(|deny| deny.rule == *rule)) {
        suggestion.remove(cite(plan, rule));
    }
    let mut allowed = rules.allow.iter().any(|rule| speaks(&rule));
    if let Target::Address(address) = host {
        allowed &= rules.keeps_back(*address, *port, *protocol).is_none();
    }
    let own_port = network::is_host_port(host, *protocol);
    let kept = own_port && rules.keeps_back(Ipv4Addr::LOCALHOST.into(), *port, *protocol).is_some();
    if (rules.mode == NetworkMode::Host && !kept) || (rules.mode == NetworkMode::Rules && allowed) {
        return suggestion;
    }
    if rules.mode == NetworkMode::None {
        // Where nobody says a mode, `allow` is enough. One that is written is replaced, not added to; a flag comes last and
        // replaces it.
        let written = cite(plan, rules.rule).filter(|rule| !matches!(rule.origin, Origin::BuiltIn(_)));
        if let Some(rule) = written {
            let flags = suggestion.flags.clone();
            suggestion.remove(Some(rule));
            suggestion.flags = flags;
            suggestion.add("network.mode", "\"rules\"", "rules");
        }
    }
    if own_port {
        suggestion.add("network.host", &text::list(&format!("localhost:{port}")), &port.to_string());
    } else if !allowed {
        let words = network::words(host, *port, *protocol);
        suggestion.add("network.allow", &text::list(&words), &words);
    }
    suggestion
}

/// A rule over requests lets its host be reached too, and no more of it than is asked for.
pub(super) fn to_let_through(plan: &Plan, question: &Question) -> Suggestion {
    let Question::Request { host, port, method, path } = question else { return Suggestion::default() };
    let connect = Question::Connect { host: host.clone(), port: *port, protocol: Protocol::Tcp };
    let mut suggestion = to_allow(plan, &connect);
    suggestion.steps.retain(|step| !matches!(step, Step::Add { line, .. } if line.starts_with("allow = ")));
    let endpoint = network::words(host, *port, Protocol::Tcp);
    let rule = format!("[{{ host = {endpoint:?}, methods = [{method:?}], paths = [{:?}] }}]", path.as_str());
    suggestion.add("network.http", &rule, "");
    suggestion
}

pub(super) fn to_refuse(question: &Question) -> Option<Suggestion> {
    let Question::Connect { host, port, protocol } = question else { return None };
    let words = network::words(host, *port, *protocol);
    let mut suggestion = Suggestion::begin();
    suggestion.add("network.deny", &text::list(&words), &words);
    Some(suggestion)
}
