//! Protected names that exist at the start: where they really are. A protected name that is a symlink protects what it
//! leads to as well, or writing there would be writing under the protected name.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use ringfence_plan::{AbsPath, Match, PathPattern, Protect, RuleId, Segment, fold};
use rustix::io::Errno;

use super::During;
use super::resolve;
use crate::fence::{SetUpError, Step};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Objects that exist, by their real paths.
    pub(crate) existing: Vec<(AbsPath, RuleId)>,
    /// Names that protected symlinks lead to, present or absent.
    pub(crate) linked: Vec<Protect>,
}

/// Looks for each of `names` on the host.
pub(crate) fn find(host: &OwnedFd, names: &[(AbsPath, RuleId)]) -> Result<Holds, SetUpError> {
    let mut holds = Holds::default();
    // Most names are absent, and often their directory is (seven of them lie in `.claude`).
    let mut absent: Option<&Path> = None;
    for (name, rule) in names {
        let mut links = Vec::new();
        let directory = name.as_path().parent();
        if directory.is_some() && directory == absent {
            continue;
        }
        match resolve::open(host, name.as_path(), &mut links) {
            Ok((real, _)) => {
                if real != *name {
                    holds.linked.extend(exactly(&real, *rule));
                }
                holds.existing.push((real, *rule));
            }
            Err(Errno::NOENT) => {
                if links.is_empty() && directory.is_some_and(|directory| !directory.exists()) {
                    absent = directory;
                    continue;
                }
                let target = links.pop().and_then(|(link, target)| end_of(&link, target));
                holds.linked.extend(target.and_then(|target| exactly(&target, *rule)));
            }
            // Not a directory on the way, or closed to this user: there is nothing of his to hold.
            Err(Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => {}
            Err(error) => return Err(error).during_on(Step::OpenPath, name).map_err(|error| error.by(*rule)),
        }
    }
    Ok(holds)
}

/// Where a link with nothing at its end leads, by name.
fn end_of(link: &AbsPath, target: OsString) -> Option<AbsPath> {
    let mut path = PathBuf::new();
    for component in link.parent()?.as_path().join(Path::new(&target)).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
            Component::RootDir | Component::Normal(_) => path.push(component),
        }
    }
    AbsPath::new(path).ok()
}

fn exactly(path: &AbsPath, rule: RuleId) -> Option<Protect> {
    let segments: Vec<Segment> =
        path.names().map(|name| Segment::Name(fold(&name.to_string_lossy()))).collect();
    let pattern = PathPattern { base: AbsPath::root(), segments, matching: Match::Folded };
    (!pattern.segments.is_empty()).then_some(Protect { pattern, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_symlink_protects_its_target_present_or_absent() {
        let scratch = tempfile::tempdir().unwrap();
        let base = AbsPath::new(scratch.path().canonicalize().unwrap()).unwrap();
        let at = |name: &str| base.join(name).unwrap();
        std::fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink("real", at("hooks")).unwrap();
        std::os::unix::fs::symlink("../elsewhere/config", at("config")).unwrap();
        std::fs::write(at("plain"), "").unwrap();
        let names = ["hooks", "config", "plain", "absent"].map(|name| (at(name), RuleId(0)));
        let holds = find(&resolve::host_root().unwrap(), &names).unwrap();
        let existing: Vec<_> = holds.existing.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(existing, [at("real"), at("plain")]);
        let parent = base.parent().unwrap();
        for path in [at("real/pre-commit"), parent.join("elsewhere/config").unwrap()] {
            assert!(holds.linked.iter().any(|protect| protect.pattern.covers(&path)), "{path}");
        }
        assert_eq!(holds.linked.len(), 2);
    }
}
