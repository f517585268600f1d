//! Names below the new root: what is found there, and the directories and files that are made for it.
//! Not what is mounted on them.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, statat};
use rustix::io::Errno;

use super::Root;

impl Root {
    /// The object at `path` (relative to the root), symlinks refused: the tree may be of the workload's making.
    pub(crate) fn find(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::IN_ROOT;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(&self.fd, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// The directory at `path`, made with all above it where absent. Only ever called for the skeleton.
    pub(crate) fn directory(&self, path: &Path, mode: u32) -> rustix::io::Result<OwnedFd> {
        if path.as_os_str().is_empty() {
            return self.find(path);
        }
        // Most callers ask for what is there or for one level: the answer to mkdir tells which.
        match mkdirat(&self.fd, path, Mode::from_raw_mode(mode & 0o777)) {
            Ok(()) | Err(Errno::EXIST) => return self.find(path),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let mut above = path;
        let mut missing = vec![path];
        while let Some(parent) = above.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            if statat(&self.fd, parent, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                break;
            }
            missing.push(parent);
            above = parent;
        }
        for directory in missing.iter().rev() {
            mkdirat(&self.fd, *directory, Mode::from_raw_mode(mode & 0o777))?;
        }
        self.find(path)
    }

    /// An empty file at `path`, made with the directories above it where absent.
    pub(crate) fn file(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        self.new_file(path, OFlags::RDONLY)
    }

    /// Makes or opens a file of the skeleton.
    pub(crate) fn new_file(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = || openat(&self.fd, path, flags, Mode::from_raw_mode(0o444));
        match make() {
            Err(Errno::NOENT) => {
                self.directory(path.parent().unwrap_or(Path::new("")), 0o755)?;
                make()
            }
            other => other,
        }
    }
}

/// Writes all of `text`.
pub(crate) fn put(file: &OwnedFd, mut text: &[u8]) -> rustix::io::Result<()> {
    while !text.is_empty() {
        let written = rustix::io::write(file, text)?;
        text = &text[written..];
    }
    Ok(())
}
