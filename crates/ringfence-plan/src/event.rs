//! What happened in a run. Text, JSON and logs are renderers of these values.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Failure, Protocol, Rule, RuleId};

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
        /// The address that was dialled: the parent proxy's, where it goes through one.
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
    /// A connection from a port of the host's loopback to the workload has ended.
    Inbound {
        /// The port on the host.
        outside: u16,
        /// The port inside.
        inside: u16,
        /// The rule that leads the one to the other.
        rule: RuleId,
        /// Bytes from the workload.
        sent: u64,
        /// Bytes to the workload.
        received: u64,
        /// How long it was open, milliseconds.
        millis: u64,
    },
    /// Whoever owns the run changed the rules of its network.
    RuleChanged {
        /// How.
        change: Change,
        /// What for, as in a rule: `example.org:443`.
        target: String,
        /// The number of the change among the rules: from now on events may name it.
        rule: RuleId,
        /// Its words, which the plan does not have.
        text: Rule,
    },
    /// The gateway is gone, and with it the network; the run goes on without.
    NetworkLost,
    /// A request that the HTTP rules of its host refuse.
    RequestRefused {
        /// The host, or its address.
        host: String,
        /// The port.
        port: u16,
        /// The method. Chosen by the workload: escape before showing.
        method: String,
        /// The path without its query, cut where it is long. Chosen by the workload: escape before showing.
        path: String,
        /// What stood in the way.
        barrier: Barrier,
        /// The rule that refused.
        rule: RuleId,
    },
    /// Requests of one connection that the HTTP rules of its host allowed.
    RequestsAllowed {
        /// The host, or its address.
        host: String,
        /// The port.
        port: u16,
        /// The rule that allowed them.
        rule: RuleId,
        /// How many.
        requests: u64,
    },
    /// A credential's placeholder was sent where it does not belong, or its value came back. What carried it was stopped.
    CredentialAlarm {
        /// The host, where one is known.
        host: Option<String>,
        /// The port.
        port: u16,
        /// Where it stood.
        place: Place,
        /// The rule of the credential.
        rule: RuleId,
    },
    /// The inspector is gone, and with it the hosts that HTTP rules speak of; the run goes on without them.
    InspectorLost,
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
            | Event::Connected { rule, .. }
            | Event::Inbound { rule, .. }
            | Event::RuleChanged { rule, .. }
            | Event::RequestRefused { rule, .. }
            | Event::RequestsAllowed { rule, .. }
            | Event::CredentialAlarm { rule, .. } => Some(*rule),
            Event::NetworkFailed { .. }
            | Event::NetworkLost
            | Event::InspectorLost
            | Event::LimitReached { .. } => None,
        }
    }

    /// Whether the workload was refused something.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Event::Denied { .. }
                | Event::NetworkRefused { .. }
                | Event::RequestRefused { .. }
                | Event::CredentialAlarm { .. }
        )
    }
}

/// How the rules of a network are changed while it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something is allowed in addition.
    Allow,
    /// Something is denied in addition.
    Deny,
    /// What allowed something is taken away, or what denied it since the start.
    Remove,
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
    /// The client's greeting says that it hides the name of the server.
    HiddenName,
    /// A budget has no more. Told once a budget and kind, however often it is met.
    OverBudget,
    /// The HTTP rules of the host let other requests through than this one.
    HttpRules,
    /// A head or a body is longer than the rule lets it be.
    TooLarge,
    /// The client names no server, where the one it means has HTTP rules.
    Unnamed,
    /// The inspector is gone, and nobody else may carry this.
    NoInspector,
    /// A credential's placeholder stands where it does not belong.
    Placeholder,
    /// UDP, where only TCP is carried: through the parent proxy, and to hosts whose requests are read.
    OnlyTcp,
}

/// Where a credential's placeholder, or its value, has no business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The placeholder, in a field of a request that is not the credential's.
    Field,
    /// The placeholder, in a request's target.
    Target,
    /// The placeholder, in a request's body.
    Body,
    /// The placeholder, on a connection that is not looked into, or not encrypted.
    Connection,
    /// The value itself, in an answer.
    Answer,
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
