//! Whether a name is protected. Sees real paths only, as the kernel tells them of a descriptor.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ringfence_plan::{AbsPath, Operation, PathPattern, Protect, RuleId, fold};
use rustix::io::Errno;

use super::Failure;
use crate::fence::{Confinement, Fence, Layer, Mount};

/// The names that are kept.
pub(super) struct Judge<'a> {
    protect: &'a [Protect],
    except: &'a [PathPattern],
    /// Where attributes may be changed, if nothing below says so: Landlock does not look at attributes, mounts do.
    writable: Option<Vec<AbsPath>>,
}

/// What is made, renamed or removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Link,
    Other,
}

impl<'a> Judge<'a> {
    pub(super) fn new(fence: &'a Fence) -> Judge<'a> {
        let granted = |layer: &Layer| (layer.mount == Mount::ReadWrite).then(|| layer.path.clone());
        let writable = match fence.confinement {
            Confinement::Namespaces(_) => None,
            Confinement::Process => Some(fence.layers.iter().filter_map(granted).collect()),
        };
        Judge { protect: &fence.protect, except: &fence.protect_except, writable }
    }

    /// Refuses attributes of what is protected, and of what is outside every writable tree.
    pub(super) fn may_set_attributes(&self, path: &[u8], kind: Kind) -> Result<(), Failure> {
        self.may_create(path, kind, Operation::Attributes)?;
        match (&self.writable, readable(path)?) {
            (Some(writable), Some(path)) if !writable.iter().any(|tree| path.is_within(tree)) => {
                Err(Errno::PERM.into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses any change of what is at `path` and below protected names.
    pub(super) fn may_change(&self, path: &[u8], operation: Operation) -> Result<(), Failure> {
        match self.protection(path)? {
            Some(rule) => Err(Failure::Protected { operation, path: path.to_vec(), rule }),
            None => Ok(()),
        }
    }

    /// Refuses a new object at `path` that is protected, or that is a `.git` which is no directory: such a file or link
    /// tells git to take its configuration from elsewhere.
    pub(super) fn may_create(&self, path: &[u8], kind: Kind, operation: Operation) -> Result<(), Failure> {
        self.may_change(path, operation)?;
        match self.git_pointer(path) {
            Some(rule) if kind != Kind::Directory => {
                Err(Failure::Protected { operation, path: path.to_vec(), rule })
            }
            _ => Ok(()),
        }
    }

    /// Refuses to rename, replace or plant as a whole what protected names are named through.
    pub(super) fn may_move(&self, path: &[u8], kind: Kind, operation: Operation) -> Result<(), Failure> {
        self.may_create(path, kind, operation)?;
        let Some(path_name) = readable(path)? else { return Ok(()) };
        // A plain file has nothing below it that a pattern could speak of.
        if kind == Kind::Other || self.is_excepted(&path_name) {
            return Ok(());
        }
        let anchor = self.protect.iter().find(|protect| protect.pattern.names_ancestor(&path_name));
        match anchor {
            Some(protect) => Err(Failure::Protected { operation, path: path.to_vec(), rule: protect.rule }),
            None => Ok(()),
        }
    }

    /// The rule that protects `path`.
    pub(super) fn protection(&self, path: &[u8]) -> Result<Option<RuleId>, Errno> {
        let Some(path) = readable(path)? else { return Ok(None) };
        if self.is_excepted(&path) {
            return Ok(None);
        }
        Ok(self.protect.iter().find(|protect| protect.pattern.covers(&path)).map(|protect| protect.rule))
    }

    /// The rule that stands for git's directory, if `path` has the name of a pointer to one.
    pub(super) fn git_pointer(&self, path: &[u8]) -> Option<RuleId> {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        if fold(&String::from_utf8_lossy(name)) != ".git" {
            return None;
        }
        let here = readable(path).ok()??;
        self.protect.iter().find(|protect| protect.pattern.names_ancestor(&here)).map(|protect| protect.rule)
    }

    fn is_excepted(&self, path: &AbsPath) -> bool {
        self.except.iter().any(|except| except.covers(path))
    }
}

/// The path as the patterns take it; `None` for what has no place in the tree (a pipe, a socket, a deleted file).
fn readable(path: &[u8]) -> Result<Option<AbsPath>, Errno> {
    if path.first() != Some(&b'/') {
        return Ok(None);
    }
    AbsPath::new(OsStr::from_bytes(path)).map(Some).map_err(|_| Errno::NAMETOOLONG)
}
