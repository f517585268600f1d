//! What each backend answers to a plan that asks for more than it can hold.
#![cfg(target_os = "linux")]

use ringfence_backend::ALL;
use ringfence_plan::Capture;
use ringfence_plan::{
    AbsPath, Access, CgroupHost, DenyGlob, Enclosure, Field, Grant, Host, Level, Match, NetworkMode,
    NetworkRule, PathPattern, Plan, Protect, RuleId, Support, Verdict,
};

fn host(notification: Support) -> Host {
    Host {
        kernel: (6, 12),
        landlock: 6,
        user_namespaces: Support::Yes,
        notification,
        cgroup: CgroupHost::None { why: "a test".into() },
        overlay: Support::Yes,
        capture: ringfence_plan::Capture::Tables,
        root: false,
        enclosure: None,
    }
}

fn no_notification() -> Support {
    Support::No { why: "a test".into(), mend: String::new() }
}

/// Each backend's answer for one field, in a word.
fn answers(plan: &Plan, host: &Host, field: Field) -> Vec<(&'static str, &'static str)> {
    let answer = |backend: &&dyn ringfence_backend::Backend| {
        let lowered = backend.lower(plan, host).ok()?;
        let word = match lowered.verdicts().of(field)?.verdict {
            Verdict::Enforced => "enforced",
            Verdict::Narrowed { .. } => "narrowed",
            Verdict::Unenforced { .. } => "unenforced",
        };
        Some((backend.name(), word))
    };
    ALL.iter().filter_map(answer).collect()
}

/// Whether the steps of a backend leave the host's network in reach.
fn shares_network(plan: &Plan, backend: usize) -> bool {
    let lowered = ALL[backend].lower(plan, &host(Support::Yes)).unwrap_or_else(|_| panic!("it has Landlock"));
    !lowered.steps().iter().any(|step| step.contains("unshare the network namespace"))
}

#[test]
fn rules_of_the_network_are_held_where_it_can_be_captured_and_never_by_the_hosts_own() {
    let rule = |text: &str| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(0) };
    let plan = |mode, allow: &[&str], deny: &[&str]| {
        let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
        plan.network.mode = mode;
        plan.network.allow = allow.iter().map(|text| rule(text)).collect();
        plan.network.deny = deny.iter().map(|text| rule(text)).collect();
        plan
    };
    let held = [("namespaces", "enforced"), ("process", "narrowed")];
    let captured = [("namespaces", "enforced"), ("process", "unenforced")];
    let less = [("namespaces", "narrowed"), ("process", "unenforced")];
    let some = ["a.example:443"];
    let cases = [
        (plan(NetworkMode::None, &some, &some), held, false),
        (plan(NetworkMode::Rules, &some, &[]), captured, false),
        (plan(NetworkMode::Rules, &["a.example:443", "udp://1.2.3.4:123"], &[]), captured, false),
        // Whoever is asked for a name, the gateway answers.
        (plan(NetworkMode::Rules, &["a.example:443", "udp://1.2.3.4:53"], &[]), less, false),
        // Nothing is allowed as yet: a gateway where there can be one, and no network where not.
        (plan(NetworkMode::Rules, &[], &some), held, false),
        (plan(NetworkMode::Host, &[], &[]), held, true),
        // Everything but one: not everything.
        (plan(NetworkMode::Host, &[], &some), less, false),
    ];
    for (plan, expected, shared) in cases {
        assert_eq!(answers(&plan, &host(Support::Yes), Field::Network), expected, "{:?}", plan.network);
        assert_eq!(shares_network(&plan, 0), shared, "{:?}", plan.network);
    }
}

#[test]
fn without_nf_tables_rules_are_held_where_their_ports_can_have_listeners() {
    let listeners = Capture::Listeners { why: "a test".into(), mend: String::new() };
    let none = Capture::None { why: "a test".into() };
    let answer = |capture: &Capture, allow: &[&str]| {
        let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
        plan.network.mode = NetworkMode::Rules;
        let rule = |text: &&str| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(0) };
        plan.network.allow = allow.iter().map(rule).collect();
        let host = Host { capture: capture.clone(), ..host(Support::Yes) };
        answers(&plan, &host, Field::Network)[0].1
    };
    assert_eq!(answer(&listeners, &["a.example:443", "udp://b.example:123"]), "enforced");
    // The command cannot listen there itself.
    assert_eq!(answer(&listeners, &["a.example:8080"]), "narrowed");
    // More ports than listeners.
    assert_eq!(answer(&listeners, &["10.0.0.0/8:1-65535"]), "narrowed");
    assert_eq!(answer(&none, &["a.example:443"]), "unenforced");
}

#[test]
fn rules_that_allow_nothing_have_a_gateway_where_there_can_be_one_and_no_network_elsewhere() {
    let lowered = |backend: usize, mode, capture| {
        let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
        plan.network.mode = mode;
        plan.network.allow.clear();
        let host = Host { capture, ..host(Support::Yes) };
        let lowered = ALL[backend].lower(&plan, &host).unwrap_or_else(|_| panic!("it has all"));
        let is_held =
            !matches!(lowered.verdicts().of(Field::Network).unwrap().verdict, Verdict::Unenforced { .. });
        (lowered.is_captured(), lowered.is_gated(), is_held)
    };
    let none = || Capture::None { why: "a test".into() };
    assert_eq!(lowered(0, NetworkMode::Rules, Capture::Tables), (true, true, true));
    assert_eq!(lowered(0, NetworkMode::Rules, none()), (false, false, true));
    assert_eq!(lowered(1, NetworkMode::Rules, Capture::Tables), (false, false, true));
    assert_eq!(lowered(0, NetworkMode::None, Capture::Tables), (false, false, true));
}

#[test]
fn a_readable_part_of_a_writable_tree_is_held_or_said_not_to_be() {
    let plan = |grants: &[(&str, Access)]| {
        let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
        let grant = |(path, access): &(&str, Access)| Grant {
            path: AbsPath::new(path).unwrap(),
            access: *access,
            optional: true,
            rule: RuleId(0),
        };
        plan.files.grants = grants.iter().map(grant).collect();
        plan
    };
    let taken_back = plan(&[("/w", Access::Write), ("/w/vendor", Access::Read)]);
    let opened_again = plan(&[("/w", Access::Write), ("/w/a", Access::Read), ("/w/a/out", Access::Write)]);
    let apart = plan(&[("/usr", Access::Read), ("/usr/lib", Access::Private), ("/w", Access::Write)]);
    let (with, without) = (host(Support::Yes), host(no_notification()));
    let answer = |plan: &Plan, host: &Host| answers(plan, host, Field::FilesWrite);
    let both = [("namespaces", "enforced"), ("process", "enforced")];
    let one = [("namespaces", "enforced"), ("process", "unenforced")];
    assert_eq!(answer(&taken_back, &with), both);
    assert_eq!(answer(&taken_back, &without), one);
    assert_eq!(answer(&opened_again, &with), one);
    assert_eq!(answer(&apart, &without), both);
}

/// A plan with these grants, a deny pattern and a protected name.
fn inner_plan(grants: &[(&str, Access)]) -> Plan {
    let path = |text: &str| AbsPath::new(text).unwrap();
    let pattern = |text| PathPattern::new(path("/w"), text, Match::Exact).unwrap();
    let mut plan = Plan::top(path("/home/u"));
    let grant = |(text, access): &(&str, Access)| Grant {
        path: path(text),
        access: *access,
        optional: true,
        rule: RuleId(0),
    };
    plan.files.grants = grants.iter().map(grant).collect();
    plan.files.deny_globs = vec![DenyGlob { pattern: pattern("**/.env"), rule: RuleId(0) }];
    plan.files.protect = vec![Protect { pattern: pattern("deploy"), rule: RuleId(0) }];
    plan.containment.level = Level::Namespaces;
    plan
}

/// The process backend's answers within such a sandbox: protected names, denied paths, the level.
fn answers_within(plan: &Plan, enclosure: Option<Enclosure>) -> [&'static str; 3] {
    let host = Host { user_namespaces: no_notification(), enclosure, ..host(no_notification()) };
    [Field::FilesProtect, Field::FilesDeny, Field::Containment].map(|field| answers(plan, &host, field)[0].1)
}

#[test]
fn within_a_sandbox_what_it_holds_counts_and_no_more() {
    use Access::{Deny, Read, Write};
    let plan = inner_plan(&[("/w", Write), ("/w/key", Deny)]);
    let around = |namespaces, grants: &[(&str, Access)]| {
        Some(Enclosure { namespaces, plan: Some(Box::new(inner_plan(grants))) })
    };
    let same = [("/w", Write), ("/w/key", Deny)];
    assert_eq!(answers_within(&plan, None), ["unenforced"; 3]);
    assert_eq!(answers_within(&plan, around(true, &same)), ["enforced"; 3]);
    // Its plan is not known.
    let unknown = Some(Enclosure { namespaces: true, plan: None });
    assert_eq!(answers_within(&plan, unknown), ["enforced", "unenforced", "enforced"]);
    // It does not deny that one.
    let wider = around(true, &[("/w", Read)]);
    assert_eq!(answers_within(&plan, wider), ["enforced", "unenforced", "enforced"]);
    // Without mounts it could not take a part back either.
    assert_eq!(answers_within(&plan, around(false, &same)), ["enforced", "unenforced", "unenforced"]);
}

#[test]
fn a_deny_in_a_tree_that_the_sandbox_makes_for_itself_is_not_called_held() {
    let held = |path: &str| {
        let plan = inner_plan(&[("/", Access::Read), (path, Access::Deny)]);
        answers(&plan, &host(Support::Yes), Field::FilesDeny)[0]
    };
    for own in ["/proc", "/proc/1/environ", "/dev", "/dev/random"] {
        assert_eq!(held(own), ("namespaces", "unenforced"), "{own}");
    }
    assert_eq!(held("/process"), ("namespaces", "enforced"));
}
