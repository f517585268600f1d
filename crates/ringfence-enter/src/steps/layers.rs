//! Which of the opened paths need a mount of their own. Pure: the kernel is not asked.

use std::path::Path;

use ringfence_plan::AbsPath;

use super::resolve::Opened;
use crate::fence::Mount;

/// Where a mount goes: on an object of a tree that is mounted already, or on one that has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A directory of the new root's own.
    Skeleton,
    /// A tree of the host's: the object is there already, and nothing is ever made in it.
    Tree,
    /// A private layer over a tree of the host's: there already too, under inode numbers of the layer's own.
    Layered,
}

/// For each of `opened` (sorted by path), where it is mounted; `None` where what is mounted above says the same. Below
/// `hidden` the host's tree, where it is the root, does not show, since a private directory lies over it.
pub(crate) fn needed(opened: &[Opened], hidden: Option<&AbsPath>) -> Vec<Option<Ground>> {
    let mut above: Vec<(&AbsPath, Mount)> = Vec::new();
    opened
        .iter()
        .map(|entry| {
            while above.last().is_some_and(|(path, _)| !entry.path.is_within(path)) {
                above.pop();
            }
            let hidden = hidden.is_some_and(|hidden| entry.path.is_within(hidden));
            let shown = above.last().filter(|(path, _)| !(hidden && path.depth() == 0));
            let ground = match shown {
                // What is not granted is absent: nothing to cover, and nothing to be seen below it.
                None if entry.mount == Mount::Mask => {
                    above.push((&entry.path, entry.mount));
                    return None;
                }
                None => Ground::Skeleton,
                // Deny wins over whatever lies below it.
                Some((_, Mount::Mask)) => return None,
                Some((_, mount)) if *mount == entry.mount => return None,
                Some((_, Mount::Overlay)) => Ground::Layered,
                Some(_) => Ground::Tree,
            };
            above.push((&entry.path, entry.mount));
            Some(ground)
        })
        .collect()
}

/// How many read-only grants side by side in one directory make a crowd. A mount costs 14 µs whatever interface makes
/// it (docs/benchmarks.md), a Landlock rule 3 µs.
pub const CROWD: usize = 64;

/// Directories with a crowd of read-only grants in them: these are mounted once, and Landlock alone tells the granted
/// entries from the others, which can then be asked for by name but neither listed nor read. Not a directory above or
/// below one of `own`, which the root lays out itself and grants as a whole.
pub(crate) fn crowds(opened: &[Opened], grounds: &[Option<Ground>], own: &[AbsPath]) -> Vec<AbsPath> {
    let mut crowds: Vec<AbsPath> = Vec::new();
    let mut run: Option<(&Path, usize)> = None;
    for (entry, ground) in opened.iter().zip(grounds) {
        if *ground != Some(Ground::Skeleton) || entry.mount != Mount::ReadOnly {
            continue;
        }
        let Some(parent) = entry.path.as_path().parent() else { continue };
        match &mut run {
            // Sorted by path, entries of one directory stand together.
            Some((directory, count)) if *directory == parent => {
                *count += 1;
                if *count == CROWD && !crowds.iter().any(|known| known.as_path() == parent) {
                    crowds.extend(entry.path.parent());
                }
            }
            _ => run = Some((parent, 1)),
        }
    }
    crowds.retain(|crowd| !own.iter().any(|path| path.is_within(crowd) || crowd.is_within(path)));
    crowds
}

/// Whether one of `opened` is `path` or lies above it, so that the host's tree is seen there.
pub(crate) fn is_covered(opened: &[Opened], path: &AbsPath) -> bool {
    opened.iter().any(|entry| entry.mount != Mount::Mask && path.is_within(&entry.path))
}

/// Whether the host's `path` itself was granted, or is writable through something above.
pub(crate) fn is_taken(opened: &[Opened], path: &AbsPath) -> bool {
    opened
        .iter()
        .any(|entry| entry.path == *path || (entry.mount == Mount::ReadWrite && path.is_within(&entry.path)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use ringfence_plan::RuleId;

    use super::*;

    fn opened(entries: &[(&str, Mount)]) -> Vec<Opened> {
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let entry = |(path, mount): &(&str, Mount)| Opened {
            path: AbsPath::new(path).unwrap(),
            fd: null(),
            directory: true,
            size: None,
            id: (0, 0),
            mount: *mount,
            rule: RuleId(0),
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn a_crowd_is_found_where_many_stand_side_by_side() {
        let names: Vec<String> = (0..CROWD).map(|number| format!("/data/set/{number:03}")).collect();
        let mut entries: Vec<(&str, Mount)> =
            names.iter().map(|name| (name.as_str(), Mount::ReadOnly)).collect();
        entries.push(("/usr", Mount::ReadOnly));
        let path = |text| AbsPath::new(text).unwrap();
        let found = |entries: &[(&str, Mount)], own: &[AbsPath]| {
            let opened = opened(entries);
            crowds(&opened, &needed(&opened, None), own)
        };
        assert_eq!(found(&entries, &[path("/home/u")]), [path("/data/set")]);
        assert_eq!(found(&entries, &[path("/data/set/home")]), []);
        assert_eq!(found(&entries, &[path("/data")]), []);
        assert_eq!(found(&entries[1..], &[]), []);
    }

    #[test]
    fn with_the_hosts_root_the_private_tmp_hides_what_is_below_it() {
        let opened = opened(&[
            ("/", Mount::ReadOnly),
            ("/home/u/p", Mount::ReadWrite),
            ("/tmp/p", Mount::ReadWrite),
            ("/tmp/p/key", Mount::Mask),
            ("/tmp/read", Mount::ReadOnly),
            ("/usr", Mount::ReadOnly),
        ]);
        let tmp = AbsPath::new("/tmp").unwrap();
        use Ground::{Skeleton, Tree};
        let expected = [Some(Skeleton), Some(Tree), Some(Skeleton), Some(Tree), Some(Skeleton), None];
        assert_eq!(needed(&opened, Some(&tmp)), expected);
    }

    #[test]
    fn only_what_changes_the_answer_is_mounted() {
        let opened = opened(&[
            ("/data", Mount::Mask),
            ("/data/below", Mount::ReadOnly),
            ("/etc/shadow", Mount::Mask),
            ("/home/u/p", Mount::ReadWrite),
            ("/home/u/p/.env", Mount::Mask),
            ("/home/u/p/.env/deeper", Mount::ReadOnly),
            ("/home/u/p/out", Mount::ReadWrite),
            ("/home/u/p/vendor", Mount::ReadOnly),
            ("/home/u/p/vendor/cache", Mount::Overlay),
            ("/home/u/p/vendor/cache/key", Mount::Mask),
            ("/usr", Mount::ReadOnly),
            ("/usr/bin", Mount::ReadOnly),
        ]);
        use Ground::{Layered, Skeleton, Tree};
        let expected = [
            None,
            None,
            None,
            Some(Skeleton),
            Some(Tree),
            None,
            None,
            Some(Tree),
            Some(Tree),
            Some(Layered),
            Some(Skeleton),
            None,
        ];
        assert_eq!(needed(&opened, None), expected);
    }
}
