//! Flags: the same fields as in a file, with errors that show what was typed; and reports as data.
//!
//! Which flags there are is the table's business; each row of it is tried here.
#![cfg(unix)]
#![allow(missing_docs)]

use std::collections::BTreeSet;

use ringfence_plan::{Bytes, Millis, Plan};
use ringfence_policy::{FIELDS, Flag, Kind, Report, Request, compile, compose, load};

fn flag(flag: &str, value: &str) -> Flag {
    let spec =
        FIELDS.iter().find(|spec| spec.flag == Some(flag)).unwrap_or_else(|| panic!("{flag} is in no row"));
    Flag { key: spec.key, value: value.into(), typed: format!("{flag} {value}") }
}

fn plan(flags: Vec<Flag>) -> Result<Plan, Report> {
    let place = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(place.path()).unwrap();
    let request =
        Request { cwd: place, home: "/home/u".into(), user: "u".into(), flags, ..Request::default() };
    compile(&load(&request).and_then(compose)?)
}

#[test]
fn every_example_of_the_table_is_accepted_in_a_file() {
    for spec in FIELDS {
        let (group, name) = spec.key.split_once('.').unwrap();
        let kind = if spec.ceiling_only { "kind = \"ceiling\"\n" } else { "" };
        let text = format!("{kind}[{group}]\n{name} = {}\n", spec.example);
        if spec.ceiling_only {
            // Heeded in the machine's own ceiling only, and there not without each other: read, and no more.
            ringfence_policy::format::format("x.toml", &text)
                .unwrap_or_else(|report| panic!("{text}{report}"));
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let place = std::fs::canonicalize(place.path()).unwrap();
        std::fs::write(place.join("x.toml"), &text).unwrap();
        let request = Request {
            cwd: place,
            home: "/home/u".into(),
            policy_files: vec!["x.toml".into()],
            ..Request::default()
        };
        load(&request).and_then(compose).unwrap_or_else(|report| panic!("{text}{report}"));
    }
}

#[test]
fn every_flag_says_what_its_field_says() {
    let mut tried = BTreeSet::new();
    for spec in FIELDS.iter().filter(|spec| spec.flag.is_some()) {
        let value = match spec.kind {
            Kind::Workspace | Kind::Path | Kind::PathPattern => "/srv/x",
            Kind::Variable | Kind::Variables => "CI",
            Kind::Network => "host",
            Kind::Size => "64MiB",
            Kind::Count => "64",
            Kind::Processors => "1.5",
            Kind::Duration => "90s",
            Kind::Switch => "true",
            Kind::Level => "process",
            Kind::Endpoint => "example.org",
            Kind::Audit => "/var/log/x",
            Kind::Publish => "8080:3000",
            Kind::Listen | Kind::HostPort => "3000",
            Kind::Proxy => "http://proxy.example:3128",
            Kind::Host | Kind::Http | Kind::Credential | Kind::Budget => unreachable!("no flag says it"),
            Kind::Secret | Kind::Resolver | Kind::EncryptedHello => unreachable!("no flag says it"),
            Kind::Key | Kind::User | Kind::FieldName => unreachable!("no flag says what only ceilings say"),
        };
        let typed = flag(spec.flag.unwrap(), value);
        let shown = typed.typed.clone();
        // A proxy is of use to a run that has a network.
        let network = flag("--allow-net", "example.org");
        let flags = if spec.kind == Kind::Proxy { vec![network, typed] } else { vec![typed] };
        let plan = plan(flags).unwrap_or_else(|report| panic!("{report}"));
        assert!(plan.rules.iter().any(|rule| rule.origin.to_string() == shown), "{shown}");
        tried.insert(spec.key);
    }
    let unsaid: Vec<_> = FIELDS.iter().map(|spec| spec.key).filter(|key| !tried.contains(key)).collect();
    // `--env NAME=VALUE` says environment.set; the others are not for the caller to say, or take more than a word.
    let meant = [
        "network.http",
        "network.credential",
        "network.budget",
        "network.no_proxy",
        "network.proxy_credential",
        "network.resolver",
        "network.encrypted_hello",
        "oversight.bypass",
        "signing.keys",
        "break_glass.users",
        "break_glass.fields",
        "break_glass.time",
    ];
    assert_eq!(unsaid, [&["environment.set"], &meant[..]].concat());
}

#[test]
fn the_last_flag_counts_and_lists_add_up() {
    let flags = vec![
        flag("--timeout", "5s"),
        flag("--timeout", "7"),
        flag("--memory", "unlimited"),
        flag("--tmp", "64MiB"),
        flag("--read", "/srv/a"),
        flag("--read", "/srv/b"),
        flag("--env", "A=1"),
        flag("--env", "A=2"),
    ];
    let plan = plan(flags).unwrap();
    assert_eq!(
        (plan.limits.time, plan.limits.memory, plan.limits.tmp),
        (Some(Millis(7000)), None, Bytes(64 << 20))
    );
    let read = plan.files.grants.iter().filter(|grant| grant.path.to_string().starts_with("/srv/")).count();
    assert_eq!((read, plan.environment.set["A"].0.as_str()), (2, "2"));
}

#[test]
fn a_wrong_flag_is_shown_as_it_was_typed() {
    let wrong = vec![flag("--memory", "2G"), flag("--containment", "strong"), flag("--env", "=x")];
    insta::assert_snapshot!(plan(wrong).unwrap_err().render(false));
}

#[test]
fn a_report_is_data_for_programs() {
    let report = plan(vec![flag("--read", "/srv/*"), flag("--write", "~x")]).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn a_host_is_denied_on_every_port_unless_the_text_says_one() {
    let denied = |text: &str| {
        let plan = plan(vec![flag("--network", "host"), flag("--deny-net", text)]).unwrap();
        let denied = plan.network.deny.iter().map(|rule| rule.endpoint.to_string());
        denied.collect::<Vec<_>>()
    };
    assert_eq!(denied("telemetry.org"), ["telemetry.org:1-65535", "udp://telemetry.org:1-65535"]);
    assert_eq!(denied("*.telemetry.org"), ["*.telemetry.org:1-65535", "udp://*.telemetry.org:1-65535"]);
    assert_eq!(denied("9.9.9.0/24"), ["9.9.9.0/24:1-65535", "udp://9.9.9.0/24:1-65535"]);
    assert_eq!(denied("telemetry.org:443"), ["telemetry.org:443"]);
    assert_eq!(denied("https://telemetry.org"), ["telemetry.org:443"]);
}

#[test]
fn a_host_that_a_flag_names_without_a_network_is_told_and_one_of_a_file_is_not() {
    let place = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(place.path()).unwrap();
    std::fs::write(place.join("x.toml"), "[network]\nallow = [\"file.example\"]\n").unwrap();
    let warned = |flags: Vec<Flag>| {
        let request = Request {
            cwd: place.clone(),
            home: "/home/u".into(),
            policy_files: vec!["x.toml".into()],
            flags,
            ..Request::default()
        };
        load(&request).and_then(compose).unwrap().warnings().render(false)
    };
    assert_eq!(warned(vec![flag("--network", "none")]).trim(), "");
    assert_eq!(warned(vec![flag("--network", "rules"), flag("--allow-net", "flag.example")]).trim(), "");
    let told = warned(vec![flag("--network", "none"), flag("--allow-net", "flag.example")]);
    assert!(told.contains("`network.allow` `flag.example` has no effect"), "{told}");
    assert!(told.contains("(--network none) decides") && !told.contains("file.example"), "{told}");
}

#[test]
fn a_loopback_a_port_and_a_proxy_that_flags_name_in_vain_are_told() {
    let warned = |flags: Vec<Flag>| {
        let request =
            Request { cwd: "/home/u/p".into(), home: "/home/u".into(), flags, ..Request::default() };
        load(&request).and_then(compose).unwrap().warnings().render(false)
    };
    let none = || flag("--network", "none");
    for (flags, said) in [
        (vec![flag("--allow-net", "localhost:5432")], "no rule leads to the host's loopback"),
        (vec![flag("--allow-net", "127.0.0.1:80")], "no rule leads to the host's loopback"),
        (vec![none(), flag("--host-port", "5432")], "(--network none) decides"),
        (vec![none(), flag("--host-port", "5432"), flag("--listen", "80")], "(--network none) decides"),
        (vec![none(), flag("--network-proxy", "http://p.example:3128")], "(--network none) decides"),
        (vec![flag("--network-proxy", "http://p.example:3128")], "name in `allow` what may be reached"),
        (vec![flag("--publish", "80:1"), flag("--publish", "80:2")], "leads elsewhere already"),
    ] {
        let told = warned(flags);
        assert_eq!(told.matches(said).count(), 1, "{said}: {told}");
    }
    for flags in [
        vec![flag("--host-port", "5432")],
        vec![none(), flag("--listen", "80")],
        vec![flag("--allow-net", "a.example"), flag("--network-proxy", "http://p.example:3128")],
    ] {
        assert_eq!(warned(flags).trim(), "");
    }
}

#[test]
fn a_port_that_a_flag_names_and_a_ceiling_does_not_let_be_is_told() {
    let place = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(place.path()).unwrap();
    let told = |ceiling: &str, flags: Vec<Flag>| {
        std::fs::write(place.join("c.toml"), format!("kind = \"ceiling\"\n[network]\n{ceiling}\n")).unwrap();
        let layers = vec![place.join("c.toml")];
        let (cwd, home) = (place.clone(), "/home/u".into());
        let request = Request { cwd, home, layers, flags, ..Request::default() };
        let composed = load(&request).and_then(compose).unwrap();
        let network = compile(&composed).unwrap().network;
        let warned = composed.warnings().render(false).matches("has no effect").count();
        (network.publish.iter().count() + network.host.iter().count(), warned)
    };
    let (publish, host) = (|| vec![flag("--publish", "8080:80")], || vec![flag("--host-port", "5432")]);
    // What is left of one port, and whether its loss is told.
    for (ceiling, flags, left) in [
        ("publish = []", publish(), (0, 1)),
        ("publish = [\"8080:81\"]", publish(), (0, 1)),
        ("publish = [\"8080:80\"]", publish(), (1, 0)),
        ("mode = \"none\"", publish(), (0, 1)),
        ("mode = \"none\"\npublish = [\"8080:80\"]", publish(), (1, 0)),
        ("allow = [\"a.example\"]", publish(), (1, 0)),
        ("host = [5433]", host(), (0, 1)),
        ("host = [5432]", host(), (1, 0)),
        ("allow = [\"a.example\"]", host(), (0, 1)),
        ("mode = \"none\"\nhost = [5432]", host(), (0, 1)),
        ("deny = [\"a.example\"]", host(), (1, 0)),
    ] {
        assert_eq!(told(ceiling, flags), left, "{ceiling}");
    }
}

#[test]
fn a_host_that_is_no_host_is_refused_with_what_to_write() {
    let wrong = ["https://host.example/page", "*", "udp://time.example"];
    let flags = wrong.iter().map(|text| flag("--allow-net", text)).collect();
    insta::assert_snapshot!(plan(flags).unwrap_err().render(false), @"
    error: `network.allow` cannot be `https://host.example/page`
     --> command line:1:13
      |
    1 | --allow-net https://host.example/page
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^ it names a path: rules speak of hosts and ports
      |
      = help: name the host alone; what it may be asked for is said in a policy: [[network.http]] with host and paths

    error: `network.allow` cannot be `*`
     --> command line:1:13
      |
    1 | --allow-net *
      |             ^ it names every host, which no rule does
      |
      = help: name hosts, or all below a name, like `*.example.org`; `--network host` is a network without rules, and `--network none` is none

    error: `network.allow` cannot be `udp://time.example`
     --> command line:1:13
      |
    1 | --allow-net udp://time.example
      |             ^^^^^^^^^^^^^^^^^^ it names no port
      |
      = help: write it behind the host, like `:53`
    ");
}
