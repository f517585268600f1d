//! What a run leaves to say: one line for people, one object for programs.
//! Silence when nothing was refused and no limit reached.

use ringfence::{BackendRefusal, Outcome, Prepared, Unheld};
use ringfence_plan::{AbsPath, Capture, Event, Field, Operation, Plan, Rule, Verdict};
use ringfence_policy::{Composed, Report};
use serde_json::json;

use super::escape::escape;
use super::style::{Colours, Meaning, Style};
use super::words::{AND_MORE, NAMED, limit_name, operation_name};
use super::{inspected, policy, traffic};

/// Collects what happened.
pub(crate) struct Summary {
    warnings: Report,
    /// The presets that took part, for programs.
    presets: serde_json::Value,
    /// The project's policy, where it is not trusted.
    untrusted: Option<String>,
    rules: Vec<Rule>,
    workspace: Option<AbsPath>,
    backend: &'static str,
    /// Stronger backends that `auto` passed over, with the reason.
    passed_over: Vec<BackendRefusal>,
    /// What is lost where the kernel lacks nf_tables.
    uncaptured: Option<String>,
    events: Vec<Event>,
}

impl Summary {
    /// For a run of `plan`, which `composed` was compiled to.
    pub(crate) fn of(plan: &Plan, composed: &Composed) -> Summary {
        Summary {
            warnings: composed.warnings().clone(),
            presets: policy::presets_as_json(composed),
            untrusted: composed.unsettled().map(|unsettled| unsettled.name.clone()),
            rules: Vec::new(),
            workspace: plan.files.workspace.clone(),
            backend: "",
            passed_over: Vec::new(),
            uncaptured: None,
            events: Vec::new(),
        }
    }

    /// Takes down which fence it became.
    pub(crate) fn fence(&mut self, prepared: &Prepared, capture: &Capture) {
        self.backend = prepared.backend();
        self.passed_over = prepared.passed_over().to_vec();
        let network = prepared.verdicts().0.iter().find(|entry| entry.field == Field::Network);
        self.uncaptured = match (capture, network.map(|entry| &entry.verdict)) {
            (Capture::Listeners { .. }, Some(Verdict::Narrowed { why })) => Some(why.clone()),
            _ => None,
        };
    }

    /// Takes down an event. The library bounds them, so that this does not grow with the command's insistence.
    pub(crate) fn note(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    /// Takes the plan's rules, by which events are explained.
    pub(crate) fn explain(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
        // Those that came while it ran have the next numbers, in the order in which they came.
        let later = self.events.iter().filter_map(|event| match event {
            Event::RuleChanged { text, .. } => Some(text.clone()),
            _ => None,
        });
        self.rules.extend(later);
    }

    /// What is to be said before the command starts; nothing as a rule.
    pub(crate) fn beforehand(&self, style: impl FnOnce() -> Style) -> String {
        if self.warnings.0.is_empty() && self.passed_over.is_empty() && self.uncaptured.is_none() {
            return String::new();
        }
        let style = style();
        let mut text = String::new();
        if !self.warnings.0.is_empty() {
            text.push_str(&self.warnings.render(style.colours == Colours::On));
        }
        text.push_str(&self.weaker(style));
        if let Some(why) = &self.uncaptured {
            let name = style.paint(Meaning::Warning, "ringfence:");
            text.push_str(&format!("{name} network rules are held more narrowly: {}\n", escape(why)));
        }
        text
    }

    /// A line that says so when `auto` came to less than the strongest backend.
    fn weaker(&self, style: Style) -> String {
        let Some(BackendRefusal { backend: stronger, unheld }) = self.passed_over.first() else {
            return String::new();
        };
        let why = unheld.iter().map(reason).collect::<Vec<_>>().join("; ");
        format!(
            "{} the {} backend holds this run; {stronger} is not to be had here: {}; see `ringfence doctor`\n",
            style.paint(Meaning::Warning, "ringfence:"),
            self.backend,
            escape(&why),
        )
    }

    /// The line for people, and before it one of alarms; empty when there is nothing to say.
    pub(crate) fn as_text(&self, outcome: &Outcome, style: impl FnOnce() -> Style) -> String {
        let mut parts = Vec::new();
        let changes = outcome.denied.saturating_sub(inspected::counted(&outcome.traffic));
        if changes > 0 {
            parts.push(self.refused(changes));
        }
        let spent = traffic::spent(&self.events);
        if outcome.traffic.refused > spent.len() as u64 {
            parts.push(traffic::refused(
                outcome.traffic.refused - spent.len() as u64,
                &self.events,
                &self.rules,
            ));
        }
        parts.extend(traffic::over_budget(&spent, &self.rules));
        parts.extend(inspected::told(&outcome.traffic, &self.events, &self.rules));
        parts.extend(traffic::failed(&self.events));
        if outcome.traffic.lost {
            parts.push("the gateway ended, and the network with it: nothing was reached since".into());
        }
        for event in &self.events {
            if let Event::LimitReached { limit, allowed } = event {
                parts.push(format!("reached the {} limit of {allowed}", limit_name(*limit)));
            }
        }
        parts.extend(outcome.unrecorded.iter().map(|what| format!("could not write down {}", escape(what))));
        let alarm = inspected::alarms(&outcome.traffic, &self.events, &self.rules);
        let lines: Vec<_> = alarm.into_iter().chain((!parts.is_empty()).then(|| parts.join("; "))).collect();
        if lines.is_empty() {
            return String::new();
        }
        let name = style().paint(Meaning::Warning, "ringfence:");
        lines.iter().map(|line| format!("{name} {line}\n")).collect()
    }

    /// `refused 3 changes: .git/hooks/pre-commit (create; built in: …), …`
    fn refused(&self, count: u64) -> String {
        let mut shown: Vec<(&Operation, &str, String)> = Vec::new();
        let mut different = 0_usize;
        for event in &self.events {
            let Event::Denied { operation, path, rule, .. } = event else { continue };
            if shown.iter().any(|(_, named, _)| named == path) {
                continue;
            }
            different += 1;
            if shown.len() < NAMED {
                let origin = self.rules.get(rule.0 as usize).map(|rule| rule.origin.to_string());
                shown.push((operation, path, origin.unwrap_or_default()));
            }
        }
        let mut parts: Vec<_> = shown
            .iter()
            .map(|(operation, path, origin)| {
                format!("{} ({}; {})", escape(self.within(path)), operation_name(**operation), escape(origin))
            })
            .collect();
        if different > shown.len() {
            parts.push(AND_MORE.into());
        }
        let changes = if count == 1 { "1 change".into() } else { format!("{count} changes") };
        match parts.is_empty() {
            true => format!("refused {changes}"),
            false => format!("refused {changes}: {}", parts.join(", ")),
        }
    }

    fn within<'a>(&self, path: &'a str) -> &'a str {
        let base = self.workspace.as_ref().map(ToString::to_string).unwrap_or_default();
        path.strip_prefix(&base)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|rest| !rest.is_empty())
            .unwrap_or(path)
    }

    /// The object for programs.
    pub(crate) fn as_json(&self, outcome: &Outcome, exit_code: u8) -> serde_json::Value {
        let events = self.events.iter().map(|event| {
            let mut object = json!(event);
            if let Some(rule) = event.rule() {
                object["rule"] = json!(self.rules.get(rule.0 as usize));
            }
            object
        });
        json!({
            "exit_code": exit_code,
            "ending": outcome.ending,
            "backend": self.backend,
            "passed_over": self.passed_over.iter().map(passed_over).collect::<Vec<_>>(),
            "denied": outcome.denied,
            "events": events.collect::<Vec<_>>(),
            "traffic": outcome.traffic,
            "unrecorded": outcome.unrecorded,
            "warnings": self.warnings,
            "presets": self.presets,
            "untrusted": self.untrusted,
            "events_left_out": outcome.left_out,
            "wall_ms": u64::try_from(outcome.wall_time.as_millis()).unwrap_or(u64::MAX),
            "peak_memory": outcome.peak_memory,
        })
    }
}

/// A missing piece in words.
fn reason(unheld: &Unheld) -> String {
    match unheld.field {
        Some(field) => format!("{field}: {}", unheld.why),
        None => unheld.why.clone(),
    }
}

fn passed_over(refusal: &BackendRefusal) -> serde_json::Value {
    json!({ "backend": refusal.backend, "why": refusal.unheld.iter().map(reason).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringfence::Traffic;
    use ringfence_plan::{Barrier, Ending, Limit, Origin, RuleId};

    use super::*;

    fn summary(events: Vec<Event>) -> Summary {
        let file = Origin::File { path: "ringfence.toml".into(), line: 4, column: 12, why: None };
        let rule = |text: &str, origin| Rule { text: text.into(), origin };
        let mut summary = Summary {
            warnings: Report::default(),
            presets: json!([]),
            untrusted: None,
            rules: vec![
                rule("filesystem.protect = \"**/.git/hooks\"", Origin::BuiltIn("git runs it".into())),
                rule("filesystem.protect = \"deploy\"", file),
            ],
            workspace: Some(AbsPath::new("/home/u/project").unwrap()),
            backend: "namespaces",
            passed_over: Vec::new(),
            uncaptured: None,
            events: Vec::new(),
        };
        events.iter().for_each(|event| summary.note(event));
        summary
    }

    fn denied(operation: Operation, path: &str, rule: u32) -> Event {
        Event::Denied { operation, path: path.into(), rule: RuleId(rule), pid: 7 }
    }

    fn outcome(denied: u64, ending: Ending) -> Outcome {
        Outcome {
            ending,
            wall_time: Duration::from_millis(1234),
            peak_memory: None,
            denied,
            left_out: denied.saturating_sub(1000),
            limits: Vec::new(),
            unrecorded: Vec::new(),
            traffic: ringfence::Traffic::default(),
        }
    }

    #[test]
    fn refused_connections_are_told_apart_from_changes() {
        let refused = |host: &str| Event::NetworkRefused {
            host: Some(host.into()),
            address: None,
            port: Some(443),
            protocol: ringfence_plan::Protocol::Tcp,
            barrier: Barrier::NothingAllows,
            rule: RuleId(1),
        };
        let events = vec![refused("a.example"), refused("a.example"), denied(Operation::Write, "/x", 0)];
        let traffic = Traffic { refused: 2, lost: true, ..Traffic::default() };
        let outcome = Outcome { traffic, ..outcome(3, Ending::Exited(1)) };
        insta::assert_snapshot!(summary(events).as_text(&outcome, || Style::PLAIN), @"ringfence: refused 1 change: /x (write; built in (git runs it)); refused 2 connections: a.example:443 (no rule allows it; ringfence.toml:4:12); the gateway ended, and the network with it: nothing was reached since");
    }

    #[test]
    fn an_alarm_is_a_line_before_the_one_of_refusals_and_stands_alone_without_it() {
        let place = ringfence_plan::Place::Body;
        let alarm =
            Event::CredentialAlarm { host: Some("b.example".into()), port: 443, place, rule: RuleId(1) };
        let traffic = Traffic { alarms: 1, ..Traffic::default() };
        let alone = Outcome { traffic, ..outcome(1, Ending::Exited(0)) };
        insta::assert_snapshot!(summary(vec![alarm.clone()]).as_text(&alone, || Style::PLAIN), @"ringfence: ALARM: a credential's placeholder was sent to b.example:443, in a body (ringfence.toml:4:12)");
        let both = Outcome { traffic, ..outcome(2, Ending::Exited(0)) };
        let events = vec![denied(Operation::Write, "/x", 0), alarm];
        insta::assert_snapshot!(summary(events).as_text(&both, || Style::PLAIN), @"
        ringfence: ALARM: a credential's placeholder was sent to b.example:443, in a body (ringfence.toml:4:12)
        ringfence: refused 1 change: /x (write; built in (git runs it))
        ");
    }

    #[test]
    fn nothing_happened_nothing_is_said() {
        let quiet = summary(Vec::new());
        assert_eq!(quiet.beforehand(|| Style::PLAIN), "");
        assert_eq!(quiet.as_text(&outcome(0, Ending::Exited(3)), || Style::PLAIN), "");
    }

    #[test]
    fn refusals_are_one_line_with_the_rules_place() {
        let events = vec![
            denied(Operation::Create, "/home/u/project/.git/hooks/pre-commit", 0),
            denied(Operation::Create, "/home/u/project/.git/hooks/pre-commit", 0),
            denied(Operation::Rename, "/home/u/project/deploy", 1),
        ];
        insta::assert_snapshot!(summary(events).as_text(&outcome(3, Ending::Exited(1)), || Style::PLAIN), @"ringfence: refused 3 changes: .git/hooks/pre-commit (create; built in (git runs it)), deploy (rename; ringfence.toml:4:12)");
    }

    #[test]
    fn a_flood_stays_one_line() {
        let events =
            (0..1000).map(|n| denied(Operation::Write, &format!("/home/u/project/deploy/{n}"), 1)).collect();
        let flooded = summary(events);
        assert_eq!(flooded.as_json(&outcome(5000, Ending::Exited(1)), 1)["events_left_out"], 4000);
        insta::assert_snapshot!(flooded.as_text(&outcome(5000, Ending::Exited(1)), || Style::PLAIN), @"ringfence: refused 5000 changes: deploy/0 (write; ringfence.toml:4:12), deploy/1 (write; ringfence.toml:4:12), deploy/2 (write; ringfence.toml:4:12), and more, which --json lists");
    }

    #[test]
    fn names_that_the_command_chose_do_not_reach_the_terminal_as_orders() {
        let events =
            vec![denied(Operation::Link, "/home/u/project/deploy/\u{1b}]52;c;YQ==\u{7}\n\u{202e}x", 1)];
        insta::assert_snapshot!(summary(events).as_text(&outcome(1, Ending::Exited(1)), || Style::PLAIN), @r"ringfence: refused 1 change: deploy/\x1b]52;c;YQ==\x07\n\u{202e}x (link; ringfence.toml:4:12)");
    }

    #[test]
    fn a_reached_limit_is_said() {
        let events = vec![Event::LimitReached { limit: Limit::Time, allowed: "10 min".into() }];
        insta::assert_snapshot!(
            summary(events).as_text(&outcome(0, Ending::Stopped(Limit::Time)), || Style::PLAIN), @"ringfence: reached the time limit of 10 min");
    }

    #[test]
    fn what_was_not_written_down_is_said() {
        let unrecorded = vec!["1 audit record, the first to /var/log/x: disk full".into()];
        let outcome = Outcome { unrecorded, ..outcome(0, Ending::Exited(0)) };
        insta::assert_snapshot!(
            summary(Vec::new()).as_text(&outcome, || Style::PLAIN), @"ringfence: could not write down 1 audit record, the first to /var/log/x: disk full");
    }

    #[test]
    fn a_weaker_backend_is_said_before_the_command_starts() {
        let mut weaker = summary(Vec::new());
        weaker.backend = "process";
        weaker.passed_over = vec![BackendRefusal {
            backend: "namespaces",
            unheld: vec![Unheld { field: None, why: "user namespaces are switched off".into() }],
        }];
        insta::assert_snapshot!(weaker.beforehand(|| Style::PLAIN), @"ringfence: the process backend holds this run; namespaces is not to be had here: user namespaces are switched off; see `ringfence doctor`");
    }

    #[test]
    fn programs_get_every_event_with_its_rule() {
        let events = vec![denied(Operation::Create, "/home/u/project/deploy/x", 1)];
        let object = summary(events).as_json(&outcome(1, Ending::Exited(1)), 1);
        insta::assert_snapshot!(format!("{object:#}"), @r#"
        {
          "backend": "namespaces",
          "denied": 1,
          "ending": {
            "exited": 1
          },
          "events": [
            {
              "event": "denied",
              "operation": "create",
              "path": "/home/u/project/deploy/x",
              "pid": 7,
              "rule": {
                "origin": {
                  "file": {
                    "column": 12,
                    "line": 4,
                    "path": "ringfence.toml"
                  }
                },
                "text": "filesystem.protect = \"deploy\""
              }
            }
          ],
          "events_left_out": 0,
          "exit_code": 1,
          "passed_over": [],
          "peak_memory": null,
          "presets": [],
          "traffic": {
            "alarms": 0,
            "connections": 0,
            "failed": 0,
            "inbound": 0,
            "lost": false,
            "received": 0,
            "refused": 0,
            "requests": 0,
            "requests_refused": 0,
            "sent": 0,
            "uninspected": false
          },
          "unrecorded": [],
          "untrusted": null,
          "wall_ms": 1234,
          "warnings": []
        }
        "#);
    }
}
