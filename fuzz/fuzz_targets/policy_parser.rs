//! Any text as a policy: a plan or diagnostics that can be shown, never a panic, and no control character on a screen.
//! What can be formatted says the same formatted, and formatted again stays as it is.
//!
//! Not the meaning of the plan. `policy.dict` has the words: `cargo fuzz run policy_parser -- -dict=fuzz/policy.dict`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_plan::{AbsPath, Plan};
use ringfence_policy::difference::difference;
use ringfence_policy::format::format;
use ringfence_policy::{Context, Report, Sources, Surroundings, compile, compose};

fuzz_target!(|text: &str| {
    let plan = plan(text);
    match format("fuzz.toml", text) {
        Ok(formatted) => {
            assert_eq!(format("fuzz.toml", &formatted).as_deref(), Ok(&*formatted), "{text}");
            if let Some(plan) = plan {
                let again = self::plan(&formatted).expect("formatting makes nothing wrong");
                assert!(difference(&plan, &again).is_empty(), "{text}\n{formatted}");
            }
        }
        Err(report) => shown(&report),
    }
});

fn plan(text: &str) -> Option<Plan> {
    let path = |text| AbsPath::new(text).expect("in normal form");
    let context = Context::new(path("/srv/p"), path("/home/u"), "u");
    let surroundings = Surroundings { project: Some(path("/srv")), ..Surroundings::default() };
    match Sources::of_text("fuzz.toml", text, context, surroundings).and_then(compose) {
        Ok(composed) => {
            shown(composed.warnings());
            let plan = compile(&composed).expect("what is composed compiles");
            assert_eq!(plan, compile(&composed).expect("again"), "compiling is deterministic");
            for grant in &plan.files.grants {
                let _ = plan.rule(grant.rule).to_string();
            }
            for rule in plan.network.allow.iter().chain(&plan.network.deny) {
                let _ = plan.rule(rule.rule).to_string();
            }
            Some(plan)
        }
        Err(report) => {
            assert!(!report.0.is_empty());
            shown(&report);
            None
        }
    }
}

fn shown(report: &Report) {
    let text = report.render(false);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
