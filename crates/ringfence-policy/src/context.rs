//! What a policy is read against: the caller's request, and what was found around him.
//!
//! Data only: `load` fills it in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Bytes};

use crate::discover::{Found, Worktree};

/// What the caller asks for. The library never looks at its own process: cwd, HOME and variables are told.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The current directory, absolute and without symlinks (as getcwd(3) tells it).
    pub cwd: PathBuf,
    /// The caller's HOME.
    pub home: PathBuf,
    /// The caller's name, for `$USER`.
    pub user: String,
    /// The caller's variables: used to find tool-chains, never put into the plan.
    pub caller_env: BTreeMap<String, String>,
    /// Policy files in order; empty means: look for `ringfence.toml` from `cwd` up to the git root.
    pub policy_files: Vec<PathBuf>,
    /// Flags that stand for fields, in order.
    pub flags: Vec<Flag>,
}

/// A field said on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The field, `group.name`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// The flag as it was typed, for messages: `--read /usr`.
    pub typed: String,
}

/// The caller's places, in normal form.
#[derive(Clone, Debug)]
pub struct Context {
    /// The current directory.
    pub cwd: AbsPath,
    /// HOME; where the caller has none of use, a name that exists nowhere.
    pub home: AbsPath,
    /// The caller's name.
    pub user: String,
}

/// What was found around the caller, as data, so that composing is pure.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The root of the git repository that `cwd` lies in.
    pub project: Option<AbsPath>,
    /// Where the project is a linked worktree: the repository it belongs to.
    pub worktree: Option<Worktree>,
    /// Directories and entries of /etc that commands read.
    pub system: Vec<Found>,
    /// Tool-chains, caches, and directories on PATH.
    pub tool_chains: Vec<Found>,
    /// Variables that point at what was found, and pass for that.
    pub variables: Vec<&'static str>,
    /// Hidden places that exist, if a policy grants something: its grant may be another spelling of one.
    pub hidden: Vec<&'static str>,
    /// The machine's memory.
    pub memory: Option<Bytes>,
}
