//! `git worktree add` without trust: its pointer files decide where git reads its configuration, so their content is
//! never the workload's. The broker writes the only right content itself and lets the workload write into nothing.
//!
//! Three files, in git's order (gitrepository-layout(5), git-worktree(1)):
//! `<repo>/.git/worktrees/<name>/gitdir` tells where the new tree is (git only looks for it there: left to the workload,
//! once); `<tree>/.git` must lead back to that directory; `commondir` there must be `../..`.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, memfd_create, openat};
use rustix::io::Errno;

use super::Failure;
use super::judge::Judge;
use super::place::Place;

/// Most linked trees that are looked through for the one that is being made.
const MOST: usize = 4096;

/// If `path` is a pointer that git makes for a new working tree, writes it rightly and returns a file for the caller to
/// write into; `None` if it is none.
pub(super) fn write_pointer(judge: &Judge, place: &Place, path: &[u8]) -> Result<Option<OwnedFd>, Failure> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    match place.name.to_bytes() {
        b"gitdir" if is_worktree_directory(path) => make(place, None),
        b"commondir" if is_worktree_directory(path) => make(place, Some(b"../..\n")),
        b".git" => match directory_of_tree(judge, path) {
            Some(directory) => {
                make(place, Some(&[b"gitdir: ", directory.as_os_str().as_bytes(), b"\n"].concat()))
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Makes the file, with `content` and a sink for the caller, or empty and open for the caller.
fn make(place: &Place, content: Option<&[u8]>) -> Result<Option<OwnedFd>, Failure> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o644))?;
    let Some(content) = content else { return Ok(Some(file)) };
    if rustix::io::write(&file, content)? != content.len() {
        return Err(Errno::NOSPC.into());
    }
    Ok(Some(memfd_create("written by ringfence", MemfdFlags::CLOEXEC)?))
}

/// Whether `path` is `…/.git/worktrees/<name>/<file>`.
fn is_worktree_directory(path: &Path) -> bool {
    let mut above = path.ancestors().skip(2);
    let named =
        |path: Option<&Path>, name: &str| path.and_then(Path::file_name).is_some_and(|found| found == name);
    named(above.next(), "worktrees") && named(above.next(), ".git")
}

/// For `<tree>/.git`: the directory below a repository around it whose `gitdir` names exactly this path. Only a protected
/// one: others may be the sandbox's own (/tmp, HOME), and lead elsewhere on the host.
fn directory_of_tree(judge: &Judge, pointer: &Path) -> Option<std::path::PathBuf> {
    let tree = pointer.parent()?;
    tree.ancestors().skip(1).find_map(|above| {
        let worktrees = above.join(".git/worktrees");
        let sample = worktrees.join("_/commondir");
        if !judge.keeps(sample.as_os_str().as_bytes()).unwrap_or(false) {
            return None;
        }
        let names = std::fs::read_dir(&worktrees).ok()?;
        names.flatten().take(MOST).map(|entry| entry.path()).find(|directory| {
            let target = beginning(&directory.join("gitdir")).unwrap_or_default();
            target.strip_suffix(b"\n").unwrap_or(&target) == pointer.as_os_str().as_bytes()
        })
    })
}

/// As much of a file as a path can be long: the workload wrote it and may have made it endless.
fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(CWD, path, flags, Mode::empty())?);
    file.take(4097).read_to_end(&mut content)?;
    Ok(content)
}
