//! Directories and files by descriptor: each name is opened below the descriptor of the directory that was judged.
//!
//! Not by path: between a look at a path and its opening somebody could put another file there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::judgement::{About, Kind};
use super::{Fault, Guard, GuardedFile, LARGEST, LINK, Place};
use crate::diagnostic::Diagnostic;
use crate::layers::people;

/// The real uid of this process: its environment and its effective uid have no say in who the user is.
pub fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A directory that was judged, with all that lead to it.
#[derive(Debug)]
pub struct Directory {
    guard: Guard,
    path: PathBuf,
    held: OwnedFd,
}

/// To walk through a directory needs no right to list it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const WALK: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const WALK: OFlags = OFlags::RDONLY;

impl Directory {
    /// The directory `path`, or `None` where there is none.
    ///
    /// # Errors
    /// It is there, or a part of the way to it is, and it cannot be opened or others may write it.
    pub fn open(guard: &Guard, path: &Path) -> Result<Option<Directory>, Diagnostic> {
        let walk = Walk { guard, path, missing: Missing::Left };
        walk.go()
    }

    /// The directory `path`, made where it is missing, with all below the anchor, for the user alone (mode 0700).
    ///
    /// # Errors
    /// As [`Directory::open`], and where one cannot be made.
    pub fn create(guard: &Guard, path: &Path) -> Result<Directory, Diagnostic> {
        let walk = Walk { guard, path, missing: Missing::Made };
        let absent = || guard.unreadable(path, Place::Holder, &Errno::NOENT.into());
        walk.go()?.ok_or_else(absent)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory `name` in this one, or `None` where there is none.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn below(&self, name: &str) -> Result<Option<Directory>, Diagnostic> {
        let path = self.path.join(name);
        let held = match openat(&self.held, name, WALK | DIRECTORY, Mode::empty()) {
            Ok(held) => held,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.guard.unopened(&path, Place::Holder, error)),
        };
        self.guard.look(&held, &path, Place::Holder)?;
        Ok(Some(Directory { guard: self.guard.clone(), path, held }))
    }

    /// The file `name` in it, or `None` where there is none.
    ///
    /// # Errors
    /// It is there, and cannot be read, or others may write it, or it is no text of at most 16 MiB.
    pub fn read(&self, name: &str) -> Result<Option<GuardedFile>, Diagnostic> {
        let path = self.path.join(name);
        // Not blocking: the open of a pipe would wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.held, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.guard.unopened(&path, Place::File, error)),
        };
        let size = self.guard.look(&file, &path, Place::File)?;
        let refused = |fault: Fault| self.guard.refused(&path, Place::File, &fault);
        if size > LARGEST {
            return Err(refused(Fault::TooLarge));
        }
        let mut bytes = Vec::with_capacity(size as usize + 1);
        File::from(file)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.guard.unreadable(&path, Place::File, &error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(refused(Fault::TooLarge));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| refused(Fault::NotText { at: error.utf8_error().valid_up_to() }))?;
        Ok(Some(GuardedFile { path, text }))
    }

    /// The names in it that end in `suffix`, sorted by their bytes. Those that begin with a dot are an editor's.
    ///
    /// # Errors
    /// It cannot be listed, or such a name is not UTF-8, or ends in `suffix` but for capital letters.
    pub fn names(&self, suffix: &str) -> Result<Vec<String>, Diagnostic> {
        let unreadable =
            |error: Errno| self.guard.unreadable(&self.path, Place::Holder, &io::Error::from(error));
        let listed =
            openat(&self.held, ".", OFlags::RDONLY | DIRECTORY, Mode::empty()).map_err(unreadable)?;
        let mut names = Vec::new();
        for entry in Dir::new(listed).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") || !ends_like(name, suffix) {
                continue;
            }
            // Its author believes in it, and would not see it left out.
            if !name.ends_with(suffix.as_bytes()) {
                let path = self.path.join(String::from_utf8_lossy(name).as_ref());
                return Err(self.guard.refused(&path, Place::File, &Fault::Capitals));
            }
            match std::str::from_utf8(name) {
                Ok(name) => names.push(name.to_owned()),
                Err(_) => {
                    let path = self.path.join(String::from_utf8_lossy(name).as_ref());
                    let fault = Fault::Kind("has a name that is not UTF-8");
                    return Err(self.guard.refused(&path, Place::File, &fault));
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes the file `name` for the user alone (mode 0600): whoever reads it meanwhile, or after a crash, has the old
    /// text or the new one, whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Diagnostic> {
        let path = self.path.join(name);
        // Its own name for each process; one that a killed process left is in the way of none that runs.
        let temporary = format!(".{name}.{}", std::process::id());
        let write = || -> io::Result<()> {
            match unlinkat(&self.held, &temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(&self.held, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(file);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            renameat(&self.held, &temporary, &self.held, name)?;
            self.sync()
        };
        match write() {
            Ok(()) => Ok(path),
            Err(error) => {
                // The first error is the one that is told.
                let _ = unlinkat(&self.held, &temporary, AtFlags::empty());
                Err(unwritable(&path, &error))
            }
        }
    }

    /// Removes the file `name`; whether there was one.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, Diagnostic> {
        let told = |error: io::Error| unwritable(&self.path.join(name), &error);
        match unlinkat(&self.held, name, AtFlags::empty()) {
            Ok(()) => self.sync().map(|()| true).map_err(told),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(told(error.into())),
        }
    }

    /// Makes a rename or removal last. The held descriptor may be one that only walks, which fsync(2) does not take.
    fn sync(&self) -> io::Result<()> {
        let directory = openat(&self.held, ".", OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        Ok(fsync(directory)?)
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A way from the anchor down to a directory.
struct Walk<'a> {
    guard: &'a Guard,
    path: &'a Path,
    missing: Missing,
}

/// What is done with a directory that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Left,
    Made,
}

impl Walk<'_> {
    fn go(&self) -> Result<Option<Directory>, Diagnostic> {
        let guard = self.guard;
        let Ok(below) = self.path.strip_prefix(&guard.anchor) else {
            return Err(guard.refused(self.path, Place::Holder, &Fault::Kind("is not where it should be")));
        };
        // The anchor's own symlinks are followed: HOME may be reached by one.
        let flags = WALK | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let anchor = match openat(CWD, &guard.anchor, flags, Mode::empty()) {
            Ok(anchor) => anchor,
            Err(Errno::NOENT) if self.missing == Missing::Left => return Ok(None),
            Err(error) => return Err(guard.unreadable(&guard.anchor, Place::Above, &error.into())),
        };
        let first = if guard.anchor.parent().is_none() { Place::Root } else { Place::Above };
        let mut way = vec![(anchor, guard.anchor.clone(), first)];
        for component in below.components() {
            let Component::Normal(name) = component else {
                return Err(guard.refused(
                    self.path,
                    Place::Holder,
                    &Fault::Kind("has a name that leads up"),
                ));
            };
            let (above, path, _) = &way[way.len() - 1];
            let path = path.join(name);
            match self.step(above, Path::new(name), &path)? {
                Some(held) => way.push((held, path, Place::Above)),
                None => return Ok(None),
            }
        }
        // Judged only now: where there is nothing, nobody is bothered about what leads there.
        let last = way.len() - 1;
        way[last].2 = Place::Holder;
        for (held, path, place) in &way {
            guard.look(held, path, *place)?;
        }
        let (held, path, _) = way.swap_remove(last);
        Ok(Some(Directory { guard: guard.clone(), path, held }))
    }

    fn step(&self, above: &OwnedFd, name: &Path, path: &Path) -> Result<Option<OwnedFd>, Diagnostic> {
        let open = || openat(above, name, WALK | DIRECTORY, Mode::empty());
        match (open(), self.missing) {
            (Ok(held), _) => Ok(Some(held)),
            (Err(Errno::NOENT), Missing::Left) => Ok(None),
            (Err(Errno::NOENT), Missing::Made) => {
                match mkdirat(above, name, Mode::RWXU) {
                    // Another process may have been faster.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(unwritable(path, &error.into())),
                }
                open().map(Some).map_err(|error| unwritable(path, &error.into()))
            }
            (Err(error), _) => Err(self.guard.unopened(path, Place::Above, error)),
        }
    }
}

impl Guard {
    /// Judges what is open; its size.
    fn look(&self, held: &OwnedFd, path: &Path, place: Place) -> Result<u64, Diagnostic> {
        let stat = fstat(held).map_err(|error| self.unreadable(path, place, &error.into()))?;
        let is_private = |group| people::is_private_group(group, self.owners[1]);
        self.judge(place, &About::of(&stat), is_private)
            .map_err(|fault| self.refused(path, place, &fault))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Why `path` could not be opened: an error number does not say that it is a symlink. This look is for the message.
    fn unopened(&self, path: &Path, place: Place, error: Errno) -> Diagnostic {
        let found = rustix::fs::lstat(path).map(|stat| Kind::of(&stat));
        let fault = match (place, found) {
            (_, Ok(Kind::Symlink)) => Fault::Kind(LINK),
            (Place::File, Ok(Kind::Other)) => Fault::Kind("is no ordinary file"),
            (Place::Root | Place::Above | Place::Holder, Ok(Kind::File | Kind::Other)) => {
                Fault::Kind("is no directory")
            }
            _ => return self.unreadable(path, place, &error.into()),
        };
        self.refused(path, place, &fault)
    }
}

/// Whether `name` ends in `suffix`, capital letters or not.
fn ends_like(name: &[u8], suffix: &str) -> bool {
    let end = name.len().checked_sub(suffix.len()).map(|start| &name[start..]);
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
}

fn unwritable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(format!("failed to write {}: {error}", crate::diagnostic::quoted(path.display())))
}
