//! A directory for temporary files where there is no mount namespace to give a private /tmp. Removed when dropped.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ringfence_plan::AbsPath;

/// The directory, which only its owner may enter.
#[derive(Debug)]
pub struct Scratch {
    path: AbsPath,
}

impl Scratch {
    /// Makes one under /tmp. The name is not guessed at: a name that exists, as whatever, is passed over.
    pub(crate) fn new() -> io::Result<Scratch> {
        for _ in 0..64 {
            let mut random = [0; 8];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            let name = format!("/tmp/ringfence-{:016x}", u64::from_ne_bytes(random));
            match DirBuilder::new().mode(0o700).create(&name) {
                Ok(()) => {
                    // /tmp may be a symlink; Landlock and the broker go by where things really are.
                    let path = AbsPath::new(fs::canonicalize(&name)?).map_err(io::Error::other)?;
                    return Ok(Scratch { path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &AbsPath {
        &self.path
    }

    /// What it takes up on its filesystem, bytes; links counted once for each name. What vanishes meanwhile counts not.
    pub fn size(&self) -> u64 {
        size_below(self.path.as_path())
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
        // Descends by descriptors and follows no symlink, whatever the workload left here.
        if fs::remove_dir_all(self.path.as_path()).is_err() {
            // A directory without write permission for its owner.
            restore_permissions(self.path.as_path());
            let _ = fs::remove_dir_all(self.path.as_path());
        }
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
        let outside = Scratch::new().unwrap();
        fs::write(outside.path().as_path().join("kept"), "").unwrap();
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().as_path().to_owned();
        std::os::unix::fs::symlink(outside.path().as_path(), path.join("link")).unwrap();
        fs::create_dir(path.join("locked")).unwrap();
        fs::write(path.join("locked/file"), "").unwrap();
        fs::set_permissions(path.join("locked"), std::os::unix::fs::PermissionsExt::from_mode(0o500))
            .unwrap();
        drop(scratch);
        assert!(!path.exists() && outside.path().as_path().join("kept").exists());
    }
}
