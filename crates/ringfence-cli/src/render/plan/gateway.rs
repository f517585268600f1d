//! Rows of a plan for what only the gateway holds: requests, secrets, budgets, single ports, the way out.
//!
//! No values of secrets: a plan has none.

use ringfence_plan::{Budget, Bytes, Credential, EncryptedHello, HttpRule, Plan, UrlPattern};

use super::line;
use crate::render::table::Cell;

pub(super) fn rows(plan: &Plan) -> Vec<Vec<Cell>> {
    let network = &plan.network;
    let mut rows = Vec::new();
    for rule in network.http.iter().flatten() {
        rows.push(line(plan, "requests", &request(rule), rule.rule));
    }
    for credential in &network.credentials {
        let Credential { endpoint, header, methods, paths, source, placeholder, rule } = credential;
        let of = asked(methods, paths);
        let text = format!("{source} in {header} of {of} to {endpoint}, for what {placeholder} holds inside");
        rows.push(line(plan, "put in", &text, *rule));
    }
    for budget in &network.budgets {
        rows.push(line(plan, "at most", &bounded(budget), budget.rule));
    }
    for port in &network.publish {
        let text = format!("the host's 127.0.0.1:{} leads to {} inside", port.outside, port.inside);
        rows.push(line(plan, "published", &text, port.rule));
    }
    for port in &network.host {
        rows.push(line(plan, "reachable", &format!("the host's localhost:{}", port.port), port.rule));
    }
    if let Some(parent) = &network.parent {
        let mut text = parent.server.to_string();
        if !parent.no_proxy.is_empty() {
            let hosts: Vec<String> = parent.no_proxy.iter().map(ToString::to_string).collect();
            text += &format!(", but not to {}", hosts.join(", "));
        }
        if let Some(source) = &parent.credential {
            text += &format!(", logged in with {source}");
        }
        rows.push(line(plan, "by proxy", &text, parent.rule));
    }
    if let Some(resolver) = &network.resolver {
        rows.push(line(plan, "names by", &resolver.to_string(), resolver.rule));
    }
    if let EncryptedHello::Refuse { rule } = network.encrypted_hello {
        rows.push(line(plan, "refused", "TLS greetings that hide their server name", rule));
    }
    rows
}

fn request(rule: &HttpRule) -> String {
    let mut text = format!("{} to {}", asked(&rule.methods, &rule.paths), rule.endpoint);
    if let Some(most) = rule.max_body {
        text += &format!(", body {} at most", Bytes(most));
    }
    if let Some(most) = rule.max_header {
        text += &format!(", header {} at most", Bytes(most));
    }
    text
}

fn asked(methods: &[String], paths: &[UrlPattern]) -> String {
    let paths: Vec<&str> = paths.iter().map(UrlPattern::as_str).collect();
    match (methods.is_empty(), paths.is_empty()) {
        (true, true) => "every request".into(),
        (true, false) => format!("requests for {}", paths.join(", ")),
        (false, true) => methods.join(", "),
        (false, false) => format!("{} {}", methods.join(", "), paths.join(", ")),
    }
}

fn bounded(budget: &Budget) -> String {
    let Budget { host, sent, connections, requests, rule: _ } = budget;
    let limits = [
        sent.map(|most| format!("{} sent", Bytes(most))),
        connections.map(|most| format!("{most} connections")),
        requests.map(|most| format!("{most} requests a second")),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let of = host.as_ref().map_or("in the whole run".into(), |host| format!("to {host}"));
    format!("{} {of}", limits.join(", "))
}
