//! The whole way from the texts of several layers to a plan, held against a slow and obvious reference: what a policy
//! grants, less what every ceiling takes.
//!
//! The meet of two plans has proofs of its own in ringfence-plan; the reading of one layer in `precedence`.
#![cfg(unix)]
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::ffi::OsStr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence_plan::{AbsPath, Access, NetworkMode, Plan, Protocol, Target};
use ringfence_policy::{Context, Sources, Surroundings, compile, compose};

/// One layer, as data.
#[derive(Clone, Debug, Default)]
struct Layer {
    /// List and names below /srv.
    paths: Vec<(Access, Vec<&'static str>)>,
    pass: Vec<&'static str>,
    deny_variables: Vec<&'static str>,
    allow: Vec<&'static str>,
    deny: Vec<&'static str>,
    seconds: Option<u64>,
    processes: Option<u32>,
    nested: Option<bool>,
}

const VARIABLES: [&str; 6] = ["APPLE", "APRICOT", "BANANA", "CHERRY", "DATE", "PATH"];
const PATTERNS: [&str; 6] = ["AP*", "APPLE", "*A", "*", "CHERRY", "DATE"];
const RULES: [&str; 7] = [
    "a.example:443",
    "*.example:443",
    "*.b.example:80-500",
    "x.b.example",
    "10.0.0.0/8:80-90",
    "10.1.0.0/16:85-443",
    "10.1.2.3:443",
];
const TARGETS: [&str; 7] =
    ["a.example", "example", "x.b.example", "b.example", "10.1.2.3", "10.9.9.9", "192.168.0.1"];
const PORTS: [u16; 5] = [80, 85, 443, 500, 22];

fn abs(path: &str) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn place(names: &[&str]) -> AbsPath {
    abs(&std::iter::once("/srv").chain(names.iter().copied()).collect::<Vec<_>>().join("/"))
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    // `p` is the workspace; `a-` sorts between `a` and what lies below it.
    prop::collection::vec(select(vec!["p", "a", "a-", "b"]), 1..5)
}

fn layer() -> impl Strategy<Value = Layer> {
    let access = select(vec![Access::Deny, Access::Read, Access::Read, Access::Private, Access::Write]);
    let paths = prop::collection::vec((access, names()), 0..7);
    let words = || (subsequence(PATTERNS.to_vec(), 0..4), subsequence(PATTERNS[..3].to_vec(), 0..2));
    let rules = || (subsequence(RULES.to_vec(), 0..5), subsequence(RULES.to_vec(), 0..2));
    let numbers = (prop::option::of(1u64..100), prop::option::of(1u32..100), any::<Option<bool>>());
    (paths, words(), rules(), numbers).prop_map(
        |(paths, (pass, deny_variables), (allow, deny), (seconds, processes, nested))| Layer {
            paths,
            pass,
            deny_variables,
            allow,
            deny,
            seconds,
            processes,
            nested,
        },
    )
}

impl Layer {
    fn text(&self, kind: &str) -> String {
        let lists = [("deny", Access::Deny), ("read", Access::Read), ("private", Access::Private)];
        let mut text = format!("kind = {kind:?}\n[filesystem]\n");
        for (list, access) in lists.into_iter().chain([("write", Access::Write)]) {
            let of = self.paths.iter().filter(|(of, _)| *of == access);
            let paths: Vec<_> = of
                .map(|(_, names)| format!("{{ path = {:?}, optional = true }}", place(names).to_string()))
                .collect();
            if !paths.is_empty() {
                text += &format!("{list} = [{}]\n", paths.join(", "));
            }
        }
        // What a ceiling lists and leaves empty is refused, lest it be taken for a bound.
        let list = |name: &str, words: &[&str]| match words.is_empty() {
            true => String::new(),
            false => format!("{name} = {words:?}\n"),
        };
        text += &format!("[environment]\n{}deny = {:?}\n", list("pass", &self.pass), self.deny_variables);
        text += &format!("[network]\n{}deny = {:?}\n[limits]\n", list("allow", &self.allow), self.deny);
        text += &self.seconds.map_or(String::new(), |seconds| format!("time = {seconds}\n"));
        text += &self.processes.map_or(String::new(), |count| format!("processes = {count}\n"));
        text + &self.nested.map_or(String::new(), |on| format!("[processes]\nnested_namespaces = {on}\n"))
    }

    /// Any deny on the way wins; else the longest path; of several on one path the strictest.
    fn access(&self, names: &[&str], otherwise: Option<Access>) -> Option<Access> {
        let above = || self.paths.iter().filter(|(_, path)| names.starts_with(path));
        if above().any(|(access, _)| *access == Access::Deny) {
            return None;
        }
        let longest = above().map(|(_, path)| path.len()).max();
        let strictest =
            above().filter(|(_, path)| Some(path.len()) == longest).map(|(access, _)| *access).min();
        strictest.or(otherwise)
    }

    fn bounds_files(&self) -> bool {
        self.paths.iter().any(|(access, _)| *access != Access::Deny)
    }

    fn passes(&self, name: &str, bound: bool) -> bool {
        let matches = |patterns: &[&str]| patterns.iter().any(|pattern| fits(pattern, name));
        let unsaid = bound && self.pass.is_empty();
        (unsaid || name == "PATH" || matches(&self.pass)) && !matches(&self.deny_variables)
    }

    fn reaches(&self, host: &str, port: u16, bound: bool) -> bool {
        let any = |rules: &[&str], unsaid| rules.iter().any(|rule| speaks_of(rule, host, port, unsaid));
        let unsaid = bound && self.allow.is_empty();
        (unsaid || any(&self.allow, &[80, 443])) && !any(&self.deny, &PORTS)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(start)) => name.starts_with(start),
        _ => pattern == name,
    }
}

/// Written anew for the few forms of [`RULES`]: the real reading of rules is what is on trial.
fn speaks_of(rule: &str, host: &str, port: u16, unsaid: &[u16]) -> bool {
    let (pattern, ports) = rule.split_once(':').unwrap_or((rule, "unsaid"));
    let in_ports = match ports.split_once('-') {
        _ if ports == "unsaid" => unsaid.contains(&port),
        Some((first, last)) => (first.parse().unwrap()..=last.parse().unwrap()).contains(&port),
        None => ports.parse() == Ok(port),
    };
    let is_address = host.starts_with(|c: char| c.is_ascii_digit());
    let in_hosts = match pattern {
        "10.0.0.0/8" => is_address && host.starts_with("10."),
        "10.1.0.0/16" => is_address && host.starts_with("10.1."),
        _ => match pattern.strip_prefix("*.") {
            Some(above) => !is_address && host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.')),
            None => pattern == host,
        },
    };
    in_ports && in_hosts
}

fn plan(policy: &Layer, ceilings: &[&Layer]) -> Plan {
    let context = Context::new(abs("/srv/p"), abs("/home/u"), "u");
    let text = policy.text("policy");
    let sources = Sources::of_text("policy.toml", &text, context, Surroundings::default());
    let sources = ceilings.iter().enumerate().fold(sources, |sources, (at, ceiling)| {
        sources?.with_ceiling(&format!("ceiling{at}.toml"), &ceiling.text("ceiling"))
    });
    let composed = sources.and_then(compose).unwrap_or_else(|report| panic!("{report}\n{text}"));
    compile(&composed).unwrap()
}

/// What the workload gets at a path; denied and never granted are the same to it.
fn access(plan: &Plan, names: &[&str]) -> Option<Access> {
    plan.files.access(&place(names)).map(|(access, _)| access).filter(|access| *access != Access::Deny)
}

fn reaches(plan: &Plan, host: &str, port: u16) -> bool {
    let target = Target::parse(host).unwrap();
    plan.network.mode != NetworkMode::None && plan.network.decide(&target, port, Protocol::Tcp).0
}

/// Everything that the plan decides, over a small world: two plans that decide alike are equal here.
fn decisions(plan: &Plan, probes: &[Vec<&'static str>]) -> String {
    let files: Vec<_> = probes.iter().map(|names| access(plan, names)).collect();
    let variables = VARIABLES.map(|name| plan.environment.passes(OsStr::new(name)));
    let network = TARGETS.map(|host| PORTS.map(|port| reaches(plan, host, port)));
    let limits = (plan.limits.time, plan.limits.processes, plan.processes.nested_namespaces);
    format!("{files:?}{variables:?}{network:?}{limits:?}")
}

fn probes(layers: &[&Layer], more: Vec<Vec<&'static str>>) -> Vec<Vec<&'static str>> {
    let said = layers.iter().flat_map(|layer| layer.paths.iter().map(|(_, names)| names.clone()));
    said.chain(more).chain([vec!["p"]]).collect::<BTreeSet<_>>().into_iter().collect()
}

proptest! {
    #[test]
    fn a_plan_is_what_the_policy_grants_less_what_ceilings_take(
        policy in layer(),
        ceilings in prop::collection::vec(layer(), 0..3),
        more in prop::collection::vec(names(), 8),
    ) {
        let ceilings: Vec<&Layer> = ceilings.iter().collect();
        let plan = plan(&policy, &ceilings);
        let all: Vec<&Layer> = ceilings.iter().copied().chain([&policy]).collect();
        // The workspace is the base's, which people's words at the same path replace.
        let mut with_workspace = policy.clone();
        if policy.paths.iter().all(|(_, path)| *path != ["p"]) {
            with_workspace.paths.push((Access::Write, vec!["p"]));
        }
        for names in probes(&all, more) {
            let granted = with_workspace.access(&names, None);
            let should = ceilings.iter().fold(granted, |granted, ceiling| {
                let top = (!ceiling.bounds_files()).then_some(Access::Write);
                Some(granted?.min(ceiling.access(&names, top)?))
            });
            prop_assert_eq!(access(&plan, &names), should, "{:?} of {:#?} under {:#?}", names, policy, ceilings);
        }
        for name in VARIABLES {
            let should = policy.passes(name, false) && ceilings.iter().all(|ceiling| ceiling.passes(name, true));
            prop_assert_eq!(plan.environment.passes(OsStr::new(name)), should, "{}", name);
        }
        for (host, port) in TARGETS.iter().flat_map(|host| PORTS.map(|port| (host, port))) {
            let should =
                policy.reaches(host, port, false) && ceilings.iter().all(|ceiling| ceiling.reaches(host, port, true));
            prop_assert_eq!(reaches(&plan, host, port), should, "{}:{}", host, port);
        }
        let times = all.iter().filter_map(|layer| layer.seconds).min();
        prop_assert_eq!(plan.limits.time.map(|time| time.0 / 1000), times);
    }

    #[test]
    fn one_more_ceiling_never_grants(
        policy in layer(),
        ceilings in prop::collection::vec(layer(), 0..2),
        one_more in layer(),
        more in prop::collection::vec(names(), 8),
    ) {
        let before: Vec<&Layer> = ceilings.iter().collect();
        let after: Vec<&Layer> = ceilings.iter().chain([&one_more]).collect();
        let (wide, narrow) = (plan(&policy, &before), plan(&policy, &after));
        for names in probes(&after, more) {
            prop_assert!(access(&narrow, &names) <= access(&wide, &names), "{:?}", names);
        }
        for name in VARIABLES.map(OsStr::new) {
            prop_assert!(wide.environment.passes(name) || !narrow.environment.passes(name));
        }
        for (host, port) in TARGETS.iter().flat_map(|host| PORTS.map(|port| (host, port))) {
            prop_assert!(reaches(&wide, host, port) || !reaches(&narrow, host, port));
        }
        prop_assert!(wide.processes.nested_namespaces || !narrow.processes.nested_namespaces);
        prop_assert!(ringfence_policy::difference::difference(&wide, &narrow).widened.is_empty());
    }

    #[test]
    fn neither_the_order_within_a_layer_nor_that_of_ceilings_counts(
        policy in layer(),
        ceilings in prop::collection::vec(layer(), 1..4),
        more in prop::collection::vec(names(), 8),
    ) {
        let turned = |layer: &Layer| {
            let mut layer = layer.clone();
            layer.paths.reverse();
            layer.pass.reverse();
            layer.allow.reverse();
            layer
        };
        let others: Vec<Layer> = ceilings.iter().rev().map(turned).collect();
        let (some, others): (Vec<&Layer>, Vec<&Layer>) = (ceilings.iter().collect(), others.iter().collect());
        let probes = probes(&some, more);
        let one = decisions(&plan(&policy, &some), &probes);
        prop_assert_eq!(&one, &decisions(&plan(&turned(&policy), &others), &probes));
        // Once more is not more.
        let twice: Vec<&Layer> = some.iter().chain(&some).copied().collect();
        prop_assert_eq!(&one, &decisions(&plan(&policy, &twice), &probes));
    }

    #[test]
    fn a_deny_of_any_layer_wins(
        policy in layer(),
        ceiling in layer(),
        denied in names(),
        below in prop::collection::vec(select(vec!["a", "b"]), 0..3),
        by_ceiling in any::<bool>(),
    ) {
        let (mut policy, mut ceiling) = (policy, ceiling);
        let layer = if by_ceiling { &mut ceiling } else { &mut policy };
        layer.paths.push((Access::Deny, denied.clone()));
        layer.deny_variables.push("DATE");
        layer.deny.push("*.example:443");
        let plan = plan(&policy, &[&ceiling]);
        let inside: Vec<&str> = denied.iter().chain(&below).copied().collect();
        prop_assert_eq!(access(&plan, &inside), None);
        prop_assert!(!plan.environment.passes(OsStr::new("DATE")) && !reaches(&plan, "a.example", 443));
    }
}
