//! The whole way from flags to plan, held against a slow and obvious reference; and that it scales.
//!
//! Precedence alone is tested beside its code.
#![cfg(unix)]
#![allow(missing_docs)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringfence_plan::{AbsPath, Access, Plan};
use ringfence_policy::{Context, Sources, Surroundings, compile, compose};

const LISTS: [(&str, Access); 4] =
    [("deny", Access::Deny), ("read", Access::Read), ("private", Access::Private), ("write", Access::Write)];

fn abs(path: &str) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn plan(text: &str) -> Plan {
    let context = Context::new(abs("/srv/p"), abs("/home/u"), "u");
    let sources = Sources::of_text("test.toml", text, context, Surroundings::default());
    let composed = sources.and_then(compose).unwrap_or_else(|report| panic!("{report}\n{text}"));
    compile(&composed).unwrap()
}

/// A policy of the given rules, each a list and a path below /srv.
fn text(rules: &[(usize, Vec<&str>)]) -> String {
    let mut text = String::from("[filesystem]\n");
    for (at, (list, _)) in LISTS.iter().enumerate() {
        let paths = rules.iter().filter(|(of, _)| *of == at).map(|(_, names)| format!("{:?}", path(names)));
        text += &format!("{list} = [{}]\n", paths.collect::<Vec<_>>().join(", "));
    }
    text
}

fn path(names: &[&str]) -> String {
    std::iter::once("/srv").chain(names.iter().copied()).collect::<Vec<_>>().join("/")
}

/// Any deny on the way wins; else the longest path; of several on one path the strictest.
fn reference(rules: &[(usize, Vec<&str>)], probe: &[&str]) -> Option<Access> {
    let above = || rules.iter().filter(|(_, names)| probe.starts_with(names));
    if above().any(|(list, _)| LISTS[*list].1 == Access::Deny) {
        return Some(Access::Deny);
    }
    let longest = above().map(|(_, names)| names.len()).max()?;
    above().filter(|(_, names)| names.len() == longest).map(|(list, _)| LISTS[*list].1).min()
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a b", "ü"]), 0..4)
}

/// 500 cases, unless PROPTEST_CASES asks for another number.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(500),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_decides_as_the_reference_does(
        rules in prop::collection::vec((0..LISTS.len(), names()), 0..10),
        probes in prop::collection::vec(names(), 10),
    ) {
        let plan = plan(&text(&rules));
        for probe in &probes {
            let decided = plan.files.access(&abs(&path(probe))).map(|(access, _)| access);
            prop_assert_eq!(decided, reference(&rules, probe), "{:?} in {}", probe, text(&rules));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let context = Context::new(abs("/srv/p"), abs("/home/u"), "u");
        match Sources::of_text("test.toml", &text, context, Surroundings::default()).and_then(compose) {
            Ok(composed) => drop(compile(&composed)),
            Err(report) => prop_assert!(!report.render(false).is_empty()),
        }
    }
}

#[test]
fn ten_thousand_rules_of_every_kind_take_no_quadratic_time() {
    let paths = |from: usize, form: &dyn Fn(usize) -> String| {
        (from..from + 2500).map(|at| format!("{:?}", form(at))).collect::<Vec<_>>().join(",")
    };
    // On one line each: columns must not be counted from the start every time.
    let text = format!(
        "[filesystem]\nread = [{}]\nwrite = [{}]\ndeny = [{}, \"**/.env\"]\nprotect = [{}]\n",
        paths(0, &|at| format!("/srv/{}/r{at}", at % 50)),
        paths(0, &|at| format!("/data/w{at}")),
        paths(0, &|at| format!("/srv/{}/r{at}/secret", at % 50)),
        paths(0, &|at| format!("conf/p{at}")),
    );
    let start = Instant::now();
    let plan = plan(&text);
    let taken = start.elapsed();
    assert_eq!(plan.files.grants.len(), 7500 + 1);
    assert!(plan.files.protect.len() < 2500 + 200, "grew with the product: {}", plan.files.protect.len());
    assert!(plan.files.deny_globs.len() <= 16);
    let most = if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::from_millis(50) };
    assert!(taken < most, "{taken:?}");
    let probe = PathBuf::from("/srv/7/r7/secret/x");
    assert_eq!(plan.files.access(&AbsPath::new(probe).unwrap()).unwrap().0, Access::Deny);
}
