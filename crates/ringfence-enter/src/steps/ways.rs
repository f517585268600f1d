//! Whether the symlinks under a policy's paths still lead where the policy grants as much. A command that runs now may
//! exchange one in a writable tree between the check of the plan and the opening.
//!
//! The plan was checked by whoever compiled it; here it is what was opened that counts.

use ringfence_plan::AbsPath;
use rustix::io::Errno;

use crate::fence::{Layer, Mount, SetUpError, Step};

/// How a layer's path led to what was opened.
pub(crate) struct Way<'a> {
    pub(crate) layer: &'a Layer,
    /// Where the object really is.
    pub(crate) real: AbsPath,
    /// The symlinks on the way.
    pub(crate) through: Vec<AbsPath>,
}

/// Refuses a layer that a link in a writable tree leads to a place that is not granted as much by its own name.
pub(crate) fn check(ways: &[Way<'_>]) -> Result<(), SetUpError> {
    let suspects = || ways.iter().filter(|way| !way.through.is_empty() && way.layer.mount != Mount::Mask);
    if suspects().next().is_none() {
        return Ok(());
    }
    let trees = trees(ways);
    let in_tree = |path: &AbsPath| {
        let after = trees.partition_point(|tree| *tree <= path);
        trees[..after].last().is_some_and(|tree| path != *tree && path.is_within(tree))
    };
    let exchangeable = |way: &Way<'_>| in_tree(&way.layer.path) || way.through.iter().any(in_tree);
    let trusted: Vec<&Way<'_>> =
        ways.iter().filter(|way| way.through.is_empty() || !exchangeable(way)).collect();
    for way in suspects().filter(|way| exchangeable(way)) {
        let above = trusted.iter().filter(|other| way.real.is_within(&other.real));
        let deepest = above.clone().map(|other| other.real.depth()).max();
        let at_deepest = above.filter(|other| Some(other.real.depth()) == deepest);
        if at_deepest.map(|other| other.layer.mount).min().is_none_or(|mount| mount < way.layer.mount) {
            let error = SetUpError::new(Step::OpenPath, Errno::STALE.raw_os_error());
            return Err(error.on(&way.layer.path).by(way.layer.rule));
        }
    }
    Ok(())
}

/// The outermost writable trees, by name and by place, sorted.
fn trees<'a>(ways: &'a [Way<'_>]) -> Vec<&'a AbsPath> {
    let writable = ways.iter().filter(|way| way.layer.mount == Mount::ReadWrite);
    let mut trees: Vec<&AbsPath> = writable.flat_map(|way| [&way.layer.path, &way.real]).collect();
    trees.sort();
    trees.dedup_by(|next, before| next.is_within(before));
    trees
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use ringfence_plan::RuleId;

    use super::super::resolve::{host_root, resolve};
    use super::*;

    #[test]
    fn a_link_that_was_exchanged_before_it_is_opened_stops_the_run() {
        let scratch = tempfile::tempdir().unwrap();
        let base = scratch.path().canonicalize().unwrap();
        for name in ["tree/inner", "keys", "shared"] {
            fs::create_dir_all(base.join(name)).unwrap();
        }
        // The user's own way to the link of the tree.
        symlink("tree/link", base.join("alias")).unwrap();
        let layer = |name: &str, mount, rule| {
            let path = AbsPath::new(base.join(name)).unwrap();
            Layer { path, mount, optional: false, rule: RuleId(rule) }
        };
        let open = |target: &str, name: &str, mount| {
            let link = base.join("tree/link");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            let layers = [
                layer("shared", Mount::ReadOnly, 1),
                layer("tree", Mount::ReadWrite, 2),
                layer("tree/closed", Mount::Mask, 3),
                layer(name, mount, 7),
            ];
            resolve(&host_root().unwrap(), &layers).map(drop)
        };
        for name in ["tree/link", "alias"] {
            for (target, mount) in [("inner", Mount::ReadOnly), ("../shared", Mount::ReadOnly)] {
                assert!(open(target, name, mount).is_ok(), "{name} {target}");
            }
            for (target, mount) in [("../keys", Mount::ReadOnly), ("../shared", Mount::ReadWrite)] {
                let error = open(target, name, mount).unwrap_err();
                assert_eq!((error.errno, error.rule), (libc::ESTALE, Some(RuleId(7))), "{name} {target}");
                assert!(error.operand.ends_with(name), "{error:?}");
            }
        }
    }
}
