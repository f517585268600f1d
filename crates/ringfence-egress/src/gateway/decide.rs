//! The decision on a target, with what the gateway knows beside the rules: which names were told, and whose an address is.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringfence_plan::{HostName, RuleId};

use super::Gateway;
use super::gate::Expected;
use super::socket;
use crate::dns::message::Record;
use crate::rules::{Owner, Refusal, Service};

/// A target that may be connected to.
pub(super) struct Allowed {
    pub(super) rule: RuleId,
    /// The name that it goes by.
    pub(super) host: Option<String>,
    /// Whom the client may name.
    pub(super) expected: Expected,
}

/// How long an interface's address is taken to be where it was.
const OWNED: Duration = Duration::from_secs(1);
/// Most addresses whose owner is remembered.
const MOST_OWNERS: usize = 4096;

impl Gateway {
    /// Whether an address may be connected to: for its own sake, or as that of a name that was told.
    pub(super) fn by_address(
        &mut self,
        address: IpAddr,
        service: impl Into<Service>,
    ) -> Result<Allowed, Refusal> {
        let service = service.into();
        let owner = self.owner(address, service);
        let told = self.told.names(address);
        let refusal = match self.rules.by_address(address, service, owner) {
            Ok(rule) => {
                let host = told.last().map(|name| name.as_str().to_owned());
                return Ok(Allowed { rule, host, expected: self.anybody() });
            }
            Err(refusal) => refusal,
        };
        self.rules.leads_to(address, service, owner)?;
        let mut rule = Err(refusal);
        let mut names: Vec<HostName> = Vec::new();
        for name in told {
            match self.rules.by_name(name, service) {
                Ok(allowed) => {
                    rule = Ok(allowed);
                    names.push(name.clone());
                }
                Err(refused) => rule = rule.or(Err(refused)),
            }
        }
        let host = names.last().map(|name| name.as_str().to_owned());
        rule.map(|rule| Allowed { rule, host, expected: Expected::OneOf(names) })
    }

    /// Whether a name may be connected to, whatever its address.
    pub(super) fn by_name(&self, name: &HostName, port: u16) -> Result<Allowed, Refusal> {
        let rule = self.rules.by_name(name, port)?;
        let expected = Expected::OneOf(vec![name.clone()]);
        Ok(Allowed { rule, host: Some(name.as_str().into()), expected })
    }

    /// Of the addresses of an allowed name, those that it may lead to, as they are to be tried.
    pub(super) fn reachable(&mut self, records: &[Record], port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let mut found = Vec::new();
        let mut refusal = None;
        for record in records {
            let address = crate::guard::canonical(record.address);
            let owner = self.owner(address, port);
            match self.rules.leads_to(address, port, owner) {
                Ok(()) => found.push(SocketAddr::new(address, port)),
                Err(refused) => refusal = Some(refused),
            }
        }
        match refusal {
            Some(refusal) if found.is_empty() => Err(refusal),
            _ => Ok(found),
        }
    }

    /// What is expected where an address is allowed for its own sake.
    pub(super) fn anybody(&self) -> Expected {
        let is_heard = self.rules.deny_names() || self.rules.hidden_greeting().is_err();
        if is_heard { Expected::NotDenied } else { Expected::Anybody }
    }

    pub(super) fn owner(&mut self, address: IpAddr, service: impl Into<Service>) -> Owner {
        if self.may_be_parent(address, service.into()) {
            return Owner::ParentProxy;
        }
        let now = Instant::now();
        if let Some((owner, since)) = self.owners.get(&address)
            && now.duration_since(*since) < OWNED
        {
            return *owner;
        }
        let owner = socket::owner(address);
        if self.owners.len() >= MOST_OWNERS {
            self.owners.clear();
        }
        self.owners.insert(address, (owner, now));
        owner
    }
}
