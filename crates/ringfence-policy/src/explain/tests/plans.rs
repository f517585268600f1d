//! Answers and plans agree: what stages say together is what the plan that they meet in says.

use proptest::prelude::*;
use ringfence_plan::{Access, Network, NetworkMode, Passage, Plan, Protocol, Target};

use super::*;

const NAMES: [&str; 4] = ["a", "b", ".env", ".git"];

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..3)
        .prop_map(|names| std::iter::once("/home/u").chain(names).collect::<Vec<_>>().join("/"))
}

fn list(entries: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::btree_set(entries.prop_map(|entry| format!("{entry:?}")), 0..3)
        .prop_map(|entries| format!("[{}]", entries.into_iter().collect::<Vec<_>>().join(", ")))
}

fn variable() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["A", "A_TOKEN", "A*", "*", "B", "*B"]).prop_map(String::from)
}

fn host() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a.example:443", "*.example:1-443", "10.0.0.0/8:80", "a.example"])
        .prop_map(String::from)
}

/// A policy of random lines; `workspace` is what it says of that.
pub(super) fn policy(workspace: &'static str) -> impl Strategy<Value = String> {
    let deny = || list(prop_oneof![path(), Just("**/.env".to_owned()), Just("~/*/b".to_owned())]);
    let files = (list(path()), list(path()), list(path()), deny(), list(Just("**/a".to_owned())));
    let environment = (list(variable()), list(variable()));
    let network = (prop::sample::select(vec!["none", "rules", "host"]), list(host()), list(host()));
    (files, environment, network).prop_map(
        move |((read, private, write, deny, protect), (pass, no_pass), (mode, allow, refuse))| {
            format!(
                "[filesystem]\n{workspace}read = {read}\nprivate = {private}\nwrite = {write}\ndeny = {deny}\n\
                 protect = {protect}\n[environment]\npass = {pass}\ndeny = {no_pass}\n\
                 [network]\nmode = {mode:?}\nallow = {allow}\ndeny = {refuse}\n"
            )
        },
    )
}

/// The stages of a text and what is void in it, or nothing where the text cannot be meant.
pub(super) fn stages(text: &str) -> Option<(Vec<Stage>, Vec<Void>)> {
    let surroundings = Surroundings { project: Some(abs("/home/u/p")), ..Surroundings::default() };
    let sources = Sources::of_text("ringfence.toml", text, context(), surroundings).ok()?;
    let composed = compose(sources).ok()?;
    Some((composed.stages(), composed.void()))
}

pub(super) fn decides(plan: &Plan, question: &Question) -> Verdict {
    match question {
        Question::Read(path) => match plan.files.access(path) {
            None | Some((Access::Deny, _)) => Verdict::Refused,
            Some(_) => Verdict::Allowed,
        },
        Question::Write(path) => match plan.files.access(path) {
            Some((Access::Write | Access::Private, _)) if plan.files.protection(path).is_some() => {
                Verdict::Refused
            }
            Some((Access::Write, _)) => Verdict::Allowed,
            Some((Access::Private, _)) => Verdict::Private,
            _ => Verdict::Refused,
        },
        Question::Connect { host, port, protocol } => {
            match connects(&plan.network, host, (*port, *protocol)) {
                true => Verdict::Allowed,
                false => Verdict::Refused,
            }
        }
        Question::Request { host, port, method, path } => {
            let targets = std::slice::from_ref(host);
            let request = ringfence_plan::Request { targets, port: *port, method, path, header: 0 };
            let reached = plan.network.decide(host, *port, ringfence_plan::Protocol::Tcp).0;
            match reached && plan.network.decide_request(&request).is_ok() {
                true => Verdict::Allowed,
                false => Verdict::Refused,
            }
        }
        Question::Env(name) => match plan.environment.decide(name.as_ref()) {
            (Passage::Passes | Passage::Set, _) => Verdict::Allowed,
            _ => Verdict::Refused,
        },
    }
}

/// Rules, the floor beneath them, and single ports of the host's loopback beside them.
fn connects(network: &Network, host: &Target, (port, protocol): (u16, Protocol)) -> bool {
    let own = ["localhost", "127.0.0.1", "::1"].map(|name| Target::parse(name).unwrap());
    let named = network.host.iter().any(|host| host.port == port);
    if named && own.contains(host) && protocol == Protocol::Tcp && network.mode != NetworkMode::None {
        return own
            .iter()
            .all(|name| !network.deny.iter().any(|rule| rule.endpoint.covers(name, port, protocol)));
    }
    let kept = match host {
        Target::Address(address) => network.keeps_back(*address, port, protocol).is_some(),
        Target::Name(_) => false,
    };
    network.decide(host, port, protocol).0 && !kept
}

pub(super) fn questions() -> impl Strategy<Value = Vec<Question>> {
    let paths = prop::collection::vec(path(), 3);
    paths.prop_map(|paths| {
        let path = |path: &String| abs(path);
        let reads = paths.iter().map(path).map(Question::Read);
        let writes = paths.iter().map(path).map(Question::Write);
        let hosts = ["a.example", "10.1.2.3", "::1"].into_iter().map(|host| Question::Connect {
            host: Target::parse(host).unwrap(),
            port: 443,
            protocol: Protocol::Tcp,
        });
        let names = ["A", "AB", "A_TOKEN", "B", "PATH", "HOME", "LD_PRELOAD"].into_iter();
        let variables = names.map(|name| Question::Env(name.into()));
        reads.chain(writes).chain(hosts).chain(variables).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_stages_say_together_is_what_the_plan_says_that_they_meet_in(
        text in policy(""),
        other in policy("workspace = false\n"),
        questions in questions(),
    ) {
        let (Some((mut stages, _)), Some((other, _))) = (stages(&text), stages(&other)) else { return Ok(()) };
        let bound = other.into_iter().map(|stage| Stage { kind: StageKind::Parent, ..stage });
        stages.extend(bound);
        let met = stages[0].plan.meet(&stages[1].plan);
        for question in questions {
            let answer = why(&stages, &[], &question);
            prop_assert_eq!(answer.verdict, decides(&met, &question), "{}\n{}", question, answer);
            let alone = why(&stages[..1], &[], &question);
            prop_assert_eq!(alone.verdict, decides(&stages[0].plan, &question), "{}\n{}", question, alone);
        }
    }
}
