//! What the summary of a run says of its network: connections that were refused, budgets that were spent, and what failed
//! outside. Not requests, which are the inspector's.

use ringfence_plan::{Barrier, Event, Rule, RuleId, Target};

use super::escape::escape;
use super::words::{barrier_name, first};

/// `refused 2 connections: evil.example:443 (no rule allows it; ringfence.toml:3:8), …`
pub(super) fn refused(count: u64, events: &[Event], rules: &[Rule]) -> String {
    let shown = first(events.iter().filter_map(|event| refusal(event, rules)));
    let connections = if count == 1 { "1 connection".into() } else { format!("{count} connections") };
    format!("refused {connections}: {shown}")
}

fn refusal(event: &Event, rules: &[Rule]) -> Option<String> {
    let Event::NetworkRefused { host, address, port, protocol, barrier, rule } = event else { return None };
    if *barrier == Barrier::OverBudget {
        return None;
    }
    let target = host.clone().or_else(|| address.map(|address| Target::address(address).to_string()))?;
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let origin = rules.get(rule.0 as usize).map(|rule| rule.origin.to_string()).unwrap_or_default();
    let target = format!("{}{}{port}", protocol.scheme(), escape(&target));
    Some(format!("{target} ({}; {})", barrier_name(*barrier), escape(&origin)))
}

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
    let shown = first(events.iter().filter_map(|event| {
        let Event::NetworkFailed { host, port, failure } = event else { return None };
        let host = escape(host.as_deref().unwrap_or("an address"));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{host}{port} ({failure})"))
    }));
    (!shown.is_empty()).then(|| format!("did not reach {shown}"))
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
