//! Who may say what of requests, credentials, ports and the way out; and that no bound makes anything wider.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence_plan::{Access, NetworkMode, Plan, Request as Asked, RequestPath, Target};
use ringfence_policy::difference::{Area, Change, Difference, difference};
use ringfence_policy::{Report, Request, compile, compose, load};

/// The plan of a project's own file, if it has one, a policy that is named, and ceilings.
fn plan(project: Option<&str>, policy: &str, ceilings: &[&str]) -> Result<Plan, Report> {
    let place = tempfile::tempdir().unwrap();
    let place = fs::canonicalize(place.path()).unwrap();
    let directory = place.join("project");
    fs::create_dir_all(&directory).unwrap();
    fs::create_dir(place.join("home")).unwrap();
    let mut layers = vec![place.join("policy.toml")];
    fs::write(&layers[0], policy).unwrap();
    for (at, text) in ceilings.iter().enumerate() {
        layers.push(place.join(format!("{at}.toml")));
        fs::write(&layers[at + 1], format!("kind = \"ceiling\"\n{text}")).unwrap();
    }
    if let Some(text) = project {
        fs::write(directory.join("ringfence.toml"), text).unwrap();
    }
    let home = place.join("home");
    let request = Request { cwd: directory, home, user: "u".into(), layers, ..Request::default() };
    let plan = compile(&load(&request).and_then(compose)?);
    fs::remove_dir_all(place).ok();
    plan
}

const CREDENTIAL: &str = "[[network.credential]]\nhost = \"api.example\"\nheader = \"Authorization\"\n";

#[test]
fn a_project_names_no_secret_and_no_way_out() {
    let credential = format!("{CREDENTIAL}source = {{ env = \"A\" }}\nplaceholder = {{ env = \"A\" }}\n");
    let texts = [
        credential.as_str(),
        "[network]\nproxy = \"http://proxy.example:3128\"\n",
        "[network]\nproxy = \"environment\"\n",
        "[network]\nno_proxy = [\"a.example\"]\n",
        "[network]\nproxy_credential = { env = \"A\" }\n",
        "[network]\nresolver = \"tls://192.0.2.1\"\n",
    ];
    for text in texts {
        let report = plan(Some(text), "", &[]).expect_err(text).to_string();
        assert!(report.contains("is not for a project's file"), "{report}");
        assert!(plan(None, text, &[]).is_ok(), "{text}");
    }
}

#[test]
fn a_project_that_is_not_trusted_opens_no_port_and_lets_no_request_through() {
    let project = "[network]\nlisten = [3000]\nhost = [5432]\n[[network.http]]\nhost = \"api.example\"\n";
    let user = "[network]\npublish = [8080]\n[[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\"]\n";
    let plan = plan(Some(project), user, &[]).unwrap();
    assert_eq!(plan.network.publish.iter().map(|port| port.inside).collect::<Vec<_>>(), [8080]);
    assert_eq!(plan.network.host.iter().count(), 0);
    assert!(lets(&plan, "GET", "/") && !lets(&plan, "POST", "/"));
}

#[test]
fn what_a_secret_comes_from_is_kept_from_the_command() {
    let text = format!(
        "[environment]\npass = [\"TOKEN\"]\n[filesystem]\nread = [\"~\"]\n\
         {CREDENTIAL}source = {{ env = \"TOKEN\" }}\nplaceholder = {{ env = \"TOKEN\" }}\n\
         {CREDENTIAL}source = {{ file = \"~/token\" }}\nplaceholder = {{ env = \"OTHER\" }}\n\
         [[network.http]]\nhost = \"api.example\"\n"
    );
    let plan = plan(None, &text, &[]).unwrap();
    assert!(plan.environment.deny.iter().any(|deny| deny.name == "TOKEN"));
    let token = plan.files.home.join("token").unwrap();
    assert_eq!(plan.files.access(&token).map(|(access, _)| access), Some(Access::Deny));
    assert_eq!(plan.network.credentials.len(), 2);
    // Without a network nobody asks for them.
    let offline = text.replace("[environment]", "[network]\nmode = \"none\"\n[environment]");
    assert!(offline_plan(&offline).network.credentials.is_empty());
}

fn offline_plan(text: &str) -> Plan {
    plan(None, text, &[]).unwrap()
}

#[test]
fn ceilings_that_differ_in_the_way_out_are_no_order() {
    let proxy = |host: &str| format!("[network]\nproxy = \"http://{host}:3128\"\n");
    let (one, other) = (proxy("one.example"), proxy("other.example"));
    let report = plan(None, "", &[&one, &other]).expect_err("two proxies").to_string();
    assert!(report.contains("two ceilings say different things"), "{report}");
    let plan = plan(None, &(other + "allow = [\"a.example\"]\n"), &[&one, &one]).unwrap();
    assert_eq!(plan.network.parent.unwrap().server.to_string(), "http://one.example:3128");
}

#[test]
fn a_ceiling_that_says_none_publishes_nothing() {
    let listens = "[network]\nlisten = [3000]\n";
    assert_eq!(
        plan(None, &listens.replace("\nlisten", "\nmode = \"none\"\nlisten"), &[])
            .unwrap()
            .network
            .publish
            .iter()
            .count(),
        1
    );
    let bounds = [
        ("[network]\nmode = \"none\"\n", 0),
        ("[network]\nmode = \"rules\"\n", 1),
        ("[network]\nlisten = []\n", 0),
        ("[network]\npublish = [\"3000:3000\"]\n", 1),
        ("[network]\npublish = [\"3000:3001\"]\n", 0),
        ("[network]\nhost = []\n", 1),
    ];
    for (bound, published) in bounds {
        let plan = plan(None, listens, &[bound]).unwrap();
        assert_eq!(plan.network.publish.iter().count(), published, "{bound}");
    }
}

#[test]
fn a_ceiling_that_lists_hosts_or_ports_bounds_the_loopback() {
    let asks = "[network]\nhost = [3128]\nallow = [\"a.example\"]\n";
    let ports = |policy: &str, ceiling: &str| -> Vec<u16> {
        let plan = plan(None, policy, &[ceiling]).unwrap();
        assert_eq!(plan.network.mode, NetworkMode::Rules, "{ceiling}");
        plan.network.host.iter().map(|host| host.port).collect()
    };
    // A proxy that listens there would lead to every host.
    assert_eq!(ports(asks, "[network]\nallow = [\"a.example\"]\n"), [0u16; 0]);
    assert_eq!(ports(asks, "[network]\nallow = [\"a.example\"]\nhost = [3128]\n"), [3128]);
    assert_eq!(ports(asks, "[network]\nmode = \"rules\"\n"), [3128]);
    // The host's own network has its loopback.
    let everything = "[network]\nmode = \"host\"\n";
    for ceiling in ["host = [5432]", "host = []", "publish = [8080]", "listen = []"] {
        assert_eq!(ports(everything, &format!("[network]\n{ceiling}\n")), [0u16; 0], "{ceiling}");
    }
    let plan = plan(None, asks, &["[network]\nhost = [5432]\n"]).unwrap();
    assert!(!plan.network.allow.is_empty(), "hosts stay with those who name them");
}

#[test]
fn a_ceiling_over_requests_bounds_no_other_host() {
    let bound = "[[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\"]\n";
    let plan = plan(None, "[network]\nallow = [\"api.example\", \"b.example\"]\n", &[bound]).unwrap();
    assert_eq!(plan.network.mode, NetworkMode::Rules);
    assert_eq!(plan.network.allow.len(), 4);
    assert!(lets(&plan, "GET", "/x") && !lets(&plan, "POST", "/x"));
}

fn lets(plan: &Plan, method: &str, path: &str) -> bool {
    let target = Target::parse("api.example").unwrap();
    let targets = std::slice::from_ref(&target);
    let network = &plan.network;
    let (reached, _) = network.decide(&target, 443, ringfence_plan::Protocol::Tcp);
    let path = RequestPath::parse(path).unwrap();
    reached && network.decide_request(&Asked { targets, port: 443, method, path: &path, header: 0 }).is_ok()
}

const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
const PATTERNS: [&str; 4] = ["/a", "/a/**", "/*", "/b"];
const PATHS: [&str; 4] = ["/a", "/a/b", "/b", "/"];

/// Lines that may stand in a policy and in a ceiling.
fn layer() -> impl Strategy<Value = String> {
    let rule = (subsequence(METHODS.to_vec(), 0..3), subsequence(PATTERNS.to_vec(), 0..3));
    let rules = prop::collection::vec(rule, 0..3);
    let ports = prop::option::of(subsequence(vec![80u16, 81, 82], 0..3));
    let host = prop::option::of(subsequence(vec![90u16, 91], 0..2));
    let limit = prop::option::of(1u32..4);
    (rules, ports, host, limit, any::<bool>(), select(vec!["", "mode = \"rules\"\n"])).prop_map(
        |(rules, ports, host, limit, refuse, mode)| {
            let list = |name, ports: Option<Vec<u16>>| {
                ports.map_or(String::new(), |ports| format!("{name} = {ports:?}\n"))
            };
            let mut text = format!("[network]\n{mode}{}{}", list("publish", ports), list("host", host));
            text += if refuse { "encrypted_hello = \"refuse\"\n" } else { "" };
            for (methods, paths) in rules {
                text += "[[network.http]]\nhost = \"api.example\"\n";
                text += &if methods.is_empty() { String::new() } else { format!("methods = {methods:?}\n") };
                text += &if paths.is_empty() { String::new() } else { format!("paths = {paths:?}\n") };
            }
            text + &limit.map_or(String::new(), |most| format!("[[network.budget]]\nconnections = {most}\n"))
        },
    )
}

/// Everything that a plan lets, as numbers of which none may rise.
fn decisions(plan: &Plan) -> Vec<u64> {
    let network = &plan.network;
    let requests = METHODS.iter().flat_map(|method| PATHS.map(|path| u64::from(lets(plan, method, path))));
    let publish =
        [80, 81, 82].map(|port| u64::from(network.publish.iter().any(|known| known.inside == port)));
    let host = [90, 91].map(|port| u64::from(network.host.iter().any(|known| known.port == port)));
    let most = network.budgets.iter().filter_map(|budget| budget.connections).min().unwrap_or(u64::MAX);
    // Where nothing is reached, nothing is sent.
    let none = network.mode == NetworkMode::None || network.allow.is_empty();
    let rest = [if none { 0 } else { most }, u64::from(!none && network.encrypted_hello.is_allowed())];
    requests.chain(publish).chain(host).chain(rest).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_ceiling_and_no_untrusted_project_makes_anything_wider(
        policy in layer(), one in layer(), two in layer(), project in layer(),
    ) {
        let alone = decisions(&plan(None, &policy, &[]).unwrap());
        let bounded = plan(None, &policy, &[&one, &two]).unwrap();
        let turned = plan(None, &policy, &[&two, &one]).unwrap();
        let found = plan(Some(&project), &policy, &[&one, &two]).unwrap();
        prop_assert_eq!(decisions(&bounded), decisions(&turned));
        let not_above = |lower: &[u64], upper: &[u64]| lower.iter().zip(upper).all(|(lower, upper)| lower <= upper);
        prop_assert!(not_above(&decisions(&bounded), &alone));
        prop_assert!(not_above(&decisions(&found), &decisions(&bounded)));
    }
}

/// Only that: the two plans are of two projects.
fn of_network(plans: &[Plan; 2]) -> Difference {
    let Difference { widened, narrowed } = difference(&plans[0], &plans[1]);
    let keep = |changes: Vec<Change>| changes.into_iter().filter(|one| one.area == Area::Network).collect();
    Difference { widened: keep(widened), narrowed: keep(narrowed) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_lets_more_is_said_to_have_widened(before in layer(), after in layer()) {
        let plans = [&before, &after].map(|text| plan(None, text, &[]).unwrap());
        let [was, is] = plans.each_ref().map(decisions);
        let Difference { widened, narrowed } = of_network(&plans);
        prop_assert!(was.iter().zip(&is).all(|(was, is)| is <= was) || !widened.is_empty());
        prop_assert!(was.iter().zip(&is).all(|(was, is)| was <= is) || !narrowed.is_empty());
        prop_assert!(difference(&plans[0], &plans[0].clone()).is_empty());
    }
}

#[test]
fn a_difference_is_told_by_what_is_let() {
    let before = "[network]\nlisten = [3000]\nencrypted_hello = \"refuse\"\nproxy = \"environment\"\n\
        [[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\"]\n[[network.budget]]\nconnections = 5\n";
    let after = format!(
        "[network]\nhost = [5432]\nresolver = \"tls://192.0.2.1\"\nproxy = \"http://p.example:3128\"\n\
         [[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\", \"PUT\"]\n\
         {CREDENTIAL}source = {{ env = \"A\" }}\nplaceholder = {{ env = \"A\" }}\n\
         [[network.budget]]\nconnections = 6\n"
    );
    let plans = [plan(None, before, &[]).unwrap(), plan(None, &after, &[]).unwrap()];
    let told = of_network(&plans);
    let line = |line: &str| line.split("; ").next().unwrap().to_owned();
    insta::assert_snapshot!(told.to_string().lines().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn nobody_asks_and_nothing_is_written_out() {
    let plan = plan(None, "", &[]).unwrap();
    let network = serde_json::to_value(&plan.network).unwrap();
    let keys: Vec<_> = network.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["allow", "deny", "mode", "rule"]);
}
