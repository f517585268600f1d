//! The part of a random network that only the gateway holds, and what it decides, slowly and obviously.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::generate::{network_rule, rule};
use super::*;
use crate::{
    Budget, Credential, EncryptedHello, Granted, HostPattern, HostPort, HttpRule, ParentProxy, Placeholder,
    Protocol, ProxyServer, Publish, Request, RequestPath, Source, Target, Upstream, UpstreamScheme,
    UrlPattern,
};

const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
const PATTERNS: [&str; 7] = ["/", "/a", "/*", "/a/**", "/**/b", "/*/b", "/a*/*"];
pub(super) const PATHS: [&str; 7] = ["/", "/a", "/b", "/a/b", "/b/b", "/ab/a", "/a/a/b"];
const HOSTS: [&str; 4] = ["a", "*.a", "b.a", "0.0.0.0/1"];
const PORTS: [u16; 2] = [1, 2];

/// A network without a mode and without rules over hosts.
pub(super) fn gateway() -> impl Strategy<Value = Network> {
    let http = vec(vec(http_rule(), 1..4), 0..3);
    let ports = (granted(publish()), granted(host_port()));
    let lead = (prop::option::of(parent()), prop::option::of(resolver()), hello());
    (http, vec(credential(), 0..2), vec(budget(), 0..3), ports, lead).prop_map(
        |(http, credentials, budgets, (publish, host), (parent, resolver, encrypted_hello))| Network {
            http,
            credentials,
            budgets,
            publish,
            host,
            parent,
            resolver,
            encrypted_hello,
            ..Network::none(RuleId(0))
        },
    )
}

fn http_rule() -> impl Strategy<Value = HttpRule> {
    let of = (subsequence(METHODS.to_vec(), 0..3), subsequence(PATTERNS.to_vec(), 0..4));
    let sizes = (prop::option::of(0u64..3), prop::option::of(0u64..3));
    (network_rule(), of, sizes).prop_map(|(on, (methods, paths), (max_body, max_header))| HttpRule {
        endpoint: crate::Endpoint { protocol: Protocol::Tcp, ..on.endpoint },
        methods: methods.into_iter().map(str::to_owned).collect(),
        paths: paths.into_iter().map(|path| UrlPattern::parse(path).unwrap()).collect(),
        max_body,
        max_header,
        rule: on.rule,
    })
}

fn credential() -> impl Strategy<Value = Credential> {
    (network_rule(), any::<bool>()).prop_map(|(on, env)| Credential {
        endpoint: on.endpoint,
        header: "Authorization".into(),
        methods: Vec::new(),
        paths: Vec::new(),
        source: if env { Source::Env("A".into()) } else { Source::Command(vec!["a".into()]) },
        placeholder: Placeholder::Env("A".into()),
        rule: on.rule,
    })
}

fn budget() -> impl Strategy<Value = Budget> {
    let host = prop::option::of(select(HOSTS.to_vec()));
    let limit = || prop::option::of(1u64..3);
    (host, limit(), limit(), prop::option::of(1u32..3), rule()).prop_map(
        |(host, sent, connections, requests, rule)| Budget {
            host: host.map(|host| HostPattern::parse(host).unwrap()),
            sent,
            connections,
            requests,
            rule,
        },
    )
}

fn granted<T: Clone + std::fmt::Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Granted<T>> {
    prop_oneof![1 => Just(Granted::Any), 3 => vec(one, 0..4).prop_map(Granted::Only)]
}

fn publish() -> impl Strategy<Value = Publish> {
    let port = || select(PORTS.to_vec());
    (port(), port(), rule()).prop_map(|(outside, inside, rule)| Publish { outside, inside, rule })
}

fn host_port() -> impl Strategy<Value = HostPort> {
    (select(PORTS.to_vec()), rule()).prop_map(|(port, rule)| HostPort { port, rule })
}

fn parent() -> impl Strategy<Value = ParentProxy> {
    rule().prop_map(|rule| ParentProxy {
        server: ProxyServer::Environment,
        no_proxy: vec![HostPattern::parse("*.a").unwrap()],
        credential: None,
        rule,
    })
}

fn resolver() -> impl Strategy<Value = Upstream> {
    let host = Target::parse("a.example").unwrap();
    rule().prop_map(move |rule| Upstream { scheme: UpstreamScheme::Tls, host: host.clone(), port: 853, rule })
}

fn hello() -> impl Strategy<Value = EncryptedHello> {
    prop_oneof![Just(EncryptedHello::Allow), rule().prop_map(|rule| EncryptedHello::Refuse { rule })]
}

/// How much each request may send as its body, one more than that; nothing where it may not be made.
pub(super) fn requests(network: &Network, targets: &[Target]) -> Vec<u64> {
    let mut all = Vec::new();
    for target in targets {
        for (method, path) in METHODS.iter().flat_map(|method| PATHS.map(|path| (*method, path))) {
            for header in [0, 2] {
                all.push(asked(network, target, (method, path), header));
            }
        }
    }
    all
}

/// The port of every request that is tried.
pub(super) const PORT: u16 = 3;

fn asked(network: &Network, target: &Target, (method, path): (&str, &str), header: u64) -> u64 {
    if network.mode == NetworkMode::None {
        return 0;
    }
    let mut most = u64::MAX;
    for list in &network.http {
        let of_host: Vec<_> =
            list.iter().filter(|rule| rule.endpoint.covers(target, PORT, Protocol::Tcp)).collect();
        let lets = |rule: &&&HttpRule| {
            let method = rule.methods.is_empty() || rule.methods.iter().any(|known| known == method);
            let pattern = |pattern: &&str| {
                let said = rule.paths.iter().any(|path| path.as_str() == *pattern);
                said && meant(&segments(pattern), &segments(path))
            };
            let path = rule.paths.is_empty() || PATTERNS.iter().any(pattern);
            method && path && rule.max_header.is_none_or(|most| header <= most)
        };
        let bodies = of_host.iter().filter(lets).map(|rule| rule.max_body.map_or(u64::MAX, |most| most + 1));
        if !of_host.is_empty() {
            most = most.min(bodies.max().unwrap_or(0));
        }
    }
    most
}

fn segments(text: &str) -> Vec<&str> {
    text[1..].split('/').collect()
}

/// What a pattern of paths means, by trying every length for `**`.
fn meant(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"**", after)), _) => (0..=path.len()).any(|skipped| meant(after, &path[skipped..])),
        (Some((&"*", after)), Some((first, rest))) => !first.is_empty() && meant(after, rest),
        (Some((&"a*", after)), Some((first, rest))) => first.starts_with('a') && meant(after, rest),
        (Some((name, after)), Some((first, rest))) => name == first && meant(after, rest),
        (Some(_), None) => false,
    }
}

/// Which of all single ports are open, both ways.
pub(super) fn ports(network: &Network) -> Vec<bool> {
    let is_there = network.mode != NetworkMode::None;
    let pairs = PORTS.iter().flat_map(|outside| PORTS.map(|inside| (*outside, inside)));
    let published = pairs.map(|pair| match &network.publish {
        Granted::Any => is_there,
        // Without a network of its own, too.
        Granted::Only(entries) => entries.iter().any(|entry| (entry.outside, entry.inside) == pair),
    });
    let reached = PORTS.iter().map(|port| match &network.host {
        Granted::Any => is_there,
        Granted::Only(entries) => is_there && entries.iter().any(|entry| entry.port == *port),
    });
    published.chain(reached).collect()
}

/// The smallest limit of each kind for each of the hosts of budgets, and whether a hidden name may be sent.
pub(super) fn budgets(network: &Network) -> Vec<u64> {
    let mut all = vec![u64::from(network.encrypted_hello.is_allowed())];
    let hosts = std::iter::once(None).chain(HOSTS.map(Some));
    for host in hosts.map(|host| host.map(|host| HostPattern::parse(host).unwrap())) {
        let of_host: Vec<&Budget> = network.budgets.iter().filter(|budget| budget.host == host).collect();
        let least = |limit: fn(&Budget) -> Option<u64>| {
            of_host.iter().filter_map(|budget| limit(budget)).min().unwrap_or(u64::MAX)
        };
        all.extend([
            least(|budget| budget.sent),
            least(|budget| budget.connections),
            least(|budget| budget.requests.map(u64::from)),
        ]);
    }
    if network.mode == NetworkMode::None {
        all.fill(0);
    }
    all
}

/// The program's own answer to the same requests.
fn decided(network: &Network, target: &Target, (method, path): (&str, &str), header: u64) -> u64 {
    let path = RequestPath::parse(path).unwrap();
    let targets = std::slice::from_ref(target);
    let request = Request { targets, port: PORT, method, path: &path, header };
    match network.decide_request(&request) {
        Ok(leave) => leave.max_body.map_or(u64::MAX, |most| most + 1),
        Err(_) => 0,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_request_is_decided_by_every_author_who_speaks_of_its_host(network in gateway(), none in any::<bool>()) {
        let mode = if none { NetworkMode::None } else { NetworkMode::Rules };
        let network = Network { mode, ..network };
        for target in reference::targets() {
            for (method, path) in METHODS.iter().flat_map(|method| PATHS.map(|path| (*method, path))) {
                for header in [0, 2] {
                    let slow = asked(&network, &target, (method, path), header);
                    prop_assert_eq!(decided(&network, &target, (method, path), header), slow);
                }
            }
        }
    }

    #[test]
    fn a_bound_hands_out_no_secret_and_may_lead_the_way(grants in plan(), bound in plan()) {
        let met = grants.meet(&bound);
        if met.network.mode == NetworkMode::None {
            prop_assert!(met.network.credentials.is_empty() && met.network.parent.is_none());
            return Ok(());
        }
        prop_assert_eq!(&met.network.credentials, &grants.network.credentials);
        let server = |plan: &Plan| plan.network.parent.as_ref().map(|parent| parent.server.clone());
        prop_assert_eq!(server(&met), server(&bound).or(server(&grants)));
    }
}
