//! Other places where the machine shows one object: bind mounts, and a file system that is mounted twice (proc(5),
//! /proc/self/mountinfo).
//!
//! Not symlinks, which are followed elsewhere. Hard links have no such list.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use ringfence_plan::AbsPath;

/// All that is mounted, in the order of mounting.
#[derive(Debug)]
pub(crate) struct Mounts {
    all: Vec<Mounted>,
    /// What lies on top at each point: there may be ten thousand paths to ask for.
    top: HashMap<PathBuf, usize>,
    of_device: HashMap<Vec<u8>, Vec<usize>>,
}

#[derive(Debug)]
struct Mounted {
    /// The device's numbers, as they stand there.
    device: Vec<u8>,
    /// What of that device is mounted.
    root: PathBuf,
    point: PathBuf,
}

impl Mounts {
    /// Looks. Where the list cannot be read there is no other place that could be known.
    pub(crate) fn look() -> Mounts {
        Mounts::read(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn read(text: &[u8]) -> Mounts {
        let line = |line: &[u8]| {
            let mut fields = line.split(|byte| *byte == b' ').skip(2);
            let device = fields.next()?.to_vec();
            Some(Mounted { device, root: path(fields.next()?), point: path(fields.next()?) })
        };
        let all: Vec<Mounted> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
        // Of several at one point the last one lies on top.
        let top = all.iter().enumerate().map(|(at, mounted)| (mounted.point.clone(), at)).collect();
        let mut of_device: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (at, mounted) in all.iter().enumerate() {
            of_device.entry(mounted.device.clone()).or_default().push(at);
        }
        Mounts { all, top, of_device }
    }

    /// The places that show what is at `place`, or a part of what lies below it.
    pub(crate) fn elsewhere(&self, place: &AbsPath) -> Vec<AbsPath> {
        let place = place.as_path();
        let Some(own) = self.on_top(place) else { return Vec::new() };
        let Ok(below) = place.strip_prefix(&own.point) else { return Vec::new() };
        let on_device = join(&own.root, below);
        let shown = |other: &Mounted| match on_device.strip_prefix(&other.root) {
            Ok(below) => Some(join(&other.point, below)),
            Err(_) => other.root.starts_with(&on_device).then(|| other.point.clone()),
        };
        let of_device = self.of_device.get(&own.device).into_iter().flatten().map(|at| &self.all[*at]);
        let others = of_device.filter(|other| !std::ptr::eq(*other, own));
        let found = others.filter_map(|other| {
            // What another mount lies over is not to be seen there.
            let at = shown(other).filter(|at| self.on_top(at).is_some_and(|top| std::ptr::eq(top, other)))?;
            AbsPath::new(at).ok()
        });
        found.filter(|at| !at.as_path().starts_with(place)).collect()
    }

    /// The mount that shows `place`.
    fn on_top(&self, place: &Path) -> Option<&Mounted> {
        place.ancestors().find_map(|point| self.top.get(point)).map(|at| &self.all[*at])
    }
}

/// Without a slash at the end where there is nothing to join.
fn join(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { path.to_owned() } else { path.join(below) }
}

/// A path of the list, where a space, a tab, a line's end and a backslash are written as three octal digits.
fn path(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        match behind {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        2 1 0:5 / /tmp rw - tmpfs tmpfs rw\n\
        3 1 8:1 /srv/den /srv/w/bound rw - ext4 /dev/sda1 rw\n\
        4 1 8:1 /srv/den/deep /srv/w/a\\040b rw - ext4 /dev/sda1 rw\n\
        5 1 8:2 / /srv/den/other rw - ext4 /dev/sdb1 rw\n\
        6 1 8:1 /srv/den /mnt rw - ext4 /dev/sda1 rw\n\
        7 1 0:6 / /mnt rw - tmpfs tmpfs rw\n";

    #[track_caller]
    fn check(place: &str, expected: &[&str]) {
        let found = Mounts::read(TEXT).elsewhere(&AbsPath::new(place).unwrap());
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{place}");
    }

    #[test]
    fn an_object_is_found_at_every_place_that_shows_it() {
        check("/srv/den", &["/srv/w/bound", "/srv/w/a b"]);
        check("/srv/den/s", &["/srv/w/bound/s"]);
        check("/srv/den/deep/s", &["/srv/w/bound/deep/s", "/srv/w/a b/s"]);
        // By its second name as well.
        check("/srv/w/bound/s", &["/srv/den/s"]);
    }

    #[test]
    fn what_is_shown_once_has_no_other_place() {
        check("/srv/w", &[]);
        check("/srv/denial", &[]);
        check("/tmp/x", &[]);
        // On a device of its own, below the bound directory, which was bound without it.
        check("/srv/den/other/s", &[]);
    }
}
