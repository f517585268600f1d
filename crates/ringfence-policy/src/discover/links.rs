//! Where a path really is: the symlinks on its way, each by its own name.
//!
//! Not opened: whoever opens the path looks again, and compares.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use ringfence_plan::AbsPath;

/// Most symlinks on one way, as in the kernel (path_resolution(7)).
const MOST: usize = 40;

/// Where a path really is that leads through symlinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The place behind them; what is absent has the place where it would be.
    pub real: AbsPath,
    /// The symlinks on the way, by their real names.
    pub through: Vec<AbsPath>,
}

/// Follows many paths; what they have in common is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    plain: HashSet<PathBuf>,
    /// What is not there; nothing below it is either, and ten thousand rules may lie below one of them.
    absent: HashSet<PathBuf>,
}

impl Follower {
    /// The real place of `path`, if that is another than its name says.
    pub(crate) fn follow(&mut self, path: &AbsPath) -> Option<Link> {
        let mut left: Vec<OsString> = path.names().map(OsString::from).collect();
        left.reverse();
        let mut here = AbsPath::root().as_path().to_owned();
        let mut through = Vec::new();
        let mut gone = false;
        while let Some(name) = left.pop() {
            if name == ".." {
                here.pop();
                // Above it there may be something again.
                gone = false;
                continue;
            }
            here.push(name);
            // A link of /proc leads where no name does; nobody opens one.
            if gone || self.plain.contains(&here) || here.starts_with("/proc") {
                continue;
            }
            if self.absent.contains(&here) {
                gone = true;
                continue;
            }
            match fs::read_link(&here) {
                Ok(target) => {
                    if through.len() == MOST {
                        return None;
                    }
                    through.push(AbsPath::new(&here).ok()?);
                    here.pop();
                    if target.has_root() {
                        here = AbsPath::root().as_path().to_owned();
                    }
                    left.extend(names(&target));
                }
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    self.plain.insert(here.clone());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.absent.insert(here.clone());
                    gone = true;
                }
                // Closed to this user: by name.
                Err(_) => {}
            }
        }
        let real = AbsPath::new(here).ok()?;
        (real != *path).then_some(Link { real, through })
    }
}

/// The names of a path in reverse, so that the next one is popped from the end.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}
