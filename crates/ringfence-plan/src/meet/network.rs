//! The meet of two network parts: hosts looked up, so that ten thousand rules on each side are no hundred million pairs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{stricter, union};
use crate::endpoint::first_of_block;
use crate::{
    EncryptedHello, Endpoint, Granted, HostPattern, HttpRule, Network, NetworkMode, NetworkRule, Publish,
    RuleId,
};

pub(super) fn meet(left: &Network, right: &Network) -> Network {
    // No `..`: a field that is added has to be met.
    let Network {
        mode,
        allow,
        deny,
        http,
        credentials,
        budgets,
        publish: _,
        host,
        parent,
        resolver,
        encrypted_hello,
        rule,
    } = left;
    let (mode, rule) = stricter((*mode, *rule), (right.mode, right.rule));
    let allow = match (left.mode, right.mode) {
        (NetworkMode::Rules, NetworkMode::Rules) => allowed_by_both(allow, &right.allow),
        (NetworkMode::Rules, NetworkMode::Host) => allow.clone(),
        (NetworkMode::Host, NetworkMode::Rules) => right.allow.clone(),
        (NetworkMode::None, _) | (_, NetworkMode::None) | (NetworkMode::Host, NetworkMode::Host) => {
            Vec::new()
        }
    };
    let publish = published(left)
        .meet(&published(right), |own, its| (own.outside, own.inside) == (its.outside, its.inside));
    if mode == NetworkMode::None {
        // Nothing is asked for, looked up or run for a network that is not there; it may be listened in.
        let deny = union(deny, &right.deny, |rule| &rule.endpoint);
        return Network { deny, publish, ..Network::none(rule) };
    }
    Network {
        mode,
        allow,
        deny: union(deny, &right.deny, |rule| &rule.endpoint),
        http: both_lists(http, &right.http),
        // What a bound says of credentials grants nothing: they are the left side's, as variables that are set are.
        credentials: credentials.clone(),
        budgets: union(budgets, &right.budgets, |budget| {
            (&budget.host, budget.sent, budget.connections, budget.requests)
        }),
        publish,
        host: host.meet(&right.host, |own, its| own.port == its.port),
        // Not commutative, as little as credentials are: whoever bounds a run may say how it leaves the house.
        parent: right.parent.as_ref().or(parent.as_ref()).cloned(),
        resolver: right.resolver.as_ref().or(resolver.as_ref()).cloned(),
        encrypted_hello: if encrypted_hello.is_allowed() { right.encrypted_hello } else { *encrypted_hello },
        rule,
    }
}

/// The ports that lead inside. Who says that there is no network has bounded them too, unless he names some.
fn published(network: &Network) -> Granted<Publish> {
    match (network.mode, &network.publish) {
        (NetworkMode::None, Granted::Any) => Granted::default(),
        (_, publish) => publish.clone(),
    }
}

/// The lists of both sides, without one that says what another says.
fn both_lists(left: &[Vec<HttpRule>], right: &[Vec<HttpRule>]) -> Vec<Vec<HttpRule>> {
    let said = |list: &[HttpRule]| -> Vec<HttpRule> {
        list.iter().cloned().map(|rule| HttpRule { rule: RuleId(0), ..rule }).collect()
    };
    let mut met: Vec<Vec<HttpRule>> = Vec::with_capacity(left.len() + right.len());
    for list in left.iter().chain(right) {
        if !met.iter().any(|known| said(known) == said(list)) {
            met.push(list.clone());
        }
    }
    met
}

/// Every rule's number.
pub(super) fn rules(network: &mut Network) -> impl Iterator<Item = &mut RuleId> {
    // No `..`: a field that is added may have rules.
    let Network {
        mode: _,
        allow,
        deny,
        http,
        credentials,
        budgets,
        publish,
        host,
        parent,
        resolver,
        encrypted_hello,
        rule,
    } = network;
    let hello = match encrypted_hello {
        EncryptedHello::Allow => None,
        EncryptedHello::Refuse { rule } => Some(rule),
    };
    (allow.iter_mut().chain(deny).map(|rule| &mut rule.rule))
        .chain(http.iter_mut().flatten().map(|rule| &mut rule.rule))
        .chain(credentials.iter_mut().map(|credential| &mut credential.rule))
        .chain(budgets.iter_mut().map(|budget| &mut budget.rule))
        .chain(publish.iter_mut().map(|publish| &mut publish.rule))
        .chain(host.iter_mut().map(|port| &mut port.rule))
        .chain(parent.iter_mut().map(|parent| &mut parent.rule))
        .chain(resolver.iter_mut().map(|resolver| &mut resolver.rule))
        .chain(hello)
        .chain([rule])
}

/// Every intersection of a rule of one side with one of the other, in the order of endpoints.
pub(super) fn allowed_by_both(left: &[NetworkRule], right: &[NetworkRule]) -> Vec<NetworkRule> {
    let (of_left, of_right) = (Hosts::new(left), Hosts::new(right));
    let mut met: BTreeMap<Endpoint, RuleId> = BTreeMap::new();
    for own in left {
        for its in of_right.around(&own.endpoint.host) {
            if let Some(both) = own.endpoint.intersect(&its.endpoint) {
                let rule = if own.endpoint.is_within(&its.endpoint) { own.rule } else { its.rule };
                met.entry(both).or_insert(rule);
            }
        }
    }
    for its in right {
        for own in of_left.around(&its.endpoint.host) {
            if let Some(both) = own.endpoint.intersect(&its.endpoint) {
                met.entry(both).or_insert(its.rule);
            }
        }
    }
    met.into_iter().map(|(endpoint, rule)| NetworkRule { endpoint, rule }).collect()
}

/// Rules by their hosts.
struct Hosts<'a> {
    rules: HashMap<HostPattern, Vec<&'a NetworkRule>>,
    /// The lengths of prefixes that occur, so that no other is looked up.
    prefixes: BTreeSet<u8>,
}

impl<'a> Hosts<'a> {
    fn new(rules: &'a [NetworkRule]) -> Hosts<'a> {
        let mut hosts = Hosts { rules: HashMap::with_capacity(rules.len()), prefixes: BTreeSet::new() };
        for rule in rules {
            if let HostPattern::Block { prefix, .. } = rule.endpoint.host {
                hosts.prefixes.insert(prefix);
            }
            hosts.rules.entry(rule.endpoint.host.clone()).or_default().push(rule);
        }
        hosts
    }

    /// The rules whose hosts include all of `host`.
    fn around(&self, host: &HostPattern) -> impl Iterator<Item = &'a NetworkRule> {
        let wider: Vec<HostPattern> = match host {
            HostPattern::Name(name) | HostPattern::Below(name) => {
                name.parents().map(HostPattern::Below).collect()
            }
            HostPattern::Block { address, prefix } => {
                let block = |&prefix: &u8| {
                    first_of_block(*address, prefix).map(|address| HostPattern::Block { address, prefix })
                };
                self.prefixes.range(..prefix).filter_map(block).collect()
            }
        };
        let found = std::iter::once(host).chain(&wider).filter_map(|host| self.rules.get(host));
        found.flatten().copied().collect::<Vec<_>>().into_iter()
    }
}
