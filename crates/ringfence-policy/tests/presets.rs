//! What every preset adds to the base, held by a snapshot, each line with its reason; and how roots are moved.
//!
//! Not whether the tools work under it: the trial does their work.
#![cfg(unix)]
#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use ringfence_plan::{AbsPath, Access, Origin, Plan, Rule};
use ringfence_policy::presets::{ALL, Group};
use ringfence_policy::{Places, Request, compile, compose, load};

/// The plan of a run under these presets, on a machine that has everything they name and nobody's own files.
fn plan(presets: &[&str]) -> Plan {
    plan_with(presets, &[])
}

/// The same for a caller with these variables.
fn plan_with(presets: &[&str], variables: &[(&str, &str)]) -> Plan {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let request = Request {
        caller_env: variables.iter().map(own).collect::<BTreeMap<_, _>>(),
        cwd: "/home/u/project".into(),
        home: "/home/u".into(),
        user: "u".into(),
        presets: presets.iter().map(|name| (*name).to_owned()).collect(),
        places: Places { machine: None, home: Some("/nonexistent".into()), ..Places::default() },
        assume_present: true,
        ..Request::default()
    };
    let composed = load(&request).and_then(compose).unwrap_or_else(|report| panic!("{presets:?}: {report}"));
    assert!(composed.warnings().0.is_empty(), "{presets:?}: {}", composed.warnings());
    compile(&composed).unwrap_or_else(|report| panic!("{presets:?}: {report}"))
}

fn lines(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    plan.rules.iter().map(|Rule { text, origin }| match origin {
        // Without the preset's own line: another remark in its text would change every snapshot.
        Origin::Preset { name, why, .. } if why.is_empty() => format!("{text}  ({name})"),
        Origin::Preset { name, why, .. } => format!("{text}  ({name}: {why})"),
        Origin::BuiltIn(why) => format!("{text}  (built in: {why})"),
        origin => format!("{text}  ({origin})"),
    })
}

#[test]
fn what_each_preset_adds_to_the_base() {
    let base: BTreeSet<String> = lines(&plan(&["base"])).collect();
    for preset in ALL {
        let plan = plan(&[preset.name]);
        let added: Vec<String> = lines(&plan).filter(|line| !base.contains(line)).collect();
        insta::assert_snapshot!(format!("adds__{}", preset.name), added.join("\n"));
    }
}

#[test]
fn no_two_presets_of_tool_chains_contradict_each_other() {
    let tool_chains: Vec<&str> =
        ALL.iter().filter(|preset| preset.group == Group::ToolChain).map(|preset| preset.name).collect();
    let together: BTreeSet<String> = lines(&plan(&tool_chains)).collect();
    for name in tool_chains {
        let alone = plan(&[name]);
        let lost: Vec<String> = lines(&alone)
            .filter(|line| line.contains(&format!("({name}: ")) && !together.contains(line))
            // What two presets grant, one of them is named for.
            .filter(|line| {
                let text = line.split("  (").next().unwrap_or(line);
                !together.iter().any(|other| other.split("  (").next() == Some(text))
            })
            .collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
    }
}

fn access(plan: &Plan, path: &str) -> Option<Access> {
    plan.files.access(&AbsPath::new(path).unwrap()).map(|(access, _)| access)
}

fn passes(plan: &Plan, name: &str) -> bool {
    plan.environment.pass.iter().any(|pattern| pattern.name == name)
}

#[test]
fn a_variable_moves_a_root_and_passes() {
    let plan = plan_with(&["rust"], &[("CARGO_HOME", "/srv/cargo")]);
    assert_eq!(access(&plan, "/srv/cargo/registry"), Some(Access::Private));
    assert_eq!(access(&plan, "/srv/cargo/credentials.toml"), Some(Access::Deny));
    assert_eq!(access(&plan, "/home/u/.cargo"), None);
    assert!(passes(&plan, "CARGO_HOME"));
}

#[test]
fn a_cache_that_a_variable_puts_into_the_project_is_kept() {
    let plan = plan_with(&["rust"], &[("CARGO_HOME", "/home/u/project/.cargo-home")]);
    assert_eq!(access(&plan, "/home/u/project/.cargo-home/registry"), Some(Access::Write));
    assert!(passes(&plan, "CARGO_HOME"));
}

#[test]
fn no_variable_moves_a_root_over_home_or_into_a_hidden_place() {
    for value in ["/", "/home", "/home/u", "/home/u/.ssh", "/home/u/.aws/x", "/run/user/1000", "cache"] {
        let plan = plan_with(&["python"], &[("PIP_CACHE_DIR", value)]);
        assert!(!passes(&plan, "PIP_CACHE_DIR"), "{value}");
        assert_eq!(access(&plan, "/home/u/.cache/pip"), Some(Access::Private), "{value}");
        assert!(!matches!(access(&plan, "/home/u/.ssh/id"), Some(Access::Private)), "{value}");
    }
}
