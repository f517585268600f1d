//! Systems on which nobody can say yet who may write a file: what is there is refused, what is absent is absent.
//!
//! Not a check that passes: an administrator of such a machine who wrote a ceiling must not see it ignored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Fault, Guard, GuardedFile, Place};
use crate::diagnostic::Diagnostic;

/// The uid of the user: there are none here.
pub fn user() -> u32 {
    u32::MAX
}

/// A directory; never had here.
#[derive(Debug)]
pub enum Directory {}

impl Directory {
    /// Nothing where there is nothing.
    ///
    /// # Errors
    /// The directory is there.
    pub fn open(guard: &Guard, path: &Path) -> Result<Option<Directory>, Diagnostic> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(guard.unreadable(path, Place::Holder, &error)),
            Ok(_) => Err(guard.refused(path, Place::Holder, &Fault::Foreign)),
        }
    }

    /// Not here.
    ///
    /// # Errors
    /// Always.
    pub fn create(guard: &Guard, path: &Path) -> Result<Directory, Diagnostic> {
        Err(guard.refused(path, Place::Holder, &Fault::Foreign))
    }

    /// There is none.
    pub fn path(&self) -> &Path {
        match *self {}
    }

    /// There is none.
    ///
    /// # Errors
    /// None.
    pub fn below(&self, _: &str) -> Result<Option<Directory>, Diagnostic> {
        match *self {}
    }

    /// There is none.
    ///
    /// # Errors
    /// None.
    pub fn read(&self, _: &str) -> Result<Option<GuardedFile>, Diagnostic> {
        match *self {}
    }

    /// There is none.
    ///
    /// # Errors
    /// None.
    pub fn names(&self, _: &str) -> Result<Vec<String>, Diagnostic> {
        match *self {}
    }

    /// There is none.
    ///
    /// # Errors
    /// None.
    pub fn write(&self, _: &str, _: &str) -> Result<PathBuf, Diagnostic> {
        match *self {}
    }

    /// There is none.
    ///
    /// # Errors
    /// None.
    pub fn remove(&self, _: &str) -> Result<bool, Diagnostic> {
        match *self {}
    }
}
