//! Small changes to the filesystem that several attempts are made of.
//! Not clever ones: each is what a shell command would do.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Creates a file with a mark in it, and the directories above it.
pub(super) fn plant(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(b"#!/bin/sh\necho planted\n")
}

/// Appends a mark to a file that is there.
pub(super) fn append(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(b"\n[planted]\n")
}

/// Whether the file holds a mark of [`plant`] or [`append`].
pub(super) fn is_marked(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains("planted"))
}

/// Reads a file and finds the canary in it.
pub(super) fn find_canary(path: &Path, canary: &str) -> io::Result<()> {
    let text = fs::read(path)?;
    match text.windows(canary.len()).any(|window| window == canary.as_bytes()) {
        true => Ok(()),
        false => Err(io::Error::other("readable, but without the canary")),
    }
}
