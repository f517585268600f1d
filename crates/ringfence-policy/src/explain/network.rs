//! What a plan says of a connection, with every rule that speaks of it.
//!
//! Names are not resolved: a rule for an address says nothing of a name.

use ringfence_plan::{
    Bytes, Credential, Endpoint, HostPattern, HttpRule, NetworkMode, NetworkRule, Plan, Ports, Protocol,
    Request, RequestPath, Target, Unfit, UrlPattern,
};

use super::{Because, Decision, Lost, Verdict};

mod near;

pub(super) use near::{is_host_port, keep_back, names};

/// Whether `host` may be connected to.
pub(super) fn decide(plan: &Plan, host: &Target, port: u16, protocol: Protocol) -> Decision {
    let network = &plan.network;
    if let Some(decision) = near::host_port(network, (host, port, protocol)) {
        return decision;
    }
    let (allowed, rule) = network.decide(host, port, protocol);
    let speaks = |rule: &&NetworkRule| rule.endpoint.covers(host, port, protocol);
    let allowing = network.allow.iter().filter(speaks).map(|rule| rule.rule);
    let denying = network.deny.iter().filter(speaks).map(|rule| rule.rule);
    if allowed {
        let mut decision = Decision::new(Verdict::Allowed, Because::Granted, rule);
        decision.lost =
            allowing.filter(|other| Some(*other) != rule).map(|rule| (rule, Lost::Same)).collect();
        if network.mode == NetworkMode::Rules
            && let Target::Name(_) = host
        {
            let note = "a name leads to public addresses only; a private one needs a rule for its block";
            decision.notes.push(note.into());
        }
        return decision;
    }
    let because = match rule {
        _ if network.mode == NetworkMode::None => Because::NoNetwork,
        Some(_) => Because::Denied,
        None => Because::NotInRules,
    };
    // Where no rule speaks of it, the line that makes rules count does.
    let mut decision = Decision::new(Verdict::Refused, because, rule.or(Some(network.rule)));
    if because == Because::Denied {
        decision.lost.extend(denying.filter(|other| Some(*other) != rule).map(|rule| (rule, Lost::Same)));
        decision.lost.extend(allowing.map(|rule| (rule, Lost::DenyWins)));
    }
    if is_loopback(host) {
        decision.notes.push("inside, a loopback of its own answers; the host's is not reached".into());
    }
    decision
}

/// Whether a request may be made: the host has to be reached first.
pub(super) fn request(
    plan: &Plan,
    (host, port): (&Target, u16),
    (method, path): (&str, &RequestPath),
) -> Decision {
    let mut decision = decide(plan, host, port, Protocol::Tcp);
    if decision.verdict == Verdict::Refused {
        return decision;
    }
    let network = plan.network.over_plain_http_too();
    let targets = std::slice::from_ref(host);
    match network.decide_request(&Request { targets, port, method, path, header: 0 }) {
        Err(refused) => {
            let mut refusal = Decision::new(Verdict::Refused, Because::RequestRefused, Some(refused.rule));
            refusal.notes.push(match refused.unfit {
                Unfit::Path => "that rule comes nearest, and names other paths".into(),
                Unfit::Method => "that rule comes nearest: it names the path, and other methods".into(),
                Unfit::Header => "that rule comes nearest, and lets no header through".into(),
            });
            let speaks = |rule: &&HttpRule| rule.speaks_of(targets, port) && rule.rule != refused.rule;
            let others = network.http.iter().flatten().filter(speaks);
            refusal.lost = others.map(|rule| (rule.rule, Lost::OtherRequests)).collect();
            return refusal;
        }
        Ok(leave) => {
            if let Some(rule) = leave.rule {
                decision.lost.retain(|(other, _)| *other != rule);
                decision.rule = Some(rule);
            } else {
                decision
                    .notes
                    .push("no rule over requests speaks of this host: every request is let through".into());
            }
            if let Some(most) = leave.max_body {
                decision.notes.push(format!("its body may have {} at most", Bytes(most)));
            }
        }
    }
    let of_method = |methods: &[String]| methods.is_empty() || methods.iter().any(|known| known == method);
    let of_path = |paths: &[UrlPattern]| paths.is_empty() || paths.iter().any(|known| known.covers(path));
    for credential in &network.credentials {
        if credential.endpoint.covers(host, port, Protocol::Tcp)
            && of_method(&credential.methods)
            && of_path(&credential.paths)
        {
            let Credential { header, source, placeholder, .. } = credential;
            decision
                .notes
                .push(format!("in {header}, what {placeholder} holds inside becomes {source} outside"));
        }
    }
    decision
}

/// One host and port as a rule words them.
pub(super) fn words(host: &Target, port: u16, protocol: Protocol) -> String {
    let host = match host {
        Target::Name(name) => HostPattern::Name(name.clone()),
        Target::Address(address) => {
            HostPattern::Block { address: *address, prefix: if address.is_ipv4() { 32 } else { 128 } }
        }
    };
    Endpoint { host, ports: Ports::one(port), protocol }.to_string()
}

/// A request as one types it.
pub(super) fn request_words(host: &Target, port: u16, (method, path): (&str, &RequestPath)) -> String {
    let (scheme, port) = match port {
        443 => ("https", String::new()),
        80 => ("http", String::new()),
        port => ("https", format!(":{port}")),
    };
    format!("{method} {scheme}://{host}{port}{path}")
}

fn is_loopback(host: &Target) -> bool {
    match host {
        Target::Name(name) => name.as_str() == "localhost",
        Target::Address(address) => address.is_loopback(),
    }
}
