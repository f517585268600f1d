//! The network part of a plan. Deny wins.
//!
//! Not how it is held: names are not resolved here.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Protocol, RuleId, Target};

/// What the workload may reach over a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The base.
    pub mode: NetworkMode,
    /// With [`NetworkMode::Rules`]: what may be reached.
    pub allow: Vec<NetworkRule>,
    /// What may not be reached, whatever `mode` and `allow` say.
    pub deny: Vec<NetworkRule>,
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

    /// The mode that whoever holds this has to hold: no rule is as good as no network, and a deny takes rules also
    /// where everything else is allowed.
    pub fn held_as(&self) -> NetworkMode {
        match self.mode {
            NetworkMode::Rules if self.allow.is_empty() => NetworkMode::None,
            NetworkMode::Host if !self.deny.is_empty() => NetworkMode::Rules,
            mode => mode,
        }
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
        let network = Network { mode: NetworkMode::Rules, allow, deny, rule: RuleId(0) };
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
    fn no_rule_is_no_network_and_a_deny_is_no_whole_one() {
        let network = |mode, allow, deny| Network { mode, allow, deny, rule: RuleId(0) };
        let some = || rules(&["a.example:443"]);
        let cases = [
            (network(NetworkMode::Rules, vec![], some()), NetworkMode::None),
            (network(NetworkMode::Rules, some(), vec![]), NetworkMode::Rules),
            (network(NetworkMode::Host, vec![], vec![]), NetworkMode::Host),
            (network(NetworkMode::Host, vec![], some()), NetworkMode::Rules),
            (network(NetworkMode::None, some(), some()), NetworkMode::None),
        ];
        for (network, held_as) in cases {
            assert_eq!(network.held_as(), held_as, "{network:?}");
        }
    }
}
