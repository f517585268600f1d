//! The users a trial runs as. Made and removed here when root asks for it; nothing else of the host is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the user that a trial makes for itself.
const MADE: &str = "rftrial";

/// Where in the made user's home a Rust tool-chain is lent.
const LENT: &str = ".rust-lent";

/// An unprivileged user to run as.
pub(crate) struct User {
    /// The login name.
    pub(crate) name: String,
    /// The numbers.
    pub(crate) ids: (u32, u32),
    /// The home directory.
    pub(crate) home: PathBuf,
    made: bool,
}

impl User {
    /// The user called `name`.
    pub(crate) fn existing(name: &str) -> Result<User, String> {
        let passwd = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
        let fields: Vec<&str> = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&name) && fields.len() > 5)
            .ok_or(format!("there is no user {name}"))?;
        let number = |at: usize| fields[at].parse::<u32>().map_err(|error| format!("{name}'s id: {error}"));
        let user =
            User { name: name.into(), ids: (number(2)?, number(3)?), home: fields[5].into(), made: false };
        if user.ids.0 == 0 { Err(format!("{name} is root")) } else { Ok(user) }
    }

    /// A new user, removed when dropped, with the caller's Rust tool-chain if he has one.
    pub(crate) fn make() -> Result<User, String> {
        if User::existing(MADE).is_ok() {
            return Err(format!(
                "a user {MADE} is left from another trial (or one is running); `userdel -r {MADE}`"
            ));
        }
        command("useradd", &["--create-home", "--shell", "/bin/sh", MADE])?;
        let mut user = User::existing(MADE)?;
        user.made = true;
        user.lend_rust();
        Ok(user)
    }

    /// Gives the user the caller's Rust tool-chain by hard links: a copy would take minutes and gigabytes. Without it
    /// the rows that build are skipped.
    fn lend_rust(&self) {
        let Some(sysroot) = rust() else { return };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let _ = command("cp", &["-al", &text(&sysroot), &text(&self.home.join(LENT))]);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if self.made
            && let Err(why) = command("userdel", &["--remove", &self.name])
        {
            eprintln!("ringfence-trial: {why}");
        }
    }
}

/// The Rust tool-chain of whoever runs this: lent, or found through rustc.
pub(crate) fn rust() -> Option<PathBuf> {
    let lent = PathBuf::from(std::env::var_os("HOME")?).join(LENT);
    if lent.is_dir() {
        return Some(lent);
    }
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    sysroot.join("bin/cargo").exists().then_some(sysroot)
}

fn command(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("running {program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
