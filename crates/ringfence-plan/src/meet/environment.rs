//! The meet of two environments.
//!
//! Two patterns have no pattern in common that is one (`A*` and `*B`), so the right side's become a bound.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;

use super::union;
use crate::{EnvPattern, Environment};

/// A caller's variable passes if both sides let it. What is set is what the left side sets, unless one denies it: a value
/// that is written out is nothing of the caller's, so no bound takes it away, and none adds one.
pub(super) fn meet(left: &Environment, right: &Environment) -> Environment {
    // No `..`: a field that is added has to be met.
    let Environment { pass, refuse, deny, within, set } = left;
    let named = named_by_either(left, right);
    let wildcards = |pass: &[EnvPattern]| -> Vec<EnvPattern> {
        pass.iter().filter(|pattern| !pattern.is_full_name()).cloned().collect()
    };
    let met: Vec<EnvPattern> = named.iter().cloned().chain(wildcards(pass)).collect();
    let bound: Vec<EnvPattern> = wildcards(&right.pass).into_iter().chain(named).collect();
    let mut bounds: Vec<Vec<EnvPattern>> = Vec::new();
    for bound in within.iter().chain(&right.within).chain([&bound]) {
        let known = |known: &Vec<EnvPattern>| known.iter().map(name).eq(bound.iter().map(name));
        if !bounds.iter().any(known) && !bounds_nothing(bound, &met) {
            bounds.push(bound.clone());
        }
    }
    Environment {
        pass: met,
        refuse: union(refuse, &right.refuse, name),
        deny: union(deny, &right.deny, name),
        within: bounds,
        set: set.clone(),
    }
}

/// The names that a side lets pass in full and that pass on both. A name in full lifts a refusal by pattern, so one that
/// passes on one side only must not stand in the outcome.
fn named_by_either(left: &Environment, right: &Environment) -> Vec<EnvPattern> {
    let (of_left, of_right) = (Names::of(left), Names::of(right));
    let mut seen = BTreeSet::new();
    let all = left.pass.iter().chain(&right.pass).filter(|pattern| pattern.is_full_name());
    let new = all.filter(|pattern| seen.insert(pattern.name.as_str()));
    new.filter(|pattern| of_left.pass(&pattern.name) && of_right.pass(&pattern.name)).cloned().collect()
}

fn name(pattern: &EnvPattern) -> &str {
    &pattern.name
}

/// Whether every name that `pass` lets through is one of `bound` anyway.
fn bounds_nothing(bound: &[EnvPattern], pass: &[EnvPattern]) -> bool {
    let list = List::new(bound);
    // A pattern read as a name: `LC_A*` starts with `LC_`, and so does whatever it means. That does not go for a bound
    // that is to match a star itself.
    let plain =
        |bound: &EnvPattern| !bound.name.trim_matches('*').contains('*') && !bound.name.contains("**");
    let means = |bound: &&EnvPattern, name: &str| plain(bound) && bound.matches(OsStr::new(name));
    let bound =
        |name: &str| list.full.contains(name) || list.wildcards.iter().any(|bound| means(bound, name));
    pass.iter().all(|pattern| bound(&pattern.name))
}

/// [`Environment::passes`] for many names.
struct Names<'a> {
    pass: List<'a>,
    refuse: List<'a>,
    deny: List<'a>,
    within: Vec<List<'a>>,
}

impl<'a> Names<'a> {
    fn of(environment: &'a Environment) -> Names<'a> {
        let Environment { pass, refuse, deny, within, set: _ } = environment;
        Names {
            pass: List::new(pass),
            refuse: List::new(refuse),
            deny: List::new(deny),
            within: within.iter().map(|bound| List::new(bound)).collect(),
        }
    }

    fn pass(&self, name: &str) -> bool {
        let refused = if self.pass.full.contains(name) {
            self.refuse.full.contains(name)
        } else {
            self.refuse.has(name)
        };
        self.pass.has(name)
            && !refused
            && !self.deny.has(name)
            && self.within.iter().all(|list| list.has(name))
    }
}

/// Patterns, the full names of them looked up and not compared.
struct List<'a> {
    full: HashSet<&'a str>,
    wildcards: Vec<&'a EnvPattern>,
}

impl<'a> List<'a> {
    fn new(patterns: &'a [EnvPattern]) -> List<'a> {
        let (full, wildcards): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.is_full_name());
        List { full: full.into_iter().map(name).collect(), wildcards }
    }

    fn has(&self, name: &str) -> bool {
        self.full.contains(name) || self.wildcards.iter().any(|pattern| pattern.matches(OsStr::new(name)))
    }
}
