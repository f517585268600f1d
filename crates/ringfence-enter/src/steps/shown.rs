//! Files of the run's own at places that others name: roots of trust, and what stands for credentials. Nothing of them ever
//! lies in a directory of the host.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ringfence_plan::AbsPath;
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

use super::During;
use super::resolve::below_root;
use super::root::{Root, bind, put};
use crate::fence::{Command, Roots, SetUpError, StandIn, Step};
use crate::sys::mount;

const ATTRIBUTES: u64 = mount::RDONLY | mount::NOSUID | mount::NODEV | mount::NOEXEC;

/// Shows them all, and names the roots to the command.
pub(crate) fn show(root: &mut Root, command: &mut Command) -> Result<(), SetUpError> {
    if let Some(roots) = command.roots.take() {
        let path = show_roots(root, &roots)?;
        for name in &roots.variables {
            command.set_variable(format!("{name}=").as_bytes(), &path);
        }
    }
    for (number, StandIn { path, text, rule }) in command.stand_ins.iter().enumerate() {
        let own = format!("stand-in{number}");
        stand_in(root, &own, (&below_root(path), text))
            .during_on(Step::ShowFile, path)
            .map_err(|error| error.by(*rule))?;
    }
    Ok(())
}

fn show_roots(root: &mut Root, roots: &Roots) -> Result<PathBuf, SetUpError> {
    let place = root.own().join("roots.pem");
    let make = |root: &Root| {
        put(&root.new_file(&place, OFlags::EXCL | OFlags::WRONLY)?, &roots.text)?;
        root.find(&place)
    };
    let file = make(root).during_on(Step::ShowFile, format!("/{}", place.display()))?;
    for path in &roots.places {
        if let Some(target) = existing(root, path)? {
            cover(root, &file, &target).during_on(Step::ShowFile, path)?;
        }
    }
    remember(root, file);
    for (number, (path, text)) in roots.stores.iter().enumerate() {
        if let Some(target) = existing(root, path)? {
            let own = format!("store{number}");
            instead(root, &own, (&target, text)).during_on(Step::ShowFile, path)?;
        }
    }
    Ok(Path::new("/").join(place))
}

/// The file at `path`, where the sandbox has one that is not denied. What is a symlink leads to one of the other places, or
/// out of sight.
fn existing(root: &Root, path: &AbsPath) -> Result<Option<OwnedFd>, SetUpError> {
    match root.find(&below_root(path)) {
        Ok(target) => Ok(Some(target).filter(is_open_file)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error).during_on(Step::ShowFile, path),
    }
}

/// Shows `text` in place of `target`; `own` is the name of the file that holds it.
fn instead(root: &mut Root, own: &str, (target, text): (&OwnedFd, &[u8])) -> rustix::io::Result<()> {
    let place = root.own().join(own);
    put(&root.new_file(&place, OFlags::EXCL | OFlags::WRONLY)?, text)?;
    let file = root.find(&place)?;
    cover(root, &file, target)
}

fn stand_in(root: &mut Root, own: &str, (path, text): (&Path, &[u8])) -> rustix::io::Result<()> {
    match root.find(path) {
        Ok(target) => instead(root, own, (&target, text)),
        Err(Errno::NOENT) => {
            let above = nearest(root, path)?;
            // Whatever lies elsewhere than all that is private is the host's.
            let private = fstat(&root.find(root.own())?)?.st_dev;
            if fstat(&above)?.st_dev != private {
                return Err(Errno::XDEV);
            }
            put(&root.new_file(path, OFlags::EXCL | OFlags::WRONLY)?, text)?;
            let file = root.find(path)?;
            remember(root, file);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The nearest directory above `path` that is there. Below it nothing is, so that no symlink lies on the way.
fn nearest(root: &Root, path: &Path) -> rustix::io::Result<OwnedFd> {
    for above in path.ancestors().skip(1) {
        match root.find(above) {
            Err(Errno::NOENT) => {}
            found => return found,
        }
    }
    root.find(Path::new(""))
}

fn cover(root: &mut Root, file: &OwnedFd, target: &OwnedFd) -> rustix::io::Result<()> {
    let tree = bind(file.as_fd(), target.as_fd(), ATTRIBUTES)?;
    remember(root, tree);
    Ok(())
}

fn is_open_file(target: &OwnedFd) -> bool {
    // What covers a denied file has no right at all (`Root::cover`).
    let is_file = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile && mode & 0o777 != 0;
    fstat(target).is_ok_and(|stat| is_file(stat.st_mode))
}

/// For Landlock, where it says what may be read.
fn remember(root: &mut Root, file: OwnedFd) {
    if let Some(readable) = &mut root.readable {
        readable.push((file, false));
    }
}
