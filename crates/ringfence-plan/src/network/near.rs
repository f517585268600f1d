//! Addresses that rules allow and the gateway still keeps back: a rule speaks of the internet at large.
//!
//! Not the addresses of this machine's own interfaces, which are known only where something is dialled.

use std::net::IpAddr;

use super::{Network, NetworkMode};
use crate::guard::{Block, Special, canonical, special};
use crate::{HostPattern, Protocol, RuleId, Target};

impl Network {
    /// The rule that allows an address for its own sake: one for addresses that all lie within `least`.
    pub fn allows_within(
        &self,
        least: Block,
        (address, port, protocol): (IpAddr, u16, Protocol),
    ) -> Option<RuleId> {
        let target = Target::address(address);
        let within = |host: &HostPattern| match host {
            HostPattern::Block { address, prefix } => {
                least.covers(Block { address: *address, prefix: *prefix })
            }
            HostPattern::Name(_) | HostPattern::Below(_) => false,
        };
        let allows =
            |endpoint: &crate::Endpoint| endpoint.covers(&target, port, protocol) && within(&endpoint.host);
        self.allow.iter().find(|rule| allows(&rule.endpoint)).map(|rule| rule.rule)
    }

    /// What keeps an address back that rules may allow; `None` where nothing does, or no gateway stands before it.
    pub fn keeps_back(&self, address: IpAddr, port: u16, protocol: Protocol) -> Option<Special> {
        if self.held_as() != NetworkMode::Rules {
            return None;
        }
        let address = canonical(address);
        match special(address)? {
            // Who asked for the host's network by name has asked for what is near it as well.
            Special::Within(..) if self.mode == NetworkMode::Host => None,
            Special::Within(block, what) => {
                let allowed = self.allows_within(block, (address, port, protocol));
                allowed.is_none().then_some(Special::Within(block, what))
            }
            never @ Special::Never(_) => Some(never),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkRule;

    #[test]
    fn only_a_rule_within_its_kind_leads_to_an_address_near_this_machine() {
        let network = |mode, allow: &[&str], deny: &[&str]| {
            let rules = |texts: &[&str]| {
                texts
                    .iter()
                    .map(|text| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(1) })
                    .collect()
            };
            Network { mode, allow: rules(allow), deny: rules(deny), ..Network::none(RuleId(0)) }
        };
        let kept = |network: &Network, address: &str| {
            network.keeps_back(address.parse().unwrap(), 80, Protocol::Tcp).is_some()
        };
        let wide = network(NetworkMode::Rules, &["0.0.0.0/0:80", "[::]/0:80"], &[]);
        for near in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "::1", "fd00::1"] {
            assert!(kept(&wide, near), "{near}");
        }
        assert!(!kept(&wide, "9.9.9.9"));
        let block = network(NetworkMode::Rules, &["10.0.0.0/8:80", "127.0.0.0/8:80"], &[]);
        assert_eq!((kept(&block, "10.0.0.1"), kept(&block, "127.0.0.1")), (false, true));
        let host = network(NetworkMode::Host, &[], &["a.example:80"]);
        assert_eq!((kept(&host, "10.0.0.1"), kept(&host, "127.0.0.1")), (false, true));
        assert!(!kept(&network(NetworkMode::Host, &[], &[]), "127.0.0.1"));
    }
}
