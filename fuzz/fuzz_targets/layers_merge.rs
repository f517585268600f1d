//! Any policy under up to two ceilings: a ceiling only ever narrows, their order does not count, and what is wrong with
//! them can be shown.
//!
//! Mostly texts that can be read, of words that meet each other; reading any text is `policy_parser`'s.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringfence_plan::{AbsPath, Plan};
use ringfence_policy::difference::difference;
use ringfence_policy::{Context, Report, Sources, Surroundings, compile, compose};

#[derive(Arbitrary, Debug)]
struct Input {
    policy: Layer,
    ceilings: Vec<Layer>,
    in_project: bool,
}

#[derive(Arbitrary, Debug)]
struct Layer {
    lists: Vec<(u8, Vec<Entry>)>,
    values: Vec<(u8, u8)>,
    /// Whatever else stands in the file; most files are to be right, since a wrong one says nothing of the merge.
    raw: (u8, String),
}

#[derive(Arbitrary, Debug)]
struct Entry {
    word: Word,
    optional: bool,
    condition: u8,
}

#[derive(Arbitrary, Debug)]
enum Word {
    Chosen(u8),
    Path(Vec<u8>),
    Pattern(u8),
}

const LISTS: [&str; 10] = [
    "filesystem.read",
    "filesystem.write",
    "filesystem.private",
    "filesystem.deny",
    "filesystem.protect",
    "environment.pass",
    "environment.deny",
    "network.allow",
    "network.deny",
    "oversight.audit",
];
const PATHS: [&str; 12] = [
    "/",
    ".",
    "~",
    "$WORKSPACE",
    "$TMPDIR",
    "/srv/p",
    "/srv/p/.git",
    "~/.ssh",
    "~/.ssh/config",
    "/srv/p/a/b",
    "./.env",
    "..",
];
/// Denied and protected are patterns too.
const PATTERNS: [&str; 8] = ["**/.env", "~/*/x", ".git/**", "**", "*", "a*b/**/c", "/srv/**", "**/a"];
const NAMES: [&str; 8] = ["PATH", "HOME", "A", "AB", "A*", "*B", "*", "LD_*"];
const RULES: [&str; 12] = [
    "a.example",
    "*.example:443",
    "*.a.example:1-65535",
    "b.a.example:80",
    "0.0.0.0/0:1-9",
    "10.0.0.0/8:80",
    "10.1.2.3:80",
    "[::]/0:80",
    "[64:ff9b::]/96:80",
    "[2001:db8::1]:80",
    "udp://10.0.0.0/8:53",
    "ssh://a.example",
];
const VALUES: [(&str, [&str; 3]); 11] = [
    ("filesystem.workspace", ["true", "false", "\"/srv/p/w\""]),
    ("network.mode", ["\"none\"", "\"rules\"", "\"host\""]),
    ("limits.memory", ["\"1GiB\"", "\"64MiB\"", "\"unlimited\""]),
    ("limits.processes", ["1", "\"unlimited\"", "4294967295"]),
    ("limits.time", ["1", "\"10m\"", "\"unlimited\""]),
    ("limits.output", ["\"1KiB\"", "\"2KiB\"", "\"unlimited\""]),
    ("processes.nested_namespaces", ["true", "false", "false"]),
    ("containment.level", ["\"process\"", "\"auto\"", "\"namespaces\""]),
    ("oversight.bypass", ["true", "false", "true"]),
    ("environment.set", ["{ A = \"1\" }", "{ PATH = \"/x\", B = \"$HOME\" }", "{}"]),
    ("version", ["1", "1", "1"]),
];
const CONDITIONS: [&str; 6] = [
    "",
    ", when = { os = \"linux\" }",
    ", when = { os = [\"macos\", \"windows\"] }",
    ", when = { stage = \"x\" }",
    ", when = { host_has = \"git\" }",
    ", why = \"\\u001b[31m\"",
];

fuzz_target!(|input: Input| {
    let policy = input.policy.text("policy");
    let ceilings: Vec<String> = input.ceilings.iter().take(2).map(|layer| layer.text("ceiling")).collect();
    let all: Vec<&str> = ceilings.iter().map(String::as_str).collect();
    let Some(mut wide) = plan(&policy, &[], input.in_project) else { return };
    for count in 1..=all.len() {
        let Some(narrow) = plan(&policy, &all[..count], input.in_project) else { return };
        let changed = difference(&wide, &narrow);
        assert!(changed.widened.is_empty(), "{changed}\n{policy}\n{ceilings:#?}");
        wide = narrow;
    }
    let turned: Vec<&str> = all.iter().rev().copied().collect();
    let other =
        plan(&policy, &turned, input.in_project).expect("the order of ceilings makes none of them wrong");
    let changed = difference(&wide, &other);
    assert!(changed.is_empty(), "{changed}\n{policy}\n{ceilings:#?}");
});

/// `None` where a text is wrong in a way that can be shown.
fn plan(policy: &str, ceilings: &[&str], in_project: bool) -> Option<Plan> {
    let path = |text| AbsPath::new(text).expect("in normal form");
    let context = Context::new(path("/srv/p"), path("/home/u"), "u");
    let project = in_project.then(|| path("/srv"));
    let sources =
        Sources::of_text("policy.toml", policy, context, Surroundings { project, ..Surroundings::default() });
    let sources = ceilings.iter().fold(sources, |sources, text| sources?.with_ceiling("ceiling.toml", text));
    match sources.and_then(compose) {
        Ok(composed) => {
            shown(composed.warnings());
            let plan = compile(&composed).expect("what is composed compiles");
            assert_eq!(plan, compile(&composed).expect("again"), "compiling is deterministic");
            let met = composed.stages().into_iter().map(|stage| stage.plan).reduce(|one, two| one.meet(&two));
            assert_eq!(met.as_ref(), Some(&plan), "the plan is the meet of its stages");
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

impl Layer {
    fn text(&self, kind: &str) -> String {
        let mut fields: BTreeMap<&str, String> = BTreeMap::from([("kind", format!("\"{kind}\""))]);
        for (field, value) in &self.values {
            let (field, values) = VALUES[usize::from(*field) % VALUES.len()];
            fields.insert(field, values[usize::from(*value) % values.len()].to_owned());
        }
        for (list, entries) in &self.lists {
            let list = LISTS[usize::from(*list) % LISTS.len()];
            let entries: Vec<String> = entries.iter().map(|entry| entry.text(list)).collect();
            fields.insert(list, format!("[{}]", entries.join(", ")));
        }
        let lines: Vec<String> = fields.iter().map(|(field, value)| format!("{field} = {value}\n")).collect();
        let raw = if self.raw.0 % 32 == 31 { &*self.raw.1 } else { "" };
        lines.concat() + raw
    }
}

impl Entry {
    fn text(&self, list: &str) -> String {
        let (key, words): (_, &[&str]) = match list.split('.').next() {
            Some("filesystem") => ("path", &PATHS),
            Some("oversight") => ("value", &["/var/log/a", "unix:/run/a", "/var/log/b"]),
            Some("environment") => ("name", &NAMES),
            _ => ("host", &RULES),
        };
        let word = match &self.word {
            Word::Chosen(at) => words[usize::from(*at) % words.len()].to_owned(),
            Word::Path(names) if key == "path" => {
                let names =
                    names.iter().take(8).map(|at| ["a", "b", ".git", ".env", "p", "c"][usize::from(*at) % 6]);
                format!("/srv/p/{}", names.collect::<Vec<_>>().join("/")).trim_end_matches('/').to_owned()
            }
            Word::Path(names) => words[names.len() % words.len()].to_owned(),
            Word::Pattern(at) => {
                let patterns: &[&str] =
                    if matches!(list, "filesystem.deny" | "filesystem.protect") { &PATTERNS } else { words };
                patterns[usize::from(*at) % patterns.len()].to_owned()
            }
        };
        let condition = CONDITIONS[usize::from(self.condition) % CONDITIONS.len()];
        match (self.optional && key == "path", condition) {
            (false, "") => format!("\"{word}\""),
            (false, condition) => format!("{{ {key} = \"{word}\"{condition} }}"),
            (true, condition) => format!("{{ {key} = \"{word}\", optional = true{condition} }}"),
        }
    }
}
