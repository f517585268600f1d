//! Opening the paths that a policy names: each once, with the symlinks on the way noted so that they can be made again
//! inside. The descriptor that comes out is used for the mount and for Landlock; the name is not looked up again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use ringfence_plan::{AbsPath, RuleId};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::ways::Way;
use crate::fence::{Layer, Mount, SetUpError, Step};

/// Most symlinks on one way, as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A policy's path, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where it really is.
    pub(crate) path: AbsPath,
    /// The object, O_PATH.
    pub(crate) fd: OwnedFd,
    pub(crate) directory: bool,
    /// Its size in bytes, if it is a regular file.
    pub(crate) size: Option<u64>,
    /// Device and inode: the object's own name.
    pub(crate) id: (u64, u64),
    pub(crate) mount: Mount,
    pub(crate) rule: RuleId,
}

/// Everything that was opened, and the symlinks that lead there: link path to target text.
#[derive(Debug, Default)]
pub(crate) struct Resolution {
    pub(crate) opened: Vec<Opened>,
    pub(crate) links: Vec<(AbsPath, OsString)>,
}

/// Opens every layer below `root`. A layer that is absent and not optional is an error that names its rule.
pub(crate) fn resolve(root: &OwnedFd, layers: &[Layer]) -> Result<Resolution, SetUpError> {
    let mut resolution = Resolution { opened: Vec::with_capacity(layers.len()), links: Vec::new() };
    let mut ways = Vec::with_capacity(layers.len());
    for layer in layers {
        let mut links = Vec::new();
        match open(root, layer.path.as_path(), &mut links) {
            Ok((path, fd)) => {
                let through = links.iter().map(|(link, _)| link.clone()).collect();
                ways.push(Way { layer, real: path.clone(), through });
                resolution.opened.push(examine(path, fd, layer)?);
            }
            // What is denied and absent is as denied as can be; the broker keeps it from appearing.
            Err(Errno::NOENT | Errno::NOTDIR) if layer.optional || layer.mount == Mount::Mask => {}
            Err(Errno::ACCESS) if layer.optional => {}
            Err(error) => return Err(failed(layer, error)),
        }
        links.into_iter().for_each(|(link, target)| note(&mut resolution.links, link, target));
    }
    super::ways::check(&ways)?;
    tighten(&mut resolution.opened);
    resolution.opened.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(resolution)
}

fn failed(layer: &Layer, error: Errno) -> SetUpError {
    SetUpError::new(Step::OpenPath, error.raw_os_error()).on(&layer.path).by(layer.rule)
}

fn examine(path: AbsPath, fd: OwnedFd, layer: &Layer) -> Result<Opened, SetUpError> {
    let stat = fstat(&fd).map_err(|error| failed(layer, error))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    Ok(Opened {
        path,
        fd,
        directory: kind == FileType::Directory,
        size: (kind == FileType::RegularFile).then_some(stat.st_size as u64),
        id: (stat.st_dev as u64, stat.st_ino as u64),
        mount: layer.mount,
        rule: layer.rule,
    })
}

/// The same object under two names gets the stricter answer, whether the second name is a symlink, a hard link or a
/// bind mount of the host; two answers for one name likewise.
fn tighten(opened: &mut Vec<Opened>) {
    let mut strictest: HashMap<(u64, u64), (Mount, RuleId)> = HashMap::with_capacity(opened.len());
    for entry in &*opened {
        let known = strictest.entry(entry.id).or_insert((entry.mount, entry.rule));
        if entry.mount < known.0 {
            *known = (entry.mount, entry.rule);
        }
    }
    if strictest.len() == opened.len() {
        return;
    }
    for entry in &mut *opened {
        (entry.mount, entry.rule) = strictest[&entry.id];
    }
    opened.sort_by(|a, b| a.path.cmp(&b.path));
    opened.dedup_by(|a, b| a.path == b.path);
}

/// Opens `path` below `root` (whose own path is `/`), following symlinks as the host would.
pub(crate) fn open(
    root: &OwnedFd,
    path: &Path,
    links: &mut Vec<(AbsPath, OsString)>,
) -> rustix::io::Result<(AbsPath, OwnedFd)> {
    let mut path = AbsPath::new(path).map_err(|_| Errno::INVAL)?;
    for _ in 0..MAX_LINKS {
        let relative = below_root(&path);
        if relative.as_os_str().is_empty() {
            return Ok((path, clone(root)?));
        }
        let plain = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat2(root, &relative, flags, Mode::empty(), plain) {
            // A sandbox around this one does not let openat2(2) through, whose arguments its filter cannot see.
            Err(Errno::LOOP | Errno::NOSYS) => return walk(root, &relative, links),
            other => other?,
        };
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Symlink {
            return Ok((path, fd));
        }
        // The usual link: at the end of the path, and its text says by itself where it leads.
        let target = OsString::from_vec(readlinkat(&fd, "", Vec::new())?.into_bytes());
        let Some(next) = path.parent().and_then(|parent| parent.join(&target).ok()) else {
            return walk(root, &relative, links);
        };
        note(links, std::mem::replace(&mut path, next), target);
    }
    Err(Errno::LOOP)
}

fn note(links: &mut Vec<(AbsPath, OsString)>, path: AbsPath, target: OsString) {
    if !links.iter().any(|(known, _)| *known == path) {
        links.push((path, target));
    }
}

/// The slow way, name by name, for a path with symlinks in it.
fn walk(
    root: &OwnedFd,
    relative: &Path,
    links: &mut Vec<(AbsPath, OsString)>,
) -> rustix::io::Result<(AbsPath, OwnedFd)> {
    let mut trail: Vec<(AbsPath, OwnedFd)> = vec![(AbsPath::root(), clone(root)?)];
    let mut left: Vec<OsString> = names(relative);
    let mut followed = 0;
    while let Some(name) = left.pop() {
        if name == ".." {
            if trail.len() > 1 {
                trail.pop();
            }
            continue;
        }
        let (here, directory) = trail.last().ok_or(Errno::INVAL)?;
        let path = here.join(&name).map_err(|_| Errno::INVAL)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(directory, &name, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Symlink {
            trail.push((path, fd));
            continue;
        }
        followed += 1;
        if followed > MAX_LINKS || path.as_path().starts_with("/proc") {
            // A link of /proc leads where no name does.
            return Err(Errno::LOOP);
        }
        let target = OsString::from_vec(readlinkat(&fd, "", Vec::new())?.into_bytes());
        if target.as_bytes().first() == Some(&b'/') {
            trail.truncate(1);
        }
        left.extend(names(Path::new(&target)));
        note(links, path, target);
    }
    trail.pop().ok_or(Errno::INVAL)
}

/// The names of a path in reverse, so that the next one is popped from the end.
fn names(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn clone(fd: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    fd.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))
}

/// The root directory of the host as this process sees it.
pub(crate) fn host_root() -> Result<OwnedFd, SetUpError> {
    let open = || -> io::Result<OwnedFd> {
        Ok(rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    };
    super::During::during_on(open(), Step::OpenPath, "/")
}

/// `path` without its leading slash, for calls relative to a root's descriptor.
pub(crate) fn below_root(path: &AbsPath) -> PathBuf {
    path.as_path().strip_prefix("/").unwrap_or(path.as_path()).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(path: &Path, mount: Mount) -> Layer {
        Layer { path: AbsPath::new(path).unwrap(), mount, optional: false, rule: RuleId(0) }
    }

    #[test]
    fn two_spellings_of_one_object_get_the_stricter_answer() {
        let scratch = tempfile::tempdir().unwrap();
        let base = scratch.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("alias")).unwrap();
        std::fs::write(base.join("one"), "").unwrap();
        std::fs::hard_link(base.join("one"), base.join("two")).unwrap();
        let layers = [
            layer(&base.join("alias"), Mount::ReadWrite),
            layer(&base.join("real"), Mount::ReadOnly),
            layer(&base.join("one"), Mount::Mask),
            layer(&base.join("two"), Mount::ReadWrite),
        ];
        let resolution = resolve(&host_root().unwrap(), &layers).unwrap();
        let mounts: Vec<_> =
            resolution.opened.iter().map(|o| (o.path.as_path().to_owned(), o.mount)).collect();
        assert_eq!(
            mounts,
            [
                (base.join("one"), Mount::Mask),
                (base.join("real"), Mount::ReadOnly),
                (base.join("two"), Mount::Mask)
            ]
        );
        assert_eq!(resolution.links[0].0.as_path(), base.join("alias"));
    }

    #[test]
    fn an_absent_path_names_its_rule() {
        let missing = layer(Path::new("/nonexistent/ringfence"), Mount::ReadOnly);
        let error = resolve(&host_root().unwrap(), &[missing]).unwrap_err();
        assert_eq!((error.step, error.errno, error.rule), (Step::OpenPath, libc::ENOENT, Some(RuleId(0))));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let scratch = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", scratch.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", scratch.path().join("b")).unwrap();
        let loops = layer(&scratch.path().canonicalize().unwrap().join("a"), Mount::ReadOnly);
        assert_eq!(resolve(&host_root().unwrap(), &[loops]).unwrap_err().errno, libc::ELOOP);
    }
}
