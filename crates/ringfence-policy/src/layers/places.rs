//! Where ceilings, the user's own policies and ringfence's records are.
//!
//! Not whether anything is there, or may be believed: `guarded` looks.

use std::path::{Path, PathBuf};

use super::guarded::{Guard, Side};
use super::people::PASSWD;

/// The file of a ceiling, in the machine's directory and in the user's.
pub const CEILING: &str = "ceiling.toml";
/// The machine's further ceilings, each a file that ends in `.toml`.
pub const CEILINGS: &str = "ceiling.d";
/// The user's own policy.
pub const POLICY: &str = "policy.toml";

/// The places of one run.
///
/// No variable moves them. `XDG_CONFIG_HOME` would be the usual way to move the user's, but a variable is set by
/// whatever ran before (a shell's `.envrc`, a task runner), and a ceiling that moves with it is dodged by setting it.
/// HOME is the one that counts, since all that a sandboxed command must not reach is named from there as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The directory of the machine's ceilings; `None` on a system that has no place for them.
    pub machine: Option<PathBuf>,
    /// The uid that owns the machine's files, beside 0. Another value is for tests, which cannot make files of root's:
    /// no flag, file or variable sets it.
    pub machine_owner: u32,
    /// The file that says which HOME and name a user of the machine's has. Another one is for tests, as above.
    pub passwd: PathBuf,
    /// HOME, as long as it is a place of the user's own; without one there are no user's files.
    pub home: Option<PathBuf>,
}

impl Default for Places {
    /// The machine's real place, and no HOME.
    fn default() -> Places {
        Places {
            machine: MACHINE.map(PathBuf::from),
            machine_owner: 0,
            passwd: PathBuf::from(PASSWD),
            home: None,
        }
    }
}

impl Places {
    /// The real places of a user whose HOME is `home`.
    pub fn of_home(home: &Path) -> Places {
        Places::default().with_home(home)
    }

    /// The same with the HOME `home`, unless they have one. A relative one is none: it would move with the directory.
    pub fn with_home(mut self, home: &Path) -> Places {
        if self.home.is_none() && home.is_absolute() && home.parent().is_some() {
            self.home = Some(home.to_owned());
        }
        self
    }

    /// `~/.config/ringfence`: ceiling, policy, agents, tasks, stages.
    pub fn user_config(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(".config/ringfence"))
    }

    /// `~/.local/state/ringfence`: what is trusted, what was refused.
    pub fn state(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(".local/state/ringfence"))
    }

    /// Who may have written the machine's files: every directory down from the root counts.
    pub fn machine_guard(&self) -> Guard {
        Guard { side: Side::Machine, anchor: PathBuf::from(ROOT), owners: [0, self.machine_owner] }
    }

    /// Who may have written the user's files. Directories count from HOME down: whoever can replace HOME itself can
    /// replace the shell's start-up files too, and in a container what lies above belongs to nobody that it knows.
    pub fn user_guard(&self) -> Option<Guard> {
        let anchor = self.home.clone()?;
        Some(Guard { side: Side::User, anchor, owners: [0, super::guarded::user()] })
    }

    /// Who may have written ringfence's records: as for the user's files.
    pub fn records_guard(&self) -> Option<Guard> {
        Some(Guard { side: Side::Records, ..self.user_guard()? })
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
const MACHINE: Option<&str> = Some("/etc/ringfence");
#[cfg(target_os = "macos")]
const MACHINE: Option<&str> = Some("/Library/Application Support/ringfence");
/// Not from the variable `ProgramData`, which every process may set for its children.
#[cfg(windows)]
const MACHINE: Option<&str> = Some(r"C:\ProgramData\ringfence");
#[cfg(not(any(unix, windows)))]
const MACHINE: Option<&str> = None;

#[cfg(windows)]
const ROOT: &str = r"C:\";
#[cfg(not(windows))]
const ROOT: &str = "/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_home_has_user_files() {
        for none in ["", "/", "relative", "./here"] {
            assert_eq!(Places::of_home(Path::new(none)).user_config(), None, "{none}");
        }
        let places = Places::of_home(Path::new("/home/u"));
        assert_eq!(places.user_config().unwrap(), Path::new("/home/u/.config/ringfence"));
        assert_eq!(places.state().unwrap(), Path::new("/home/u/.local/state/ringfence"));
        assert_eq!(places.clone().with_home(Path::new("/home/other")), places);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_place_is_roots_by_default() {
        let places = Places::default();
        assert_eq!((places.machine.as_deref(), places.machine_owner), (Some(Path::new("/etc/ringfence")), 0));
    }
}
