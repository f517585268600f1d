//! What happened in a run. Text, JSON and logs are renderers of these values.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Failure, Protocol, RuleId};

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The workload asked for something that the plan refuses.
    Denied {
        /// What it asked for.
        operation: Operation,
        /// On which path (bytes that are no UTF-8 are replaced). Chosen by the workload: escape before showing.
        path: String,
        /// The rule that refused.
        rule: RuleId,
        /// The process, as numbered inside the sandbox.
        pid: u32,
    },
    /// The workload asked for a connection, or for the addresses of a name, that the rules of the network refuse.
    NetworkRefused {
        /// The name, where there is one. Chosen by the workload, but letters, digits, hyphens and dots only.
        host: Option<String>,
        /// The address, where one is known.
        address: Option<IpAddr>,
        /// The port; none where only addresses were asked for.
        port: Option<u16>,
        /// The protocol; left out where it is TCP.
        #[serde(default, skip_serializing_if = "Protocol::is_tcp")]
        protocol: Protocol,
        /// What stood in the way.
        barrier: Barrier,
        /// The rule that refused; where none speaks of it, the one that says that rules are asked.
        rule: RuleId,
    },
    /// A connection that the rules allow has ended; of UDP, an exchange between two ports.
    Connected {
        /// The name, where there is one.
        host: Option<String>,
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The protocol; left out where it is TCP.
        #[serde(default, skip_serializing_if = "Protocol::is_tcp")]
        protocol: Protocol,
        /// The rule that allowed it.
        rule: RuleId,
        /// Bytes from the workload.
        sent: u64,
        /// Bytes to the workload.
        received: u64,
        /// How long it was open, milliseconds.
        millis: u64,
    },
    /// A connection, or a question for the addresses of a name, that the rules allow did not come about. Told once for each
    /// host and cause.
    NetworkFailed {
        /// The name, where there is one.
        host: Option<String>,
        /// The port; none where only addresses were asked for.
        port: Option<u16>,
        /// What failed.
        failure: Failure,
    },
    /// The gateway is gone, and with it the network; the run goes on without.
    NetworkLost,
    /// A limit was reached and enforced.
    LimitReached {
        /// Which.
        limit: Limit,
        /// The limit in words, for example `2 GiB`.
        allowed: String,
    },
}

impl Event {
    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            Event::Denied { rule, .. }
            | Event::NetworkRefused { rule, .. }
            | Event::Connected { rule, .. } => Some(*rule),
            Event::NetworkFailed { .. } | Event::NetworkLost | Event::LimitReached { .. } => None,
        }
    }

    /// Whether the workload was refused something.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Event::Denied { .. } | Event::NetworkRefused { .. })
    }
}

/// What keeps a connection from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Barrier {
    /// No rule allows it.
    NothingAllows,
    /// A rule denies it.
    Denied,
    /// The address is not one of the internet at large, and no rule names it or its block.
    SpecialAddress,
    /// What the client said names another host than the one whose address it asked for.
    OtherName,
    /// What the client said can be read in more than one way, or in none.
    Malformed,
    /// A budget has no more. Told once a budget and kind, however often it is met.
    OverBudget,
}

/// A change to the filesystem that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Creating a file, directory, link, socket or device.
    Create,
    /// Opening for writing, truncating.
    Write,
    /// Renaming, or replacing by a rename.
    Rename,
    /// Removing.
    Remove,
    /// Changing mode, owner, times or extended attributes.
    Attributes,
    /// Making a second name for the object.
    Link,
}

/// A limit that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory.
    Memory,
    /// Processes.
    Processes,
    /// Wall-clock time.
    Time,
    /// Output.
    Output,
    /// Temporary files, where they are on no filesystem of their own.
    Tmp,
}

/// How the main command of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited with this code.
    Exited(u8),
    /// A signal of this number ended it.
    Signaled(i32),
    /// The limit ended it.
    Stopped(Limit),
}
