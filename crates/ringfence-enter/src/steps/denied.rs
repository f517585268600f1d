//! Looking for denied names in the granted trees, so that each match gets its mask.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use ringfence_plan::{AbsPath, DenyGlob, RuleId};
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::During;
use super::resolve::{Opened, below_root};
use crate::fence::{Mount, RootLayout, SetUpError, Step};

/// Adds a mask for everything below a granted tree that a deny pattern matches now. Only trees that a pattern can
/// speak of are walked; without patterns nothing is.
pub(crate) fn find_denied(
    host: &OwnedFd,
    layout: &RootLayout,
    opened: &mut Vec<Opened>,
) -> Result<(), SetUpError> {
    if layout.deny_globs.is_empty() {
        return Ok(());
    }
    let roots: Vec<AbsPath> =
        opened.iter().filter(|entry| entry.mount != Mount::Mask).map(|entry| entry.path.clone()).collect();
    let mut search = Search { globs: &layout.deny_globs, found: Vec::new() };
    for (index, root) in roots.iter().enumerate() {
        // A tree inside a tree is walked with the outer one.
        if roots[..index].iter().any(|outer| root.is_within(outer)) {
            continue;
        }
        let relative = below_root(root);
        let path = if relative.as_os_str().is_empty() { ".".into() } else { relative };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(host, path, flags, Mode::empty()).during_on(Step::OpenPath, root)?;
        search.visit(root, fd).during_on(Step::OpenPath, root)?;
    }
    opened.retain(|entry| !search.found.iter().any(|mask| entry.path.is_within(&mask.path)));
    opened.append(&mut search.found);
    opened.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

struct Search<'a> {
    globs: &'a [DenyGlob],
    found: Vec<Opened>,
}

impl Search<'_> {
    fn visit(&mut self, path: &AbsPath, fd: OwnedFd) -> rustix::io::Result<()> {
        if let Some(rule) = self.denied(path) {
            let stat = fstat(&fd)?;
            let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let id = (stat.st_dev as u64, stat.st_ino as u64);
            self.found.push(Opened {
                path: path.clone(),
                fd,
                directory,
                size: None,
                id,
                mount: Mount::Mask,
                rule,
            });
            return Ok(());
        }
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Directory
            || !self.globs.iter().any(|glob| glob.pattern.may_match_below(path))
        {
            return Ok(());
        }
        // What cannot be listed here cannot be listed inside either: same user, fewer rights.
        let list = match openat(&fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        {
            Ok(list) => list,
            Err(Errno::ACCESS | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in Dir::new(list)? {
            let entry = entry?;
            let file_name = entry.file_name();
            if matches!(file_name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(child) = path.join(OsStr::from_bytes(file_name.to_bytes())) else { continue };
            let worth_opening = entry.file_type() == FileType::Directory
                || entry.file_type() == FileType::Unknown
                || self.denied(&child).is_some();
            if !worth_opening {
                continue;
            }
            match openat(&fd, file_name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                // A symlink is a name, not an object: what it leads to is judged by its own name.
                Ok(fd) if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Symlink => {}
                Ok(fd) => self.visit(&child, fd)?,
                Err(Errno::NOENT | Errno::ACCESS) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn denied(&self, path: &AbsPath) -> Option<RuleId> {
        self.globs.iter().find(|glob| glob.pattern.matches(path)).map(|glob| glob.rule)
    }
}

/// Drops what a deny makes void: grants below a mask, and the masks themselves. For Landlock, which grants only.
pub(crate) fn drop_void(opened: &mut Vec<Opened>) {
    let masks: Vec<AbsPath> =
        opened.iter().filter(|entry| entry.mount == Mount::Mask).map(|entry| entry.path.clone()).collect();
    opened.retain(|entry| !masks.iter().any(|mask| entry.path.is_within(mask)));
}
