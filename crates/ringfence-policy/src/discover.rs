//! Looks around the caller: the project, the system's entries, tool-chains, memory. A handful of stat(2)s.
//!
//! Walks no tree, follows no content but git's own pointers, decides nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access};

use crate::builtin::hidden::{HIDDEN, Hidden, OWN};
use crate::builtin::{system, toolchains};
use crate::context::{Context, Surroundings};

mod memory;
mod project;
mod search_path;

pub use project::Worktree;
pub(crate) use project::project;

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
pub(crate) fn system(surroundings: &mut Surroundings) {
    let found = &mut surroundings.system;
    // Not looked for: /usr is everywhere, the others are optional, and whoever opens them sees whether they are there.
    for (directory, why) in system::DIRECTORIES {
        see(found, Path::new(directory), Access::Read, why);
    }
    // A look for each name: to list /etc costs the kernel twice as much, since it sorts what is in it.
    for entry in system::ETC {
        let path = Path::new("/etc").join(entry.name);
        if entry.below.is_empty() {
            add(found, &path, Access::Read, entry.why);
        }
        for below in entry.below {
            add(found, &path.join(below), Access::Read, entry.why);
        }
    }
    for name in fs::read_dir(system::JVMS).into_iter().flatten().flatten().map(|entry| entry.file_name()) {
        if let Some((name, _)) = name.to_str().and_then(|name| name.rsplit_once('-')) {
            add(found, &Path::new("/etc").join(name), Access::Read, system::JVM_WHY);
        }
    }
    surroundings.memory = memory::total();
}

/// Adds the tool-chains that exist, the variables that point at them, and the caller's own directories of programs.
pub(crate) fn tool_chains(
    surroundings: &mut Surroundings,
    context: &Context,
    env: &BTreeMap<String, String>,
) {
    for tool in toolchains::TOOL_CHAINS {
        let told = tool.variable.and_then(|name| env.get(name)).filter(|value| is_own_place(value, context));
        let root = match told {
            Some(value) => PathBuf::from(value),
            None if tool.root.is_empty() => continue,
            None => context.home.as_path().join(tool.root),
        };
        let path = if tool.below.is_empty() { root } else { root.join(tool.below) };
        let there = add(&mut surroundings.tool_chains, &path, tool.access, tool.why);
        if let (true, Some(_), Some(variable)) = (there, told, tool.variable)
            && !surroundings.variables.contains(&variable)
        {
            surroundings.variables.push(variable);
        }
    }
    search_path::add(surroundings, context, env);
}

/// Adds the hidden places that exist.
pub(crate) fn hidden(surroundings: &mut Surroundings, context: &Context) {
    let there = |place: &&Hidden| exists(&context.home.as_path().join(place.path));
    surroundings.hidden = HIDDEN.iter().chain(OWN).filter(there).map(|place| place.path).collect();
}

/// Adds `path` if it exists; whether it does.
fn add(list: &mut Vec<Found>, path: &Path, access: Access, why: &'static str) -> bool {
    let there = exists(path);
    if there {
        see(list, path, access, why);
    }
    there
}

fn see(list: &mut Vec<Found>, path: &Path, access: Access, why: &'static str) {
    if let Ok(path) = AbsPath::new(path) {
        list.push(Found { path, access, why });
    }
}

/// Whether a variable's value can be a tool-chain's root: one that is `/`, HOME or above it would grant everything.
fn is_own_place(value: &str, context: &Context) -> bool {
    AbsPath::new(value).is_ok_and(|path| !context.home.is_within(&path))
}

/// Whether there is something at `path`, at the end of its symlinks.
#[cfg(target_os = "linux")]
fn exists(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}

/// The same.
#[cfg(not(target_os = "linux"))]
fn exists(path: &Path) -> bool {
    path.exists()
}
