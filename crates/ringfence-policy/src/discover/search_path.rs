//! Directories on the caller's PATH outside of the system's: tools that somebody installed by hand.
//!
//! Only directories of programs are granted, never a place that holds other things beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access};

use super::{Found, exists, is_own_place};
use crate::context::{Context, Surroundings};

/// A PATH longer than this is somebody's mistake; the rest of it is not looked at.
const MOST: usize = 64;

/// Adds what PATH, VIRTUAL_ENV and CONDA_PREFIX name.
pub(crate) fn add(surroundings: &mut Surroundings, context: &Context, env: &BTreeMap<String, String>) {
    let Some(path) = env.get("PATH") else { return };
    for entry in path.split(':').take(MOST) {
        let Ok(directory) = AbsPath::new(entry) else { continue };
        let known = |found: &[Found]| found.iter().any(|found| directory.is_within(&found.path));
        if known(&surroundings.system)
            || known(&surroundings.programs)
            || is_in_project(&directory, surroundings, context)
        {
            continue;
        }
        if let Some(found) = programs(&directory, context) {
            surroundings.programs.push(found);
        }
    }
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        let granted = env.get(variable).and_then(|root| AbsPath::new(root).ok()).is_some_and(|root| {
            is_in_project(&root, surroundings, context)
                || surroundings.programs.iter().any(|found| root.is_within(&found.path))
        });
        if granted {
            surroundings.variables.push(variable.to_owned());
        }
    }
}

/// A file that shows a directory to be the root of a tool-chain and nothing else, with what it is. A directory on PATH
/// whose parent has one is granted as a whole; otherwise only the directory with the programs.
const PREFIX_MARKS: &[(&str, &str)] = &[
    ("conda-meta", "a conda environment"),
    ("pyvenv.cfg", "a Python environment"),
    ("include/node/node.h", "node"),
    ("lib/modules", "a Java development kit"),
    ("pkg/tool", "Go"),
];

fn is_in_project(path: &AbsPath, surroundings: &Surroundings, context: &Context) -> bool {
    path.is_within(surroundings.project.as_ref().unwrap_or(&context.cwd))
}

/// What to grant for one directory on PATH: the whole tool-chain where a mark shows that it is one, else the
/// directory if its name says that it holds programs.
fn programs(directory: &AbsPath, context: &Context) -> Option<Found> {
    // What it leads to has to be fit as well: whoever may write where a directory of PATH lies (the environment of another
    // project) could put a symlink to anything in its place, and every later run would read that.
    let real = real(directory)?;
    let fit =
        has_programs(directory) && has_programs(&real) && is_own_place(real.as_path().to_str()?, context);
    if !fit || !fs::metadata(&real).ok()?.is_dir() {
        return None;
    }
    let prefix = directory.parent()?;
    if may_be_granted(&prefix, context) && may_be_granted(&self::real(&prefix)?, context) {
        if let Some((_, why)) = PREFIX_MARKS.iter().find(|(mark, _)| exists(&prefix.as_path().join(mark))) {
            return Some(Found { path: prefix, access: Access::Read, why });
        }
        if is_package_of_opt(&prefix) {
            return Some(Found { path: prefix, access: Access::Read, why: "a package on PATH" });
        }
    }
    let why = "programs on PATH";
    is_own_place(directory.as_path().to_str()?, context).then(|| Found {
        path: directory.clone(),
        access: Access::Read,
        why,
    })
}

/// Whether its name says that it holds programs.
fn has_programs(directory: &AbsPath) -> bool {
    let name = directory.names().last().and_then(|name| name.to_str());
    matches!(name, Some("bin" | "sbin" | "shims" | "condabin"))
}

fn real(path: &AbsPath) -> Option<AbsPath> {
    AbsPath::new(fs::canonicalize(path).ok()?).ok()
}

/// Whether a whole prefix may be granted: `~/.local` has `bin` and `lib`, but keyrings as well.
fn may_be_granted(prefix: &AbsPath, context: &Context) -> bool {
    let local: PathBuf = context.home.as_path().join(".local");
    prefix.depth() > 1 && !context.home.is_within(prefix) && prefix.as_path() != local
}

/// `/opt/<package>` (hier(7)): one package with its libraries.
fn is_package_of_opt(prefix: &AbsPath) -> bool {
    prefix.as_path().parent() == Some(Path::new("/opt"))
}
