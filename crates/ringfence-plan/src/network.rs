//! The network part of a plan. Deny wins.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, RuleId};

/// What the workload may reach over a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The base.
    pub mode: NetworkMode,
    /// With [`NetworkMode::Rules`]: what may be reached.
    pub allow: Vec<NetworkRule>,
    /// What may not be reached, whatever `allow` says.
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
