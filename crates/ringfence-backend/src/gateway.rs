//! What the gateway holds of a plan's network part beside its rules over hosts: one row a field, with its answer.
//!
//! Not those rules themselves: each backend answers for the mode.

use ringfence_plan::{Field, FieldVerdict, Network, NetworkMode, ParentProxy, ProxyServer};

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
    /// It depends on what else is asked for: by this mechanism, or why it does not. Then a run that asks for it is refused.
    If(fn(&Network) -> Result<&'static str, &'static str>),
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
        held: Held::If(|network| match leads_round_a_proxy(network) {
            true => Err(
                "the resolver would have to be asked through network.proxy, which is not done, and is not asked directly \
                 unless network.no_proxy covers its host",
            ),
            false => Ok(
                "the gateway asks that resolver alone, by TLS that the inspector speaks; a name that it does not answer for has no address",
            ),
        }),
    },
    Row {
        field: Field::NetworkEncryptedHello,
        asked: |network| !network.encrypted_hello.is_allowed(),
        held: Held::By("a greeting of TLS that says that it hides a name is refused"),
    },
];

/// The answers where a gateway stands between the run and the network.
pub(crate) fn verdicts(network: &Network) -> impl Iterator<Item = FieldVerdict> {
    asked(network).map(move |row| match row.held {
        Held::By(mechanism) => enforced(row.field, mechanism),
        Held::If(held) => match held(network) {
            Ok(mechanism) => enforced(row.field, mechanism),
            Err(why) => unenforced(row.field, why),
        },
    })
}

/// The answers where there is none.
pub(crate) fn none(network: &Network) -> impl Iterator<Item = FieldVerdict> {
    asked(network).map(|row| unenforced(row.field, NO_GATEWAY))
}

/// Whether the resolver is one of the hosts that go through a proxy which the plan names. What the caller's variables name is
/// looked at by whoever runs it.
fn leads_round_a_proxy(network: &Network) -> bool {
    match (&network.parent, &network.resolver) {
        (Some(ParentProxy { server: ProxyServer::Named { .. }, no_proxy, .. }), Some(resolver)) => {
            !no_proxy.iter().any(|host| host.covers(&resolver.host))
        }
        _ => false,
    }
}

/// What `network` asks for; without a network nothing but to be reached.
fn asked(network: &Network) -> impl Iterator<Item = &'static Row> {
    let none = network.mode == NetworkMode::None;
    ROWS.iter().filter(move |row| (!none || row.field == Field::NetworkPublish) && (row.asked)(network))
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{
        Budget, EncryptedHello, HostPattern, ProxyScheme, RuleId, Target, Upstream, UpstreamScheme, Verdict,
    };

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

    #[test]
    fn a_resolver_is_asked_directly_or_the_run_is_refused() {
        let upstream = Upstream {
            scheme: UpstreamScheme::Tls,
            host: Target::parse("192.0.2.53").unwrap(),
            port: 853,
            rule: RuleId(0),
        };
        let plain = Network { mode: NetworkMode::Rules, ..Network::none(RuleId(0)) };
        let with = |server: Option<ProxyServer>, no_proxy: &[&str]| {
            let no_proxy = no_proxy.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
            let parent =
                server.map(|server| ParentProxy { server, no_proxy, credential: None, rule: RuleId(0) });
            let network = Network { resolver: Some(upstream.clone()), parent, ..plain.clone() };
            let verdict = verdicts(&network).find(|verdict| verdict.field == Field::NetworkResolver);
            verdict.unwrap().verdict
        };
        let named = Some(ProxyServer::Named {
            scheme: ProxyScheme::Http,
            host: Target::parse("proxy.example").unwrap(),
            port: 3128,
        });
        assert_eq!(with(None, &[]), Verdict::Enforced);
        assert!(matches!(with(named.clone(), &["192.0.3.0/24"]), Verdict::Unenforced { .. }));
        assert_eq!(with(named, &["192.0.2.0/24"]), Verdict::Enforced);
        // Only when it is run is it known what those say.
        assert_eq!(with(Some(ProxyServer::Environment), &[]), Verdict::Enforced);
    }
}
