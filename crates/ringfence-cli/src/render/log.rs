//! A run's log for people: a line for whatever happened, in its order.

use ringfence::{Entry, RunLog};
use ringfence_plan::{Change, Event, Target};

use super::escape::escape;
use super::inspected::alarm;
use super::style::{Meaning, Style};
use super::words::{barrier_name, limit_name, operation_name};

/// The whole run.
pub(crate) fn as_text(run: &RunLog, style: Style) -> String {
    let mut text = head(run, style);
    for entry in &run.entries {
        let (meaning, word, what) = line(&entry.event);
        let rule = entry.rule.as_ref().map(|rule| format!("  {}", escape(&rule.to_string())));
        text.push_str(&format!(
            "  {}  {} {what}{}\n",
            style.paint(Meaning::Faint, moment(entry)),
            style.paint(meaning, format!("{word:<8}")),
            style.paint(Meaning::Faint, rule.unwrap_or_default()),
        ));
    }
    let traffic = &run.traffic;
    let refused = traffic.refused + traffic.requests_refused;
    if traffic.connections + refused + traffic.inbound + traffic.alarms > 0 {
        let alarms = match traffic.alarms {
            0 => String::new(),
            1 => "1 alarm, ".into(),
            count => format!("{count} alarms, "),
        };
        text.push_str(&format!(
            "  in all: {alarms}{} out, {} in, {refused} refused, {} sent, {} received\n",
            traffic.connections,
            traffic.inbound,
            bytes(traffic.sent),
            bytes(traffic.received)
        ));
    }
    if run.left_out > 0 {
        let left_out =
            format!("{} more events are not listed: too many, or too fast to be heard", run.left_out);
        text.push_str(&format!("  {}\n", style.paint(Meaning::Warning, left_out)));
    }
    text
}

/// Which it is, in one line.
pub(crate) fn head(run: &RunLog, style: Style) -> String {
    let id = style.paint(Meaning::Title, escape(&run.id));
    format!("{id} {} in {}: {}\n", escape(&run.time), escape(&run.cwd), escape(&run.argv.join(" ")))
}

/// When, in seconds since the beginning.
fn moment(entry: &Entry) -> String {
    format!("{:>4}.{:03}s", entry.at / 1000, entry.at % 1000)
}

fn line(event: &Event) -> (Meaning, &'static str, String) {
    match event {
        Event::Denied { operation, path, .. } => {
            (Meaning::Bad, "refused", format!("{} {}", operation_name(*operation), escape(path)))
        }
        Event::NetworkRefused { host, address, port, barrier, protocol, .. } => {
            let address = address.map(|address| Target::address(address).to_string());
            let target = host.clone().or(address).unwrap_or_default();
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            (
                Meaning::Bad,
                "refused",
                format!("{}{}{port} ({})", protocol.scheme(), escape(&target), barrier_name(*barrier)),
            )
        }
        Event::NetworkFailed { host, port, failure } => {
            let host = host.as_deref().unwrap_or("an address");
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            (Meaning::Warning, "failed", format!("{}{port} ({failure})", escape(host)))
        }
        Event::Connected { host, address, port, sent, received, millis, protocol, .. } => {
            let address = Target::address(*address).to_string();
            let target = match host {
                Some(host) => format!("{}:{port} at {address}", escape(host)),
                None => format!("{address} port {port}"),
            };
            (
                Meaning::Good,
                "out",
                format!("{}{target}, {}", protocol.scheme(), amounts(*sent, *received, *millis)),
            )
        }
        Event::Inbound { outside, inside, sent, received, millis, .. } => {
            (Meaning::Good, "in", format!("{outside}:{inside}, {}", amounts(*sent, *received, *millis)))
        }
        Event::RuleChanged { change, target, .. } => {
            let change = match change {
                Change::Allow => "allow",
                Change::Deny => "deny",
                Change::Remove => "remove",
            };
            (Meaning::Warning, "changed", format!("{change} {}", escape(target)))
        }
        Event::RequestRefused { host, port, method, path, barrier, .. } => {
            let request = format!("{} {}:{port}{}", escape(method), escape(host), escape(path));
            (Meaning::Bad, "refused", format!("{request} ({})", barrier_name(*barrier)))
        }
        Event::RequestsAllowed { host, port, requests, .. } => {
            (Meaning::Good, "requests", format!("{requests} to {}:{port}", escape(host)))
        }
        Event::CredentialAlarm { host, port, place, .. } => {
            (Meaning::Bad, "alarm", alarm(host.as_deref(), *port, *place))
        }
        Event::InspectorLost => {
            (Meaning::Bad, "lost", "the inspector ended, and with it the hosts that it reads".into())
        }
        Event::NetworkLost => (Meaning::Bad, "lost", "the gateway ended, and the network with it".into()),
        Event::LimitReached { limit, allowed } => {
            (Meaning::Bad, "limit", format!("the {} limit of {}", limit_name(*limit), escape(allowed)))
        }
    }
}

/// As in a rule.
fn amounts(sent: u64, received: u64, millis: u64) -> String {
    format!("{} sent, {} received, {}.{:03} s", bytes(sent), bytes(received), millis / 1000, millis % 1000)
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use ringfence::Traffic;
    use ringfence_plan::{Barrier, Ending, Origin, Place, Protocol, Rule, RuleId};

    use super::*;

    #[test]
    fn each_decision_is_a_line_with_its_rule_and_place() {
        let file = |line| Rule {
            text: "network.allow = \"*.example\"".into(),
            origin: Origin::File { path: "ringfence.toml".into(), line, column: 10, why: None },
        };
        let entry = |at, event, line| Entry { at, event, rule: Some(file(line)) };
        let rule = RuleId(0);
        let run = RunLog {
            id: "4711".into(),
            time: "2026-01-02T03:04:05Z".into(),
            cwd: "/w".into(),
            argv: vec!["sh".into(), "x\u{1b}".into()],
            backend: "namespaces".into(),
            ending: Some(Ending::Exited(0)),
            traffic: Traffic {
                connections: 1,
                refused: 1,
                inbound: 1,
                alarms: 1,
                sent: 1500,
                received: 5 << 20,
                ..Traffic::default()
            },
            left_out: 7,
            entries: vec![
                entry(
                    12,
                    Event::Connected {
                        protocol: Protocol::Tcp,
                        host: Some("a.example".into()),
                        address: "192.0.2.1".parse().unwrap(),
                        port: 443,
                        rule,
                        sent: 1000,
                        received: 5 << 20,
                        millis: 1234,
                    },
                    3,
                ),
                entry(
                    1500,
                    Event::NetworkRefused {
                        protocol: Protocol::Udp,
                        host: Some("evil.example".into()),
                        address: None,
                        port: Some(80),
                        barrier: Barrier::NothingAllows,
                        rule,
                    },
                    2,
                ),
                entry(
                    61_000,
                    Event::Inbound { outside: 8080, inside: 3000, rule, sent: 500, received: 0, millis: 5 },
                    4,
                ),
                entry(
                    61_000,
                    Event::CredentialAlarm {
                        host: Some("a.example".into()),
                        port: 443,
                        place: Place::Answer,
                        rule,
                    },
                    5,
                ),
                Entry { at: 61_001, event: Event::NetworkLost, rule: None },
            ],
        };
        insta::assert_snapshot!(as_text(&run, Style::PLAIN), @r#"
        4711 2026-01-02T03:04:05Z in /w: sh x\x1b
             0.012s  out      a.example:443 at 192.0.2.1, 1000 B sent, 5.0 MiB received, 1.234 s  network.allow = "*.example" (ringfence.toml:3:10)
             1.500s  refused  udp://evil.example:80 (no rule allows it)  network.allow = "*.example" (ringfence.toml:2:10)
            61.000s  in       8080:3000, 500 B sent, 0 B received, 0.005 s  network.allow = "*.example" (ringfence.toml:4:10)
            61.000s  alarm    a credential's value came back from a.example:443  network.allow = "*.example" (ringfence.toml:5:10)
            61.001s  lost     the gateway ended, and the network with it
          in all: 1 alarm, 1 out, 1 in, 1 refused, 1.5 KiB sent, 5.0 MiB received
          7 more events are not listed: too many, or too fast to be heard
        "#);
    }
}
