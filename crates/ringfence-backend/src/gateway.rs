//! What the gateway holds of a plan's network part beside its rules over hosts: one row a field, with its answer.
//!
//! Not those rules themselves: each backend answers for the mode.

use ringfence_plan::{Field, FieldVerdict, Network, NetworkMode};

use crate::answer::{NO_GATEWAY, enforced, unenforced};

/// One field that only a gateway can hold.
struct Row {
    field: Field,
    /// Whether a plan asks for it.
    asked: fn(&Network) -> bool,
    held: Held,
}

/// Whether the gateway holds a field.
enum Held {
    /// It does, by this mechanism.
    By(&'static str),
    /// It does not: a run that asks for it is refused.
    Not(&'static str),
}

const ROWS: &[Row] = &[
    Row {
        field: Field::NetworkHttp,
        asked: |network| network.http.iter().any(|list| !list.is_empty()),
        held: Held::By("the inspector reads each request to those hosts, and refuses the others"),
    },
    Row {
        field: Field::NetworkCredential,
        asked: |network| !network.credentials.is_empty(),
        held: Held::By("the inspector puts the value in; inside there is a placeholder"),
    },
    Row {
        field: Field::NetworkBudget,
        asked: |network| !network.budgets.is_empty(),
        held: Held::By("counted in the gateway: what is over is refused or cut off"),
    },
    Row {
        field: Field::NetworkPublish,
        asked: |network| network.publish.iter().next().is_some(),
        held: Held::By(
            "listeners on the host's loopback alone; what connects there is led inside by the gateway",
        ),
    },
    Row {
        field: Field::NetworkHost,
        asked: |network| network.host.iter().next().is_some(),
        held: Held::By(
            "a listener for each port on the inner loopback, which the gateway leads to the host's",
        ),
    },
    Row {
        field: Field::NetworkProxy,
        asked: |network| network.parent.is_some(),
        held: Held::By(
            "the gateway connects through it (CONNECT or SOCKS 5), by TLS where it is an https:// one",
        ),
    },
    Row {
        field: Field::NetworkResolver,
        asked: |network| network.resolver.is_some(),
        held: Held::Not("only the host's resolvers are asked in this version"),
    },
    Row {
        field: Field::NetworkEncryptedHello,
        asked: |network| !network.encrypted_hello.is_allowed(),
        held: Held::By("a greeting of TLS that says that it hides a name is refused"),
    },
];

/// The answers where a gateway stands between the run and the network.
pub(crate) fn verdicts(network: &Network) -> impl Iterator<Item = FieldVerdict> {
    asked(network).map(|row| match row.held {
        Held::By(mechanism) => enforced(row.field, mechanism),
        Held::Not(why) => unenforced(row.field, why),
    })
}

/// The answers where there is none.
pub(crate) fn none(network: &Network) -> impl Iterator<Item = FieldVerdict> {
    asked(network).map(|row| unenforced(row.field, NO_GATEWAY))
}

/// What `network` asks for; without a network nothing but to be reached.
fn asked(network: &Network) -> impl Iterator<Item = &'static Row> {
    let none = network.mode == NetworkMode::None;
    ROWS.iter().filter(move |row| (!none || row.field == Field::NetworkPublish) && (row.asked)(network))
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Budget, EncryptedHello, RuleId, Verdict};

    use super::*;

    #[test]
    fn only_what_is_asked_for_is_answered_and_nothing_without_a_gateway_is_held() {
        let plain = Network { mode: NetworkMode::Rules, ..Network::none(RuleId(0)) };
        assert_eq!(verdicts(&plain).count(), 0);
        let budget = Budget { host: None, sent: Some(1), connections: None, requests: None, rule: RuleId(0) };
        let asking = Network {
            budgets: vec![budget],
            encrypted_hello: EncryptedHello::Refuse { rule: RuleId(0) },
            ..plain
        };
        let fields: Vec<_> = verdicts(&asking).map(|verdict| verdict.field).collect();
        assert_eq!(fields, [Field::NetworkBudget, Field::NetworkEncryptedHello]);
        assert!(none(&asking).all(|answer| matches!(answer.verdict, Verdict::Unenforced { .. })));
        assert_eq!(none(&Network { mode: NetworkMode::None, ..asking }).count(), 0);
    }
}
