//! The network's fields, worded as their part of a plan.
//!
//! Decides nothing any more.

use ringfence_plan::{
    Budget, Credential, EncryptedHello, Endpoint, Granted, HostPort, HttpRule, Network, NetworkMode,
    NetworkRule, ParentProxy, Publish, Upstream,
};

use super::Rules;
use crate::compose::{Fields, StatementId};
use crate::statement::{Hello, Value};

pub(super) fn network(composed: &Fields, rules: &mut Rules<'_>) -> Network {
    let mut list = |endpoints: &[(Endpoint, StatementId)]| -> Vec<NetworkRule> {
        let rule = |(endpoint, at): &(Endpoint, StatementId)| NetworkRule {
            endpoint: endpoint.clone(),
            rule: rules.id(*at),
        };
        endpoints.iter().map(rule).collect()
    };
    let (allow, deny) = (list(&composed.allow_net), list(&composed.deny_net));
    let (mode, rule) = match composed.single("network.mode") {
        Some((Value::Network(mode), at)) => (*mode, rules.id(at)),
        _ if composed.is_ceiling && allow.is_empty() => (NetworkMode::Host, rules.none()),
        _ if composed.is_ceiling => (NetworkMode::Rules, allow[0].rule),
        _ => (NetworkMode::None, rules.none()),
    };
    // Rules speak only where rules decide.
    let allow = if mode == NetworkMode::Rules { allow } else { Vec::new() };
    let gateway = &composed.gateway;
    let publish = granted(composed, &gateway.publish, |(outside, inside), at| Publish {
        outside,
        inside,
        rule: rules.id(at),
    });
    if mode == NetworkMode::None {
        // What reaches nobody may still be reached.
        return Network { deny, publish, ..Network::none(rule) };
    }
    let http: Vec<HttpRule> =
        gateway.http.iter().map(|(said, at)| HttpRule { rule: rules.id(*at), ..said.clone() }).collect();
    let credentials = gateway.credentials.iter();
    let budgets = gateway.budgets.iter();
    let parent = gateway.parent.as_ref();
    Network {
        mode,
        allow,
        deny,
        http: if http.is_empty() { Vec::new() } else { vec![http] },
        credentials: credentials
            .map(|(said, at)| Credential { rule: rules.id(*at), ..said.clone() })
            .collect(),
        budgets: budgets.map(|(said, at)| Budget { rule: rules.id(*at), ..said.clone() }).collect(),
        publish,
        host: granted(composed, &gateway.host, |port, at| HostPort { port, rule: rules.id(at) }),
        parent: parent.map(|(said, at)| ParentProxy { rule: rules.id(*at), ..said.clone() }),
        resolver: match composed.single("network.resolver") {
            Some((Value::Resolver { scheme, host, port }, at)) => {
                let (scheme, host, rule) = (scheme.clone(), host.clone(), rules.id(at));
                Some(Upstream { scheme, host, port: *port, rule })
            }
            _ => None,
        },
        encrypted_hello: match composed.single("network.encrypted_hello") {
            Some((Value::EncryptedHello(Hello::Refuse), at)) => EncryptedHello::Refuse { rule: rules.id(at) },
            _ => EncryptedHello::Allow,
        },
        rule,
    }
}

/// What is granted one by one; a ceiling that does not speak of it bounds nothing.
fn granted<T: Copy, U>(
    composed: &Fields,
    said: &Option<Vec<(T, StatementId)>>,
    mut word: impl FnMut(T, StatementId) -> U,
) -> Granted<U> {
    match said {
        Some(entries) => Granted::Only(entries.iter().map(|(entry, at)| word(*entry, *at)).collect()),
        None if composed.is_ceiling => Granted::Any,
        None => Granted::default(),
    }
}
