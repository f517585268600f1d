//! Rules of the network, and who is told of a run.
//!
//! Names are not resolved here.

use ringfence_plan::{Endpoint, NetworkMode, Ports, Protocol};

use super::composer::Composer;
use crate::field;
use crate::source::Author;
use crate::statement::Value;

impl Composer<'_> {
    /// `allow` and `deny`.
    pub(super) fn network(&mut self) {
        for (key, allow) in [("network.allow", true), ("network.deny", false)] {
            for id in self.written_for(key) {
                let hosts = match &self.statements[id as usize].value {
                    Value::Endpoints(endpoints) => std::slice::from_ref(endpoints),
                    Value::Group(hosts) => hosts,
                    _ => continue,
                };
                for endpoints in hosts {
                    if allow {
                        self.allow_net.extend(endpoints.iter().map(|endpoint| (endpoint.clone(), id)));
                    } else {
                        self.deny_net.extend(denied(endpoints).into_iter().map(|endpoint| (endpoint, id)));
                    }
                }
            }
        }
        self.gateway();
        self.bound_ports();
        self.rules_of_others();
    }

    /// What a ceiling means beside its lists. Who lists hosts and no port of the host's loopback means none: what listens
    /// there, a proxy say, may lead anywhere. Who lists ports means a network in which these are all: with the host's own
    /// its whole loopback would be there.
    fn bound_ports(&mut self) {
        if self.anchors.is_none() {
            return;
        }
        if !self.written_for("network.allow").is_empty() {
            self.gateway.host.get_or_insert_default();
        } else if self.gateway.host.is_some() || self.gateway.publish.is_some() {
            let why = "what the ceiling lists of ports is all there is";
            self.default_single("network.mode", "rules", Value::Network(NetworkMode::Rules), why);
        }
    }

    /// A ceiling that says `mode = "rules"` and names no host says that rules decide, and not which: what the grants name
    /// is not narrowed. With an empty list of its own nothing would be left of them.
    fn rules_of_others(&mut self) {
        let Some(anchors) = self.anchors.as_ref().filter(|_| self.allow_net.is_empty()) else { return };
        let Some(mode) = self.singles[field::position(field::known("network.mode"))] else { return };
        if self.statements[mode as usize].value == Value::Network(NetworkMode::Rules) {
            self.allow_net.extend(anchors.allow.iter().map(|endpoint| (endpoint.clone(), mode)));
        }
    }

    /// Destinations of records. Written outside the sandbox, so no file of a project names one, whoever trusts it: a record
    /// that is appended to a start-up file is a program.
    pub(super) fn oversight(&mut self) {
        for id in self.written_for("oversight.audit") {
            let statement = &self.statements[id as usize];
            if self.author(statement) == Author::Project {
                let help = "name it in ~/.config/ringfence/policy.toml, in a ceiling, or in a file given with --policy";
                let label = "records are written outside the sandbox";
                self.problem(id, "is not for a project's file", label, Some(help.into()));
            } else if let Value::Audit(destination) = &self.statements[id as usize].value {
                self.audit.push((destination.clone(), id));
            }
        }
    }
}

/// What a text means where it denies. Without a port it speaks of the host, not of its web server alone: a deny that left
/// every other port open would promise more than it holds.
pub(crate) fn denied(endpoints: &[Endpoint]) -> Vec<Endpoint> {
    match endpoints {
        [first, _, ..] => [Protocol::Tcp, Protocol::Udp]
            .map(|protocol| Endpoint { host: first.host.clone(), ports: Ports::ALL, protocol })
            .into(),
        one => one.to_vec(),
    }
}
