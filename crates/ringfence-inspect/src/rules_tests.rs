//! What rules let through, and that a careless server finds no way past them.

use proptest::prelude::*;
use ringfence_plan::{Credential, Source, UrlPattern};

use super::*;

fn rule(at: u32, host: &str, methods: &[&str], paths: &[&str], max_body: Option<u64>) -> HttpRule {
    HttpRule {
        endpoint: host.parse().unwrap(),
        methods: methods.iter().map(ToString::to_string).collect(),
        paths: paths.iter().map(|path| UrlPattern::parse(path).unwrap()).collect(),
        max_body,
        max_header: Some(1000),
        rule: RuleId(at),
    }
}

fn rules(http: Vec<Vec<HttpRule>>, credentials: Vec<Credential>) -> Rules {
    let mode = ringfence_plan::NetworkMode::Rules;
    let network = Network { mode, http, credentials, ..Network::none(RuleId(0)) }.over_plain_http_too();
    let places = network.credentials.iter().map(|credential| credential.placeholder.clone()).collect();
    Rules { reach: Reach::new(network.clone(), Vec::new()), network, texts: Vec::new(), places }
}

fn judge(rules: &Rules, method: &str, path: &str, body: u64) -> Result<u32, Barrier> {
    let targets = [Target::parse("a.org").unwrap()];
    let asked = Asked { targets: &targets, port: 443, method, path, head: 100, body: Some(body) };
    rules.judge(&asked).map(|leave| leave.rule.map_or(99, |rule| rule.0)).map_err(|no| no.barrier)
}

#[test]
fn a_request_that_some_author_has_no_rule_for_is_refused_with_words() {
    let grants = vec![
        rule(0, "a.org:443", &["GET"], &["/x/**"], None),
        rule(1, "a.org:443", &["POST"], &["/x/y"], Some(10)),
    ];
    let ceiling = vec![rule(3, "*.org:443", &[], &["/x/y", "/x/z"], Some(8))];
    let rules = rules(vec![grants, ceiling], Vec::new());
    assert!(judge(&rules, "GET", "/x/y", 0).is_ok());
    assert_eq!(judge(&rules, "GET", "/x/w", 0), Err(Barrier::HttpRules));
    assert_eq!(judge(&rules, "get", "/x/y", 0), Err(Barrier::HttpRules));
    assert_eq!(judge(&rules, "GET", "/x/../x/y", 0), Err(Barrier::Malformed));
    assert!(judge(&rules, "POST", "/x/y", 8).is_ok());
    assert_eq!(judge(&rules, "POST", "/x/y", 9), Err(Barrier::TooLarge));
    let targets = [Target::parse("a.org").unwrap()];
    let asked = Asked { targets: &targets, port: 80, method: "PUT", path: "/x/y", head: 0, body: None };
    let refused = rules.judge(&asked).unwrap_err();
    assert!(refused.why.contains("method") && refused.mend.contains("methods = [\"PUT\"]"), "{refused:?}");
    let long = Asked { method: "GET", head: 1001, ..asked };
    assert_eq!(rules.judge(&long).unwrap_err().barrier, Barrier::TooLarge);
    let elsewhere = [Target::parse("b.com").unwrap()];
    assert!(rules.judge(&Asked { targets: &elsewhere, ..asked }).is_ok());
}

#[test]
fn a_placeholder_counts_in_its_field_for_its_host_path_and_method_alone() {
    let credential = Credential {
        endpoint: "a.org:443".parse().unwrap(),
        header: "Authorization".into(),
        methods: vec!["GET".into()],
        paths: vec![UrlPattern::parse("/api/**").unwrap()],
        source: Source::Env("TOKEN".into()),
        placeholder: Placeholder::Env("TOKEN".into()),
        rule: RuleId(7),
    };
    let rules = rules(Vec::new(), vec![credential]);
    let (host, other) = ([Target::parse("a.org").unwrap()], [Target::parse("b.org").unwrap()]);
    let asked = Asked { targets: &host, port: 443, method: "GET", path: "/api/x", head: 0, body: None };
    assert_eq!(rules.credential(0, "authorization", &[asked]), Some(0));
    // Where a server may read it otherwise, it has to fit as well.
    let beside = Asked { path: "/api/y", ..asked };
    assert_eq!(rules.credential(0, "authorization", &[asked, beside]), Some(0));
    let other_path = Asked { path: "/other", ..asked };
    assert_eq!(rules.credential(0, "authorization", &[asked, other_path]), None);
    for (placeholder, header, asked) in [
        (1, "authorization", asked),
        (0, "cookie", asked),
        (0, "authorization", Asked { targets: &other, ..asked }),
        (0, "authorization", Asked { port: 80, ..asked }),
        (0, "authorization", Asked { method: "POST", ..asked }),
        (0, "authorization", Asked { path: "/other", ..asked }),
        (0, "authorization", Asked { path: "/api/%2e%2e/other", ..asked }),
    ] {
        assert_eq!(rules.credential(placeholder, header, &[asked]), None, "{header} {asked:?}");
    }
    assert!(rules.judge(&asked).is_ok() && rules.inspects(&host, 443) && !rules.inspects(&host, 80));
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a careless server reads: decodes until nothing changes, takes backslashes for slashes, resolves dots, merges
/// slashes, and drops parameters.
fn carelessly(path: &str) -> Vec<String> {
    let mut text = path.to_owned();
    for _ in 0..4 {
        text = decode(&text);
    }
    let mut out: Vec<String> = Vec::new();
    for part in text.replace('\\', "/").split('/') {
        match part.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(out.pop()),
            other => out.push(other.into()),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_careless_server_reads_nothing_outside_what_was_allowed(
        path in "(/|a|\\.|%2e|%2E|%2f|%5c|\\\\|;|%3b|%25|2e|2f|%32|%65|%61|ok){0,12}"
    ) {
        let path = format!("/ok/{path}");
        let rules = rules(vec![vec![rule(0, "a.org:443", &[], &["/ok/**"], None)]], Vec::new());
        if judge(&rules, "GET", &path, 0).is_ok() {
            let read = carelessly(&path);
            prop_assert_eq!(read.first().map(String::as_str), Some("ok"), "{}", path);
        }
    }

    #[test]
    fn no_path_makes_it_panic(path in "\\PC{0,40}", method in "\\PC{0,8}") {
        let rules = rules(vec![vec![rule(0, "a.org:443", &["GET"], &["/ok/**"], None)]], Vec::new());
        let _ = judge(&rules, &method, &path, 0);
    }
}
