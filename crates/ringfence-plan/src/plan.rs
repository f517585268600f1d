//! The plan: everything a policy asks the operating system to hold, and nothing about how.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{Environment, Files, Limits, Network, Origin, Oversight, Rule, RuleId};

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
    /// Records of the run, and whether a part of the fence may be done without.
    pub oversight: Oversight,
    /// Where every part came from; [`RuleId`] indexes it.
    pub rules: Vec<Rule>,
}

/// What the workload may do with processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Processes {
    /// Whether it may create user namespaces of its own (browsers do for their own sandbox). Off by default: it opens
    /// kernel code that is otherwise out of reach.
    pub nested_namespaces: bool,
    /// The line that says so.
    pub rule: RuleId,
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
    /// The rule behind `id`; one that says that it is unknown if the plan has none, since processes that may have been
    /// taken over tell of rules by their numbers.
    pub fn rule(&self, id: RuleId) -> &Rule {
        static UNKNOWN: LazyLock<Rule> = LazyLock::new(|| Rule {
            text: "a rule that the plan does not have".into(),
            origin: Origin::BuiltIn("told by its number".into()),
        });
        self.rules.get(id.0 as usize).unwrap_or(&UNKNOWN)
    }
}
