//! Looks around the caller: the project, the system's entries, tool-chains, memory. A handful of stat(2)s.
//!
//! Walks no tree, follows no content but git's own pointers, decides nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ringfence_plan::{AbsPath, Access};

use crate::builtin::hidden::{HIDDEN, Hidden, OWN};
use crate::builtin::system;
use crate::context::{Context, Surroundings};

mod links;
mod memory;
#[cfg(target_os = "linux")]
mod mounts;
mod project;
mod search_path;

pub(crate) use links::Follower;
pub use links::Link;
#[cfg(target_os = "linux")]
pub(crate) use mounts::Mounts;
pub use project::Worktree;
pub(crate) use project::project;
pub(crate) use search_path::add as search_path;

/// A place that exists and that a command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: AbsPath,
    /// What the command may do there.
    pub access: Access,
    /// Why it is granted.
    pub why: &'static str,
}

/// Adds the system's directories, the harmless entries of /etc, and the size of memory.
pub(crate) fn system(surroundings: &mut Surroundings, assume: bool) {
    let exists = |path: &Path| assume || exists(path);
    let found = &mut surroundings.system;
    // Not looked for: /usr is everywhere, the others are optional, and whoever opens them sees whether they are there.
    for (directory, why) in system::DIRECTORIES {
        see(found, Path::new(directory), Access::Read, why);
    }
    // A look for each name: to list /etc costs the kernel twice as much, since it sorts what is in it.
    for entry in system::ETC {
        let path = Path::new("/etc").join(entry.name);
        let below = entry.below.iter().map(|below| path.join(below));
        let whole = entry.below.is_empty().then(|| path.clone());
        for path in whole.into_iter().chain(below).filter(|path| exists(path)) {
            see(found, &path, Access::Read, entry.why);
        }
    }
    if assume {
        return;
    }
    for name in fs::read_dir(system::JVMS).into_iter().flatten().flatten().map(|entry| entry.file_name()) {
        if let Some((name, _)) = name.to_str().and_then(|name| name.rsplit_once('-')) {
            let path = Path::new("/etc").join(name);
            if exists(&path) {
                see(found, &path, Access::Read, system::JVM_WHY);
            }
        }
    }
    surroundings.memory = memory::total();
}

/// The value of the caller's variable `name`, if it may be the root of a tool-chain.
pub(crate) fn root(name: &str, env: &BTreeMap<String, String>, context: &Context) -> Option<String> {
    env.get(name).filter(|value| is_own_place(value, context)).cloned()
}

/// Whether the host has a program called `text` on the search path, or, with a slash, something at that path.
pub(crate) fn host_has(text: &str, search: &str, context: &Context) -> bool {
    if let Some(below) = text.strip_prefix("~/") {
        return exists(&context.home.as_path().join(below));
    }
    match text.contains('/') {
        true => text.starts_with('/') && exists(Path::new(text)),
        false => search
            .split(':')
            .filter(|directory| directory.starts_with('/'))
            .any(|directory| exists(&Path::new(directory).join(text))),
    }
}

/// Adds the hidden places that exist.
pub(crate) fn hidden(surroundings: &mut Surroundings, context: &Context) {
    let there = |place: &&Hidden| exists(&context.home.as_path().join(place.path));
    surroundings.hidden = HIDDEN.iter().chain(OWN).filter(there).map(|place| place.path).collect();
}

fn see(list: &mut Vec<Found>, path: &Path, access: Access, why: &'static str) {
    if let Ok(path) = AbsPath::new(path) {
        list.push(Found { path, access, why });
    }
}

/// Whether a variable's value can be a tool-chain's root: one that is `/`, HOME or above it would grant everything, and
/// one that leads into a hidden place would lift it.
fn is_own_place(value: &str, context: &Context) -> bool {
    let hidden = |path: &AbsPath| {
        let below = path.as_path().strip_prefix(context.home.as_path());
        HIDDEN.iter().chain(OWN).any(|place| match below {
            Ok(below) => below.starts_with(place.path),
            Err(_) => path.as_path().starts_with(place.path),
        })
    };
    AbsPath::new(value).is_ok_and(|path| !context.home.is_within(&path) && !hidden(&path))
}

/// Whether there is something at `path`, at the end of its symlinks.
#[cfg(target_os = "linux")]
pub(crate) fn exists(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}

/// The same.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// Whether the file at `path` has a second name, wherever that is. Directories have none.
#[cfg(unix)]
pub(crate) fn has_other_names(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|found| !found.is_dir() && found.nlink() > 1)
}

/// Not told here; no request of MXC runs on this system.
#[cfg(not(unix))]
pub(crate) fn has_other_names(_: &Path) -> bool {
    false
}
