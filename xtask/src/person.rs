//! Whom things are measured and tried as: the caller, or a user that root names.
//! Not a login: no session, no environment.

use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
    /// Not the user who calls.
    pub(crate) other: bool,
}

impl Person {
    pub(crate) fn named(name: Option<&str>) -> Result<Person> {
        let Some(name) = name else {
            let own = fs::metadata("/proc/self")?;
            let home = std::env::var_os("HOME").context("HOME is not set")?;
            let name = std::env::var("USER").unwrap_or_default();
            return Ok(Person { name, uid: own.uid(), gid: own.gid(), home: home.into(), other: false });
        };
        // Read as a file: a static program has no name service.
        let passwd = fs::read_to_string("/etc/passwd")?;
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name));
        let columns: Vec<&str> =
            line.with_context(|| format!("no user {name} in /etc/passwd"))?.split(':').collect();
        let [_, _, uid, gid, _, home, ..] = columns[..] else {
            bail!("a broken line in /etc/passwd for {name}")
        };
        Ok(Person { name: name.into(), uid: uid.parse()?, gid: gid.parse()?, home: home.into(), other: true })
    }

    /// Has `command` run as this user.
    pub(crate) fn start(&self, command: &mut Command) {
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Makes this user the owner of `path` and all below it.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if !self.other {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("failed to give away {}", path.display()))?;
        if path.is_dir() && !path.is_symlink() {
            for entry in fs::read_dir(path)? {
                let entry = entry?.path();
                if !entry.is_symlink() {
                    self.give(&entry)?;
                }
            }
        }
        Ok(())
    }
}
