//! What only the gateway does: rules over requests, budgets, single ports, secrets and the way out.
//!
//! Rules over requests are compared by their words: one that is not there any more, or says something else, may let more.

use ringfence_plan::{Budget, Credential, HttpRule, Network, Plan, RuleId};

use super::super::{Area, Sides, rule};

/// Single ports that are open, and were not.
pub(super) fn ports(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    for port in &after.publish {
        let known =
            before.publish.iter().any(|known| (known.outside, known.inside) == (port.outside, port.inside));
        if !known {
            let subject = format!("port {} of the host's loopback to {} inside", port.outside, port.inside);
            sides.say(Area::Network, subject, ["closed", "open"], [None, rule(sides.after, port.rule)]);
        }
    }
    for port in &after.host {
        if !before.host.iter().any(|known| known.port == port.port) {
            let subject = format!("localhost:{} of the host", port.port);
            sides.say(Area::Network, subject, ["refused", "allowed"], [None, rule(sides.after, port.rule)]);
        }
    }
}

/// Bounds that are gone or say something else.
pub(super) fn bounds(sides: &mut Sides<'_>) {
    // No `..`: a field that is added has to be compared.
    let Network {
        mode: _,
        allow: _,
        deny: _,
        http,
        credentials: _,
        budgets,
        publish: _,
        host: _,
        parent: _,
        resolver: _,
        encrypted_hello,
        rule: _,
    } = &sides.before.network;
    let after = &sides.after.network;
    for list in http {
        let said = nameless(list);
        if after.http.iter().any(|known| nameless(known) == said) {
            continue;
        }
        // Which rules make the difference, as far as single ones tell.
        let now: Vec<&HttpRule> = after.http.iter().flatten().collect();
        let changed = now.iter().filter(|rule| !said.contains(&unnumbered(rule)));
        let changed: Vec<&HttpRule> = changed.copied().collect();
        for one in &changed {
            let rules = [None, rule(sides.after, one.rule)];
            sides.say(Area::Network, subject(one), ["not said", "let through"], rules);
        }
        let gone = list.iter().filter(|rule| !now.iter().any(|now| unnumbered(now) == unnumbered(rule)));
        for one in gone {
            let rules = [rule(sides.before, one.rule), None];
            sides.say(Area::Network, subject(one), ["a rule over requests", "no rule of that kind"], rules);
        }
        if changed.is_empty()
            && list.iter().all(|one| now.iter().any(|now| unnumbered(now) == unnumbered(one)))
        {
            let rules = [list.first().and_then(|one| rule(sides.before, one.rule)), None];
            sides.say(Area::Network, "rules over requests", ["of one author", "of another"], rules);
        }
    }
    for budget in budgets {
        let holds = |now: &Budget| {
            now.host == budget.host
                && within(now.sent, budget.sent)
                && within(now.connections, budget.connections)
                && within(now.requests, budget.requests)
        };
        if !after.budgets.iter().any(holds) {
            let of = budget.host.as_ref().map_or("the whole run".into(), ToString::to_string);
            let rules = [rule(sides.before, budget.rule), None];
            sides.say(Area::Network, format!("budget of {of}"), ["held", "not held"], rules);
        }
    }
    if !encrypted_hello.is_allowed() && after.encrypted_hello.is_allowed() {
        sides.say(Area::Network, "network.encrypted_hello", ["refuse", "allow"], [None, None]);
    }
}

/// Secrets that are put in, and the way out, where they are new or others. Neither is wider or narrower than another, so
/// each is told from the side that has it.
pub(super) fn leads(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.network, &sides.after.network);
    for credential in &after.credentials {
        let nameless = |one: &Credential| Credential { rule: RuleId(0), ..one.clone() };
        if !before.credentials.iter().any(|known| nameless(known) == nameless(credential)) {
            let Credential { endpoint, header, source, .. } = credential;
            let subject = format!("{source} in {header} of requests to {endpoint}");
            sides.say(
                Area::Network,
                subject,
                ["not put in", "put in"],
                [None, rule(sides.after, credential.rule)],
            );
        }
    }
    let proxy = |plan: &Plan| {
        let parent = plan.network.parent.as_ref()?;
        Some((parent.server.to_string(), parent.no_proxy.clone(), parent.credential.clone(), parent.rule))
    };
    let (was, is) = (proxy(sides.before), proxy(sides.after));
    let same =
        was.as_ref().map(|was| (&was.0, &was.1, &was.2)) == is.as_ref().map(|is| (&is.0, &is.1, &is.2));
    if let (Some((server, .., at)), false) = (&is, same) {
        let old = was.map_or("none".into(), |(server, ..)| server);
        sides.say(Area::Network, "network.proxy", [old, server.clone()], [None, rule(sides.after, *at)]);
    }
    let resolver = |plan: &Plan| plan.network.resolver.as_ref().map(|one| (one.to_string(), one.rule));
    let (was, is) = (resolver(sides.before), resolver(sides.after));
    if let Some((server, at)) = is
        && was.as_ref().map(|was| &was.0) != Some(&server)
    {
        let old = was.map_or("the host's".into(), |was| was.0);
        sides.say(Area::Network, "network.resolver", [old, server], [None, rule(sides.after, at)]);
    }
}

fn within<T: PartialOrd>(now: Option<T>, before: Option<T>) -> bool {
    before.is_none_or(|before| now.is_some_and(|now| now <= before))
}

fn unnumbered(rule: &HttpRule) -> HttpRule {
    HttpRule { rule: RuleId(0), ..rule.clone() }
}

fn nameless(list: &[HttpRule]) -> Vec<HttpRule> {
    list.iter().map(unnumbered).collect()
}

/// A rule over requests in a line.
fn subject(rule: &HttpRule) -> String {
    let methods = if rule.methods.is_empty() { "any method".into() } else { rule.methods.join(", ") };
    let paths: Vec<&str> = rule.paths.iter().map(|path| path.as_str()).collect();
    let paths = if paths.is_empty() { "any path".into() } else { paths.join(", ") };
    format!("{methods} of {paths} at {}", rule.endpoint)
}
