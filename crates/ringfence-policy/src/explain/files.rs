//! What a plan says of a path, with every rule that speaks of it.
//!
//! The precedence is the plan's; a test holds the two together.

use std::borrow::Cow;

use ringfence_plan::{AbsPath, Access, Files, Grant, Match, Origin, PathPattern, Plan, RuleId};

use super::{Because, Decision, Lost, Verdict, cite};
use crate::builtin::hidden::{HIDDEN, Hidden, OWN};

/// Whether `path` is readable.
pub(super) fn read(plan: &Plan, path: &AbsPath) -> Decision {
    let mut decision = granted(plan, path);
    if decision.verdict == Verdict::Private || decision.because == Because::ReadOnly {
        (decision.verdict, decision.because) = (Verdict::Allowed, Because::Granted);
    }
    decision
}

/// Whether `path` is writable.
pub(super) fn write(plan: &Plan, path: &AbsPath) -> Decision {
    let mut decision = granted(plan, path);
    if decision.verdict == Verdict::Refused {
        return decision;
    }
    if let Some(rule) = plan.files.protection(path) {
        decision.lost.extend(decision.rule.map(|rule| (rule, Lost::Protected)));
        return Decision {
            lost: decision.lost,
            ..Decision::new(Verdict::Refused, Because::Protected, Some(rule))
        };
    }
    if let Some(rule) = plan.files.anchors_protection(path).and_then(|rule| cite(plan, rule)) {
        decision.notes.push(format!(
            "a directory of this name is not renamed, replaced or removed, since {} holds names below it",
            rule.text
        ));
    }
    decision
}

/// What is granted, without a look at protection.
fn granted(plan: &Plan, path: &AbsPath) -> Decision {
    let above: Vec<&Grant> = above(&plan.files, path).collect();
    let (denies, grants): (Vec<&Grant>, Vec<&Grant>) =
        above.into_iter().partition(|grant| grant.access == Access::Deny);
    let globs = covering(plan.files.deny_globs.iter().map(|glob| (&glob.pattern, glob.rule)), path);
    let mut denies = denies.iter().map(|grant| grant.rule).chain(globs);
    if let Some(rule) = denies.next() {
        let because = match cite(plan, rule).map(|rule| rule.origin) {
            _ if own_place(path, &plan.files.home).is_some() => Because::Floor,
            Some(Origin::BuiltIn(_)) => Because::Hidden,
            _ => Because::Denied,
        };
        let mut decision = Decision::new(Verdict::Refused, because, Some(rule));
        decision.lost.extend(denies.filter(|other| *other != rule).map(|rule| (rule, Lost::Same)));
        decision.lost.extend(grants.iter().rev().map(|grant| (grant.rule, Lost::DenyWins)));
        return decision;
    }
    let Some((deciding, others)) = grants.split_last() else {
        let own = own_place(path, &plan.files.home);
        let because = if own.is_some() { Because::Floor } else { Because::NotGranted };
        return Decision::new(Verdict::Refused, because, None);
    };
    let (verdict, because) = match deciding.access {
        Access::Write => (Verdict::Allowed, Because::Granted),
        Access::Private => (Verdict::Private, Because::Granted),
        Access::Read | Access::Deny => (Verdict::Refused, Because::ReadOnly),
    };
    let mut decision = Decision::new(verdict, because, Some(deciding.rule));
    decision.lost.extend(others.iter().rev().map(|grant| (grant.rule, Lost::Deeper)));
    decision
}

/// The grants at and above `path`, the deepest last.
pub(super) fn above<'a>(files: &'a Files, path: &AbsPath) -> impl Iterator<Item = &'a Grant> {
    files.grants.iter().filter(move |grant| path.is_within(&grant.path))
}

/// The rules of the patterns that cover `path`.
pub(super) fn covering<'a>(
    patterns: impl Iterator<Item = (&'a PathPattern, RuleId)>,
    path: &AbsPath,
) -> Vec<RuleId> {
    // Neighbours mostly have one base, so the path is taken apart once for all of them.
    type Names<'p> = Option<Vec<Cow<'p, [u8]>>>;
    let mut last: Option<(&AbsPath, Match, Names<'_>)> = None;
    let mut found = Vec::new();
    for (pattern, rule) in patterns {
        let known = last
            .as_ref()
            .is_some_and(|(base, matching, _)| **base == pattern.base && *matching == pattern.matching);
        if !known {
            last = Some((&pattern.base, pattern.matching, pattern.names_below_base(path)));
        }
        let names = last.as_ref().and_then(|(_, _, names)| names.as_ref());
        if names.is_some_and(|names| pattern.covers_names(names)) && !found.contains(&rule) {
            found.push(rule);
        }
    }
    found
}

/// The place of this program's own that `path` lies in; nobody is granted it.
pub(super) fn own_place(path: &AbsPath, home: &AbsPath) -> Option<&'static Hidden> {
    OWN.iter().find(|place| place_path(place, home).is_some_and(|place| path.is_within(&place)))
}

/// The place that the base hides and that `path` lies in.
pub(super) fn hidden_place(path: &AbsPath, home: &AbsPath) -> Option<(AbsPath, &'static Hidden)> {
    let places = HIDDEN.iter().filter_map(|hidden| Some((place_path(hidden, home)?, hidden)));
    places.into_iter().find(|(place, _)| path.is_within(place))
}

fn place_path(place: &Hidden, home: &AbsPath) -> Option<AbsPath> {
    match place.path.starts_with('/') {
        true => AbsPath::new(place.path).ok(),
        false => home.join(place.path).ok(),
    }
}
