//! What happened in a run. Text, JSON and logs are renderers of these values.

use serde::{Deserialize, Serialize};

use crate::RuleId;

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
    /// A limit was reached and enforced.
    LimitReached {
        /// Which.
        limit: Limit,
        /// The limit in words, for example `2 GiB`.
        allowed: String,
    },
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
