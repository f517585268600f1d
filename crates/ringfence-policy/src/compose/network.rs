//! Rules of the network, and who is told of a run.
//!
//! Names are not resolved here.

use super::composer::Composer;
use crate::statement::Value;

impl Composer<'_> {
    /// `allow` and `deny`.
    pub(super) fn network(&mut self) {
        for (key, allow) in [("network.allow", true), ("network.deny", false)] {
            for id in self.written_for(key) {
                let Value::Endpoints(endpoints) = &self.statements[id as usize].value else { continue };
                let rules = endpoints.iter().map(|endpoint| (endpoint.clone(), id));
                if allow { self.allow_net.extend(rules) } else { self.deny_net.extend(rules) }
            }
        }
    }

    /// Destinations of records.
    pub(super) fn oversight(&mut self) {
        for id in self.written_for("oversight.audit") {
            if let Value::Audit(destination) = &self.statements[id as usize].value {
                self.audit.push((destination.clone(), id));
            }
        }
    }
}
