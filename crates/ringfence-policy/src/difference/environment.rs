//! Variables: full names are asked of both plans; what patterns let through is compared as patterns.
//!
//! No values: they may be secrets.

use std::collections::BTreeSet;

use ringfence_plan::{EnvPattern, Environment, Plan, RuleId};

use super::{Area, Change, Sides, rule};

pub(super) fn compare(sides: &mut Sides<'_>) {
    let Environment { pass: _, refuse: _, deny: _, within: _, set: _ } = &sides.after.environment;
    passed(sides);
    refused_no_more(sides);
    denied_no_more(sides);
    unbounded(sides);
    set(sides);
}

const PASSES: [&str; 2] = ["not passed", "passed"];

/// Names and patterns that pass now.
fn passed(sides: &mut Sides<'_>) {
    let (before, after) = (sides.before, sides.after);
    for pattern in &after.environment.pass {
        let wider = match is_full(pattern) {
            true => passes_now(before, after, &pattern.name),
            false => !before.environment.pass.iter().any(|known| takes_in(known, pattern)),
        };
        if wider {
            sides.say(Area::Environment, &pattern.name, PASSES, [None, rule(after, pattern.rule)]);
        }
    }
}

/// Names that no pattern let through, and that one lets through now.
fn refused_no_more(sides: &mut Sides<'_>) {
    for pattern in &sides.before.environment.refuse {
        released(sides, pattern);
    }
}

/// Names that were denied, and that pass now.
fn denied_no_more(sides: &mut Sides<'_>) {
    for pattern in &sides.before.environment.deny {
        released(sides, pattern);
    }
}

/// A pattern that kept variables away. Those that the new plan names in full are asked for elsewhere.
fn released(sides: &mut Sides<'_>, pattern: &EnvPattern) {
    let (before, after) = (sides.before, sides.after);
    let mut away = after.environment.refuse.iter().chain(&after.environment.deny);
    let mut patterns = after.environment.pass.iter().filter(|pass| !is_full(pass));
    let wider = match is_full(pattern) {
        true => passes_now(before, after, &pattern.name),
        false => !away.any(|kept| takes_in(kept, pattern)) && patterns.any(|pass| may_meet(pass, pattern)),
    };
    let known = |change: &Change| change.area == Area::Environment && change.subject == pattern.name;
    if wider && !sides.changes.iter().any(known) {
        let rules = [rule(before, pattern.rule), None];
        sides.say(Area::Environment, &pattern.name, ["kept away", "not kept away"], rules);
    }
}

/// Bounds that are gone.
fn unbounded(sides: &mut Sides<'_>) {
    let (before, after) = (sides.before, sides.after);
    for bound in &before.environment.within {
        let within = |pattern: &EnvPattern| bound.iter().any(|outer| takes_in(outer, pattern));
        let kept = after.environment.within.iter().any(|list| list.iter().all(within));
        if !kept && !after.environment.pass.iter().filter(|pass| !is_full(pass)).all(within) {
            let names: Vec<_> = bound.iter().map(|pattern| pattern.name.as_str()).collect();
            let words = [format!("within {}", names.join(" ")), "not bound by that".to_owned()];
            let rules = [bound.first().and_then(|pattern| rule(before, pattern.rule)), None];
            sides.say(Area::Environment, "variables that pass", words, rules);
        }
    }
}

/// Variables with a value of the policy's own that were absent or had another value, and such as lost theirs.
fn set(sides: &mut Sides<'_>) {
    let (before, after) = (sides.before, sides.after);
    let names: BTreeSet<&String> =
        before.environment.set.keys().chain(after.environment.set.keys()).collect();
    for name in names {
        let (old, new) = (own_value(&before.environment, name), own_value(&after.environment, name));
        let rules = [old.and_then(|(_, at)| rule(before, at)), new.and_then(|(_, at)| rule(after, at))];
        let words = match (old, new) {
            (Some((one, _)), Some((other, _))) if one != other => ["set to another value", SET],
            (None, Some(_)) if before.environment.passes(name.as_ref()) => [CALLERS, SET],
            (None, Some(_)) => ["not passed", SET],
            (Some(_), None) if after.environment.passes(name.as_ref()) => [SET, CALLERS],
            _ => continue,
        };
        let known = |change: &Change| change.area == Area::Environment && change.subject == *name;
        if !sides.changes.iter().any(known) {
            sides.say(Area::Environment, name, words, rules);
        }
    }
}

const SET: &str = "set by the policy";
const CALLERS: &str = "passed with the caller's value";

/// The value that the policy gives a variable.
fn own_value<'a>(environment: &'a Environment, name: &str) -> Option<(&'a str, RuleId)> {
    let denied = environment.deny.iter().any(|pattern| pattern.matches(name.as_ref()));
    environment.set.get(name).filter(|_| !denied).map(|(value, at)| (value.as_str(), *at))
}

fn passes_now(before: &Plan, after: &Plan, name: &str) -> bool {
    after.environment.passes(name.as_ref()) && !before.environment.passes(name.as_ref())
}

fn is_full(pattern: &EnvPattern) -> bool {
    !pattern.name.starts_with('*') && !pattern.name.ends_with('*')
}

/// Where a pattern has its `*`, and the text that stays.
fn parts(name: &str) -> (bool, bool, &str) {
    let (open_start, rest) = name.strip_prefix('*').map_or((false, name), |rest| (true, rest));
    match rest.strip_suffix('*') {
        Some(text) => (open_start, true, text),
        // A lone `*` is open at both ends.
        None => (open_start, open_start && rest.is_empty(), rest),
    }
}

/// Whether every name that `inner` means is meant by `outer`.
fn takes_in(outer: &EnvPattern, inner: &EnvPattern) -> bool {
    match (parts(&outer.name), parts(&inner.name)) {
        ((false, false, one), (false, false, other)) => one == other,
        ((true, true, one), (_, _, other)) => other.contains(one),
        ((false, true, one), (false, _, other)) => other.starts_with(one),
        ((true, false, one), (_, false, other)) => other.ends_with(one),
        _ => false,
    }
}

/// Whether a name may be meant by both.
fn may_meet(one: &EnvPattern, other: &EnvPattern) -> bool {
    match (parts(&one.name), parts(&other.name)) {
        ((false, false, _), _) => other.matches(one.name.as_ref()),
        (_, (false, false, _)) => one.matches(other.name.as_ref()),
        ((false, _, one), (false, _, other)) => one.starts_with(other) || other.starts_with(one),
        ((_, false, one), (_, false, other)) => one.ends_with(other) || other.ends_with(one),
        _ => true,
    }
}
