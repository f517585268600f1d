//! Any text as an MXC request: a plan or a refusal that can be shown, never a panic. What is read is read the same again,
//! and as a policy.
//!
//! Not the meaning of the plan. Seeds are in samples/mxc: `cargo fuzz run mxc_request corpus samples/mxc/valid`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_policy::Places;
use ringfence_policy::mxc::{Context, import, read};

fuzz_target!(|text: &str| {
    let context = Context {
        name: "fuzz.json".into(),
        cwd: "/srv/p".into(),
        home: "/nonexistent/u".into(),
        user: "u".into(),
        // No ceiling of the machine that fuzzes.
        places: Places { machine: None, home: Some("/nonexistent".into()), ..Places::default() },
        ..Context::default()
    };
    match read(text, &context) {
        Ok(request) => {
            for grant in &request.plan.files.grants {
                let _ = request.plan.rule(grant.rule).to_string();
            }
            for rule in request.plan.network.allow.iter().chain(&request.plan.network.deny) {
                let _ = request.plan.rule(rule.rule).to_string();
            }
            let again = read(text, &context).expect("read once");
            assert_eq!(again.hash, request.hash, "{text}");
            assert!(import(text, &context).is_ok(), "{text}");
        }
        Err(refusal) => {
            let told = refusal.to_string();
            assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
        }
    }
});
