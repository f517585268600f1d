//! Protected names that exist at the start: where they really are. A protected name that is a symlink protects what it
//! leads to as well, or writing there would be writing under the protected name.

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
    let [mut absent, mut present]: [Option<&Path>; 2] = [None, None];
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
            // Without links it would be where its name says.
            Err(Errno::NOENT) if links.is_empty() => {
                if directory != present {
                    let is_there = directory.is_some_and(Path::exists);
                    *(if is_there { &mut present } else { &mut absent }) = directory;
                }
            }
            Err(Errno::NOENT) => {
                let elsewhere = would_be(name.as_path()).filter(|place| place != name);
                holds.linked.extend(elsewhere.and_then(|place| exactly(&place, *rule)));
            }
            // Not a directory on the way, or closed to this user: there is nothing of his to hold.
            Err(Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => {}
            Err(error) => return Err(error).during_on(Step::OpenPath, name).map_err(|error| error.by(*rule)),
        }
    }
    Ok(holds)
}

/// The place of the absent `name` behind the symlinks on its way: those that lead somewhere are followed, those that do
/// not by what they say.
fn would_be(name: &Path) -> Option<AbsPath> {
    /// As the kernel counts them (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let mut path = name.to_owned();
    for _ in 0..MOST_LINKS {
        let there = |ancestor: &Path| Some((ancestor.canonicalize().ok()?, ancestor.to_owned()));
        let (real, there) = path.ancestors().find_map(there)?;
        let rest = path.strip_prefix(there).ok()?;
        let mut below = rest.components();
        let link = below.next().map(|first| real.join(first));
        match link.and_then(|link| Some((link.clone(), link.read_link().ok()?))) {
            Some((link, target)) => path = end_of(&link, &target).join(below.as_path()),
            None => return AbsPath::new(real.join(rest)).ok(),
        }
    }
    None
}

/// Where `link` leads, by name.
fn end_of(link: &Path, target: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in link.parent().unwrap_or(link).join(target).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
            Component::RootDir | Component::Normal(_) => path.push(component),
        }
    }
    path
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

    #[test]
    fn a_name_below_a_symlink_is_protected_where_it_would_be_and_nothing_else_is() {
        let scratch = tempfile::tempdir().unwrap();
        let base = AbsPath::new(scratch.path().canonicalize().unwrap()).unwrap();
        let at = |name: &str| base.join(name).unwrap();
        std::fs::create_dir_all(at("real/tree")).unwrap();
        std::os::unix::fs::symlink("real/tree", at("link")).unwrap();
        std::os::unix::fs::symlink("../gone", at("real/tree/.git")).unwrap();
        let names = ["link/.envrc", "link/.git/hooks"].map(|name| (at(name), RuleId(0)));
        let holds = find(&resolve::host_root().unwrap(), &names).unwrap();
        let covered = |name: &str| holds.linked.iter().any(|protect| protect.pattern.covers(&at(name)));
        assert!(covered("real/tree/.envrc") && covered("real/gone/hooks/pre-commit"), "{:?}", holds.linked);
        assert!(!covered("real/tree/src") && !covered("real/tree"), "{:?}", holds.linked);
    }
}
