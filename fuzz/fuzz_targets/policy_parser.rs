//! Any text as a policy: a plan or diagnostics that can be shown, never a panic, and no control character on a screen.
//!
//! Not the meaning of the plan.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_plan::AbsPath;
use ringfence_policy::{Context, Report, Sources, Surroundings, compile, compose};

fuzz_target!(|text: &str| {
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
        }
        Err(report) => {
            assert!(!report.0.is_empty());
            shown(&report);
        }
    }
});

fn shown(report: &Report) {
    let text = report.render(false);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}
