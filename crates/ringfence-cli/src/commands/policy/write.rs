//! Files that these verbs write: never half, never through somebody's symlink, never over what was not meant.
//! Not those of a run.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whom the umask lets.
    All,
    /// Its owner.
    Owner,
}

/// Writes a file that is not there yet.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    // O_EXCL: a name that somebody put there in the meantime, a link included, is refused.
    let written = options(readers).create_new(true).open(path).and_then(|file| fill(file, text));
    written.map_err(|source| failed(path, source))
}

/// Writes a file in the place of one that is there, which keeps its permissions. A symlink is replaced and not followed:
/// in a checkout it may lead to any file of the user's.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let about = path.symlink_metadata().ok().filter(|about| about.is_file());
    let kept = about.map(|about| about.permissions());
    over(path, text, kept).map_err(|source| failed(path, source))
}

fn over(target: &Path, text: &str, kept: Option<Permissions>) -> io::Result<()> {
    let beside = beside(target);
    let file = options(Readers::All).create_new(true).open(&beside)?;
    let done = kept.map_or(Ok(()), |kept| file.set_permissions(kept)).and_then(|()| fill(file, text));
    let done = done.and_then(|()| std::fs::rename(&beside, target));
    if done.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    done
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name in the same directory, so that the rename is one step.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    target.with_file_name(name)
}

#[cfg(unix)]
fn options(readers: Readers) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).mode(if readers == Readers::Owner { 0o600 } else { 0o666 });
    options
}

#[cfg(not(unix))]
fn options(_: Readers) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Io { what: format!("write {}", path.display()), source, hint: None }
}
