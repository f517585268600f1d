//! An absolute path that is already in its normal form. Not a promise that anything exists there.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// An absolute path without `.`, `..`, repeated or trailing slashes, and without NUL: two equal spellings compare
/// equal, and `starts_with` on components is containment *by name* (symlinks are the business of whoever opens it).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct AbsPath(PathBuf);

/// Why a path cannot be an [`AbsPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It does not start with `/`.
    Relative,
    /// A component is `..`: its meaning depends on symlinks, so it cannot be decided by name.
    ParentDir,
    /// It contains a NUL byte, which no system call can express.
    Nul,
    /// It is longer than the kernel takes (PATH_MAX, 4096 bytes with the terminator; path_resolution(7)).
    TooLong,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::Relative => "is not absolute",
            BadPath::ParentDir => "contains `..`",
            BadPath::Nul => "contains a NUL byte",
            BadPath::TooLong => "is longer than 4095 bytes",
        })
    }
}

impl std::error::Error for BadPath {}

impl AbsPath {
    /// The root directory.
    pub fn root() -> AbsPath {
        AbsPath(PathBuf::from("/"))
    }

    /// `path` in normal form; `..` is refused rather than resolved by name.
    pub fn new(path: impl AsRef<Path>) -> Result<AbsPath, BadPath> {
        let path = path.as_ref();
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.contains(&0) {
            return Err(BadPath::Nul);
        }
        if bytes.len() > 4095 {
            return Err(BadPath::TooLong);
        }
        if bytes.first() != Some(&b'/') {
            return Err(BadPath::Relative);
        }
        // Nearly every path is in normal form already; then one look and one copy is all it costs.
        let special =
            |name: &[u8]| matches!(name, b"" | b"." | b"..") || (cfg!(windows) && name.contains(&b'\\'));
        if !bytes[1..].split(|byte| *byte == b'/').any(special) {
            return Ok(AbsPath(path.to_path_buf()));
        }
        let mut normal = PathBuf::from("/");
        for component in path.components() {
            match component {
                Component::Normal(name) => normal.push(name),
                Component::ParentDir => return Err(BadPath::ParentDir),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(AbsPath(normal))
    }

    /// `relative` below this path; an absolute `relative` stands for itself.
    pub fn join(&self, relative: impl AsRef<Path>) -> Result<AbsPath, BadPath> {
        AbsPath::new(self.0.join(relative))
    }

    /// The same as a standard path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The names from the root down; empty for `/`.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.iter().skip(1)
    }

    /// How many names stand below the root.
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// Whether this path is `base` or lies below it, by name.
    pub fn is_within(&self, base: &AbsPath) -> bool {
        // On bytes: both are in normal form, and taking them apart again costs ten times as much.
        let (path, base) = (self.0.as_os_str().as_encoded_bytes(), base.0.as_os_str().as_encoded_bytes());
        path.strip_prefix(base).is_some_and(|below| {
            below.is_empty() || base.len() == 1 || below[0] == std::path::MAIN_SEPARATOR as u8
        })
    }

    /// The order of paths name by name, which puts a directory before what lies in it and that before its neighbours.
    /// The same as `cmp`, but on bytes: for ten thousand paths it takes a tenth of the time.
    pub fn compare(&self, other: &AbsPath) -> Ordering {
        let (left, right) = (self.0.as_os_str().as_encoded_bytes(), other.0.as_os_str().as_encoded_bytes());
        let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        // A slash ends a name, so it comes before every byte that a name can have.
        let slash = std::path::MAIN_SEPARATOR as u8;
        let rank = |path: &[u8]| path.get(same).map(|byte| if *byte == slash { 0 } else { *byte });
        rank(left).cmp(&rank(right))
    }

    /// The directory above, or `None` for `/`.
    pub fn parent(&self) -> Option<AbsPath> {
        self.0.parent().map(|parent| AbsPath(parent.to_path_buf()))
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Debug for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsRef<Path> for AbsPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<PathBuf> for AbsPath {
    type Error = BadPath;
    fn try_from(path: PathBuf) -> Result<AbsPath, BadPath> {
        AbsPath::new(path)
    }
}

impl From<AbsPath> for PathBuf {
    fn from(path: AbsPath) -> PathBuf {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_equal() {
        let plain = AbsPath::new("/a/b").unwrap();
        for spelling in ["/a/b/", "//a//b", "/./a/./b/."] {
            assert_eq!(AbsPath::new(spelling).unwrap(), plain);
        }
    }

    #[test]
    fn what_cannot_be_decided_by_name_is_refused() {
        assert_eq!(AbsPath::new("a/b"), Err(BadPath::Relative));
        assert_eq!(AbsPath::new("/a/../b"), Err(BadPath::ParentDir));
        assert_eq!(AbsPath::new("/a\0b"), Err(BadPath::Nul));
        assert_eq!(AbsPath::new(format!("/{}", "x".repeat(5000))), Err(BadPath::TooLong));
    }

    #[test]
    fn containment_goes_by_whole_names() {
        let base = AbsPath::new("/home/u").unwrap();
        assert!(AbsPath::new("/home/u/x").unwrap().is_within(&base));
        assert!(
            base.is_within(&base)
                && base.is_within(&AbsPath::root())
                && AbsPath::root().is_within(&AbsPath::root())
        );
        assert!(!AbsPath::new("/home/user").unwrap().is_within(&base));
        assert!(!AbsPath::root().is_within(&base));
    }
}
