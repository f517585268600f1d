//! The laws of the meet, over random plans, against a slow and obvious reference.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use self::generate::{allowed, files, plan};
use self::reference::{decisions, protects};
use super::files::Answer;
use super::*;
use crate::Endpoint;

mod gateway;
mod generate;
mod reference;
mod small;
mod speed;

/// 256 cases, or as many as PROPTEST_CASES says.
fn config() -> ProptestConfig {
    ProptestConfig::default()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_meet_decides_as_the_stricter_side(left in plan(), right in plan()) {
        let (own, its) = (decisions(&left), decisions(&right));
        prop_assert_eq!(decisions(&left.meet(&right)), own.stricter(&its));
    }

    #[test]
    fn a_ceiling_never_grants_anything(grants in plan(), ceiling in plan()) {
        let (before, after) = (decisions(&grants), decisions(&grants.meet(&ceiling)));
        prop_assert_eq!(after.stricter(&before), after);
    }

    #[test]
    fn a_bound_sets_no_variable_and_needs_no_path(grants in plan(), bound in plan()) {
        let met = grants.meet(&bound);
        prop_assert_eq!(&met.environment.set, &grants.environment.set);
        let needed = |plan: &Plan| -> HashSet<AbsPath> {
            plan.files.grants.iter().filter(|grant| !grant.optional).map(|grant| grant.path.clone()).collect()
        };
        prop_assert!(needed(&met).is_subset(&needed(&grants)));
    }

    #[test]
    fn the_meet_is_commutative(left in plan(), right in plan()) {
        prop_assert_eq!(decisions(&left.meet(&right)), decisions(&right.meet(&left)));
    }

    #[test]
    fn the_meet_is_associative(one in plan(), two in plan(), three in plan()) {
        let (left, right) = (one.meet(&two).meet(&three), one.meet(&two.meet(&three)));
        prop_assert_eq!(decisions(&left), decisions(&right));
        prop_assert_eq!(places(&left), places(&right));
    }

    #[test]
    fn the_meet_is_idempotent(plan in plan()) {
        let once = plan.meet(&plan);
        prop_assert_eq!(decisions(&once), decisions(&plan));
        let twice = once.meet(&plan);
        prop_assert_eq!(places(&twice), places(&once));
        prop_assert!(once.environment.within.len() <= plan.environment.within.len(), "no bound grows");
    }

    #[test]
    fn the_plan_that_bounds_nothing_changes_nothing(plan in plan()) {
        let top = Plan::top(plan.files.home.clone());
        for met in [plan.meet(&top), top.meet(&plan)] {
            prop_assert_eq!(decisions(&met), decisions(&plan));
            prop_assert_eq!(&met.files.workspace, &plan.files.workspace);
        }
        prop_assert_eq!(plan.meet(&top).files.protect_except, plan.files.protect_except);
    }

    #[test]
    fn a_deny_of_either_side_wins(left in plan(), right in plan(), denied in generate::path()) {
        let mut denying = right;
        denying.files.grants.retain(|grant| !grant.path.is_within(&denied));
        denying.files.grants.push(Grant {
            path: denied.clone(), access: Access::Deny, optional: true, rule: RuleId(0),
        });
        denying.files.grants.sort_by(|left, right| left.path.cmp(&right.path));
        for met in [left.meet(&denying), denying.meet(&left)] {
            for path in reference::paths().iter().filter(|path| path.is_within(&denied)) {
                prop_assert_eq!(met.files.access(path).map(|(access, _)| access), Some(Access::Deny));
            }
        }
    }

    #[test]
    fn what_either_side_protects_stays_protected(
        left in files(generate::Exceptions::Any), right in files(generate::Exceptions::Any),
    ) {
        let met = super::files::meet(&left, &right);
        for path in reference::paths() {
            if protects(&left, &path) || protects(&right, &path) {
                prop_assert!(protects(&met, &path), "{}", path);
            }
        }
    }

    #[test]
    fn the_outcome_is_well_formed(left in plan(), right in plan()) {
        let met = left.meet(&right);
        let Files { workspace, grants, .. } = &met.files;
        prop_assert!(grants.windows(2).all(|pair| pair[0].path < pair[1].path));
        for (at, grant) in grants.iter().enumerate() {
            let above = grants[..at].iter().rev().find(|above| grant.path.is_within(&above.path));
            prop_assert!(above.is_none_or(|above| above.access != Access::Deny));
            let repeats = above.is_some_and(|above| above.access == grant.access);
            prop_assert!(!repeats || workspace.as_ref() == Some(&grant.path));
        }
        if let Some(workspace) = workspace {
            prop_assert!(grants.iter().any(|grant| grant.path == *workspace && grant.access == Access::Write));
        }
        prop_assert!(numbers(&met).iter().all(|rule| *rule < met.rules.len() as u64));
    }

    #[test]
    fn every_rule_of_the_right_side_stands_behind_those_of_the_left(plan in plan()) {
        let behind: Vec<u64> = numbers(&plan).iter().map(|rule| rule + 1000).collect();
        prop_assert_eq!(numbers(&plan.renumbered(1000)), behind);
    }

    #[test]
    fn hosts_looked_up_meet_as_every_pair_does(left in allowed(), right in allowed()) {
        let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
        let slow: BTreeSet<Endpoint> =
            pairs.filter_map(|(left, right)| left.endpoint.intersect(&right.endpoint)).collect();
        let quick = super::network::allowed_by_both(&left, &right);
        prop_assert_eq!(quick.into_iter().map(|rule| rule.endpoint).collect::<Vec<_>>(), slow.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_rule_of_an_outcome_is_one_of_the_stricter_side(left in plan(), right in plan()) {
        let met = left.meet(&right);
        for path in reference::paths() {
            let Some((access, rule)) = met.files.access(&path) else { continue };
            let said = |side: &Plan| {
                let own = side.files.grants.iter().filter(|grant| path.is_within(&grant.path));
                let globs = side.files.deny_globs.iter().filter(|_| access == Access::Deny);
                own.filter(|grant| grant.access == access).map(|grant| grant.rule)
                    .chain(globs.map(|glob| glob.rule))
                    .any(|own| side.rule(own) == met.rule(rule))
            };
            prop_assert!(said(&left) || said(&right), "{} {:?}", path, met.rule(rule));
        }
    }

    #[test]
    fn a_plan_goes_through_json_unchanged(plan in plan()) {
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}

fn places(plan: &Plan) -> Vec<(&AbsPath, Access)> {
    plan.files.grants.iter().map(|grant| (&grant.path, grant.access)).collect()
}

/// Every number of a rule in the plan, found in what it is written out as, so that none is forgotten.
fn numbers(plan: &Plan) -> Vec<u64> {
    fn walk(key: &str, value: &Value, numbers: &mut Vec<u64>) {
        match value {
            Value::Number(number) if key == "rule" => numbers.extend(number.as_u64()),
            // Of limits: numbers by fields. Of a plan: a list, in which none is.
            Value::Object(entries) if key == "rules" => {
                numbers.extend(entries.values().filter_map(Value::as_u64))
            }
            Value::Object(entries) if key == "set" => {
                numbers.extend(entries.values().filter_map(|entry| entry[1].as_u64()));
            }
            Value::Object(entries) => entries.iter().for_each(|(key, value)| walk(key, value, numbers)),
            Value::Array(values) => values.iter().for_each(|value| walk(key, value, numbers)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", &serde_json::to_value(plan).unwrap(), &mut found);
    found
}

fn grants(entries: &[(&str, Access, bool)]) -> Plan {
    let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
    let grant = |(path, access, optional): &(&str, Access, bool)| Grant {
        path: AbsPath::new(path).unwrap(),
        access: *access,
        optional: *optional,
        rule: RuleId(0),
    };
    plan.files.grants = entries.iter().map(grant).collect();
    plan
}

#[test]
fn each_case_of_the_files() {
    use Access::{Deny, Private, Read, Write};
    type Entries<'a> = &'a [(&'a str, Access, bool)];
    let cases: &[(&str, Entries, Entries, Entries)] = &[
        ("the smaller access", &[("/w", Write, false)], &[("/w", Read, true)], &[("/w", Read, false)]),
        (
            "what one side does not grant",
            &[("/w", Write, false), ("/x", Read, false)],
            &[("/w", Write, true)],
            &[("/w", Write, false)],
        ),
        (
            "a bound below a grant",
            &[("/w", Write, false)],
            &[("/w/a", Read, false), ("/w/b", Write, true)],
            &[("/w/a", Read, true), ("/w/b", Write, true)],
        ),
        ("a bound above a grant", &[("/w/a", Write, false)], &[("/w", Read, true)], &[("/w/a", Read, false)]),
        ("a bound needs nothing", &[("/w", Write, true)], &[("/w", Read, false)], &[("/w", Read, true)]),
        (
            "private is between",
            &[("/c", Private, true), ("/d", Private, true)],
            &[("/c", Write, true), ("/d", Read, true)],
            &[("/c", Private, true), ("/d", Read, true)],
        ),
        (
            "a deny keeps its place under no grant",
            &[("/w", Write, false)],
            &[("/", Write, true), ("/s", Deny, true)],
            &[("/s", Deny, true), ("/w", Write, false)],
        ),
        (
            "a need that is denied is void",
            &[("/w", Write, false), ("/w/s", Read, false)],
            &[("/", Write, true), ("/w/s", Deny, true)],
            &[("/w", Write, false), ("/w/s", Deny, true)],
        ),
        (
            "nothing below a deny",
            &[("/w", Write, false), ("/w/s/x", Read, false)],
            &[("/", Write, true), ("/w/s", Deny, true)],
            &[("/w", Write, false), ("/w/s", Deny, true)],
        ),
        (
            "what repeats is dropped",
            &[("/w", Write, false), ("/w/a", Read, false)],
            &[("/", Read, true)],
            &[("/w", Read, false)],
        ),
    ];
    for (what, left, right, expected) in cases {
        let met = grants(left).meet(&grants(right));
        let is: Vec<_> = met
            .files
            .grants
            .iter()
            .map(|g| (g.path.as_path().to_str().unwrap(), g.access, g.optional))
            .collect();
        assert_eq!(is, *expected, "{what}");
    }
}

#[test]
fn a_workspace_stays_only_where_it_stays_writable() {
    let path = |text: &str| AbsPath::new(text).unwrap();
    let mut own = grants(&[("/w", Access::Write, false), ("/w/in", Access::Write, false)]);
    own.files.workspace = Some(path("/w/in"));
    let met = own.meet(&Plan::top(path("/home/u")));
    assert_eq!(met.files.workspace, own.files.workspace);
    assert_eq!(met.files.grants.len(), 2, "it is kept although it repeats");
    let met = own.meet(&grants(&[("/w", Access::Read, true)]));
    assert_eq!(met.files.workspace, None);
    assert_eq!(met.files.grants.len(), 1);
    let mut around = grants(&[("/", Access::Write, true)]);
    around.files.workspace = Some(path("/w"));
    assert_eq!(around.meet(&own).files.workspace, Some(path("/w/in")), "the inner one");
}
