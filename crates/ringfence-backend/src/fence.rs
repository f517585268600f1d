//! The parts of a fence that every confinement of Linux shares. Pure.

use std::path::PathBuf;

use ringfence_enter::{Fence, Layer, Mount, Rlimits, seccomp};
use ringfence_plan::{AbsPath, Access, Files, Grant, Match, PathPattern, Protect, RuleId, Segment};

/// The plan's grants as mounts, one each; what needs none is found when the paths are opened.
pub(crate) fn layers(files: &Files, means: Means) -> Vec<Layer> {
    let layer = |grant: &Grant| Layer {
        path: grant.path.clone(),
        mount: match grant.access {
            Access::Deny => Mount::Mask,
            Access::Read => Mount::ReadOnly,
            Access::Private if means.private == Private::ReadOnly => Mount::ReadOnly,
            Access::Private => Mount::Overlay,
            Access::Write => Mount::ReadWrite,
        },
        optional: grant.optional,
        rule: grant.rule,
    };
    let mut layers: Vec<Layer> = files.grants.iter().map(layer).collect();
    for TakenBack { at, .. } in taken_back(files, means).iter().filter(|taken_back| !taken_back.kept) {
        // Were it absent, the workload could make it, with the rights of the tree around it.
        layers[*at].optional = false;
    }
    layers
}

/// What there is to hold a part of a writable tree back with.
#[derive(Clone, Copy)]
pub(crate) struct Means {
    /// What becomes of a private layer.
    pub(crate) private: Private,
    /// Whether there is a broker.
    pub(crate) broker: bool,
}

/// What becomes of a private layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    /// It is one, and can be written.
    Layered,
    /// It can only be read.
    ReadOnly,
}

/// What the broker keeps: the protected names, the denied ones, which may not come into being where they are absent now,
/// since nothing would cover them then, and for the same reason what is readable only inside a writable tree.
pub(crate) fn kept(files: &Files, means: Means) -> Vec<Protect> {
    let denied = files.grants.iter().filter(|grant| grant.access == Access::Deny);
    let taken_back = taken_back(files, means);
    let readable =
        taken_back.iter().filter(|taken_back| taken_back.kept).map(|taken_back| &files.grants[taken_back.at]);
    let named = denied.chain(readable).filter_map(|grant| exactly(&grant.path, grant.rule));
    let globs =
        files.deny_globs.iter().map(|glob| Protect { pattern: glob.pattern.clone(), rule: glob.rule });
    files.protect.iter().cloned().chain(named).chain(globs).collect()
}

/// A grant that takes back a part of the writable tree around it, as a ceiling does.
pub(crate) struct TakenBack {
    /// Its place in the grants.
    pub(crate) at: usize,
    /// Whether a broker keeps its name: not if something can be written there again, since what lies below a kept name
    /// is kept with it.
    pub(crate) kept: bool,
}

/// Every such grant, in the order of paths.
pub(crate) fn taken_back(files: &Files, means: Means) -> Vec<TakenBack> {
    let changeable = |access| match access {
        Access::Deny | Access::Read => false,
        Access::Private => means.private == Private::Layered,
        Access::Write => true,
    };
    let mut taken_back: Vec<TakenBack> = Vec::new();
    // The grants that the one at hand lies below, each with its place in the outcome if it is there.
    let mut above: Vec<(&Grant, Option<usize>)> = Vec::new();
    for (at, grant) in files.grants.iter().enumerate() {
        while above.last().is_some_and(|(above, _)| !grant.path.is_within(&above.path)) {
            above.pop();
        }
        let changes = changeable(grant.access);
        for place in above.iter().filter_map(|(_, place)| *place).filter(|_| changes) {
            taken_back[place].kept = false;
        }
        let around = above.last().map(|(around, _)| around.access);
        let less = around.is_some_and(|around| changeable(around) && grant.access < around);
        let place = (less && grant.access != Access::Deny).then_some(taken_back.len());
        taken_back.extend(place.map(|_| TakenBack { at, kept: means.broker && !changes }));
        above.push((grant, place));
    }
    taken_back
}

fn exactly(path: &AbsPath, rule: RuleId) -> Option<Protect> {
    let text = path.as_path().to_str()?;
    let segments = text.split('/').filter(|name| !name.is_empty()).map(|name| Segment::Name(name.to_owned()));
    let pattern = PathPattern { base: AbsPath::root(), segments: segments.collect(), matching: Match::Exact };
    (!pattern.segments.is_empty()).then_some(Protect { pattern, rule })
}

/// The protected paths at the top of a writable tree, which can be named without looking: where there is a mount
/// namespace they get a read-only mount as a second lock. Others have the broker alone.
pub(crate) fn holds(files: &Files) -> Vec<(AbsPath, RuleId)> {
    let mut holds = Vec::with_capacity(files.protect.len());
    // Patterns of one base stand together, so it is asked about once.
    let mut last: Option<(&AbsPath, bool)> = None;
    for Protect { pattern, rule } in &files.protect {
        let writable = match last {
            Some((base, writable)) if *base == pattern.base => writable,
            _ => matches!(files.access(&pattern.base), Some((Access::Write, _))),
        };
        last = Some((&pattern.base, writable));
        if writable && let Some(path) = at_the_top(pattern) {
            holds.push((path, *rule));
        }
    }
    holds
}

/// The one path at the top of its tree that a pattern without further wildcards names.
fn at_the_top(pattern: &PathPattern) -> Option<AbsPath> {
    let segments = match pattern.segments.as_slice() {
        [Segment::AnyDepth, rest @ ..] => rest,
        all => all,
    };
    let mut path = PathBuf::from(pattern.base.as_path());
    for segment in segments {
        let Segment::Name(name) = segment else { return None };
        path.push(name);
    }
    (!segments.is_empty()).then(|| AbsPath::new(path).ok()).flatten()
}

/// What every confinement ends with.
pub(crate) fn common_steps(fence: &Fence) -> Vec<String> {
    let mut steps = vec!["set no_new_privs".into()];
    if fence.landlock > 0 {
        let scopes =
            if fence.landlock >= 6 { ", and signals and abstract sockets to the sandbox" } else { "" };
        steps.push(format!("restrict files by Landlock (ABI {}){scopes}", fence.landlock));
    }
    let Rlimits { processes, open_files, file_size } = fence.rlimits;
    for (name, value) in [("NPROC", processes), ("NOFILE", open_files), ("FSIZE", file_size)] {
        steps.extend(value.map(|value| format!("set RLIMIT_{name} to {value}")));
    }
    let instructions = seccomp::program(&fence.filter).len();
    steps.push(format!(
        "install a seccomp allow list ({instructions} instructions); unknown calls answer ENOSYS"
    ));
    if fence.filter.broker {
        steps.push(format!("broker write-class calls against {} protected names", fence.protect.len()));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(grants: &[(&str, Access, bool)]) -> Files {
        let grant = |(at, (path, access, optional)): (u32, &(&str, Access, bool))| Grant {
            path: AbsPath::new(path).unwrap(),
            access: *access,
            optional: *optional,
            rule: RuleId(at),
        };
        Files {
            workspace: None,
            home: AbsPath::new("/home/u").unwrap(),
            grants: (0..).zip(grants).map(grant).collect(),
            deny_globs: Vec::new(),
            protect: Vec::new(),
            protect_except: Vec::new(),
        }
    }

    const NAMESPACES: Means = Means { private: Private::Layered, broker: true };
    const PROCESS: Means = Means { private: Private::ReadOnly, broker: true };

    fn names(files: &Files, means: Means) -> Vec<String> {
        kept(files, means).iter().map(|protect| protect.pattern.to_string()).collect()
    }

    fn needed(files: &Files, means: Means) -> Vec<String> {
        let needed = layers(files, means).into_iter().filter(|layer| !layer.optional);
        needed.map(|layer| layer.path.to_string()).collect()
    }

    #[test]
    fn a_part_taken_back_from_a_writable_tree_cannot_be_made_anew() {
        use Access::{Deny, Private as Own, Read, Write};
        let files = files(&[
            ("/usr", Read, true),
            ("/usr/lib/x", Read, true),
            ("/w", Write, false),
            ("/w/cache", Own, true),
            ("/w/cache/read", Read, true),
            ("/w/deny", Deny, true),
            ("/w/read", Read, true),
            ("/w/read/out/in", Own, true),
            ("/w/vendor", Read, true),
            ("/w/vendor/out", Write, true),
        ]);
        // Names that are kept, and those that must exist because they cannot be.
        assert_eq!(names(&files, NAMESPACES), ["/w/deny", "/w/cache/read"]);
        assert_eq!(needed(&files, NAMESPACES), ["/w", "/w/cache", "/w/read", "/w/vendor"]);
        assert_eq!(names(&files, PROCESS), ["/w/deny", "/w/cache", "/w/read"]);
        assert_eq!(needed(&files, PROCESS), ["/w", "/w/vendor"]);
        let without = Means { broker: false, ..NAMESPACES };
        assert_eq!(names(&files, without), ["/w/deny"]);
        assert_eq!(needed(&files, without), ["/w", "/w/cache", "/w/cache/read", "/w/read", "/w/vendor"]);
    }
}
