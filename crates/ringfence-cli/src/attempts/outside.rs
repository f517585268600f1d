//! Attempts at files outside the workspace, and the work inside it that must go on.
//! Reading secrets is a group of its own.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::change::{append, is_marked, plant};
use super::{Attempt, From, Judge, REFUSED, Stage};

/// What must work, or nothing else is worth proving.
pub(super) const WORKS: &[Attempt] = &[
    Attempt {
        name: "write_workspace",
        promise: "Files in the workspace are written, and stay",
        act: |stage| plant(&stage.workspace().join("src/new.rs")),
        harm: Some(|scene| is_marked(&scene.stage.workspace().join("src/new.rs"))),
        judge: Judge::Works,
        ..REFUSED
    },
    Attempt {
        name: "write_git_objects",
        promise: "Git's objects, refs and index are written",
        act: write_git_objects,
        judge: Judge::Works,
        ..REFUSED
    },
    Attempt {
        name: "run_program",
        promise: "A program starts, and answers through a pipe",
        act: run_program,
        judge: Judge::Works,
        ..REFUSED
    },
];

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "write_outside",
        promise: "A file outside the workspace is not created",
        act: |stage| plant(&stage.outside().join("planted")),
        harm: Some(|scene| scene.stage.outside().join("planted").exists()),
        ..REFUSED
    },
    Attempt {
        name: "write_through_symlink",
        promise: "A symlink in the workspace leads to no writable place outside",
        act: write_through_symlink,
        harm: Some(|scene| scene.stage.outside().join("planted").exists()),
        ..REFUSED
    },
    Attempt {
        name: "write_readable",
        promise: "A path granted for reading is not written",
        act: |stage| append(&stage.outside().join("library")),
        harm: Some(|scene| is_marked(&scene.stage.outside().join("library"))),
        flags: &["--read", "$OUTSIDE/library"],
        ..REFUSED
    },
    Attempt {
        name: "chmod_readable",
        promise: "The mode of a path granted for reading is not changed",
        act: |stage| fs::set_permissions(stage.outside().join("library"), Permissions::from_mode(0o666)),
        harm: Some(|scene| {
            let data = fs::metadata(scene.stage.outside().join("library"));
            data.is_ok_and(|data| data.permissions().mode() & 0o022 != 0)
        }),
        flags: &["--read", "$OUTSIDE/library"],
        ..REFUSED
    },
    Attempt {
        name: "link_readable",
        promise: "A readable file gets no second, writable name in the workspace",
        act: link_readable,
        harm: Some(|scene| is_marked(&scene.stage.outside().join("library"))),
        flags: &["--read", "$OUTSIDE/library"],
        ..REFUSED
    },
    Attempt {
        name: "write_proc_root",
        promise: "The root directories of other processes lead nowhere outside",
        act: write_proc_root,
        harm: Some(|scene| scene.stage.outside().join("planted").exists()),
        ..REFUSED
    },
    Attempt {
        name: "list_devices",
        promise: "The machine's devices in /sys are absent",
        act: |_| fs::read_dir("/sys/class").map(|_| ()),
        ..REFUSED
    },
    Attempt {
        name: "read_host_name",
        promise: "The host's name is not known inside",
        act: read_host_name,
        from: From::Namespaces,
        ..REFUSED
    },
];

fn write_git_objects(stage: &Stage) -> io::Result<()> {
    let git = stage.workspace().join(".git");
    for file in ["objects/ab/cd", "refs/heads/main", "index", "logs/HEAD", "refs/heads/config"] {
        plant(&git.join(file))?;
    }
    // As git does: a lock file, renamed over the real one.
    plant(&git.join("HEAD.lock"))?;
    fs::rename(git.join("HEAD.lock"), git.join("HEAD"))
}

fn run_program(_: &Stage) -> io::Result<()> {
    let output = std::process::Command::new("/bin/sh").args(["-c", "echo answer | cat"]).output()?;
    match output.stdout == b"answer\n" {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

fn write_through_symlink(stage: &Stage) -> io::Result<()> {
    let way_out = stage.workspace().join("way-out");
    symlink(stage.outside(), &way_out)?;
    let planted = way_out.join("planted");
    OpenOptions::new().write(true).create(true).truncate(true).open(planted).map(|_| ())
}

fn link_readable(stage: &Stage) -> io::Result<()> {
    let alias = stage.workspace().join("alias");
    fs::hard_link(stage.outside().join("library"), &alias)?;
    append(&alias)
}

fn write_proc_root(stage: &Stage) -> io::Result<()> {
    let planted = stage.outside().join("planted");
    let inner = planted.strip_prefix("/").map_err(io::Error::other)?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for entry in fs::read_dir("/proc")?.flatten() {
        match fs::write(entry.path().join("root").join(inner), "planted") {
            Ok(()) => return Ok(()),
            // The most telling refusal is kept: a process that is there but must not be entered.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

fn read_host_name(stage: &Stage) -> io::Result<()> {
    match rustix::system::uname().nodename().to_string_lossy() == stage.host_name {
        true => Ok(()),
        false => Err(io::Error::other("another name")),
    }
}
