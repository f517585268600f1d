//! Runs that are under way, as their owner finds them and changes the rules of their networks. What is said over the
//! socket of a run, and how that is found; the other end is the supervisor's.
//!
//! Not who may: the supervisor looks at who connects.

#[cfg(target_os = "linux")]
mod client;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod client;

use std::path::{Path, PathBuf};

use ringfence_plan::{Change, Endpoint, Origin, Plan};
use serde::{Deserialize, Serialize};

pub use client::{ask, runs};

/// What is asked of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// How its rules are to be changed; `None` asks for them alone.
    pub change: Option<Change>,
    /// What for.
    pub endpoints: Vec<Endpoint>,
    /// The words of whoever asks, as they are to stand for the author of the rule.
    pub said: String,
}

/// What a run answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The run.
    pub run: About,
    /// Why nothing was changed.
    pub refused: Option<String>,
    /// What the change does not do, though one might think so.
    pub notes: Vec<String>,
    /// The rules of its network that count now, at most [`MOST_RULES`].
    pub rules: Vec<Shown>,
    /// How many more there are.
    pub left_out: usize,
}

/// Most rules in an answer.
pub const MOST_RULES: usize = 200;

/// A run, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What it is called by.
    pub id: String,
    /// When it began (RFC 3339, UTC).
    pub time: String,
    /// Where its command was started.
    pub cwd: String,
    /// Program and arguments, shortened.
    pub argv: Vec<String>,
}

/// A rule of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Whether it allows or denies.
    pub list: List,
    /// What for.
    pub target: String,
    /// The rule in the words of the policy.
    pub rule: String,
    /// Who said so.
    pub origin: Origin,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Allows.
    Allow,
    /// Denies.
    Deny,
}

/// A stage that only narrows.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// For people.
    pub name: String,
    /// What it lets.
    pub plan: Plan,
}

/// Why a run could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// There is no such run.
    #[error("no run of yours that is under way is called {0}")]
    Unknown(String),
    /// It has hung up without an answer: who asks is not its owner, or is in a sandbox.
    #[error("the run {0} does not answer: it takes nothing from other users, nor from within a sandbox")]
    HungUp(String),
    /// A system call failed.
    #[error("failed to ask the run {0}: {1}")]
    Io(String, std::io::Error),
}

/// Where the sockets of runs are, in a user's state directory, which no sandbox is granted.
pub fn place(state: &Path) -> PathBuf {
    state.join("run")
}
