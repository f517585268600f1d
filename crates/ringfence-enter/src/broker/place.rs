//! From a path of the caller's to descriptors: the object, if there is one, or the directory in which it would be.
//! The judge looks at where these really are; here he is asked about the symlinks on the way alone, since what lies
//! behind a protected symlink is protected under that name too.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::Failure;
use super::caller::Caller;
use super::judge::Judge;

type Result<T> = std::result::Result<T, Errno>;

/// Most symlinks followed by one name, as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// PROC_SUPER_MAGIC, linux/magic.h.
const PROC: i64 = 0x9fa0;

/// Whether a symlink at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Follow,
    Keep,
}

/// Where a path leads.
pub(super) struct Place {
    /// The directory that holds the last name.
    pub(super) parent: OwnedFd,
    /// The last name: no slash, not empty, may be `.` or `..`.
    pub(super) name: CString,
    /// What is there now, O_PATH; a symlink only if [`Last::Keep`] was asked for.
    pub(super) object: Option<OwnedFd>,
    /// Whether the path ended in a slash: only a directory will do.
    pub(super) slash: bool,
}

impl Place {
    /// The real path of the name, whether something is there or not.
    pub(super) fn would_be(&self) -> Result<Vec<u8>> {
        let mut path = path_of(&self.parent)?;
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(self.name.to_bytes());
        Ok(path)
    }
}

/// Walks `path`, which starts at `start` (a descriptor number of the caller's, or AT_FDCWD) unless it is absolute.
pub(super) fn find(
    judge: &Judge,
    caller: &Caller<'_>,
    (start, path): (i32, &[u8]),
    last: Last,
) -> std::result::Result<Place, Failure> {
    let mut path = path.to_vec();
    let mut base: Option<OwnedFd> = None;
    let mut slash = false;
    for _ in 0..=MAX_LINKS {
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        let trimmed = trim_slashes(&path);
        slash |= trimmed.len() < path.len();
        let (directory, name) = split(trimmed);
        let parent = open_directory(judge, caller, start, &mut base, directory)?;
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let object =
            match openat(&parent, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                Ok(object) => object,
                Err(Errno::NOENT) => return Ok(Place { parent, name, object: None, slash }),
                Err(errno) => return Err(errno.into()),
            };
        if kind(&object)? != FileType::Symlink || (last == Last::Keep && !slash) {
            return Ok(Place { parent, name, object: Some(object), slash });
        }
        if is_in_proc(&object)? {
            return Ok(follow_magic(caller, parent, name, slash)?);
        }
        // A plain symlink: its text is the new path, relative to where the link is.
        judge.may_follow(&path_of(&object)?)?;
        path = readlinkat(&object, "", Vec::new())?.into_bytes();
        base = Some(parent);
    }
    Err(Errno::LOOP.into())
}

fn kind(object: &OwnedFd) -> Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(object)?.st_mode))
}

/// A link of /proc leads to an object and not to a name: it is opened through, as the kernel would for the caller, if
/// the link is the caller's own.
fn follow_magic(caller: &Caller<'_>, parent: OwnedFd, name: CString, slash: bool) -> Result<Place> {
    let holder = path_of(&parent)?;
    let own = format!("/proc/{}/", caller.process()?);
    if !holder.starts_with(own.as_bytes()) {
        return Err(Errno::ACCESS);
    }
    let object = openat(&parent, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    // It may be an O_PATH descriptor of somebody else's part of /proc.
    let object = in_own_mounts(outside_others_proc(caller, object)?)?;
    Ok(Place { parent, name, object: Some(object), slash })
}

/// Opens the directory part of a path.
fn open_directory(
    judge: &Judge,
    caller: &Caller<'_>,
    start: i32,
    base: &mut Option<OwnedFd>,
    directory: &[u8],
) -> std::result::Result<OwnedFd, Failure> {
    // `/proc/self` in this process would be this process; in the caller's mouth it is the caller.
    let own = [&b"/proc/self"[..], b"/proc/thread-self", b"/dev/fd"].into_iter().find(|prefix| {
        directory.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    });
    if let Some(prefix) = own {
        let opened = open_in_own_proc(caller, prefix == b"/dev/fd", &directory[prefix.len()..])?;
        return Ok(outside_others_proc(caller, opened)?);
    }
    let base = if directory.first() == Some(&b'/') {
        openat(CWD, "/", DIRECTORY, Mode::empty())?
    } else {
        match base.take() {
            Some(base) => base,
            None => caller.directory(start)?,
        }
    };
    let directory = &directory[directory.iter().position(|byte| *byte != b'/').unwrap_or(directory.len())..];
    if directory.is_empty() {
        return Ok(outside_others_proc(caller, base)?);
    }
    let plain = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = match openat2(&base, directory, DIRECTORY, Mode::empty(), plain) {
        Err(Errno::LOOP) => walk(judge, base, directory)?,
        other => other?,
    };
    Ok(outside_others_proc(caller, opened)?)
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The slow way, name by name, for a directory with symlinks on its way: each of them is judged.
fn walk(judge: &Judge, base: OwnedFd, directory: &[u8]) -> std::result::Result<OwnedFd, Failure> {
    let mut here = base;
    let mut left: Vec<Vec<u8>> = names(directory);
    let mut followed = 0;
    while let Some(name) = left.pop() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&here, name.as_slice(), flags, Mode::empty())?;
        if kind(&next)? != FileType::Symlink {
            here = next;
            continue;
        }
        followed += 1;
        // A link of /proc leads where no name does; the ones that programs walk through were seen to before.
        if followed > MAX_LINKS || is_in_proc(&next)? {
            return Err(Errno::LOOP.into());
        }
        judge.may_follow(&path_of(&next)?)?;
        let target = readlinkat(&next, "", Vec::new())?.into_bytes();
        if target.first() == Some(&b'/') {
            here = openat(CWD, "/", DIRECTORY, Mode::empty())?;
        }
        left.extend(names(&target));
    }
    if kind(&here)? == FileType::Directory { Ok(here) } else { Err(Errno::NOTDIR.into()) }
}

/// The names of a path in reverse, so that the next one is popped from the end. `..` stays: the kernel knows what is
/// above a descriptor, and that nothing is above the root.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names.filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).collect()
}

/// `/proc/self/…` and `/dev/fd/…`, where `rest` starts with a slash or is empty.
fn open_in_own_proc(caller: &Caller<'_>, is_fd: bool, rest: &[u8]) -> Result<OwnedFd> {
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let rest = if is_fd { [b"fd/", rest].concat() } else { rest.to_vec() };
    let mut parts = rest.splitn(3, |byte| *byte == b'/');
    let (first, second, third) = (parts.next().unwrap_or(b""), parts.next(), parts.next());
    // The two links that programs walk through, opened by way of the caller.
    let (through, below) = match (first, second) {
        (b"cwd", _) => {
            let below = rest.strip_prefix(b"cwd/").unwrap_or(b"");
            (Some(caller.directory(libc::AT_FDCWD)?), below)
        }
        (b"fd", Some(number)) if !number.is_empty() => {
            let number =
                std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).ok_or(Errno::NOENT)?;
            (Some(caller.directory(number)?), third.unwrap_or(b""))
        }
        _ => (None, &rest[..]),
    };
    match through {
        Some(base) if below.is_empty() => Ok(base),
        Some(base) => openat2(&base, below, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS),
        None => {
            let path = [format!("/proc/{}/", caller.process()?).as_bytes(), below].concat();
            openat2(CWD, path, DIRECTORY, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
        }
    }
}

/// Refuses what lies in /proc but not in the caller's own part: a symlink of the workload's to `/proc/self` resolves to
/// this process here, and this process may look into others (CAP_SYS_PTRACE) while the caller may not.
fn outside_others_proc(caller: &Caller<'_>, opened: OwnedFd) -> Result<OwnedFd> {
    if !is_in_proc(&opened)? {
        return Ok(opened);
    }
    let path = path_of(&opened)?;
    let own = format!("/proc/{}", caller.process()?);
    let rest = path.strip_prefix(own.as_bytes());
    let mine = path == b"/proc" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    if mine { Ok(opened) } else { Err(Errno::ACCESS) }
}

fn is_in_proc(fd: &OwnedFd) -> Result<bool> {
    Ok(fstatfs(fd)?.f_type as i64 == PROC)
}

/// Where an object really is, as the kernel tells it: from the root of this process.
pub(super) fn path_of(fd: &OwnedFd) -> Result<Vec<u8>> {
    Ok(readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())?.into_bytes())
}

/// The object of a descriptor of the caller's, by its name in our own mounts, whose rights are the policy's. A descriptor
/// from before the fence (the caller's redirection) has the host's mount, where everything may be writable. What has no
/// name stays as it is.
pub(super) fn in_own_mounts(object: OwnedFd) -> Result<OwnedFd> {
    let (path, stat) = (path_of(&object)?, fstat(&object)?);
    if path.first() != Some(&b'/') || stat.st_nlink == 0 {
        return Ok(object);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let ours = openat(CWD, path, flags, Mode::empty()).map_err(|_| Errno::PERM)?;
    let found = fstat(&ours)?;
    if (found.st_dev, found.st_ino) == (stat.st_dev, stat.st_ino) { Ok(ours) } else { Err(Errno::PERM) }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |at| at + 1);
    &path[..end.min(path.len())]
}

/// Directory part (with the root's slash, or empty) and last name (`.` for the root itself).
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        None => (b"", path),
        Some(0) if path.len() == 1 => (b"/", b"."),
        Some(0) => (b"/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_as_the_kernel_does() {
        assert_eq!(split(trim_slashes(b"/")), (&b"/"[..], &b"."[..]));
        assert_eq!(split(trim_slashes(b"//a//")), (&b"/"[..], &b"a"[..]));
        assert_eq!(split(trim_slashes(b"a")), (&b""[..], &b"a"[..]));
        assert_eq!(split(trim_slashes(b"a/b//c/")), (&b"a/b/"[..], &b"c"[..]));
    }
}
