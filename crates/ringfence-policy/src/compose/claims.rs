//! Paths that people wrote, as claims; and a word about those that have no effect.
//!
//! Patterns are in `patterns`.

use std::path::Path;

use ringfence_plan::{AbsPath, Access};

use super::composer::Composer;
use super::fields::StatementId;
use crate::diagnostic::{Diagnostic, quoted};
use crate::path_text::{self, BadText, Names, absolute};
use crate::settle::{Claim, Hide};
use crate::statement::{Place, Value, access_of};

/// At most this many remarks about grants without effect; ten thousand would hide the rest.
const MOST: usize = 20;

impl Composer<'_> {
    /// Every path in `read`, `write`, `private`, and in `deny` if it has no wildcard.
    pub(super) fn written_paths(&mut self) {
        for id in 0..self.written {
            let statement = &self.statements[id as usize];
            let (Some(access), Value::Path { optional }) = (access_of(statement.field.key), &statement.value)
            else {
                continue;
            };
            if statement.field.key == "filesystem.workspace" || is_pattern(access, &statement.words) {
                continue;
            }
            // A denied path may be absent: one policy serves many machines, and absent is denied enough.
            let optional = optional.unwrap_or(access == Access::Deny);
            match self.path_of(id) {
                Err(bad) => self.problem(id, "names no place", &bad.label, bad.help),
                Ok(path) => match impossible(&path, access).filter(|_| self.anchors.is_none()) {
                    Some((label, help)) => self.problem(id, "cannot be granted", label, Some(help.into())),
                    None => {
                        let author = self.author(&self.statements[id as usize]);
                        self.claims.push(Claim {
                            path,
                            access,
                            optional,
                            author,
                            hide: Hide::No,
                            statement: id,
                        });
                    }
                },
            }
        }
    }

    /// The path that a written statement means.
    pub(super) fn path_of(&self, id: StatementId) -> Result<AbsPath, BadText> {
        let (words, directory) = self.words_and_directory(id);
        absolute(words, directory, &self.names())
    }

    /// A written statement's text, and the directory it is relative to.
    pub(super) fn words_and_directory(&self, id: StatementId) -> (&str, &Path) {
        let statement = &self.statements[id as usize];
        let directory = match &statement.place {
            Place::Written(span) => &self.texts[span.source.0 as usize].directory,
            Place::BuiltIn(_) => self.context.cwd.as_path(),
        };
        (&statement.words, directory)
    }

    pub(super) fn names(&self) -> Names<'_> {
        Names { context: self.context, workspace: self.workspace.as_ref() }
    }

    /// Tells of claims that have no effect.
    pub(super) fn warn_of_void(&mut self, void: &[(Claim, Claim)]) {
        for (claim, by) in void.iter().take(MOST) {
            if claim.hide == Hide::Workspace && by.access == Access::Deny {
                let help =
                    Some("a workspace inside a denied path cannot be held; take one of the two out".into());
                self.problem(claim.statement, "is denied", "it is the workspace", help);
                continue;
            }
            let warning = self.void_warning(claim, by);
            self.warnings.push(warning);
        }
        if void.len() > MOST {
            self.warnings
                .push(Diagnostic::warning(format!("{} more grants have no effect", void.len() - MOST)));
        }
    }

    fn void_warning(&self, claim: &Claim, by: &Claim) -> Diagnostic {
        let statement = &self.statements[claim.statement as usize];
        let deciding = &self.statements[by.statement as usize];
        let title = format!("{} {} has no effect", quoted(statement.field.key), quoted(&statement.words));
        let mut warning = self.point(Diagnostic::warning(title), claim.statement, "not granted");
        warning = match &deciding.place {
            Place::Written(_) if by.access == Access::Deny => {
                self.point(warning, by.statement, "denied here: a deny wins")
            }
            Place::Written(_) => self.point(warning, by.statement, "the stricter of two on one path counts"),
            Place::BuiltIn(why) => warning.help(format!("{} is hidden: {why}", quoted(&deciding.words))),
        };
        match by.hide {
            Hide::Liftable => warning.help(format!("to lift it, grant {} itself", quoted(&deciding.words))),
            _ => warning,
        }
    }
}

/// Whether a statement of this access is a pattern and no path.
pub(super) fn is_pattern(access: Access, words: &str) -> bool {
    access == Access::Deny && words.contains(path_text::is_wildcard)
}

/// Why a path cannot be granted, and what instead, if it cannot.
pub(crate) fn impossible(path: &AbsPath, access: Access) -> Option<(&'static str, &'static str)> {
    let path = path.as_path().as_os_str().as_encoded_bytes();
    let own = ["/proc/", "/sys/"].iter().any(|tree| path.starts_with(tree.as_bytes()));
    match path {
        _ if access == Access::Deny => None,
        b"/" if access != Access::Read => {
            Some(("it is the whole machine", "name the directories that are meant; `read` may name `/`"))
        }
        b"/proc" | b"/sys" | b"/dev" | b"/dev/shm" | b"/dev/pts" => Some(NOTHING_TO_GRANT),
        _ if own => Some(NOTHING_TO_GRANT),
        b"/tmp" => Some((
            "the sandbox has a /tmp of its own, which is writable",
            "to share files, grant a directory below /tmp",
        )),
        _ => None,
    }
}

const NOTHING_TO_GRANT: (&str, &str) =
    ("the sandbox has its own, or none", "nothing needs to be granted here");
