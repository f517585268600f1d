//! What the summary of a run says of its network beside refused connections: what failed outside.
//! Not the refusals, which stand with the others.

use ringfence_plan::Event;

use super::escape::escape;

/// Hosts that the line for people names.
const NAMED: usize = 3;

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
    use ringfence_plan::Failure;

    use super::*;

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
