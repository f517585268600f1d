//! Git directories that are not called `.git`. Git takes any directory for a repository that looks like one
//! (gitrepository-layout(5)) and runs what its configuration and hooks name; so none is completed in a protected tree.
//!
//! The price: `git init --bare` and `git clone --bare` do not work there.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use ringfence_plan::{Operation, fold};
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::Failure;
use super::judge::Judge;
use super::place::{Place, path_of};

/// What makes a directory a repository.
const BODY: [&str; 3] = ["HEAD", "objects", "refs"];

/// What makes a repository run things, besides the programs in `hooks`.
const COMMANDS: [&str; 3] = ["config", "config.worktree", "hooks"];

/// Sends git to another directory for all of these.
const POINTER: &str = "commondir";

/// Refuses a change at `place` that would complete such a directory, or change or remove what an existing one runs.
pub(super) fn may_put(judge: &Judge, place: &Place, operation: Operation) -> Result<(), Failure> {
    let name = fold(&String::from_utf8_lossy(place.name.to_bytes()));
    let is_body = BODY.iter().any(|known| fold(known) == name);
    let path = place.would_be()?;
    let above = above(&path);
    if !is_body && name != POINTER && !COMMANDS.contains(&name.as_str()) && above != Some("hooks".into()) {
        return Ok(());
    }
    // A new HEAD or reference in a repository that is there anyway makes it no worse.
    if is_body && place.object.is_some() {
        return Ok(());
    }
    let in_hooks = !is_body && name != POINTER && !COMMANDS.contains(&name.as_str());
    let outer = if in_hooks { Some(parent_of(&place.parent)?) } else { None };
    let directory = outer.as_ref().unwrap_or(&place.parent);
    // In a `.git`, a submodule's or a working tree's directory the names themselves are protected.
    if judge.keeps(&[&path_of(directory)?, &b"/config"[..]].concat())? {
        return Ok(());
    }
    let has = |wanted: &str| {
        (!in_hooks && fold(wanted) == name) || statat(directory, wanted, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    };
    let runs = has(POINTER)
        || (has("objects") && has("refs") && (in_hooks || COMMANDS.iter().any(|command| has(command))));
    match judge.git_rule(&path) {
        Some(rule) if has("HEAD") && runs => Err(Failure::Protected { operation, path, rule }),
        _ => Ok(()),
    }
}

/// The folded name of the directory that `path` lies in.
fn above(path: &[u8]) -> Option<String> {
    let name = std::path::Path::new(std::ffi::OsStr::from_bytes(path)).parent()?.file_name()?;
    Some(fold(&name.to_string_lossy()))
}

fn parent_of(directory: &OwnedFd) -> Result<OwnedFd, Errno> {
    openat(directory, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
