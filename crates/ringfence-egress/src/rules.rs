//! The decision on a connection: a function of the plan's rules, the name, the address, the port and whether it is TCP or
//! UDP, and of nothing else. Who asks, and in which way, makes no difference.
//!
//! Deny wins. A rule for a name speaks of the internet: special addresses need a rule for a block of them.

mod explain;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;

use ringfence_plan::{
    Barrier, EncryptedHello, Endpoint, HostName, HostPattern, Network, NetworkMode, NetworkRule, Ports,
    Protocol, Rule, RuleId, Target,
};

use crate::guard::{self, Block, Special};

/// The rules of a run.
#[derive(Clone, Debug)]
pub struct Rules {
    network: Network,
    texts: Vec<Rule>,
    /// As for requests (see [`Network::over_plain_http_too`]).
    widened: Network,
}

/// A refusal: what stands in the way, and whose line that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What stands in the way.
    pub barrier: Barrier,
    /// The rule; where none speaks of the target, the line that says that rules are asked at all.
    pub rule: RuleId,
    /// More of what stands in the way; reads after "it is".
    pub detail: &'static str,
}

/// An address that is this machine's own, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// One of its interfaces has it.
    ThisMachine,
    /// The parent proxy is there, which goes wherever it is asked to.
    ParentProxy,
    /// Somebody else's.
    Other,
}

/// A port of one protocol; a number alone is TCP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl From<u16> for Service {
    fn from(port: u16) -> Service {
        Service { port, protocol: Protocol::Tcp }
    }
}

/// Longest text that is read, bytes.
const LONGEST: u64 = 64 << 20;

impl Rules {
    /// The rules of a plan; `texts` are all of the plan's, for telling which one decided.
    pub fn new(network: Network, texts: Vec<Rule>) -> Rules {
        Rules { widened: network.over_plain_http_too(), network, texts }
    }

    /// Rules as they are handed over: those of the network and the texts of all, as JSON.
    ///
    /// # Errors
    /// When they are none.
    pub fn read(file: impl Into<File>) -> io::Result<Rules> {
        let mut text = Vec::new();
        file.into().take(LONGEST).read_to_end(&mut text)?;
        let (network, texts) = serde_json::from_slice(&text)?;
        Ok(Rules::new(network, texts))
    }

    /// Whether requests to one that is known as all these are to be looked into.
    pub fn inspect(&self, targets: &[Target], port: u16) -> bool {
        self.widened.is_inspected(targets, port)
    }

    /// Whether requests to anybody are, on this port.
    pub fn inspect_on(&self, port: u16) -> bool {
        let rules = self.widened.http.iter().flatten().map(|rule| &rule.endpoint);
        let credentials = self.widened.credentials.iter().map(|credential| &credential.endpoint);
        let speaks = |endpoint: &Endpoint| endpoint.protocol == Protocol::Tcp && endpoint.ports.contain(port);
        rules.chain(credentials).any(speaks)
    }

    /// The rules themselves, for whoever asks them elsewhere.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The refusal of what carries a credential's placeholder where it does not belong.
    pub fn misplaced(&self, placeholder: usize) -> Refusal {
        Refusal { barrier: Barrier::Placeholder, rule: self.credential(placeholder), detail: "" }
    }

    /// The line of a credential of this placeholder.
    fn credential(&self, placeholder: usize) -> RuleId {
        let mut places: Vec<&ringfence_plan::Placeholder> = Vec::new();
        for credential in &self.network.credentials {
            if !places.contains(&&credential.placeholder) {
                if places.len() == placeholder {
                    return credential.rule;
                }
                places.push(&credential.placeholder);
            }
        }
        self.network.rule
    }

    /// The refusal of the parent proxy itself, by a name or by a rule that does not say its very address.
    pub fn parent_proxy(&self) -> Refusal {
        self.special(PARENT)
    }

    /// The refusal of UDP where only TCP is carried.
    pub fn only_tcp(&self) -> Refusal {
        self.barred(Barrier::OnlyTcp, "")
    }

    /// The refusal of what only the inspector, which is gone, may carry.
    pub fn uninspected(&self) -> Refusal {
        self.barred(Barrier::NoInspector, "")
    }

    /// Whether a name may be asked for: whether a rule could allow a connection to it.
    ///
    /// # Errors
    /// When none could.
    pub fn may_be_asked(&self, name: &HostName) -> Result<(), Refusal> {
        let target = Target::Name(name.clone());
        let denied = |protocol: Protocol, ports: Ports| {
            let mut deny = self.network.deny.iter().map(|rule| (rule, &rule.endpoint));
            let denies = |(_, endpoint): &(&NetworkRule, &Endpoint)| {
                endpoint.protocol == protocol
                    && endpoint.host.covers(&target)
                    && ports.is_within(endpoint.ports)
            };
            deny.find(denies).map(|(rule, _)| self.denied_by(rule.rule))
        };
        if self.network.mode == NetworkMode::Host {
            let everywhere = [Protocol::Tcp, Protocol::Udp].map(|protocol| denied(protocol, Ports::ALL));
            return match everywhere {
                [Some(refusal), Some(_)] => Err(refusal),
                _ => Ok(()),
            };
        }
        let mut last = denied(Protocol::Tcp, Ports::ALL).unwrap_or_else(|| self.nothing_allows());
        for rule in self.network.allow.iter().filter(|rule| rule.endpoint.host.covers(&target)) {
            match denied(rule.endpoint.protocol, rule.endpoint.ports) {
                None => return Ok(()),
                Some(refusal) => last = refusal,
            }
        }
        // Who may send datagrams to name servers may ask them for any name; where the name leads is another rule's to say.
        let asks = |rule: &&NetworkRule| {
            rule.endpoint.protocol == Protocol::Udp
                && rule.endpoint.ports.contain(53)
                && matches!(rule.endpoint.host, HostPattern::Block { .. })
        };
        match self.network.allow.iter().find(asks) {
            Some(_) if last.barrier != Barrier::Denied => Ok(()),
            _ => Err(last),
        }
    }

    /// Whether a name may be connected to; the address is judged apart, by [`Rules::leads_to`].
    ///
    /// # Errors
    /// When it may not.
    pub fn by_name(&self, name: &HostName, service: impl Into<Service>) -> Result<RuleId, Refusal> {
        self.plainly(&Target::Name(name.clone()), service.into())
    }

    /// Whether no rule denies a name, whatever allows its address.
    ///
    /// # Errors
    /// When one does.
    pub fn not_denied(&self, name: &HostName, port: u16) -> Result<(), Refusal> {
        match self.by_name(name, port) {
            Err(refusal) if refusal.barrier == Barrier::Denied => Err(refusal),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether a rule denies names: then what a client says has to be heard even where its address is allowed.
    pub fn deny_names(&self) -> bool {
        self.network.deny.iter().any(|rule| !matches!(rule.endpoint.host, HostPattern::Block { .. }))
    }

    /// Whether an address may be connected to for its own sake.
    ///
    /// # Errors
    /// When it may not.
    pub fn by_address(
        &self,
        address: IpAddr,
        service: impl Into<Service>,
        owner: Owner,
    ) -> Result<RuleId, Refusal> {
        let service @ Service { port, protocol } = service.into();
        let plainly = self.plainly(&Target::address(address), service);
        let (least, barrier) = match (&plainly, guard::special(address), owner) {
            (Err(refusal), _, _) if refusal.barrier == Barrier::Denied => return plainly,
            (_, Some(Special::Never(what)), _) => return Err(self.special(what)),
            // Only the address itself, for a block says nothing of whose it is.
            (_, _, Owner::ThisMachine) => (whole(address), self.special(OWN)),
            // Whoever speaks to it reaches all that it does: neither a block nor the host's network means that.
            (_, _, Owner::ParentProxy) => {
                let named = self.network.allows_within(whole(address), (address, port, protocol));
                return named.ok_or(self.parent_proxy());
            }
            (_, Some(Special::Within(block, what)), _) => (block, self.special(what)),
            (_, None, Owner::Other) => return plainly,
        };
        // Who asked for the host's network by name has asked for what is near it as well.
        if self.network.mode == NetworkMode::Host {
            return plainly;
        }
        self.network.allows_within(least, (address, port, protocol)).ok_or(barrier)
    }

    /// Whether a name that may be connected to may lead to this address.
    ///
    /// # Errors
    /// When it may not.
    pub fn leads_to(
        &self,
        address: IpAddr,
        service: impl Into<Service>,
        owner: Owner,
    ) -> Result<(), Refusal> {
        match self.by_address(address, service, owner) {
            // An address of the internet at large, which needs no rule of its own.
            Err(refusal) if refusal.barrier == Barrier::NothingAllows => Ok(()),
            other => other.map(drop),
        }
    }

    /// Whether a port of the host's loopback may be connected to.
    ///
    /// # Errors
    /// When no rule names it, or one denies it under any of its names.
    pub fn host_port(&self, port: u16) -> Result<RuleId, Refusal> {
        let named = self.network.host.iter().find(|host| host.port == port);
        let rule = named.map(|host| host.rule).ok_or_else(|| self.nothing_allows())?;
        for text in ["localhost", "127.0.0.1", "::1"] {
            let Ok(target) = Target::parse(text) else { continue };
            let covers = |rule: &&NetworkRule| rule.endpoint.covers(&target, port, Protocol::Tcp);
            if let Some(denied) = self.network.deny.iter().find(covers) {
                return Err(self.denied_by(denied.rule));
            }
        }
        Ok(rule)
    }

    /// Whether an answer may tell this address: whether a name could lead to it on some port.
    pub fn may_be_told(&self, address: IpAddr) -> bool {
        match guard::special(address) {
            None => true,
            Some(Special::Never(_)) => false,
            Some(Special::Within(..)) if self.network.mode == NetworkMode::Host => true,
            Some(Special::Within(special, _)) => self.network.allow.iter().any(|rule| {
                block_of(&rule.endpoint).is_some_and(|block| block.contains(address) && special.covers(block))
            }),
        }
    }

    /// What the plan says of a target, without regard to what is special about it.
    fn plainly(&self, target: &Target, service: Service) -> Result<RuleId, Refusal> {
        match self.network.decide(target, service.port, service.protocol) {
            (true, rule) => Ok(rule.unwrap_or(self.network.rule)),
            (false, Some(rule)) => Err(self.denied_by(rule)),
            (false, None) => Err(self.nothing_allows()),
        }
    }

    /// Whether a greeting may say that it hides another.
    ///
    /// # Errors
    /// When it may not.
    pub fn hidden_greeting(&self) -> Result<(), Refusal> {
        match self.network.encrypted_hello {
            EncryptedHello::Allow => Ok(()),
            EncryptedHello::Refuse { rule } => {
                Err(Refusal { barrier: Barrier::HiddenName, rule, detail: "" })
            }
        }
    }

    /// The refusal of what no rule speaks of.
    pub fn nothing_allows(&self) -> Refusal {
        self.barred(Barrier::NothingAllows, "")
    }

    /// The refusal of a client that says another name than the one it asked for.
    pub fn mismatch(&self) -> Refusal {
        self.barred(Barrier::OtherName, "")
    }

    /// The refusal of what cannot be read without doubt; `what` says where the doubt is.
    pub fn malformed(&self, what: &'static str) -> Refusal {
        self.barred(Barrier::Malformed, what)
    }

    /// The refusal of what a spent budget does not grant; `kind` says of what there is no more.
    pub fn over_budget(&self, rule: RuleId, kind: &'static str) -> Refusal {
        Refusal { barrier: Barrier::OverBudget, rule, detail: kind }
    }

    fn denied_by(&self, rule: RuleId) -> Refusal {
        Refusal { barrier: Barrier::Denied, rule, detail: "" }
    }

    fn special(&self, what: &'static str) -> Refusal {
        self.barred(Barrier::SpecialAddress, what)
    }

    fn barred(&self, barrier: Barrier, detail: &'static str) -> Refusal {
        Refusal { barrier, rule: self.network.rule, detail }
    }
}

const OWN: &str = "an address of this machine's own";
const PARENT: &str = "the parent proxy";

fn whole(address: IpAddr) -> Block {
    Block { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
}

fn block_of(endpoint: &Endpoint) -> Option<Block> {
    match endpoint.host {
        HostPattern::Block { address, prefix } => Some(Block { address, prefix }),
        HostPattern::Name(_) | HostPattern::Below(_) => None,
    }
}
