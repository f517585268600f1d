//! Soundness, held against a slow and obvious reference over random plans: where nothing is said to have widened,
//! nothing that one asks for has.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ringfence_plan::*;

use super::{Change, *};

const NAMES: [&str; 4] = ["a", "b", "c.env", "A"];

fn path() -> impl Strategy<Value = AbsPath> {
    prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..4)
        .prop_map(|names| AbsPath::new(format!("/{}", names.join("/"))).unwrap())
}

fn pattern() -> impl Strategy<Value = PathPattern> {
    let segment = prop::sample::select(vec!["a", "b", "*", "**", "*.env", "c.*", "c.env"]);
    let matching = prop::sample::select(vec![Match::Exact, Match::Folded]);
    (path(), prop::collection::vec(segment, 1..3), matching)
        .prop_map(|(base, segments, matching)| PathPattern::new(base, &segments.join("/"), matching).unwrap())
}

fn files() -> impl Strategy<Value = Files> {
    let access = prop::sample::select(vec![Access::Deny, Access::Read, Access::Private, Access::Write]);
    let grants = prop::collection::btree_map(path(), access, 0..6);
    let patterns = || prop::collection::vec(pattern(), 0..3);
    (grants, patterns(), patterns(), prop::collection::vec(pattern(), 0..2)).prop_map(
        |(grants, deny, protect, protect_except)| Files {
            workspace: None,
            home: AbsPath::new("/a").unwrap(),
            grants: grants
                .into_iter()
                .map(|(path, access)| Grant { path, access, optional: true, rule: RuleId(0) })
                .collect(),
            deny_globs: deny.into_iter().map(|pattern| DenyGlob { pattern, rule: RuleId(0) }).collect(),
            protect: protect.into_iter().map(|pattern| Protect { pattern, rule: RuleId(0) }).collect(),
            protect_except,
        },
    )
}

const VARIABLES: [&str; 6] = ["A", "AB", "BA", "BAB", "C", "ABC"];

fn variables() -> impl Strategy<Value = Vec<EnvPattern>> {
    let name = prop::sample::select(vec!["A", "AB", "A*", "*A", "*B*", "*", "C", "BA*", "*AB"]);
    prop::collection::vec(name.prop_map(|name| EnvPattern { name: name.into(), rule: RuleId(0) }), 0..3)
}

fn environment() -> impl Strategy<Value = Environment> {
    let set = prop::collection::btree_map(prop::sample::select(VARIABLES.to_vec()), 0..2, 0..2);
    (variables(), variables(), variables(), prop::collection::vec(variables(), 0..2), set).prop_map(
        |(pass, refuse, deny, within, set)| Environment {
            pass,
            refuse,
            deny,
            within,
            set: set
                .into_iter()
                .map(|(name, value): (&str, i32)| (name.into(), (value.to_string(), RuleId(0))))
                .collect::<BTreeMap<_, _>>(),
        },
    )
}

fn network_rules() -> impl Strategy<Value = Vec<NetworkRule>> {
    let endpoint = prop::sample::select(vec![
        "10.0.0.0/8:80",
        "10.1.0.0/16:1-65535",
        "10.1.2.3:81-443",
        "0.0.0.0/0:80",
        "[64:ff9b::]/96:1-65535",
        "[::]/0:443",
        "udp://10.0.0.0/8:443",
        "a.example:443",
        "*.example:80-443",
        "*.a.example:443",
    ]);
    let rule = endpoint.prop_map(|text| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(0) });
    prop::collection::vec(rule, 0..3)
}

fn network() -> impl Strategy<Value = Network> {
    let mode = prop::sample::select(vec![
        NetworkMode::None,
        NetworkMode::Rules,
        NetworkMode::Rules,
        NetworkMode::Host,
    ]);
    (mode, network_rules(), network_rules()).prop_map(|(mode, allow, deny)| Network {
        mode,
        allow,
        deny,
        ..Network::none(RuleId(0))
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::of(1..4_u64);
    (limit(), limit(), limit(), 1..4_u64).prop_map(|(memory, processes, time, tmp)| Limits {
        memory: memory.map(Bytes),
        swap: None,
        processes: processes.map(|count| count as u32),
        cpu: None,
        time: time.map(Millis),
        open_files: None,
        file_size: None,
        tmp: Bytes(tmp),
        output: None,
        rules: BTreeMap::new(),
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let level = prop::sample::select(vec![Level::Process, Level::Auto, Level::Namespaces]);
    (files(), environment(), network(), limits(), level, any::<[bool; 2]>()).prop_map(
        |(files, environment, network, limits, level, [nested_namespaces, bypass])| Plan {
            files,
            environment,
            network,
            limits,
            processes: Processes { nested_namespaces, rule: RuleId(0) },
            containment: Containment { level, rule: RuleId(0) },
            oversight: Oversight { audit: vec![], bypass, rule: RuleId(0) },
            rules: vec![Rule { text: "rule".into(), origin: Origin::Flag("--flag".into()) }],
        },
    )
}

/// What the command may do at `path`: nothing, read, write a copy, write.
fn allowed(files: &Files, path: &AbsPath) -> u8 {
    match files.access(path).map(|(access, _)| access) {
        None | Some(Access::Deny) => 0,
        Some(Access::Read) => 1,
        Some(_) if files.protection(path).is_some() => 1,
        Some(Access::Private) => 2,
        Some(Access::Write) => 3,
    }
}

fn variable<'a>(environment: &'a Environment, name: &str) -> Option<Option<&'a str>> {
    let denied = environment.deny.iter().any(|pattern| pattern.matches(name.as_ref()));
    let set = environment.set.get(name).filter(|_| !denied).map(|(value, _)| value.as_str());
    set.map(Some).or_else(|| environment.passes(name.as_ref()).then_some(None))
}

/// Whether a change is told that speaks of `path`.
fn tells_of_path(changes: &[Change], plans: [&Plan; 2], path: &AbsPath) -> bool {
    let mut patterns = Vec::new();
    for Plan { files, .. } in plans {
        patterns.extend(files.deny_globs.iter().map(|glob| &glob.pattern));
        patterns.extend(files.protect.iter().map(|protect| &protect.pattern).chain(&files.protect_except));
    }
    changes.iter().filter(|change| change.area == Area::Filesystem).any(|Change { subject, .. }| {
        patterns.iter().any(|pattern| pattern.to_string() == *subject && pattern.covers(path))
            || AbsPath::new(subject).is_ok_and(|above| path.is_within(&above))
    })
}

fn tells_of_variable(changes: &[Change], name: &str) -> bool {
    changes.iter().filter(|change| change.area == Area::Environment).any(|change| {
        let pattern = EnvPattern { name: change.subject.clone(), rule: RuleId(0) };
        change.subject == "variables that pass" || pattern.matches(name.as_ref())
    })
}

fn tells_of_network(changes: &[Change]) -> bool {
    changes.iter().any(|change| change.area == Area::Network)
}

/// `cases`, unless PROPTEST_CASES asks for another number.
fn config(cases: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(cases),
    }
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn what_did_not_widen_lets_nothing_new(
        before in plan(),
        after in plan(),
        probes in prop::collection::vec(path(), 30),
    ) {
        let Difference { widened, narrowed } = difference(&before, &after);
        let plans = [&before, &after];
        for probe in &probes {
            let (was, is) = (allowed(&before.files, probe), allowed(&after.files, probe));
            prop_assert!(is <= was || tells_of_path(&widened, plans, probe), "{probe}: {was} to {is}");
            prop_assert!(was <= is || tells_of_path(&narrowed, plans, probe), "{probe}: {was} to {is}");
        }
        for name in VARIABLES {
            let (was, is) = (variable(&before.environment, name), variable(&after.environment, name));
            let known = is.is_none() || was == is || tells_of_variable(&widened, name);
            prop_assert!(known, "{name}: {was:?} to {is:?}");
        }
        for host in ["10.0.0.1", "10.1.2.3", "192.0.2.1", "64:ff9b::a01:203", "2001:db8::1", "a.example", "b.a.example"] {
            let host = Target::parse(host).unwrap();
            for (port, protocol) in [(80, Protocol::Tcp), (100, Protocol::Tcp), (443, Protocol::Tcp), (443, Protocol::Udp)] {
                let reach = |plan: &Plan| plan.network.decide(&host, port, protocol).0;
                let (was, is) = (reach(&before), reach(&after));
                prop_assert!(was || !is || tells_of_network(&widened), "{host:?}:{port}");
            }
        }
    }

    #[test]
    fn a_plan_does_not_differ_from_itself(plan in plan()) {
        prop_assert!(difference(&plan, &plan).is_empty(), "{}", difference(&plan, &plan));
    }

    #[test]
    fn what_widened_one_way_narrowed_the_other(before in plan(), after in plan()) {
        let (there, back) = (difference(&before, &after), difference(&after, &before));
        prop_assert_eq!(there.widened.len(), back.narrowed.len());
        prop_assert_eq!(there.narrowed.len(), back.widened.len());
    }
}

#[test]
fn a_difference_in_words() {
    use crate::{Context, Sources, Surroundings, compile, compose};
    let abs = |path: &str| AbsPath::new(path).unwrap();
    let plan = |text: &str| {
        let (cwd, home) = (abs("/home/u/p"), abs("/home/u"));
        let context = Context { cwd, home, user: "u".into(), agent: None, task: None };
        let sources = Sources::of_text("ringfence.toml", text, context, Surroundings::default());
        compile(&sources.and_then(compose).unwrap()).unwrap()
    };
    let before = plan(
        "[filesystem]\nread = [\"~/data\"]\nwrite = [\"./out\"]\ndeny = [\"**/.env\"]\n\
         [environment]\npass = [\"CI\"]\n[limits]\ntime = \"10m\"\n",
    );
    let after = plan(
        "[filesystem]\nread = [\"~/data\", \"~/notes\"]\nwrite = [\"~/data/x\"]\ndeny = [\"~/data/y\"]\n\
         [environment]\npass = [\"CI\", \"MY_*\"]\n[network]\nallow = [\"api.example.org:443\"]\n\
         [containment]\nlevel = \"process\"\n",
    );
    insta::assert_snapshot!(difference(&before, &after), @r#"
    widened
      /home/u/data/x: was readable, now writable; filesystem.write = "~/data/x" (ringfence.toml:3:10)
      /home/u/notes: was refused, now readable; filesystem.read = "~/notes" (ringfence.toml:2:19)
      /home/u/data/**/.env: was denied, now not denied; no more: filesystem.deny = "**/.env" (ringfence.toml:4:9)
      /home/u/p/**/.env: was denied, now not denied; no more: filesystem.deny = "**/.env" (ringfence.toml:4:9)
      MY_*: was not passed, now passed; environment.pass = "MY_*" (ringfence.toml:6:15)
      api.example.org:443: was refused, now allowed; network.allow = "api.example.org:443" (ringfence.toml:8:10)
      limits.time: was 10 min, now no limit; no more: limits.time = "10m" (ringfence.toml:8:8)
      containment.level: was auto, now process; containment.level = "process" (ringfence.toml:10:9)
    narrowed
      /home/u/data/y: was readable, now refused; filesystem.deny = "~/data/y" (ringfence.toml:4:9)
    "#);
    assert_eq!(
        serde_json::to_value(&difference(&before, &after).widened[4]).unwrap(),
        serde_json::json!({
            "area": "environment",
            "subject": "MY_*",
            "before": "not passed",
            "after": "passed",
            "rule_after": {
                "text": "environment.pass = \"MY_*\"",
                "origin": { "file": { "path": "ringfence.toml", "line": 6, "column": 15 } },
            },
        })
    );
}
