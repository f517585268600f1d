//! Attempts at secrets: files, environment variables, descriptors, and what other processes hold.
//! Every secret is a canary of the scene; nothing of the user's is read.

use std::fs::{self, File};
use std::io::{self, Read};

use super::change::find_canary;
use super::{Attempt, REFUSED, Stage};

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "read_home_key",
        promise: "A private key in HOME is not read",
        act: |stage| find_canary(&stage.key(), &stage.canary),
        ..REFUSED
    },
    Attempt {
        name: "read_other_project",
        promise: "Files of the same user outside the workspace are not read",
        act: |stage| find_canary(&stage.secret(), &stage.canary),
        ..REFUSED
    },
    Attempt {
        name: "read_denied",
        promise: "A denied pattern inside the workspace is not read",
        act: |stage| find_canary(&stage.workspace().join(".env"), &stage.canary),
        flags: &["--deny", "**/.env"],
        ..REFUSED
    },
    Attempt {
        name: "read_environment",
        promise: "Variables that are not named do not pass",
        act: read_environment,
        ..REFUSED
    },
    Attempt {
        name: "read_environment_of_others",
        promise: "The environment of processes outside is not read",
        act: read_environment_of_others,
        ..REFUSED
    },
    Attempt {
        name: "use_inherited_descriptor",
        promise: "An open descriptor of the caller is not inherited",
        act: use_inherited_descriptor,
        ..REFUSED
    },
];

fn read_environment(stage: &Stage) -> io::Result<()> {
    let found = std::env::vars_os().any(|(_, value)| value.to_string_lossy().contains(&stage.canary));
    match found {
        true => Ok(()),
        false => Err(io::Error::other("no variable holds the canary")),
    }
}

fn read_environment_of_others(stage: &Stage) -> io::Result<()> {
    let own = std::process::id().to_string();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for entry in fs::read_dir("/proc")?.flatten() {
        if entry.file_name() == *own {
            continue;
        }
        match find_canary(&entry.path().join("environ"), &stage.canary) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

fn use_inherited_descriptor(stage: &Stage) -> io::Result<()> {
    // Through /proc and not by number: safe code cannot make a descriptor out of a number that may be closed.
    let mut text = String::new();
    File::open(format!("/proc/self/fd/{}", stage.descriptor))?.read_to_string(&mut text)?;
    match text.contains(&stage.canary) {
        true => Ok(()),
        false => Err(io::Error::other("the descriptor is something else")),
    }
}
