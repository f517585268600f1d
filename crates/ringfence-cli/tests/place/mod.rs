//! A project of one's own to call the program in. No test of anything by itself.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A project with a repository, and a home beside it, so that the developer's own policy does not matter.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place::made(TempDir::new().unwrap())
    }

    /// In a directory that is there.
    pub(crate) fn below(directory: &str) -> Place {
        Place::made(TempDir::new_in(directory).unwrap())
    }

    fn made(directory: TempDir) -> Place {
        let place = Place(directory);
        fs::create_dir_all(place.project().join(".git")).unwrap();
        fs::create_dir(place.home()).unwrap();
        place
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.beside("project")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.beside("home")
    }

    /// Beside the project and the home.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn ringfence(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(words).current_dir(self.project()).env("HOME", self.home());
        command.stdin(Stdio::null());
        command
    }

    /// The words after `ringfence`.
    pub(crate) fn call(&self, words: &[&str]) -> Output {
        self.ringfence(words).output().unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.call(&[&["run"], words].concat())
    }

    pub(crate) fn shell(&self, flags: &[&str], script: &str) -> Output {
        self.run(&[flags, &["--", "sh", "-c", script]].concat())
    }

    /// A sandbox in which this program is there too, as `$RINGFENCE_BIN`.
    pub(crate) fn inside(&self, script: &str) -> Output {
        let program = env!("CARGO_BIN_EXE_ringfence");
        self.shell(&["--read", program, "--env", &format!("RINGFENCE_BIN={program}")], script)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.project().join(name).symlink_metadata().is_ok()
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.project().join(name), text).unwrap();
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("ringfence exits and is not killed")
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
