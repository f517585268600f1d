//! The git repository around the current directory.
//!
//! Git's own pointers are believed only where both ends agree: a file that a command planted must not widen the next
//! run.

use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

use ringfence_plan::AbsPath;

use crate::context::Context;

/// The repository that a linked worktree belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Its git directory, `…/.git`.
    pub git_directory: AbsPath,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    pub(crate) root: Option<AbsPath>,
    pub(crate) worktree: Option<Worktree>,
}

/// Walks up from the current directory to the first `.git`. HOME and what is above it are no project, even under git:
/// people keep their settings in such repositories, and their keys beside them.
pub(crate) fn project(context: &Context) -> Project {
    let home = context.home.as_path();
    for directory in context.cwd.as_path().ancestors().take_while(|directory| !home.starts_with(directory)) {
        let Ok(about) = fs::metadata(directory.join(".git")) else { continue };
        // In a directory that everybody may write (/tmp), somebody else's `.git` would widen the workspace.
        if !same_owner(&about, &context.cwd) {
            continue;
        }
        if about.is_dir() {
            return Project { root: AbsPath::new(directory).ok(), worktree: None };
        }
        return linked(directory, home);
    }
    Project::default()
}

/// The project of a directory whose `.git` is a file: a worktree, or a submodule.
fn linked(directory: &Path, home: &Path) -> Project {
    let alone = || Project { root: AbsPath::new(directory).ok(), worktree: None };
    let Some(git) = pointer(&directory.join(".git"), "gitdir:", directory) else { return alone() };
    if let Some(git_directory) = main_of_worktree(&git, directory) {
        return Project { worktree: Some(Worktree { git_directory }), ..alone() };
    }
    match parent_of_submodule(&git, directory) {
        // The parent's git directory is where the submodule's commits go, so the parent is the project.
        Some(parent) if !home.starts_with(&parent) => {
            Project { root: AbsPath::new(parent).ok(), worktree: None }
        }
        _ => alone(),
    }
}

/// The main repository's git directory, if `git` is `<main>/.git/worktrees/<name>` and points back at `directory`
/// (gitrepository-layout(5)).
fn main_of_worktree(git: &Path, directory: &Path) -> Option<AbsPath> {
    let worktrees = git.parent().filter(|parent| parent.ends_with("worktrees"))?;
    let main = worktrees.parent().filter(|main| main.ends_with(".git"))?;
    let back = pointer(&git.join("gitdir"), "", git)?;
    let common = pointer(&git.join("commondir"), "", git)?;
    let genuine = back == fs::canonicalize(directory.join(".git")).ok()? && common == main;
    if genuine { AbsPath::new(main).ok() } else { None }
}

/// The directory above `directory` whose repository holds the submodule `git`, if that one points back.
fn parent_of_submodule(git: &Path, directory: &Path) -> Option<PathBuf> {
    let names: Vec<_> = git.components().collect();
    let at = names.windows(2).position(|pair| pair == [name(".git"), name("modules")])?;
    let parent: PathBuf = names[..at].iter().collect();
    let config = small_file(&git.join("config"))?;
    let back = config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "worktree").then(|| git.join(value.trim().trim_matches('"')))
    })?;
    let genuine = directory.starts_with(&parent)
        && directory != parent
        && fs::canonicalize(back).ok()? == fs::canonicalize(directory).ok()?;
    genuine.then_some(parent)
}

fn name(text: &str) -> Component<'_> {
    Component::Normal(text.as_ref())
}

/// The place that the pointer file `file` names behind `key`, without symlinks.
fn pointer(file: &Path, key: &str, relative_to: &Path) -> Option<PathBuf> {
    let text = small_file(file)?;
    let target = text.strip_prefix(key)?.trim();
    fs::canonicalize(relative_to.join(target)).ok()
}

/// The text of a file that git wrote; larger ones than git writes are not read.
fn small_file(file: &Path) -> Option<String> {
    let about = fs::metadata(file).ok()?;
    if !about.is_file() || about.len() > 64 << 10 {
        return None;
    }
    fs::read_to_string(file).ok()
}

#[cfg(unix)]
fn same_owner(about: &Metadata, cwd: &AbsPath) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(cwd.as_path()).is_ok_and(|mine| mine.uid() == about.uid())
}

#[cfg(not(unix))]
fn same_owner(_: &Metadata, _: &AbsPath) -> bool {
    true
}
