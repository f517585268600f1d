//! Every file in samples/policy is read as a user's policy; what people see is held by a snapshot.
//!
//! Not a test of what a policy means to the operating system.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use ringfence_plan::{Origin, Plan, RuleId};
use ringfence_policy::{Report, Request, compile, compose, load};

/// A copy of a folder of samples, at a place without a git repository, so that the repository's own place, and what
/// else is on the machine, do not show.
struct Folder {
    place: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Folder {
    fn new(name: &str) -> Folder {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/policy").join(name);
        let place = tempfile::tempdir().unwrap();
        let project = place.path().join("project");
        copy(&from, &project);
        fs::create_dir(place.path().join("home")).unwrap();
        let mut files: Vec<PathBuf> =
            fs::read_dir(&project).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.is_file());
        files.sort();
        assert!(files.len() > 3, "the samples are gone");
        Folder { place, files }
    }

    fn plan(&self, file: &Path, as_found: bool) -> Result<(Plan, Report), Report> {
        let place = fs::canonicalize(self.place.path()).unwrap();
        let project = place.join("project");
        if as_found {
            fs::copy(file, project.join("ringfence.toml")).unwrap();
        }
        let request = Request {
            cwd: project,
            home: place.join("home"),
            user: "user".into(),
            policy_files: if as_found { vec![] } else { vec![file.file_name().unwrap().into()] },
            ..Request::default()
        };
        let composed = load(&request).and_then(compose)?;
        Ok((compile(&composed)?, composed.warnings().clone()))
    }

    /// `text` without the place of the copy.
    fn tidy(&self, text: &str) -> String {
        let place = fs::canonicalize(self.place.path()).unwrap();
        text.replace(place.to_str().unwrap(), "")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn invalid_policies_are_refused_with_the_place_and_what_mends_it() {
    let folder = Folder::new("invalid");
    for file in &folder.files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let report = folder.plan(file, false).expect_err(name);
        assert!(!report.0.is_empty(), "{name}");
        let text = folder.tidy(&report.render(false));
        assert!(!text.contains('\x1b'), "{name}: a control character reached the screen");
        insta::assert_snapshot!(format!("invalid__{name}"), text);
    }
}

#[test]
fn valid_policies_mean_what_they_say() {
    let folder = Folder::new("valid");
    for file in &folder.files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let (plan, warnings) = folder.plan(file, false).unwrap_or_else(|report| panic!("{name}: {report}"));
        insta::assert_snapshot!(format!("valid__{name}"), folder.tidy(&said(&plan, &warnings)));
    }
}

#[test]
fn a_policy_found_in_a_project_lifts_nothing() {
    let folder = Folder::new("valid");
    let file = folder.files.iter().find(|file| file.ends_with("grants_without_effect.toml")).unwrap();
    let (plan, warnings) = folder.plan(file, true).unwrap();
    insta::assert_snapshot!("found__grants_without_effect", folder.tidy(&said(&plan, &warnings)));
}

/// What is asked of the gateway, an entry a line, each with where it stands.
fn gateway(plan: &Plan) -> String {
    const ENTRIES: [&str; 8] =
        ["http", "credentials", "budgets", "publish", "host", "parent", "resolver", "encrypted_hello"];
    fn entries(name: &str, value: &serde_json::Value, plan: &Plan, text: &mut String) {
        match value {
            serde_json::Value::Array(list) => {
                list.iter().for_each(|entry| entries(name, entry, plan, text));
                *text +=
                    if name == "http" && list.iter().all(|entry| entry.is_object()) { "--\n" } else { "" };
            }
            serde_json::Value::Object(entry) if entry.contains_key("only") => {
                entries(name, &entry["only"], plan, text);
            }
            serde_json::Value::Object(entry) if entry.contains_key("refuse") => {
                entries(name, &entry["refuse"], plan, text);
            }
            serde_json::Value::Object(entry) => {
                let mut entry = entry.clone();
                let rule = RuleId(entry.remove("rule").unwrap().as_u64().unwrap() as u32);
                let entry = serde_json::Value::Object(entry);
                *text += &format!("{name} {entry}  ({})\n", plan.rule(rule).origin);
            }
            other => *text += &format!("{name} {other}\n"),
        }
    }
    let network = serde_json::to_value(&plan.network).unwrap();
    let mut text = String::new();
    for name in ENTRIES {
        network.get(name).into_iter().for_each(|value| entries(name, value, plan, &mut text));
    }
    text
}

/// What people wrote, as it stands in the plan: what the machine and the base add is left out.
fn said(plan: &Plan, warnings: &Report) -> String {
    let written = |rule| match &plan.rule(rule).origin {
        Origin::BuiltIn(_) => None,
        origin => Some(origin.to_string()),
    };
    let mut text = format!("workspace {:?}\n", plan.files.workspace);
    for grant in &plan.files.grants {
        let Some(origin) = written(grant.rule) else { continue };
        let optional = if grant.optional { ", optional" } else { "" };
        text += &format!("{:?} {}{optional}  ({origin})\n", grant.access, grant.path);
    }
    for glob in &plan.files.deny_globs {
        text += &format!("Deny {}  ({})\n", glob.pattern, plan.rule(glob.rule).origin);
    }
    for protect in &plan.files.protect {
        let own = plan.rule(protect.rule).text.contains("/project/");
        let Some(origin) = written(protect.rule).or(own.then(|| "own".into())) else { continue };
        text += &format!("Protect {}  ({origin})\n", protect.pattern);
    }
    for pass in &plan.environment.pass {
        let Some(origin) = written(pass.rule) else { continue };
        text += &format!("pass {}  ({origin})\n", pass.name);
    }
    for (name, (value, rule)) in &plan.environment.set {
        let Some(origin) = written(*rule) else { continue };
        text += &format!("set {name}={value}  ({origin})\n");
    }
    for (word, rules) in [("allow", &plan.network.allow), ("deny", &plan.network.deny)] {
        for rule in rules {
            text += &format!("{word} {}  ({})\n", rule.endpoint, plan.rule(rule.rule).origin);
        }
    }
    text += &gateway(plan);
    for deny in &plan.environment.deny {
        text += &format!("never {}  ({})\n", deny.name, plan.rule(deny.rule).origin);
    }
    let nested = plan.processes.nested_namespaces;
    text += &format!("{:?}\nnested {nested:?} {:?}\n", plan.network.mode, plan.containment.level);
    let mut limits = plan.limits.clone();
    limits.rules.clear();
    if !plan
        .rules
        .iter()
        .any(|rule| rule.text.starts_with("limits.memory") && !matches!(rule.origin, Origin::BuiltIn(_)))
    {
        limits.memory = None;
    }
    text += &format!("{limits:#?}\n");
    if !warnings.0.is_empty() {
        text += &warnings.render(false);
    }
    text
}
