//! What the summary of a run says of its network beside refused connections: budgets that were spent, and what failed
//! outside. Not the other refusals, of which each has its own target.

use ringfence_plan::{Barrier, Event, Rule, RuleId};

use super::escape::escape;

/// Hosts that the line for people names.
const NAMED: usize = 3;

/// The budgets that had no more, one entry each time that it was told: how often is not counted.
pub(super) fn spent(events: &[Event]) -> Vec<RuleId> {
    let over = |event: &Event| match event {
        Event::NetworkRefused { barrier: Barrier::OverBudget, rule, .. } => Some(*rule),
        _ => None,
    };
    events.iter().filter_map(over).collect()
}

/// `refused what was over network.budget.sent = "1MiB" (ringfence.toml:4:1), …`; `None` where no budget was spent.
pub(super) fn over_budget(spent: &[RuleId], rules: &[Rule]) -> Option<String> {
    let mut shown: Vec<String> = Vec::new();
    for rule in spent.iter().filter_map(|rule| rules.get(rule.0 as usize)) {
        let part = format!("{} ({})", escape(&rule.text), escape(&rule.origin.to_string()));
        if !shown.contains(&part) {
            shown.push(part);
        }
    }
    (!shown.is_empty()).then(|| format!("refused what was over {}", shown.join(", ")))
}

/// `did not reach a.example:443 (the host's name servers did not answer in time), …`; `None` where nothing failed.
pub(super) fn failed(events: &[Event]) -> Option<String> {
    let mut shown: Vec<String> = Vec::new();
    for event in events {
        let Event::NetworkFailed { host, port, failure } = event else { continue };
        let host = escape(host.as_deref().unwrap_or("an address"));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let part = format!("{host}{port} ({failure})");
        if !shown.contains(&part) {
            shown.push(part);
        }
    }
    if shown.len() > NAMED {
        shown.truncate(NAMED);
        shown.push("and more, which --json lists".into());
    }
    (!shown.is_empty()).then(|| format!("did not reach {}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Failure, Origin};

    use super::*;

    #[test]
    fn a_spent_budget_is_named_with_its_line() {
        let over = |rule| Event::NetworkRefused {
            host: Some("a.example".into()),
            address: None,
            port: Some(443),
            protocol: ringfence_plan::Protocol::Tcp,
            barrier: Barrier::OverBudget,
            rule: RuleId(rule),
        };
        let file = Origin::File { path: "ringfence.toml".into(), line: 4, column: 1, why: None };
        let rules = [Rule { text: "network.budget = { sent = 1 MiB }".into(), origin: file }];
        let spent = spent(&[over(0), over(0), Event::NetworkLost]);
        assert_eq!(spent.len(), 2);
        insta::assert_snapshot!(over_budget(&spent, &rules).unwrap(), @"refused what was over network.budget = { sent = 1 MiB } (ringfence.toml:4:1)");
        assert_eq!(over_budget(&[], &rules), None);
    }

    #[test]
    fn what_failed_is_named_with_its_cause() {
        let failed_by =
            |host: &str, port, failure| Event::NetworkFailed { host: Some(host.into()), port, failure };
        let events = [
            failed_by("a.example", Some(443), Failure::NamesSilent),
            failed_by("b.example", None, Failure::ParentCredentials),
        ];
        insta::assert_snapshot!(failed(&events).unwrap(), @"did not reach a.example:443 (the host's name servers did not answer in time), b.example (the parent proxy does not take these credentials, or wants some)");
        assert_eq!(failed(&[Event::NetworkLost]), None);
    }
}
