//! The filesystem part of a plan. Deny wins; otherwise the most specific path wins.

use serde::{Deserialize, Serialize};

use crate::{AbsPath, PathPattern, RuleId};

/// What of the filesystem the workload sees. Whatever no grant names is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Files {
    /// The writable project directory, if there is one. It also stands in `grants`.
    pub workspace: Option<AbsPath>,
    /// Where the workload's HOME is: private and empty but for what `grants` put below it.
    pub home: AbsPath,
    /// Sorted by path (so that a parent stands before its children), one entry a path.
    pub grants: Vec<Grant>,
    /// Denied names that cannot be listed before the tree is seen.
    pub deny_globs: Vec<DenyGlob>,
    /// Names that stay readable but are never created, changed, renamed or removed, present or absent.
    pub protect: Vec<Protect>,
    /// Exceptions to `protect`: names below which nothing is protected (git's refs may be called `config`).
    pub protect_except: Vec<PathPattern>,
}

/// One path and what may be done below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The file, or the root of the directory tree.
    pub path: AbsPath,
    /// What may be done there.
    pub access: Access,
    /// Whether the path may be absent. An absent path that is not optional stops the run.
    pub optional: bool,
    /// The line that says so.
    pub rule: RuleId,
}

/// What may be done below a path, strictest first: of two answers for one object the smaller one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing: not readable, not writable; absent where nothing above it is granted.
    Deny,
    /// Read and execute.
    Read,
    /// Read, execute and write, but writes stay in a private layer that goes when the sandbox goes.
    Private,
    /// Read, execute and write.
    Write,
}

/// A deny rule with wildcards, expanded when the tree is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenyGlob {
    /// What is denied.
    pub pattern: PathPattern,
    /// The line that says so.
    pub rule: RuleId,
}

/// A protected name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protect {
    /// What is protected, with everything below it.
    pub pattern: PathPattern,
    /// The line that says so.
    pub rule: RuleId,
}

impl Files {
    /// What the plan grants at `path`, by name: any deny on the way wins, else the deepest grant above it.
    /// `None` where nothing is granted. Wildcards count, protection does not (it forbids change, not reading).
    pub fn access(&self, path: &AbsPath) -> Option<(Access, RuleId)> {
        let mut found: Option<&Grant> = None;
        for grant in &self.grants {
            if path.is_within(&grant.path) {
                if grant.access == Access::Deny {
                    return Some((Access::Deny, grant.rule));
                }
                // Sorted by path, so a later match is the deeper one.
                found = Some(grant);
            }
        }
        if let Some(glob) = self.deny_globs.iter().find(|glob| glob.pattern.covers(path)) {
            return Some((Access::Deny, glob.rule));
        }
        found.map(|grant| (grant.access, grant.rule))
    }

    /// The rule that protects `path` from every change, if one does.
    pub fn protection(&self, path: &AbsPath) -> Option<RuleId> {
        if self.protect_except.iter().any(|except| except.covers(path)) {
            return None;
        }
        self.protect.iter().find(|protect| protect.pattern.covers(path)).map(|protect| protect.rule)
    }

    /// The rule that keeps a *directory* at `path` from being renamed, replaced or planted as a whole, because a
    /// protected path is named through it (`.git` for `.git/hooks`).
    pub fn anchors_protection(&self, path: &AbsPath) -> Option<RuleId> {
        if self.protect_except.iter().any(|except| except.covers(path)) {
            return None;
        }
        self.protect.iter().find(|protect| protect.pattern.names_ancestor(path)).map(|protect| protect.rule)
    }
}
