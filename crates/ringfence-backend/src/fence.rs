//! The parts of a fence that every confinement of Linux shares. Pure.

use std::path::PathBuf;

use ringfence_enter::{Fence, Layer, Mount, Rlimits, seccomp};
use ringfence_plan::{AbsPath, Access, Files, Match, PathPattern, Protect, RuleId, Segment};

/// The plan's grants as mounts, one each; what needs none is found when the paths are opened.
pub(crate) fn layers(files: &Files) -> Vec<Layer> {
    let layer = |grant: &ringfence_plan::Grant| Layer {
        path: grant.path.clone(),
        mount: match grant.access {
            Access::Deny => Mount::Mask,
            Access::Read => Mount::ReadOnly,
            Access::Private => Mount::Overlay,
            Access::Write => Mount::ReadWrite,
        },
        optional: grant.optional,
        rule: grant.rule,
    };
    files.grants.iter().map(layer).collect()
}

/// What the broker keeps: the protected names, and the denied ones, which may not come into being where they are absent
/// now, since nothing would cover them then.
pub(crate) fn kept(files: &Files) -> Vec<Protect> {
    let named = files.grants.iter().filter(|grant| grant.access == Access::Deny);
    let denied = named.filter_map(|grant| exactly(&grant.path, grant.rule));
    let globs =
        files.deny_globs.iter().map(|glob| Protect { pattern: glob.pattern.clone(), rule: glob.rule });
    files.protect.iter().cloned().chain(denied).chain(globs).collect()
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
