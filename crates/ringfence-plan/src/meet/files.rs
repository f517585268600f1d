//! The meet of two filesystem parts: one pass over both sorted lists of grants.
//!
//! By name. Where a granted path leads through symlinks is found when it is opened.

use std::cmp::Ordering;

use super::{stricter, union};
use crate::{AbsPath, Access, Files, Grant, PathPattern, RuleId, Segment};

pub(super) fn meet(left: &Files, right: &Files) -> Files {
    // No `..`: a field that is added has to be met.
    let Files { workspace: _, home, grants, deny_globs, protect, protect_except: _ } = left;
    let workspace = workspace(left, right);
    Files {
        grants: met_grants(grants, &right.grants, workspace.as_ref()),
        workspace,
        home: home.clone(),
        deny_globs: union(deny_globs, &right.deny_globs, |glob| &glob.pattern),
        protect: union(protect, &right.protect, |protect| &protect.pattern),
        protect_except: exceptions(left, right),
    }
}

/// The workspace if it is still writable. Where each side has its own, the inner one; of two apart the left one. It
/// grants nothing: its path stands in the grants.
fn workspace(left: &Files, right: &Files) -> Option<AbsPath> {
    let writable = |path: &&AbsPath| {
        [left, right].iter().all(|side| matches!(side.access(path), Some((Access::Write, _))))
    };
    let of = |side: &'_ Files| side.workspace.as_ref().filter(writable).cloned();
    match (of(left), of(right)) {
        (Some(left), Some(right)) if right.is_within(&left) => Some(right),
        (left, right) => left.or(right),
    }
}

/// What may be done at a path: a deny beneath everything, then nothing, then the accesses in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Denied,
    NotGranted,
    Granted(Access),
}

impl Answer {
    pub(super) fn of(access: Option<Access>) -> Answer {
        match access {
            Some(Access::Deny) => Answer::Denied,
            Some(access) => Answer::Granted(access),
            None => Answer::NotGranted,
        }
    }

    fn access(self) -> Option<Access> {
        match self {
            Answer::Denied => Some(Access::Deny),
            Answer::NotGranted => None,
            Answer::Granted(access) => Some(access),
        }
    }
}

fn met_grants(left: &[Grant], right: &[Grant], workspace: Option<&AbsPath>) -> Vec<Grant> {
    let (mut left, mut right) = (Walk::new(left), Walk::new(right));
    let mut met: Vec<Grant> = Vec::with_capacity(left.ahead.len().max(right.ahead.len()));
    // The grants of the outcome that the path at hand lies below, by their places in it.
    let mut above: Vec<usize> = Vec::new();
    while let Some(path) = next(&left, &right) {
        let own = left.step_to(path);
        right.step_to(path);
        while above.last().is_some_and(|&at| !path.is_within(&met[at].path)) {
            above.pop();
        }
        let (answer, rule) = stricter(left.answer(), right.answer());
        let nearest = above.last().map(|&at| met[at].access);
        let Some(access) = answer.access().filter(|_| nearest != Some(Access::Deny)) else { continue };
        if nearest == Some(access) && workspace != Some(path) {
            continue;
        }
        above.push(met.len());
        met.push(Grant { path: path.clone(), access, optional: optional(access, own), rule });
    }
    met
}

/// Whether the path may be absent: unless the left side, whose grants these are, needs it at this very place. A bound
/// needs nothing, and a need that the bound denies is void.
fn optional(access: Access, left: Option<&Grant>) -> bool {
    left.is_none_or(|grant| grant.optional || (grant.access == Access::Deny) != (access == Access::Deny))
}

/// The path that comes next in either list.
fn next<'a>(left: &Walk<'a>, right: &Walk<'a>) -> Option<&'a AbsPath> {
    match (left.ahead.first(), right.ahead.first()) {
        (Some(left), Some(right)) if right.path.compare(&left.path) == Ordering::Less => Some(&right.path),
        (Some(next), _) | (None, Some(next)) => Some(&next.path),
        (None, None) => None,
    }
}

/// One side's grants, walked through in the order of paths.
struct Walk<'a> {
    ahead: &'a [Grant],
    /// The grants that the path at hand lies below or at.
    above: Vec<&'a Grant>,
}

impl<'a> Walk<'a> {
    fn new(grants: &'a [Grant]) -> Walk<'a> {
        Walk { ahead: grants, above: Vec::new() }
    }

    /// Goes on to `path`, which is the next of this side or of the other; gives the grant at that very path.
    fn step_to(&mut self, path: &AbsPath) -> Option<&'a Grant> {
        while self.above.last().is_some_and(|grant| !path.is_within(&grant.path)) {
            self.above.pop();
        }
        let (first, rest) = self.ahead.split_first()?;
        if first.path != *path {
            return None;
        }
        self.ahead = rest;
        // Below a deny nothing counts; a list that was made by a policy has nothing there.
        if self.above.last().is_none_or(|above| above.access != Access::Deny) {
            self.above.push(first);
        }
        Some(first)
    }

    fn answer(&self) -> (Answer, RuleId) {
        let nearest = self.above.last();
        let rule = nearest.map_or(RuleId(0), |grant| grant.rule);
        (Answer::of(nearest.map(|grant| grant.access)), rule)
    }
}

/// Exceptions that both sides make. A side that protects nothing excepts everything.
fn exceptions(left: &Files, right: &Files) -> Vec<PathPattern> {
    if right.protect.is_empty() {
        return left.protect_except.clone();
    }
    if left.protect.is_empty() {
        return right.protect_except.clone();
    }
    let both = |one: &PathPattern| {
        let other = right.protect_except.iter();
        other.filter_map(|other| inner(one, other).cloned()).collect::<Vec<_>>()
    };
    let mut met: Vec<PathPattern> = Vec::new();
    for pattern in left.protect_except.iter().flat_map(both) {
        if !met.contains(&pattern) {
            met.push(pattern);
        }
    }
    met
}

/// Of two patterns of the same words the one that means less: one that starts at any depth means in a tree what it
/// means in every tree around it. Others are only themselves.
fn inner<'a>(one: &'a PathPattern, other: &'a PathPattern) -> Option<&'a PathPattern> {
    let alike = one.segments == other.segments && one.matching == other.matching;
    let anywhere = one.segments.first() == Some(&Segment::AnyDepth);
    match () {
        () if !alike => None,
        () if one.base == other.base => Some(one),
        () if anywhere && one.base.is_within(&other.base) => Some(one),
        () if anywhere && other.base.is_within(&one.base) => Some(other),
        () => None,
    }
}
