//! The plan: everything a policy asks the operating system to hold, and nothing about how.

use serde::{Deserialize, Serialize};

use crate::{Environment, Files, Limits, Rule, RuleId};

/// What to hold. Made by `ringfence-policy`, lowered by `ringfence-backend`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Files: readable, writable, private, denied, protected.
    pub files: Files,
    /// Environment variables.
    pub environment: Environment,
    /// Network.
    pub network: Network,
    /// Resources.
    pub limits: Limits,
    /// Processes.
    pub processes: Processes,
    /// How strong the fence must be.
    pub containment: Containment,
    /// Where every part came from; [`RuleId`] indexes it.
    pub rules: Vec<Rule>,
}

/// What the workload may reach over a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The base.
    pub mode: NetworkMode,
    /// The line that says so.
    pub rule: RuleId,
}

/// The base of the network rules. An enum and not a flag: a list of rules becomes a third variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Nothing but a loopback of its own.
    None,
    /// The host's network, unrestricted.
    Host,
}

/// What the workload may do with processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Processes {
    /// Whether it may create user namespaces of its own (browsers do for their own sandbox). Off by default: it opens
    /// kernel code that is otherwise out of reach.
    pub nested_namespaces: bool,
}

/// The least the fence must be made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Containment {
    /// The level.
    pub level: Level,
    /// The line that says so.
    pub rule: RuleId,
}

/// Levels of containment, from light to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The strongest that this host has.
    Auto,
    /// Landlock and seccomp on the process tree.
    Process,
    /// Namespaces and a root of its own, with Landlock and seccomp inside.
    Namespaces,
}

impl Plan {
    /// The rule behind `id`.
    ///
    /// # Panics
    /// If `id` is not of this plan.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }
}
