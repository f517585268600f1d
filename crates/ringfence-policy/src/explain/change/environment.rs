//! What has to be said so that a variable is there, or is there no more.
//!
//! Not what counts: that is the plan's.

use ringfence_plan::{EnvPattern, Plan};

use super::{Suggestion, text};
use crate::explain::cite;
use crate::explain::environment::is_dangerous;

pub(super) fn to_allow(plan: &Plan, name: &str) -> Suggestion {
    let environment = &plan.environment;
    let speaks = |pattern: &&EnvPattern| pattern.matches(name.as_ref());
    let mut suggestion = Suggestion::begin();
    for pattern in environment.deny.iter().filter(speaks) {
        suggestion.remove(cite(plan, pattern.rule));
    }
    for list in environment.within.iter().filter(|list| !list.iter().any(|pattern| speaks(&pattern))) {
        let line = list.first().and_then(|pattern| cite(plan, pattern.rule));
        suggestion.notes.extend(line.map(|line| format!("a bound does not include it: {line}")));
    }
    let without_denies = ringfence_plan::Environment { deny: Vec::new(), ..environment.clone() };
    if environment.set.contains_key(name) || without_denies.passes(name.as_ref()) {
        return suggestion;
    }
    if is_dangerous(name) {
        suggestion.notes.push("write the value out; the caller's own never passes".into());
        suggestion.add("environment.set", &format!("{{ {} = \"…\" }}", key(name)), "");
        // `--env NAME=VALUE` is the flag that sets.
        let flag = format!("--env {}", text::for_shell(&format!("{name}=…")));
        suggestion.flags = environment.deny.iter().all(|pattern| !speaks(&pattern)).then_some(flag);
        return suggestion;
    }
    suggestion.add("environment.pass", &text::list(name), name);
    suggestion
}

pub(super) fn to_refuse(name: &str) -> Option<Suggestion> {
    let mut suggestion = Suggestion::begin();
    suggestion.add("environment.deny", &text::list(name), name);
    Some(suggestion)
}

/// A key of TOML.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.into() } else { text::quoted(name) }
}
