//! The network part of a plan. Deny wins.
//!
//! Not how it is held: names are not resolved here.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Protocol, RuleId, Target};

mod budget;
mod credential;
mod near;
mod opening;
mod request;
mod upstream;
mod url_path;

pub use budget::Budget;
pub use credential::{Credential, Placeholder, Source};
pub use opening::{Granted, HostPort, Publish};
pub use request::{HttpRule, Leave, Request, RequestRefused, Unfit};
pub use upstream::{EncryptedHello, ParentProxy, ProxyScheme, ProxyServer, Upstream, UpstreamScheme};
pub use url_path::{BadUrlPath, RequestPath, UrlPattern};

/// What the workload may reach over a network. What nobody asked for is not written out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The base.
    pub mode: NetworkMode,
    /// With [`NetworkMode::Rules`]: what may be reached.
    pub allow: Vec<NetworkRule>,
    /// What may not be reached, whatever `mode` and `allow` say.
    pub deny: Vec<NetworkRule>,
    /// What may be asked of hosts. Each inner list is one author's: every one that speaks of a host must let a request
    /// through, by any of its rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<Vec<HttpRule>>,
    /// What the gateway puts into requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// How much at most; all hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// Ports of the host's loopback that lead inside.
    #[serde(default, skip_serializing_if = "Granted::is_nothing")]
    pub publish: Granted<Publish>,
    /// Ports of the host's loopback that can be reached from inside.
    #[serde(default, skip_serializing_if = "Granted::is_nothing")]
    pub host: Granted<HostPort>,
    /// The proxy that connections go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentProxy>,
    /// The resolver, if it is not the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Upstream>,
    /// What happens to greetings that hide their server name.
    #[serde(default, skip_serializing_if = "EncryptedHello::is_allowed")]
    pub encrypted_hello: EncryptedHello,
    /// The line that says the mode.
    pub rule: RuleId,
}

/// The base of the network rules, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Nothing but a loopback of its own.
    None,
    /// What the rules allow.
    Rules,
    /// The host's network, unrestricted.
    Host,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRule {
    /// What it speaks of.
    pub endpoint: Endpoint,
    /// The line that says so.
    pub rule: RuleId,
}

impl Network {
    /// No network, said by `rule`; what others start from: `Network { mode, allow, ..Network::none(rule) }`.
    pub fn none(rule: RuleId) -> Network {
        Network {
            mode: NetworkMode::None,
            allow: Vec::new(),
            deny: Vec::new(),
            http: Vec::new(),
            credentials: Vec::new(),
            budgets: Vec::new(),
            publish: Granted::default(),
            host: Granted::default(),
            parent: None,
            resolver: None,
            encrypted_hello: EncryptedHello::Allow,
            rule,
        }
    }

    /// Whether a connection to `target` is allowed, and the rule that decides. `None` where no rule allows it.
    ///
    /// A denied IPv4 address is denied also inside an IPv6 address that a translator or a tunnel would take there.
    pub fn decide(&self, target: &Target, port: u16, protocol: Protocol) -> (bool, Option<RuleId>) {
        if self.mode == NetworkMode::None {
            return (false, Some(self.rule));
        }
        let find = |rules: &[NetworkRule], target: &Target| {
            rules.iter().find(|rule| rule.endpoint.covers(target, port, protocol)).map(|rule| rule.rule)
        };
        let denied = find(&self.deny, target)
            .or_else(|| target.embedded().iter().find_map(|inside| find(&self.deny, inside)));
        match (denied, self.mode) {
            (Some(rule), _) => (false, Some(rule)),
            (None, NetworkMode::Host) => (true, Some(self.rule)),
            (None, NetworkMode::Rules | NetworkMode::None) => {
                let allowed = find(&self.allow, target);
                (allowed.is_some(), allowed)
            }
        }
    }

    /// The mode that whoever holds this has to hold: what only the gateway does takes it also where everything is allowed.
    pub fn held_as(&self) -> NetworkMode {
        match self.mode {
            NetworkMode::Host if self.opens_ports() || self.bounds_or_leads() => NetworkMode::Rules,
            mode => mode,
        }
    }

    /// Whether rules decide and there is none that lets anything through. That is as good as no network, but that a rule
    /// may be added while it runs: who has no gateway for that may hold it so.
    pub fn is_closed(&self) -> bool {
        self.mode == NetworkMode::Rules && self.allow.is_empty() && !self.opens_ports()
    }

    fn opens_ports(&self) -> bool {
        self.publish.iter().next().is_some() || self.host.iter().next().is_some()
    }

    /// Whether a gateway stands between the workload and whatever it reaches or is reached by. Without a network of any
    /// kind, something may still connect to what listens inside.
    pub fn is_gated(&self) -> bool {
        match self.held_as() {
            NetworkMode::Rules => true,
            NetworkMode::None => self.publish.iter().next().is_some(),
            NetworkMode::Host => false,
        }
    }

    /// Whether anything is said beside the mode that narrows the network or leads it elsewhere.
    fn bounds_or_leads(&self) -> bool {
        // No `..`: a field that is added has to be thought of.
        let Network {
            mode: _,
            allow: _,
            deny,
            http,
            credentials,
            budgets,
            publish: _,
            host: _,
            parent,
            resolver,
            encrypted_hello,
            rule: _,
        } = self;
        !deny.is_empty()
            || http.iter().any(|list| !list.is_empty())
            || !credentials.is_empty()
            || !budgets.is_empty()
            || parent.is_some()
            || resolver.is_some()
            || !encrypted_hello.is_allowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<NetworkRule> {
        let rule =
            |(at, text): (u32, &&str)| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(at) };
        (10..).zip(texts).map(rule).collect()
    }

    fn decide(network: &Network, target: &str, port: u16) -> (bool, Option<u32>) {
        let (allowed, rule) = network.decide(&Target::parse(target).unwrap(), port, Protocol::Tcp);
        (allowed, rule.map(|rule| rule.0))
    }

    #[test]
    fn a_deny_wins_in_every_mode_and_every_dress() {
        let allow = rules(&["*.example:443", "0.0.0.0/0:443", "[::]/0:443"]);
        let deny = vec![NetworkRule { endpoint: "127.0.0.0/8:1-65535".parse().unwrap(), rule: RuleId(1) }];
        let network = Network { mode: NetworkMode::Rules, allow, deny, ..Network::none(RuleId(0)) };
        assert_eq!(decide(&network, "a.example", 443), (true, Some(10)));
        assert_eq!(decide(&network, "a.example", 80), (false, None));
        assert_eq!(decide(&network, "2001:db8::1", 443), (true, Some(12)));
        for denied in ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"] {
            assert_eq!(decide(&network, denied, 443), (false, Some(1)), "{denied}");
        }
        let host = Network { mode: NetworkMode::Host, ..network.clone() };
        assert_eq!(decide(&host, "127.0.0.1", 443), (false, Some(1)));
        assert_eq!(decide(&host, "a.example", 80), (true, Some(0)));
        let none = Network { mode: NetworkMode::None, ..network };
        assert_eq!(decide(&none, "a.example", 443), (false, Some(0)));
    }

    #[test]
    fn rules_are_rules_also_before_there_is_one_and_a_deny_is_no_whole_network() {
        let network = |mode, allow, deny| Network { mode, allow, deny, ..Network::none(RuleId(0)) };
        let some = || rules(&["a.example:443"]);
        let cases = [
            (network(NetworkMode::Rules, vec![], some()), NetworkMode::Rules),
            (network(NetworkMode::Rules, some(), vec![]), NetworkMode::Rules),
            (network(NetworkMode::Host, vec![], vec![]), NetworkMode::Host),
            (network(NetworkMode::Host, vec![], some()), NetworkMode::Rules),
            (network(NetworkMode::None, some(), some()), NetworkMode::None),
        ];
        for (network, held_as) in cases {
            assert_eq!(network.held_as(), held_as, "{network:?}");
            let is_closed = network.mode == NetworkMode::Rules && network.allow.is_empty();
            assert_eq!(network.is_closed(), is_closed, "{network:?}");
        }
        let port = crate::HostPort { port: 5432, rule: RuleId(0) };
        let open =
            Network { host: crate::Granted::Only(vec![port]), ..network(NetworkMode::Rules, vec![], vec![]) };
        assert!(!open.is_closed());
    }
}
