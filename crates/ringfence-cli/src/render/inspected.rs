//! What the inspector refused and noticed, in the summary's words.
//! Not what the gateway did.

use ringfence::Traffic;
use ringfence_plan::{Event, Place, Rule};

use super::escape::escape;
use super::words::{barrier_name, first};

/// How many of the refusals have a count of their own.
pub(super) fn counted(traffic: &Traffic) -> u64 {
    traffic.refused + traffic.requests_refused + traffic.alarms
}

/// The line of alarms, which has nothing else in it: it is not to be lost among refusals.
pub(super) fn alarms(traffic: &Traffic, events: &[Event], rules: &[Rule]) -> Option<String> {
    (traffic.alarms > 0).then(|| format!("ALARM: {}", named(events, rules, alarmed)))
}

/// The parts of the line for people.
pub(super) fn told(traffic: &Traffic, events: &[Event], rules: &[Rule]) -> Vec<String> {
    let mut parts = Vec::new();
    if traffic.requests_refused > 0 {
        let count = traffic.requests_refused;
        let requests = if count == 1 { "1 request".into() } else { format!("{count} requests") };
        parts.push(format!("refused {requests}: {}", named(events, rules, request)));
    }
    if traffic.uninspected {
        parts.push(
            "the inspector ended, and the hosts that HTTP rules speak of were not reached since".into(),
        );
    }
    parts
}

fn named(events: &[Event], rules: &[Rule], word: fn(&Event, &str) -> Option<String>) -> String {
    first(events.iter().filter_map(|event| {
        let rule = event.rule().and_then(|rule| rules.get(rule.0 as usize));
        word(event, &escape(&rule.map(|rule| rule.origin.to_string()).unwrap_or_default()))
    }))
}

/// `POST https://api.example/repos (larger than …; ringfence.toml:3:8)`
fn request(event: &Event, origin: &str) -> Option<String> {
    let Event::RequestRefused { host, port, method, path, barrier, .. } = event else { return None };
    let asked = format!("{} {}:{port}{}", escape(method), escape(host), escape(path));
    Some(format!("{asked} ({}; {origin})", barrier_name(*barrier)))
}

/// `a credential's placeholder was sent to evil.example:443, in a body (ringfence.toml:3:8)`
fn alarmed(event: &Event, origin: &str) -> Option<String> {
    let Event::CredentialAlarm { host, port, place, .. } = event else { return None };
    Some(format!("{} ({origin})", alarm(host.as_deref(), *port, *place)))
}

/// What became of a credential.
pub(super) fn alarm(host: Option<&str>, port: u16, place: Place) -> String {
    let host = escape(host.unwrap_or("an address"));
    let place = match place {
        Place::Field => "in a field that is not its own",
        Place::Target => "in a URL",
        Place::Body => "in a body",
        Place::Connection => "on a connection that is not looked into",
        Place::Answer => return format!("a credential's value came back from {host}:{port}"),
    };
    format!("a credential's placeholder was sent to {host}:{port}, {place}")
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Barrier, Origin, RuleId};

    use super::*;

    #[test]
    fn alarms_have_a_line_of_their_own_and_what_the_workload_chose_is_escaped() {
        let origin = Origin::File { path: "ringfence.toml".into(), line: 4, column: 1, why: None };
        let rules = [Rule { text: "network.http".into(), origin }];
        let events = [
            Event::RequestRefused {
                host: "a.example".into(),
                port: 443,
                method: "POST".into(),
                path: "/x\u{1b}[2J".into(),
                barrier: Barrier::HttpRules,
                rule: RuleId(0),
            },
            Event::CredentialAlarm {
                host: Some("b.example".into()),
                port: 443,
                place: Place::Body,
                rule: RuleId(0),
            },
        ];
        let traffic = Traffic { requests_refused: 1, alarms: 1, uninspected: true, ..Traffic::default() };
        let told = told(&traffic, &events, &rules);
        assert_eq!(
            alarms(&traffic, &events, &rules).as_deref(),
            Some(
                "ALARM: a credential's placeholder was sent to b.example:443, in a body (ringfence.toml:4:1)"
            )
        );
        assert!(told[0].starts_with("refused 1 request: POST a.example:443/x"), "{}", told[0]);
        assert!(!told[0].contains('\u{1b}') && told.len() == 2);
        assert_eq!(counted(&traffic), 2);
    }
}
