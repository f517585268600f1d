//! Questions about requests.

use super::*;
use crate::explain::change::Step;

const POLICY: &str = "\
[network]
allow = [\"plain.example\"]

[[network.http]]
host = \"api.example\"
methods = [\"GET\", \"HEAD\"]
paths = [\"/repos/acme/**\"]

[[network.http]]
host = \"api.example\"
methods = [\"POST\"]
paths = [\"/repos/acme/*/issues\"]
max_body = \"1MiB\"
why = \"it may open issues\"

[[network.credential]]
host = \"api.example\"
header = \"Authorization\"
source = { env = \"API_TOKEN\" }
placeholder = { env = \"API_TOKEN\" }
";

#[test]
fn what_a_rule_lets_through() {
    assert_snapshot!(ask(POLICY, "request POST https://api.example/repos/acme/x/issues?q=1"));
}

#[test]
fn what_no_rule_lets_through() {
    assert_snapshot!(ask(POLICY, "request DELETE https://api.example/repos/acme/x"));
}

#[test]
fn what_no_rule_speaks_of() {
    assert_snapshot!(ask(POLICY, "request DELETE https://plain.example/x"));
    assert_snapshot!(ask(POLICY, "request GET https://other.example/x"));
}

#[test]
fn what_is_refused_over_https_is_refused_over_http() {
    let policy = "[network]\nallow = [\"api.example\"]\n[[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\"]\n";
    for scheme in ["https", "http"] {
        let verdict =
            |method: &str| ask(policy, &format!("request {method} {scheme}://api.example/x")).verdict;
        assert_eq!((verdict("GET"), verdict("POST")), (Verdict::Allowed, Verdict::Refused), "{scheme}");
    }
}

#[test]
fn a_request_is_data_for_programs() {
    let answer = ask(POLICY, "request GET https://api.example/user");
    let data = serde_json::to_value(&answer).unwrap();
    assert_eq!(data["question"]["request"], "GET https://api.example/user");
    assert_eq!(
        (data["because"].as_str(), data["verdict"].as_str()),
        (Some("request_refused"), Some("refused"))
    );
}

#[test]
fn what_is_suggested_lets_it_through_and_no_other() {
    for asked in
        ["GET https://api.example/user", "DELETE https://other.example:8443/a/b", "GET http://10.0.0.1/x"]
    {
        let answer = ask(POLICY, &format!("request {asked}"));
        assert_eq!(answer.verdict, Verdict::Refused, "{asked}");
        let steps = answer.change.expect("a change").steps;
        let lines = steps.iter().map(|step| match step {
            Step::Add { table: "network", line } => line.as_str(),
            other => panic!("{other:?}"),
        });
        let rule = lines.map(|line| line.strip_prefix("http = [").unwrap().strip_suffix(']').unwrap());
        let rules: Vec<&str> = rule.collect();
        // One list of tables is written in one way.
        let policy = format!("[network]\nmode = \"rules\"\nhttp = [{}]\n", rules.join(", "));
        assert_eq!(ask(&policy, &format!("request {asked}")).verdict, Verdict::Allowed, "{policy}");
        let other = format!("request {asked}x");
        assert_eq!(ask(&policy, &other).verdict, Verdict::Refused, "{policy}");
    }
}

#[test]
fn what_is_no_request_is_told() {
    let bad = |words: &[&str]| Question::parse(words, &context(), None).unwrap_err().title;
    assert!(bad(&["request", "GET"]).contains("needs a method and an address"));
    assert!(bad(&["request", "GET", "api.example/x"]).contains("neither https:// nor http://"));
    assert!(bad(&["request", "G T", "https://api.example/x"]).contains("no method"));
    assert!(bad(&["request", "GET", "https://api.example/a/../b"]).contains("every such request is refused"));
    assert!(bad(&["request", "GET", "https://u:p@api.example/"]).contains("names a user"));
}
