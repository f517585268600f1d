//! Whether a name is protected. Sees real paths only, as the kernel tells them of a descriptor.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use ringfence_plan::{AbsPath, Operation, PathPattern, Protect, RuleId, fold};
use rustix::io::Errno;

use super::Failure;
use super::names::Names;
use crate::fence::{Confinement, Fence, Layer, Mount};
use crate::nest::Bounds;

/// The names that are kept.
pub(super) struct Judge {
    protect: Names,
    except: Names,
    /// Where attributes may be changed, if nothing below says so: Landlock does not look at attributes, mounts do.
    writable: Option<Vec<AbsPath>>,
    /// Whether nothing may be changed elsewhere: of an inner sandbox, whose mounts and Landlock rules are not around the
    /// broker that makes the call.
    bounded: bool,
    /// The judges of the sandboxes that are around the present caller inside this one. What one of them refuses is
    /// refused, and is no event here: its rules are not of this plan.
    inner: RefCell<Vec<Rc<Judge>>>,
}

/// What is made, renamed or removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Link,
    Other,
}

impl Judge {
    /// `linked` are the names that protected symlinks lead to.
    pub(super) fn new(fence: &Fence, linked: &[Protect]) -> Judge {
        let granted = |layer: &Layer| (layer.mount == Mount::ReadWrite).then(|| layer.path.clone());
        let writable = match fence.confinement {
            Confinement::Namespaces(_) => None,
            Confinement::Process => Some(fence.layers.iter().filter_map(granted).collect()),
        };
        let protect = fence.protect.iter().chain(linked).map(|protect| (&protect.pattern, protect.rule));
        let except = fence.protect_except.iter().map(|pattern| (pattern, RuleId(0)));
        let (protect, except) = (Names::new(protect), Names::new(except));
        Judge { protect, except, writable, bounded: false, inner: RefCell::default() }
    }

    /// The judge of a sandbox inside this one.
    pub(super) fn of_inner(bounds: &Bounds) -> Judge {
        let names =
            |patterns: &[PathPattern]| Names::new(patterns.iter().map(|pattern| (pattern, RuleId(0))));
        Judge {
            protect: names(&bounds.protect),
            except: names(&bounds.except),
            writable: Some(bounds.writable.clone()),
            bounded: true,
            inner: RefCell::default(),
        }
    }

    /// Judges from now on for a caller that is inside these, too.
    pub(super) fn hear(&self, inner: Vec<Rc<Judge>>) {
        self.inner.replace(inner);
    }

    /// Whether the present caller is inside another sandbox.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.inner.borrow().is_empty()
    }

    /// Asks the inner ones.
    fn consult(&self, ask: impl Fn(&Judge) -> Result<(), Failure>) -> Result<(), Failure> {
        for judge in self.inner.borrow().iter() {
            ask(judge).map_err(|_| Errno::ACCESS)?;
        }
        Ok(())
    }

    /// Refuses to open for a caller, by way of this process, what he could not open himself.
    pub(super) fn may_reach(&self, path: &[u8]) -> Result<(), Failure> {
        self.consult(|judge| judge.may_reach(path))?;
        match readable(path)? {
            Some(path) if self.bounded && !self.is_writable(&path) => Err(Errno::ACCESS.into()),
            _ => Ok(()),
        }
    }

    fn is_writable(&self, path: &AbsPath) -> bool {
        self.writable.as_ref().is_none_or(|trees| trees.iter().any(|tree| path.is_within(tree)))
    }

    /// Refuses attributes of what is protected, and of what is outside every writable tree.
    pub(super) fn may_set_attributes(&self, path: &[u8], kind: Kind) -> Result<(), Failure> {
        self.may_create(path, kind, Operation::Attributes)?;
        match readable(path)? {
            Some(path) if !self.is_writable(&path) => Err(Errno::PERM.into()),
            _ => Ok(()),
        }
    }

    /// Refuses any change of what is at `path` and below protected names.
    pub(super) fn may_change(&self, path: &[u8], operation: Operation) -> Result<(), Failure> {
        self.may_reach(path)?;
        self.consult(|judge| judge.refuse_protected(path, operation))?;
        self.refuse_protected(path, operation)
    }

    fn refuse_protected(&self, path: &[u8], operation: Operation) -> Result<(), Failure> {
        match self.protection(path)? {
            Some(rule) => Err(Failure::Protected { operation, path: path.to_vec(), rule }),
            None => Ok(()),
        }
    }

    /// Refuses to change anything by way of a protected symlink.
    pub(super) fn may_follow(&self, link: &[u8]) -> Result<(), Failure> {
        self.consult(|judge| judge.refuse_protected(link, Operation::Write))?;
        self.refuse_protected(link, Operation::Write)
    }

    /// Refuses a new object at `path` that is protected, or that is a `.git` which is no directory: such a file or link
    /// tells git to take its configuration from elsewhere.
    pub(super) fn may_create(&self, path: &[u8], kind: Kind, operation: Operation) -> Result<(), Failure> {
        self.may_change(path, operation)?;
        self.consult(|judge| judge.may_create(path, kind, operation))?;
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
        self.consult(|judge| judge.may_move(path, kind, operation))?;
        let Some(path_name) = readable(path)? else { return Ok(()) };
        // A plain file has nothing below it that a pattern could speak of.
        if kind == Kind::Other || self.except.covering(&path_name).is_some() {
            return Ok(());
        }
        match self.protect.named_through(&path_name) {
            Some(rule) => Err(Failure::Protected { operation, path: path.to_vec(), rule }),
            None => Ok(()),
        }
    }

    /// Refuses to carry a directory as a whole to where other names are kept than where it was filled: EXDEV, so that the
    /// caller copies it name by name, each of which is judged.
    pub(super) fn may_carry(&self, from: &[u8], to: &[u8], kind: Kind) -> Result<(), Errno> {
        for judge in self.inner.borrow().iter() {
            judge.may_carry(from, to, kind)?;
        }
        let (Some(from), Some(to)) = (readable(from)?, readable(to)?) else { return Ok(()) };
        let freed = |path: &AbsPath| {
            self.except.covering(path).is_some() || self.except.named_through(path).is_some()
        };
        let differ = self.protect.differ_between(&from, &to) || (freed(&from) && !freed(&to));
        if kind == Kind::Directory && differ { Err(Errno::XDEV) } else { Ok(()) }
    }

    /// Whether the name itself is protected.
    pub(super) fn keeps(&self, path: &[u8]) -> Result<bool, Errno> {
        Ok(self.protection(path)?.is_some())
    }

    /// The rule that protects `path`.
    fn protection(&self, path: &[u8]) -> Result<Option<RuleId>, Errno> {
        let Some(path) = readable(path)? else { return Ok(None) };
        // Looked for first, since there are few: most names are in no rule at all.
        Ok(self.protect.covering(&path).filter(|_| self.except.covering(&path).is_none()))
    }

    /// The rule that would protect a `.git` beside `path`, if the tree it lies in is protected.
    pub(super) fn git_rule(&self, path: &[u8]) -> Option<RuleId> {
        let beside = readable(path).ok()??.parent()?.join(".git").ok()?;
        self.protect.named_through(&beside)
    }

    /// The rule that stands for git's directory, if `path` has the name of a pointer to one.
    fn git_pointer(&self, path: &[u8]) -> Option<RuleId> {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        if fold(&String::from_utf8_lossy(name)) != ".git" {
            return None;
        }
        self.protect.named_through(&readable(path).ok()??)
    }
}

/// The path as the patterns take it; `None` for what has no place in the tree (a pipe, a socket, a deleted file).
fn readable(path: &[u8]) -> Result<Option<AbsPath>, Errno> {
    if path.first() != Some(&b'/') {
        return Ok(None);
    }
    AbsPath::new(OsStr::from_bytes(path)).map(Some).map_err(|_| Errno::NAMETOOLONG)
}
