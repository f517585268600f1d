//! Lines about requests, secrets, budgets and ports that do nothing, or more than anybody is likely to mean.
//!
//! Hosts that are allowed in vain are in `void`.

use ringfence_plan::{Endpoint, Granted, HostPattern, Network, NetworkMode, Ports, ProxyServer, RuleId};

use super::Checker;
use super::void::bounded_by;
use crate::Stage;
use crate::compose::StatementId;
use crate::statement::Value;

impl Checker<'_> {
    pub(super) fn gateway(&mut self) {
        let fields = self.fields;
        self.credentials();
        self.budgets();
        self.rules_for_the_loopback();
        self.without_a_network();
        self.resolver_behind_a_proxy();
        for (rule, id) in &fields.gateway.http {
            let named = !matches!(rule.endpoint.host, HostPattern::Block { .. });
            if named
                && fields.allow_net.iter().any(|(endpoint, _)| is_everywhere(endpoint, rule.endpoint.ports))
            {
                let help = "name hosts in `allow` in place of every address";
                let label = "every address is allowed too, and an address is not this name";
                self.warn(*id, "can be gone round", label, help.into());
            }
        }
        let published = fields.gateway.publish.iter().flatten();
        let published: Vec<((u16, u16), StatementId)> = published.copied().collect();
        for (at, ((outside, _), id)) in published.iter().enumerate() {
            if published[..at].iter().any(|((known, _), _)| known == outside) {
                let help = "give each its own port of the host";
                self.warn(*id, "has no effect", "this port of the host leads elsewhere already", help.into());
            }
        }
        if fields.gateway.parent.is_none() {
            let waiting = ["network.no_proxy", "network.proxy_credential"];
            let said = (0..).zip(&fields.statements).filter(|(_, one)| waiting.contains(&one.field.key));
            if let Some((id, _)) = said.into_iter().next() {
                let help = "name it: proxy = \"http://proxy.example.org:3128\", or proxy = \"environment\"";
                self.warn(id, "has no effect", "there is no proxy", help.into());
            }
        }
    }

    /// Single ports that a ceiling, or the sandbox around this one, does not let be.
    pub(super) fn void_ports(&mut self, bounds: &[&Stage]) {
        let fields = self.fields;
        for stage in bounds {
            let network = &stage.plan.network;
            for (one, id) in fields.gateway.publish.iter().flatten() {
                if let Err(rule) = publishes(network, *one) {
                    self.warn(*id, "has no effect", "not allowed", bounded_by(stage, Some(rule)));
                }
            }
            for (port, id) in fields.gateway.host.iter().flatten() {
                if let Err(rule) = leads_to_host(network, *port) {
                    self.warn(*id, "has no effect", "not allowed", bounded_by(stage, Some(rule)));
                }
            }
        }
    }

    /// Rules for hosts do not lead to the host's loopback.
    fn rules_for_the_loopback(&mut self) {
        if !matches!(self.fields.single("network.mode"), Some((Value::Network(NetworkMode::Rules), _))) {
            return;
        }
        let mut last: Option<StatementId> = None;
        for (endpoint, id) in &self.fields.allow_net {
            let is_loopback = match &endpoint.host {
                HostPattern::Name(name) => name.as_str() == "localhost",
                HostPattern::Block { address, prefix } => address.is_loopback() && *prefix >= 8,
                HostPattern::Below(_) => false,
            };
            if is_loopback && last.replace(*id) != Some(*id) {
                let help = "name its ports one by one: host = [\"localhost:5432\"]";
                self.warn(*id, "has no effect", "no rule leads to the host's loopback", help.into());
            }
        }
    }

    /// Where nothing is reached there is nothing to lead, to count or to greet.
    fn without_a_network(&mut self) {
        let fields = self.fields;
        let is_reached = matches!(
            fields.single("network.mode"),
            Some((Value::Network(NetworkMode::Rules | NetworkMode::Host), _))
        );
        if is_reached {
            return;
        }
        let idle: &[&str] = match fields.gateway.publish {
            // What is published has a budget, too.
            Some(_) => &["network.host"],
            None => &[
                "network.host",
                "network.proxy",
                "network.resolver",
                "network.encrypted_hello",
                "network.budget",
            ],
        };
        let said = (0..).zip(&fields.statements).filter(|(_, one)| idle.contains(&one.field.key));
        for (id, _) in said.collect::<Vec<_>>() {
            let help = match fields.single("network.mode") {
                Some((_, mode)) if self.written(self.statement(mode)).is_some() => {
                    format!(
                        "{} decides; without it, or with mode = \"rules\", such lines count",
                        self.rule(mode)
                    )
                }
                _ => "name in `allow` what may be reached".to_owned(),
            };
            self.warn(id, "has no effect", "there is no network", help);
        }
    }

    /// A resolver is asked directly or not at all.
    fn resolver_behind_a_proxy(&mut self) {
        let fields = self.fields;
        let resolver = fields.single("network.resolver");
        let (Some((parent, _)), Some((Value::Resolver { host, .. }, id))) =
            (&fields.gateway.parent, resolver)
        else {
            return;
        };
        if parent.server != ProxyServer::Environment && !parent.no_proxy.iter().any(|one| one.covers(host)) {
            let help = format!("have it asked directly: no_proxy = [\"{host}\"]");
            self.warn(id, "refuses every run", "it would have to be asked through the proxy", help);
        }
    }

    fn credentials(&mut self) {
        let fields = self.fields;
        for (credential, id) in &fields.gateway.credentials {
            let endpoint = &credential.endpoint;
            if endpoint.ports == Ports::one(80) {
                let help = "name the port of TLS: without one it is 443";
                self.warn(*id, "is sent readable", "port 80 is not encrypted", help.into());
            }
            if matches!(endpoint.host, HostPattern::Below(_) | HostPattern::Block { .. }) {
                let help = "name the one host that is meant";
                self.warn(*id, "is broad", "whoever has one of these hosts gets the secret", help.into());
            }
            if !self.is_reached(|allowed| allowed.intersect(endpoint).is_some()) {
                let help = "name the host in `allow`, or in [[network.http]] with what it may be asked";
                self.warn(*id, "has no effect", "nothing allows this host", help.into());
            }
        }
    }

    fn budgets(&mut self) {
        let fields = self.fields;
        for (budget, id) in &fields.gateway.budgets {
            let Some(host) = &budget.host else { continue };
            if !self.is_reached(|allowed| allowed.host.intersect(host).is_some()) {
                let help = "look at its spelling: `*.example.org` is every name below, and not example.org";
                self.warn(*id, "has no effect", "nothing allows such a host", help.into());
            }
        }
    }

    /// Whether anything that the network lets is one that `test` means.
    fn is_reached(&self, test: impl Fn(&Endpoint) -> bool) -> bool {
        match self.fields.single("network.mode") {
            Some((Value::Network(NetworkMode::Host), _)) => true,
            Some((Value::Network(NetworkMode::Rules), _)) => {
                self.fields.allow_net.iter().any(|(endpoint, _)| test(endpoint))
            }
            _ => false,
        }
    }
}

/// Whether a bound lets a port be published, or the rule by which it does not. Who says that there is no network and names no
/// port means none.
fn publishes(network: &Network, (outside, inside): (u16, u16)) -> Result<(), RuleId> {
    match &network.publish {
        Granted::Any if network.mode != NetworkMode::None => Ok(()),
        Granted::Any => Err(network.rule),
        Granted::Only(listed) => {
            let is_listed = listed.iter().any(|one| (one.outside, one.inside) == (outside, inside));
            if is_listed { Ok(()) } else { Err(listed.first().map_or(network.rule, |one| one.rule)) }
        }
    }
}

/// The same of a port of the host.
fn leads_to_host(network: &Network, port: u16) -> Result<(), RuleId> {
    match &network.host {
        _ if network.mode == NetworkMode::None => Err(network.rule),
        Granted::Any => Ok(()),
        Granted::Only(listed) => {
            let is_listed = listed.iter().any(|one| one.port == port);
            if is_listed { Ok(()) } else { Err(listed.first().map_or(network.rule, |one| one.rule)) }
        }
    }
}

/// Whether every address may be connected to, on some of these ports.
fn is_everywhere(endpoint: &Endpoint, ports: Ports) -> bool {
    matches!(endpoint.host, HostPattern::Block { prefix: 0, .. }) && endpoint.ports.intersect(ports).is_some()
}
