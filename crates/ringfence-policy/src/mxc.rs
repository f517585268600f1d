//! MXC requests: the JSON contract of Microsoft's sandbox, read into the same [`Plan`] that a policy becomes.
//!
//! Not by way of our policy language, and not the command that takes such requests: it only asks here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_plan::{AbsPath, Plan};

use crate::layers::places::Places;

mod ask;
mod blocks;
mod contract;
mod effective;
mod egress;
mod environment;
mod export;
mod files;
mod import;
mod json;
mod limits;
mod plan;
mod problem;
mod rules;
mod traffic;

pub use effective::hash;
pub use export::{Effect, Exported, Unsaid, export};
pub use import::import;

/// Who asks, and from where. The library never looks at its own process: cwd, HOME and variables are told.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// What people call the text: the file as it was named, or where else it came from.
    pub name: String,
    /// The file that the text stands in, absolute. A writable tree that holds it does not make it writable.
    pub file: Option<PathBuf>,
    /// The current directory, absolute and without symlinks.
    pub cwd: PathBuf,
    /// The caller's HOME.
    pub home: PathBuf,
    /// The caller's name.
    pub user: String,
    /// The caller's variables. None of them passes; ceilings are read against them.
    pub caller_env: BTreeMap<String, String>,
    /// Where ceilings are.
    pub places: Places,
    /// The plan of the sandbox that the caller runs in.
    pub parent: Option<Plan>,
}

/// What a request asks for, as far as every ceiling lets it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to hold.
    pub plan: Plan,
    /// Program and arguments: a shell and the request's command line.
    pub command: Vec<OsString>,
    /// Where the command starts, a path of the sandbox.
    pub cwd: AbsPath,
    /// The environment, exactly. The plan sets the same and lets nothing pass.
    pub env: BTreeMap<String, String>,
    /// How long it may run; also the plan's.
    pub time: Option<Duration>,
    /// `containerId`.
    pub container: Option<String>,
    /// The contract that the request was read by.
    pub version: Version,
    /// What is not as MXC does it: held by other means, narrowed, or without effect here.
    pub notes: Vec<Note>,
    /// The texts that took part, each with the SHA-256 of its bytes: for records.
    pub digests: Vec<(String, String)>,
}

/// A contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `0.8.0-alpha`.
    V0_8,
    /// `0.9.0-alpha`.
    V0_9,
    /// `1.0.0`.
    V1_0,
    /// `1.1.0-alpha`.
    V1_1,
}

/// Something that the request says and that is not done as MXC does it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The field, as in `ui.clipboard` or `network.egress.allow[0]`.
    pub field: String,
    /// What becomes of it.
    pub kind: NoteKind,
    /// Why, in a sentence.
    pub text: String,
    /// Where it stands; lines and columns count from 1.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// It is held, by other means than MXC's.
    Honoured,
    /// Less is granted than was asked for.
    Narrowed,
    /// It has no effect on this system.
    NoEffect,
}

/// Why a request does not run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// MXC's code for it.
    pub code: Code,
    /// What is wrong and what mends it.
    pub message: String,
    /// The field, if it is one that is wrong: `network.egress.allow[0].to[0].cidr`.
    pub field: Option<String>,
    /// Where it stands; lines and columns count from 1. Zero where the whole request is meant.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// MXC's codes, in the order of its library's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It is no request of the contract.
    MalformedRequest,
    /// This program does not make such containers.
    UnsupportedContainment,
    /// This program keeps no sandboxes between calls.
    UnsupportedPhase,
    /// The host lacks what is needed.
    BackendUnavailable,
    /// No identifier of a sandbox.
    MalformedId,
    /// A sandbox that is gone.
    StaleId,
    /// A sandbox that was not provisioned.
    NotProvisioned,
    /// A sandbox that was not started.
    NotStarted,
    /// A sandbox that runs.
    AlreadyStarted,
    /// A sandbox that does not run.
    AlreadyStopped,
    /// It asks for what cannot be meant, or not be held.
    PolicyValidation,
    /// The fence could not be set up.
    BackendError,
}

impl Code {
    /// The code as MXC writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::MalformedRequest => "malformed_request",
            Code::UnsupportedContainment => "unsupported_containment",
            Code::UnsupportedPhase => "unsupported_phase",
            Code::BackendUnavailable => "backend_unavailable",
            Code::MalformedId => "malformed_id",
            Code::StaleId => "stale_id",
            Code::NotProvisioned => "not_provisioned",
            Code::NotStarted => "not_started",
            Code::AlreadyStarted => "already_started",
            Code::AlreadyStopped => "already_stopped",
            Code::PolicyValidation => "policy_validation",
            Code::BackendError => "backend_error",
        }
    }
}

impl Version {
    /// The contract's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V0_8 => "0.8.0-alpha",
            Version::V0_9 => "0.9.0-alpha",
            Version::V1_0 => "1.0.0",
            Version::V1_1 => "1.1.0-alpha",
        }
    }
}

impl fmt::Display for Refusal {
    /// With the field's path and position, where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.field, self.line) {
            (Some(field), 1..) => write!(f, "{field} ({}:{}): {}", self.line, self.column, self.message),
            (None, 1..) => write!(f, "line {}, column {}: {}", self.line, self.column, self.message),
            (Some(field), 0) => write!(f, "{field}: {}", self.message),
            (None, 0) => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads a request and everything that bounds it: ceilings and the sandbox around are met with what it grants.
///
/// # Errors
/// What is no request of a known contract, and what cannot be held as it is meant.
pub fn read(text: &str, context: &Context) -> Result<Request, Refusal> {
    ask::read(text)
        .and_then(|ask| plan::request(&ask, text, context))
        .map_err(|problem| problem.refusal(text))
}
