//! How far `extends` reaches: a project's files to those of the project, the user's standing ones to his own below HOME.
//!
//! A file that somebody names on the command line may extend any: he has chosen it, and each word of it is his.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::chain::text_of;
use super::{FILE_NAME, Loader};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::layers::guarded::{Directory, Guard};
use crate::source::{Author, Span};

impl Loader<'_> {
    /// The text of a project's file at `path`, which must lie in the project at the end of its symlinks: what is wrong in
    /// a text is shown with its line, and the project must not choose whose lines are shown.
    pub(super) fn project_text(
        &self,
        path: &Path,
        name: &str,
        asked: Option<&Span>,
    ) -> Result<String, Report> {
        let root = self.project.as_ref().unwrap_or(&self.context.cwd);
        let unreadable = |error| self.unreadable(name, &error, asked);
        let root = fs::canonicalize(root.as_path()).map_err(unreadable)?;
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if !real.starts_with(&root) {
            let title = format!("the policy file {} lies outside of the project", quoted(name));
            let help = format!("the project is {}; nothing of that file was read", quoted(root.display()));
            let diagnostic = self.asked(Diagnostic::error(title).help(help), asked);
            return Err(match asked {
                Some(_) => diagnostic.help("copy it into the project, or name a policy with --policy FILE"),
                None => {
                    diagnostic.help(format!("put a copy into {FILE_NAME}, or name it with --policy FILE"))
                }
            }
            .into());
        }
        match self.instead(path) {
            Some(text) => Ok(text),
            None => text_of(&real, Author::Project).map_err(unreadable),
        }
    }

    /// Path and text of a file that one of the user's standing files extends: as much the user's own as that.
    pub(super) fn standing_text(
        &self,
        path: &Path,
        name: &str,
        asked: &Span,
    ) -> Result<(PathBuf, String), Report> {
        let outside = || {
            let title = format!("the policy file {} does not lie below your HOME", quoted(name));
            let help = "put a copy beside the file that extends it, or name it with --policy FILE";
            let why = "what counts in every run extends only files that are yours alone";
            self.asked(Diagnostic::error(title).help(why).help(help), Some(asked))
        };
        let guard = self.places.user_guard().ok_or_else(outside)?;
        let anchor =
            fs::canonicalize(&guard.anchor).map_err(|error| self.unreadable(name, &error, Some(asked)))?;
        // HOME by the name that the user knows it by, or by its own.
        let path = match path.strip_prefix(&guard.anchor) {
            Ok(below) => by_name(&anchor.join(below)),
            Err(_) => by_name(path),
        };
        let (Some(directory), Some(file), true) =
            (path.parent(), path.file_name().and_then(|name| name.to_str()), path.starts_with(&anchor))
        else {
            return Err(outside().into());
        };
        let guard = Guard { anchor, ..guard };
        let read = || match Directory::open(&guard, directory)? {
            Some(directory) => directory.read(file),
            None => Ok(None),
        };
        match read() {
            Ok(Some(read)) => Ok((read.path, self.instead(&path).unwrap_or(read.text))),
            Ok(None) => Err(self.unreadable(name, &std::io::ErrorKind::NotFound.into(), Some(asked))),
            Err(diagnostic) => {
                let help = "or put a copy beside the file that extends it, or name it with --policy FILE";
                Err(self.asked(diagnostic, Some(asked)).help(help).into())
            }
        }
    }

    fn asked(&self, diagnostic: Diagnostic, asked: Option<&Span>) -> Diagnostic {
        match asked {
            Some(span) => diagnostic.at(&self.texts, span, "named here"),
            None => diagnostic,
        }
    }
}

/// `path` with `.` and `..` taken by name. No symlink is followed on the way, so that is where it leads.
fn by_name(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            component => result.push(component),
        }
    }
    result
}
