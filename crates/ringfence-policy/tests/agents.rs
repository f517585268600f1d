//! An agent's own state: a copy of it may change, what a project has of the same name may not. And what ceilings leave of
//! the hosts that it names.
//!
//! What each preset grants is in `presets/tests`.
#![cfg(unix)]
#![allow(missing_docs)]

use ringfence_plan::{AbsPath, NetworkMode, Plan, Protocol, Target};
use ringfence_policy::{Context, Flag, Places, Request, Sources, Surroundings, compile, compose, load};

fn abs(path: &str) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn plan(filesystem: &str) -> Plan {
    let context = Context::new(abs("/home/u/project"), abs("/home/u"), "u");
    let text = format!("extends = []\n[filesystem]\n{filesystem}\n");
    let sources = Sources::of_text("test.toml", &text, context, Surroundings::default());
    let composed = sources.and_then(compose).unwrap_or_else(|report| panic!("{report}\n{text}"));
    compile(&composed).unwrap()
}

fn is_protected(plan: &Plan, path: &str) -> bool {
    plan.files.protection(&abs(path)).is_some()
}

#[test]
fn a_copy_of_an_agents_state_may_change_and_what_is_written_through_it() {
    let plan = plan(
        r#"private = ["~/.codex"]
        write = ["~/.codex/sessions"]"#,
    );
    assert!(!is_protected(&plan, "/home/u/.codex/tmp/x"));
    assert!(!is_protected(&plan, "/home/u/.codex/sessions/2026/x.jsonl"));
}

#[test]
fn the_same_name_in_a_project_stays_protected() {
    let plan = plan(
        r#"private = ["~/.codex"]
        write = ["~/.codex/sessions"]"#,
    );
    assert!(is_protected(&plan, "/home/u/project/.codex/config.toml"));
    assert!(is_protected(&plan, "/home/u/project/below/.codex"));
}

#[test]
fn what_is_protected_by_name_in_a_copy_stays_protected() {
    let plan = plan(
        r#"private = ["~/.gemini"]
        write = ["~/.gemini/tmp"]
        protect = ["~/.gemini/tmp/bin"]"#,
    );
    assert!(is_protected(&plan, "/home/u/.gemini/tmp/bin/rg"));
    assert!(!is_protected(&plan, "/home/u/.gemini/tmp/project/chats/x.json"));
}

#[test]
fn without_the_copy_nothing_of_the_state_may_change() {
    for (write, path) in [("~/.codex/sessions", ".codex/sessions/x"), ("~/.codex", ".codex/hooks.json")] {
        let plan = plan(&format!("write = [{write:?}]"));
        assert!(is_protected(&plan, &format!("/home/u/{path}")), "{write}");
    }
}

#[test]
fn what_is_written_of_a_state_protects_nothing_beside_it() {
    let plan = plan(
        r#"private = ["~/.cargo", "~/.claude"]
        write = ["~/.claude/projects"]"#,
    );
    assert!(!is_protected(&plan, "/home/u/.cargo/registry/src/package/.vscode/settings.json"));
    assert!(!is_protected(&plan, "/home/u/.claude/settings.json"));
    assert!(!is_protected(&plan, "/home/u/unpacked/.git/hooks"));
    assert!(is_protected(&plan, "/home/u/.claude/projects/x/.vscode/settings.json"));
    assert!(is_protected(&plan, "/home/u/project/.vscode/settings.json"));
}

#[test]
fn a_tree_with_a_dot_has_the_names_that_begin_above_it() {
    let plan = plan(r#"write = ["~/other/.git", "~/third/.git/modules/x", "~/.claude"]"#);
    for path in [
        "other/.git/hooks/x",
        "other/.git/config",
        "other/.git/modules/deep/er/config",
        "other/.git/a/.git/hooks",
        "third/.git/modules/x/hooks/y",
        "third/.git/modules/x/config",
        ".claude/settings.json",
        ".claude/x/.claude/hooks/y",
    ] {
        assert!(is_protected(&plan, &format!("/home/u/{path}")), "{path}");
    }
    for path in ["other/.git/objects/x", "other/.git/index.lock", ".claude/projects/x"] {
        assert!(!is_protected(&plan, &format!("/home/u/{path}")), "{path}");
    }
}

#[test]
fn a_writable_home_keeps_it_protected_everywhere() {
    let plan = plan(
        r#"private = ["~/.codex"]
        write = ["~"]"#,
    );
    assert!(is_protected(&plan, "/home/u/elsewhere/.codex/config.toml"));
}

/// The plan under these presets, with `--network` if it is said.
fn under(presets: &[&str], network: Option<&str>) -> Plan {
    let flag =
        |mode: &str| Flag { key: "network.mode", value: mode.to_owned(), typed: format!("--network {mode}") };
    let request = Request {
        cwd: "/home/u/project".into(),
        home: "/home/u".into(),
        presets: presets.iter().map(|name| (*name).to_owned()).collect(),
        flags: network.map(flag).into_iter().collect(),
        places: Places { machine: None, home: Some("/nonexistent".into()), ..Places::default() },
        assume_present: true,
        ..Request::default()
    };
    let composed = load(&request).and_then(compose).unwrap_or_else(|report| panic!("{report}"));
    compile(&composed).unwrap()
}

fn reaches(plan: &Plan, host: &str) -> bool {
    plan.network.decide(&Target::parse(host).unwrap(), 443, Protocol::Tcp).0
}

#[test]
fn a_ceiling_that_wants_rules_leaves_those_that_somebody_named() {
    for ceiling in ["production", "read-only-review"] {
        let plan = under(&["codex", ceiling], None);
        assert_eq!(plan.network.mode, NetworkMode::Rules, "{ceiling}");
        assert!(reaches(&plan, "api.openai.com") && !reaches(&plan, "example.org"), "{ceiling}");
    }
}

#[test]
fn a_ceiling_that_wants_rules_leaves_nothing_where_nobody_named_a_host() {
    for network in [None, Some("rules"), Some("host")] {
        let plan = under(&["git", "production"], network);
        assert!(!reaches(&plan, "api.openai.com") && !reaches(&plan, "10.0.0.1"), "{network:?}");
    }
}
