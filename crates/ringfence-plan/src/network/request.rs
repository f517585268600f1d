//! Rules over HTTP requests: what of a host that may be reached may be asked of it.
//!
//! Not how a request is read: method, path and sizes come from whoever read it strictly.

use serde::{Deserialize, Serialize};

use super::{Network, NetworkMode};
use crate::{Endpoint, Ports, Protocol, RequestPath, RuleId, Target, UrlPattern};

/// What may be asked of an endpoint. A host that such a rule speaks of is inspected: what no rule lets through is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRule {
    /// Of which hosts and ports.
    pub endpoint: Endpoint,
    /// With which methods, by case; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// For which paths; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<UrlPattern>,
    /// Bytes of the body at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// Bytes of the request line and the header fields at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_header: Option<u64>,
    /// The line that says so.
    pub rule: RuleId,
}

/// A request, as far as rules speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Everything that the host is known as: the name that was checked, and the address that was dialled.
    pub targets: &'a [Target],
    /// The port.
    pub port: u16,
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a RequestPath,
    /// Bytes of the request line and the header fields; zero where they are not known.
    pub header: u64,
}

/// That a request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Bytes that its body may have.
    pub max_body: Option<u64>,
    /// The rule that lets it through, of the strictest; `None` where no rule speaks of the host.
    pub rule: Option<RuleId>,
}

/// That a request may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRefused {
    /// The rule that comes nearest to letting it through.
    pub rule: RuleId,
    /// What it does not let through.
    pub unfit: Unfit,
}

/// What of a request no rule lets through; the last one comes nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The path.
    Path,
    /// The method.
    Method,
    /// The size of its header.
    Header,
}

impl HttpRule {
    /// Whether this rule speaks of the host.
    pub fn speaks_of(&self, targets: &[Target], port: u16) -> bool {
        targets.iter().any(|target| self.endpoint.covers(target, port, Protocol::Tcp))
    }

    /// What of the request this rule does not let through.
    fn unfit(&self, request: &Request<'_>) -> Option<Unfit> {
        let path = self.paths.is_empty() || self.paths.iter().any(|path| path.covers(request.path));
        let method = self.methods.is_empty() || self.methods.iter().any(|method| method == request.method);
        match (path, method) {
            (false, _) => Some(Unfit::Path),
            (_, false) => Some(Unfit::Method),
            _ => self.max_header.is_some_and(|most| request.header > most).then_some(Unfit::Header),
        }
    }
}

/// The ports of http:// and https://.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

impl Network {
    /// The rules as requests are judged by: one over https speaks of those over http as well, or they could be had by leaving
    /// encryption out.
    pub fn over_plain_http_too(&self) -> Network {
        let mut network = self.clone();
        for list in &mut network.http {
            let only_encrypted =
                |rule: &&HttpRule| rule.endpoint.ports.contain(HTTPS) && !rule.endpoint.ports.contain(HTTP);
            let plain = |rule: &HttpRule| {
                let endpoint = Endpoint { ports: Ports::one(HTTP), ..rule.endpoint.clone() };
                HttpRule { endpoint, ..rule.clone() }
            };
            let added: Vec<HttpRule> = list.iter().filter(only_encrypted).map(plain).collect();
            list.extend(added);
        }
        network
    }

    /// Whether requests to this host have to be read: a rule over requests or a credential speaks of it.
    pub fn is_inspected(&self, targets: &[Target], port: u16) -> bool {
        let credential =
            |endpoint: &Endpoint| targets.iter().any(|target| endpoint.covers(target, port, Protocol::Tcp));
        self.http.iter().flatten().any(|rule| rule.speaks_of(targets, port))
            || self.credentials.iter().any(|entry| credential(&entry.endpoint))
    }

    /// Whether the request may be made, to a host that may be reached ([`Network::decide`] is asked before). Every author
    /// who speaks of the host must let it through, by any of the author's rules.
    ///
    /// # Errors
    /// The rule that comes nearest of the first author who does not.
    pub fn decide_request(&self, request: &Request<'_>) -> Result<Leave, RequestRefused> {
        if self.mode == NetworkMode::None {
            return Err(RequestRefused { rule: self.rule, unfit: Unfit::Path });
        }
        let mut leave = Leave { max_body: None, rule: None };
        for list in &self.http {
            let mut best: Option<Leave> = None;
            let mut nearest: Option<RequestRefused> = None;
            for rule in list.iter().filter(|rule| rule.speaks_of(request.targets, request.port)) {
                let own = Leave { max_body: rule.max_body, rule: Some(rule.rule) };
                match rule.unfit(request) {
                    None if best.is_none_or(|best| own.lets_more_than(&best)) => best = Some(own),
                    None => {}
                    Some(unfit) if nearest.is_none_or(|nearest| unfit > nearest.unfit) => {
                        nearest = Some(RequestRefused { rule: rule.rule, unfit });
                    }
                    Some(_) => {}
                }
            }
            match (best, nearest) {
                (Some(best), _) if leave.rule.is_none() || leave.lets_more_than(&best) => leave = best,
                (Some(_), _) | (None, None) => {}
                (None, Some(refused)) => return Err(refused),
            }
        }
        Ok(leave)
    }
}

impl Leave {
    fn lets_more_than(&self, other: &Leave) -> bool {
        other.max_body.is_some_and(|limit| self.max_body.is_none_or(|own| own > limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_https_speaks_of_http_too() {
        let rule = HttpRule {
            endpoint: "a.org:443".parse().unwrap(),
            methods: Vec::new(),
            paths: Vec::new(),
            max_body: None,
            max_header: None,
            rule: RuleId(1),
        };
        let network = Network { http: vec![vec![rule]], ..Network::none(RuleId(0)) };
        let target = [Target::parse("a.org").unwrap()];
        let too = network.over_plain_http_too();
        assert!(!network.is_inspected(&target, 80) && too.is_inspected(&target, 80));
        assert!(too.is_inspected(&target, 443) && !too.is_inspected(&target, 8080));
    }
}
