//! What a policy is read against: the caller's request, and what was found around him.
//!
//! Data only: `load` fills it in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Bytes, Plan};

use crate::diagnostic::Report;
use crate::discover::{Found, Link, Worktree};
use crate::layers::places::Places;

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
    /// Presets by name, as if a policy file of the user's extended them.
    pub presets: Vec<String>,
    /// Texts that stand for files, by their name in a directory without symlinks: a policy as it was, or as it might be.
    pub texts: BTreeMap<PathBuf, String>,
    /// Layers on top of the policy, in order: policies add, ceilings narrow.
    pub layers: Vec<PathBuf>,
    /// The agent, for its layer and `$AGENT`.
    pub agent: Option<String>,
    /// The task, for its layer and `$TASK`.
    pub task: Option<String>,
    /// The stage, for its layer and `when = { stage = … }`.
    pub stage: Option<String>,
    /// Flags that stand for fields, in order.
    pub flags: Vec<Flag>,
    /// Why a part of the machine's ceiling is to be set aside for this run.
    pub break_glass: Option<String>,
    /// Where ceilings, the user's own files and records are.
    pub places: Places,
    /// The plan of the sandbox that the caller runs in: nothing becomes wider than it.
    pub parent: Option<Plan>,
    /// Whether every path that a preset names counts as existing: for tests of policies, which must not depend on the
    /// machine.
    pub assume_present: bool,
}

impl Request {
    /// The caller's places, in normal form.
    ///
    /// # Errors
    /// The current directory is no absolute path.
    pub fn context(&self) -> Result<Context, Report> {
        crate::load::context(self)
    }
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
    /// The agent's name.
    pub agent: Option<String>,
    /// The task's name.
    pub task: Option<String>,
}

impl Context {
    /// The places of a caller who has named neither agent nor task.
    pub fn new(cwd: AbsPath, home: AbsPath, user: impl Into<String>) -> Context {
        Context { cwd, home, user: user.into(), agent: None, task: None }
    }
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
    /// Directories of programs on PATH.
    pub programs: Vec<Found>,
    /// Variables that point at what was found, and pass for that.
    pub variables: Vec<String>,
    /// Hidden places that exist, if a policy grants something: its grant may be another spelling of one.
    pub hidden: Vec<&'static str>,
    /// Where the paths that somebody wrote really are, if that is elsewhere.
    pub links: BTreeMap<AbsPath, Link>,
    /// Where else the machine shows what somebody denies, protects or lets be read alone, by a bind mount say.
    pub elsewhere: BTreeMap<AbsPath, Vec<AbsPath>>,
    /// The machine's memory.
    pub memory: Option<Bytes>,
}
