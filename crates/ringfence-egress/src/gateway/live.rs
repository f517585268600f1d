//! Rules that change while the gateway serves. What they no longer allow ends at once, also in the middle of a transfer;
//! what they still allow goes on.

use std::net::IpAddr;

use ringfence_plan::{HostName, RuleId};

use super::Gateway;
use super::connection::{Dial, Stage, Way};
use super::gate::{Expected, Stop};
use crate::http::Host;
use crate::rules::{Refusal, Rules};

impl Gateway {
    /// From now on these count, for connections that are open as well.
    pub(super) fn take_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.judge_inspected_again();
        let rules = &self.rules;
        // A name that is allowed again is looked up again: until then its addresses have no name.
        self.told.forget(|name| rules.may_be_asked(name).is_err());
        self.refused_names.clear();
        for index in 0..self.connections.len() {
            match self.judge_again(index) {
                Ok(None) => {}
                Ok(Some((rule, expected))) => {
                    if let Some(Some(connection)) = self.connections.get_mut(index) {
                        connection.target.rule = Some(rule);
                        connection.expected = expected;
                    }
                }
                Err(refusal) => self.take_back(index, refusal),
            }
        }
        self.judge_flows_again();
    }

    /// What allows a connection now, and whom its client may name; nothing for one about which nothing was decided.
    fn judge_again(&mut self, index: usize) -> Result<Option<(RuleId, Expected)>, Refusal> {
        let Some(Some(connection)) = self.connections.get(index) else { return Ok(None) };
        let (port, way) = (connection.target.port, connection.target.way);
        let (expected, known_as) = (connection.expected.clone(), connection.target.host.clone());
        let addresses: Vec<IpAddr> = match (&connection.stage, &connection.target.via) {
            (Stage::Names(_) | Stage::Greeting(_) | Stage::Farewell, _) => return Ok(None),
            // The parent proxy's own addresses are nobody's to allow.
            (_, Some(Host::Address(address))) => vec![*address],
            (_, Some(Host::Name(_))) | (Stage::Resolving(_) | Stage::Seeking(_) | Stage::Asking(_), None) => {
                Vec::new()
            }
            (Stage::Dialing(Dial { addresses, .. }), None) => {
                addresses.iter().map(|address| address.ip()).collect()
            }
            (Stage::Relaying, None) => connection.target.address.into_iter().collect(),
        };
        let named = connection.named.clone();
        match (way, expected) {
            // Nothing of these is changed while it runs.
            (Way::In(_), _) => Ok(None),
            (Way::ToHost, expected) => Ok(Some((self.rules.host_port(port)?, expected))),
            (Way::Out, Expected::OneOf(names)) => {
                // Others at that address may stay allowed: who was named is the one.
                if let Some(name) = named {
                    self.rules.by_name(&name, port)?;
                }
                self.names_again(names, &addresses, port).map(Some)
            }
            (Way::Out, Expected::Anybody | Expected::NotDenied) => {
                if let Some(name) = named {
                    self.rules.not_denied(&name, port)?;
                }
                let name = known_as.and_then(|name| HostName::parse(&name).ok());
                self.addresses_again(name.as_ref(), &addresses, port).map(Some)
            }
        }
    }

    /// A connection that was allowed for a name stays allowed for one of its names, at addresses where names may lead.
    fn names_again(
        &mut self,
        names: Vec<HostName>,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<(RuleId, Expected), Refusal> {
        for address in addresses {
            let owner = self.owner(*address, port);
            self.rules.leads_to(*address, port, owner)?;
        }
        let mut refusal = self.rules.nothing_allows();
        let mut rule = None;
        let mut left = Vec::new();
        for name in names {
            match self.rules.by_name(&name, port) {
                Ok(allowed) => {
                    rule = Some(allowed);
                    left.push(name);
                }
                Err(refused) => refusal = refused,
            }
        }
        rule.map(|rule| (rule, Expected::OneOf(left))).ok_or(refusal)
    }

    /// One that was allowed for its address stays so if no rule denies the name by which it is known.
    fn addresses_again(
        &mut self,
        name: Option<&HostName>,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<(RuleId, Expected), Refusal> {
        if let Some(name) = name {
            self.rules.not_denied(name, port)?;
        }
        let mut rule = Err(self.rules.nothing_allows());
        for address in addresses {
            let owner = self.owner(*address, port);
            rule = Ok(self.rules.by_address(*address, port, owner)?);
        }
        rule.map(|rule| (rule, self.anybody()))
    }

    /// Ends what is no longer allowed, as if it had been refused.
    fn take_back(&mut self, index: usize, refusal: Refusal) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        match &connection.stage {
            Stage::Dialing(Dial { opening, .. }) => self.refuse(index, opening.manner, refusal),
            Stage::Resolving(lookup) => self.refuse(index, lookup.opening.manner, refusal),
            Stage::Seeking(opening) => self.refuse(index, opening.manner, refusal),
            Stage::Asking(asking) => self.refuse(index, asking.opening.manner, refusal),
            Stage::Names(_) | Stage::Greeting(_) | Stage::Relaying | Stage::Farewell => {
                self.stop(index, Stop { refusal, http: false });
            }
        }
    }
}
