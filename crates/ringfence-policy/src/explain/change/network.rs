//! What has to be said so that a connection is let through, or is so no more.
//!
//! Not what counts: that is the plan's.

use ringfence_plan::{NetworkMode, NetworkRule, Origin, Plan, Protocol};

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
    let denying = rules.deny.iter().filter(speaks).map(|rule| rule.rule).chain(deciding);
    for rule in denying.filter(|rule| rules.deny.iter().any(|deny| deny.rule == *rule)) {
        suggestion.remove(cite(plan, rule));
    }
    let allowed = rules.allow.iter().any(|rule| speaks(&rule));
    if rules.mode == NetworkMode::Host || (rules.mode == NetworkMode::Rules && allowed) {
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
    if !allowed {
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
