//! Every file in samples/mxc is read as a request; what becomes of it, or why it is refused, is held by a snapshot. And any
//! text at all is read or refused.
//!
//! Not a test of what a plan means to the operating system.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use ringfence_plan::{Origin, Plan, RuleId};
use ringfence_policy::Places;
use ringfence_policy::mxc::{Context, Request, import, read};

fn context(name: &str) -> Context {
    let nowhere = Some("/nonexistent".into());
    Context {
        name: name.into(),
        cwd: "/srv/project".into(),
        home: "/nonexistent/home".into(),
        user: "user".into(),
        places: Places { machine: None, home: nowhere, ..Places::default() },
        ..Context::default()
    }
}

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/mxc").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    assert!(files.len() > 8, "the samples are gone");
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn invalid_requests_are_refused_with_code_path_and_place() {
    for (name, text) in samples("invalid") {
        let refusal = read(&text, &context("sample.json")).expect_err(&name);
        let told = format!("{}\n{refusal}\n", refusal.code.as_str());
        assert!(refusal.line > 0, "{name}: {told}");
        assert!(
            !told.contains(|c: char| c.is_control() && c != '\n') && !told.contains('\u{202e}'),
            "{name}: {told:?}"
        );
        assert!(!told.contains("hunter2"), "{name}: a secret is shown");
        insta::assert_snapshot!(format!("mxc__invalid__{name}"), told);
    }
}

#[test]
fn valid_requests_become_plans_and_policies() {
    for (name, text) in samples("valid") {
        let request =
            read(&text, &context("sample.json")).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        insta::assert_snapshot!(format!("mxc__valid__{name}"), told(&request));
        let policy = import(&text, &context("sample.json")).unwrap();
        insta::assert_snapshot!(format!("mxc__imported__{name}"), policy);
    }
}

/// What a request says, without what every one of them has.
fn told(request: &Request) -> String {
    let Request { plan, command, cwd, env, time, container, version, notes, .. } = request;
    let mut text = format!("{} {command:?} in {cwd}, {time:?}, {container:?}\n", version.as_str());
    let said = |rule: RuleId| {
        matches!(plan.rule(rule).origin, Origin::File { .. }).then(|| plan.rule(rule).to_string())
    };
    let mut line = |what: String, rule: RuleId| {
        if let Some(rule) = said(rule) {
            let _ = writeln!(text, "{what}: {rule}");
        }
    };
    let Plan { files, network, limits, containment, .. } = plan;
    files.grants.iter().for_each(|grant| line(format!("{:?} {}", grant.access, grant.path), grant.rule));
    network.allow.iter().for_each(|rule| line(format!("allow {}", rule.endpoint), rule.rule));
    network.deny.iter().for_each(|rule| line(format!("deny {}", rule.endpoint), rule.rule));
    network.host.iter().for_each(|host| line(format!("host {}", host.port), host.rule));
    limits.rules.iter().for_each(|(field, rule)| line(field.name().to_owned(), *rule));
    line(format!("{:?}", containment.level), containment.rule);
    let _ = writeln!(text, "network {:?}", network.held_as());
    env.iter().for_each(|(name, value)| {
        let _ = writeln!(text, "{name}={value}");
    });
    for note in notes {
        let _ =
            writeln!(text, "{:?} {} ({}:{}): {}", note.kind, note.field, note.line, note.column, note.text);
    }
    text
}

/// Texts near to requests: a valid one with a stretch replaced.
fn near() -> impl Strategy<Value = String> {
    let all: Vec<String> =
        ["valid", "invalid"].iter().flat_map(|folder| samples(folder)).map(|(_, text)| text).collect();
    let scraps = prop::sample::select(vec![
        "",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "0",
        "-1",
        "1e9",
        "\"/\"",
        "\"/tmp/..\"",
        "\"0.0.0.0/0\"",
        "\"::/0\"",
        "\"10.0.0.0/8\"",
        "65535",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\u{202e}",
        "\"process\"",
        "\"network\"",
        "{}",
        "[]",
    ]);
    (prop::sample::select(all), any::<prop::sample::Index>(), 0usize..12, scraps).prop_map(
        |(text, at, length, scrap)| {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            let end = (at + length).min(chars.len());
            chars[..at].iter().copied().chain(scrap.chars()).chain(chars[end..].iter().copied()).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused_and_what_is_told_is_fit_for_a_screen(text in prop_oneof![near(), any::<String>()]) {
        match read(&text, &context("any.json")) {
            Ok(request) => {
                let again = read(&text, &context("any.json")).unwrap();
                prop_assert_eq!(again.plan, request.plan);
                prop_assert!(import(&text, &context("any.json")).is_ok());
            }
            Err(refusal) => {
                let told = refusal.to_string();
                prop_assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{:?}", told);
            }
        }
    }
}
