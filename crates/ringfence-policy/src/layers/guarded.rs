//! Files that only their rightful owner can have written: opened, judged and read through one descriptor.
//!
//! Not the files of a project, which may be anybody's and are believed only once the user has trusted them.
//!
//! Absent and unreadable differ: what is absent says nothing, and what is there but cannot be opened, listed, or
//! believed stops the run. Nothing is followed: a symlink below the anchor is refused, since what it leads to may lie
//! where a sandboxed command writes (a checkout of dotfiles), or be swapped between the look and the reading.
//!
//! POSIX access lists need no look of their own: where one names further people, the group's bits of the mode are its
//! mask (acl(5)), so an entry that lets anybody write shows as a group that can. The lists of macOS do not show there;
//! nothing runs on macOS yet, and whoever builds its backend has to ask acl_get_fd(3).

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, quoted};

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod judgement;
#[cfg(all(unix, test))]
mod tests;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use elsewhere::{Directory, user};
#[cfg(unix)]
pub use unix::{Directory, user};

/// The largest file that is read, in bytes.
#[cfg(unix)]
const LARGEST: u64 = crate::load::LARGEST;

const LINK: &str = "is a symbolic link";

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The machine's: its administrator's.
    Machine,
    /// The user's own.
    User,
    /// What ringfence wrote down for the user.
    Records,
}

/// What is asked of a file, and of the directories that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Whose they are: for messages, and for the user's private group.
    pub side: Side,
    /// The first directory that is looked at. How it is reached does not matter.
    pub anchor: PathBuf,
    /// The uids that may own them.
    pub owners: [u32; 2],
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedFile {
    /// Where it is.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// What is wrong with something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is judged on this system yet"))]
enum Fault {
    Owner(u32),
    /// With the permission bits, in octal digits.
    Writable(String),
    Kind(&'static str),
    /// The ending that makes it count, in capital letters.
    Capitals,
    TooLarge,
    NotText {
        at: usize,
    },
    #[cfg(not(unix))]
    Foreign,
}

/// What a path has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is judged on this system yet"))]
enum Place {
    /// The root directory of the machine's files.
    Root,
    /// A directory above the one that holds the files.
    Above,
    /// The directory that holds the files.
    Holder,
    /// A file.
    File,
}

impl Guard {
    fn refused(&self, path: &Path, place: Place, fault: &Fault) -> Diagnostic {
        let what = self.what(place);
        let name = quoted(path.display());
        let title = match fault {
            Fault::Owner(uid) => format!("{what} {name} belongs to user {uid}, not to {}", self.owner()),
            Fault::Writable(mode) => format!("{what} {name} can be written by others (mode {mode})"),
            Fault::Kind(kind) => format!("{what} {name} {kind}"),
            Fault::Capitals => {
                format!("{what} {name} does not count by its name, which ends in capital letters")
            }
            Fault::TooLarge => format!("{what} {name} is larger than 16 MiB"),
            Fault::NotText { at } => format!("{what} {name} is not UTF-8 at byte {at}"),
            #[cfg(not(unix))]
            Fault::Foreign => format!("who may write {what} {name} cannot be judged on this system yet"),
        };
        let diagnostic = Diagnostic::error(title).help(self.consequence());
        match self.mending(path, place, fault) {
            Some(command) => diagnostic.help(command),
            None => diagnostic,
        }
    }

    fn unreadable(&self, path: &Path, place: Place, error: &io::Error) -> Diagnostic {
        let title = format!("failed to read {} {}: {error}", self.what(place), quoted(path.display()));
        let diagnostic = Diagnostic::error(title).help(self.consequence());
        if error.kind() != io::ErrorKind::PermissionDenied {
            return diagnostic;
        }
        let bits = if place == Place::File { "a+r" } else { "a+rx" };
        diagnostic.help(match self.side {
            Side::Machine => format!("the administrator mends it: sudo chmod {bits} {}", shell(path)),
            Side::User | Side::Records => format!("chmod u{} {}", &bits[1..], shell(path)),
        })
    }

    fn what(&self, place: Place) -> &'static str {
        match (self.side, place) {
            (Side::Machine, Place::File) => "the machine ceiling",
            (Side::Machine, _) => "the directory of machine ceilings",
            (Side::User, Place::File) => "your file",
            (Side::User, _) => "the directory of your files",
            (Side::Records, Place::File) => "the record",
            (Side::Records, _) => "the directory of ringfence's records",
        }
    }

    fn owner(&self) -> &'static str {
        match self.side {
            Side::Machine => "root",
            Side::User | Side::Records => "you",
        }
    }

    fn consequence(&self) -> &'static str {
        match self.side {
            Side::Machine => {
                "nothing runs, since what the machine forbids cannot be told from what somebody made of it"
            }
            Side::Records => "what it says does not count, since somebody else could have written it",
            Side::User => {
                "nothing runs, since what you wrote cannot be told from what somebody else made of it"
            }
        }
    }

    fn mending(&self, path: &Path, place: Place, fault: &Fault) -> Option<String> {
        let path = shell(path);
        let sudo = if self.side == Side::Machine { "sudo " } else { "" };
        let look = if place == Place::File { "read what it says" } else { "look at what is in it" };
        Some(match fault {
            Fault::Owner(_) if self.side == Side::Machine => {
                format!("{look}, then: sudo chown root:root {path}")
            }
            Fault::Owner(_) => format!("{look}, then: sudo chown {} {path}", self.owners[1]),
            Fault::Writable(_) => format!("{look}, then: {sudo}chmod go-w {path}"),
            Fault::Kind(LINK) => format!("put a copy of what it leads to in its place: {sudo}rm {path}"),
            Fault::Capitals => {
                format!("give it an ending in small letters, or move it away: {sudo}mv {path} …")
            }
            Fault::Kind(_) if place == Place::File => format!("{sudo}mv {path} {path}.old"),
            _ => return None,
        })
    }
}

/// `path` as a word of a shell's.
pub(super) fn shell(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
