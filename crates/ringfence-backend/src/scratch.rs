//! A directory for temporary files where there is no mount namespace to give a private /tmp, and for the plan, where there
//! is no root of its own to put it in. Removed when dropped; what a killed supervisor left is removed by the next run of
//! its user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ringfence_plan::AbsPath;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat};

/// The directory, which only its owner may enter.
#[derive(Debug)]
pub struct Scratch {
    path: AbsPath,
    /// The part of it that the workload may write.
    temporary: AbsPath,
    plan: AbsPath,
    /// Locked (flock(2)) for as long as supervisor or init lives, which tells a live directory from a left one.
    _lock: File,
}

const PREFIX: &str = "ringfence-";

impl Scratch {
    /// Makes one under /tmp, or in `other` where /tmp is closed, with `plan` in it.
    pub(crate) fn new(plan: &[u8], other: Option<&Path>) -> io::Result<Scratch> {
        use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
        match (Scratch::below(Path::new("/tmp"), plan), other) {
            (Err(error), Some(other))
                if matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem) =>
            {
                Scratch::below(other, plan)
            }
            (result, _) => result,
        }
    }

    /// The name is not guessed at: a name that exists, as whatever, is passed over.
    fn below(directory: &Path, plan: &[u8]) -> io::Result<Scratch> {
        sweep(directory);
        for _ in 0..64 {
            let mut random = [0; 8];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            let name = directory.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(random)));
            match DirBuilder::new().mode(0o700).create(&name) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            // A sweep may have come between: then it is gone, and another name is tried.
            let Ok(lock) = lock(&name) else { continue };
            // The directory may be named through a symlink; Landlock and the broker go by where things really are.
            let Ok(path) = fs::canonicalize(&name) else { continue };
            return Scratch::fill(AbsPath::new(path).map_err(io::Error::other)?, lock, plan);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn fill(path: AbsPath, lock: File, plan: &[u8]) -> io::Result<Scratch> {
        let below = |name| path.join(name).map_err(io::Error::other);
        let scratch = Scratch { temporary: below("tmp")?, plan: below("plan.json")?, path, _lock: lock };
        DirBuilder::new().mode(0o700).create(&scratch.temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&scratch.plan)?;
        file.write_all(plan)?;
        Ok(scratch)
    }

    /// The directory for temporary files.
    pub(crate) fn temporary(&self) -> &AbsPath {
        &self.temporary
    }

    /// The file with the plan.
    pub(crate) fn plan(&self) -> &AbsPath {
        &self.plan
    }

    /// What the temporary files take up on their filesystem, bytes; links counted once for each name. What vanishes meanwhile counts not.
    pub fn size(&self) -> u64 {
        size_below(self.temporary.as_path())
    }
}

/// Opens a directory of this user's, no symlink, and locks it; fails if somebody holds it.
fn lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    if fstat(&directory)?.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory.into())
}

/// Removes what runs of this user left in `directory` that nobody holds any more.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(PREFIX)
                .is_some_and(|id| id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit()))
        });
        if ours && let Ok(_held) = lock(&entry.path()) {
            remove(&entry.path());
        }
    }
}

fn size_below(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0_u64;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Of the entry itself, symlinks not followed.
        let Ok(metadata) = entry.metadata() else { continue };
        total = total.saturating_add(metadata.blocks() * 512);
        if metadata.is_dir() {
            total = total.saturating_add(size_below(&entry.path()));
        }
    }
    total
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(self.path.as_path());
    }
}

/// Descends by descriptors and follows no symlink, whatever the workload left there.
fn remove(directory: &Path) {
    if fs::remove_dir_all(directory).is_err() {
        // A directory without write permission for its owner.
        restore_permissions(directory);
        let _ = fs::remove_dir_all(directory);
    }
}

fn restore_permissions(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Of the entry itself: a symlink is no directory here.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            restore_permissions(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_left_is_removed_and_nothing_else() {
        let outside = Scratch::new(b"{}", None).unwrap();
        fs::write(outside.path.as_path().join("kept"), "").unwrap();
        let scratch = Scratch::new(b"{}", None).unwrap();
        let path = scratch.path.as_path().to_owned();
        std::os::unix::fs::symlink(outside.path.as_path(), path.join("link")).unwrap();
        fs::create_dir(path.join("locked")).unwrap();
        fs::write(path.join("locked/file"), "").unwrap();
        fs::set_permissions(path.join("locked"), std::os::unix::fs::PermissionsExt::from_mode(0o500))
            .unwrap();
        drop(scratch);
        assert!(!path.exists() && outside.path.as_path().join("kept").exists());
    }
    #[test]
    fn what_nobody_holds_is_swept_and_what_somebody_holds_stays() {
        let live = Scratch::new(b"{}", None).unwrap();
        let left = Path::new("/tmp/ringfence-00000000deadbeef");
        fs::create_dir_all(left.join("deep")).unwrap();
        let other = Scratch::new(b"{}", None).unwrap();
        assert!(!left.exists() && live.path.as_path().exists() && other.path.as_path().exists());
    }
}
