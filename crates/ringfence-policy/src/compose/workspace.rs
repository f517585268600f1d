//! Which directory is the workspace, and which can be none.
//!
//! Whether it exists is seen when it is opened.

use ringfence_plan::{AbsPath, Access};

use super::composer::Composer;
use super::fields::StatementId;
use crate::diagnostic::{Diagnostic, quoted};
use crate::field;
use crate::path_text::{Names, absolute};
use crate::settle::{Claim, Hide};
use crate::source::Author;
use crate::statement::{Place, Value};

/// Directories that are nobody's project. With everything below them …
const SYSTEM_TREES: &[&str] =
    &["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot", "/dev", "/proc", "/sys", "/run"];
/// … and by themselves.
const SYSTEM_DIRECTORIES: &[&str] =
    &["/home", "/mnt", "/media", "/opt", "/root", "/srv", "/tmp", "/var", "/var/tmp"];

impl Composer<'_> {
    /// Settles the workspace: what people wrote, else the project's root, else the current directory.
    pub(super) fn workspace(&mut self) {
        let spec = field::known("filesystem.workspace");
        match self.singles[field::position(spec)] {
            Some(id) => self.written_workspace(id),
            None => self.default_workspace(),
        }
    }

    fn written_workspace(&mut self, id: StatementId) {
        let statement = &self.statements[id as usize];
        let (Value::Path { .. }, Place::Written(span)) = (&statement.value, &statement.place) else { return };
        let source = &self.texts[span.source.0 as usize];
        let names = Names { context: self.context, workspace: None };
        let author = source.author;
        match absolute(&statement.words, &source.directory, &names) {
            Err(bad) => self.problem(id, "names no place", &bad.label, bad.help),
            Ok(path) => match self.too_much(&path) {
                Some(why) => {
                    let help = "name the directory of one project; further ones can go into `write`";
                    self.problem(id, "cannot be the workspace", why, Some(help.into()));
                }
                None => self.claim_workspace(path, author, id),
            },
        }
    }

    fn default_workspace(&mut self) {
        let cwd = &self.context.cwd;
        let path = self.surroundings.project.clone().unwrap_or_else(|| cwd.clone());
        let refused = self.too_much(&path).or_else(|| {
            let inside = |tree: &&str| path.as_path().starts_with(tree);
            let is_system = SYSTEM_TREES.iter().any(inside)
                || SYSTEM_DIRECTORIES
                    .iter()
                    .any(|directory| path.as_path() == std::path::Path::new(directory));
            is_system.then_some("it belongs to the system")
        });
        if let Some(why) = refused {
            let diagnostic = Diagnostic::error(format!("{} cannot be the workspace: {why}", quoted(&path)))
                .help("go into a project first: cd DIRECTORY")
                .help("or name one: --workspace DIRECTORY, or `[filesystem] workspace = \"…\"` in a ringfence.toml");
            return self.problems.push(diagnostic);
        }
        let spec = field::known("filesystem.workspace");
        let why = match self.surroundings.project {
            Some(_) => "the git repository around the current directory",
            None => "the current directory",
        };
        let id = self.built_in(spec, path.to_string(), Value::Path { optional: None }, why);
        self.claim_workspace(path, Author::BuiltIn, id);
    }

    /// Why `path`, or the place that it leads to, would hand over too much, if it would.
    fn too_much(&self, path: &AbsPath) -> Option<&'static str> {
        let homes = self.homes();
        let places = [path.clone()].into_iter().chain(self.real(path));
        places.flat_map(|place| homes.iter().find_map(|home| too_much(&place, home))).next()
    }

    fn claim_workspace(&mut self, path: AbsPath, author: Author, statement: StatementId) {
        self.workspace = Some(path.clone());
        let access = Access::Write;
        self.claims.push(Claim { path, access, optional: false, author, hide: Hide::Workspace, statement });
    }
}

/// Why `path` would hand over too much, if it would.
fn too_much(path: &AbsPath, home: &AbsPath) -> Option<&'static str> {
    if *path == AbsPath::root() {
        Some("it is the whole machine")
    } else if path == home {
        Some("it is your home directory, with everything that you own and every key in it")
    } else if home.is_within(path) {
        Some("your home directory lies in it")
    } else {
        None
    }
}
