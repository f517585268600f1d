//! What a policy that was found in a project asks for, and does not get by asking.
//!
//! Whoever wrote the project wrote that file; the user may have cloned it a minute ago. It may shape the fence inside
//! the project and read elsewhere, but it may not make a hole: no network, no writing outside of the project, no weaker
//! fence. With `--policy FILE` the user makes it his own word.

use ringfence_plan::{AbsPath, Level, NetworkMode};

use super::{Composer, StatementId};
use crate::diagnostic::{Diagnostic, quoted};
use crate::field::FIELDS;
use crate::source::Author;
use crate::statement::{Place, Statement, Value};

impl Composer {
    /// Leaves out the single values that are not a project's to give.
    pub(super) fn requests(&mut self) {
        for at in 0..FIELDS.len() {
            let Some(id) = self.singles[at] else { continue };
            let statement = &self.statements[id as usize];
            if self.author(statement) == Author::Project && makes_a_hole(statement) {
                self.singles[at] = None;
                self.not_a_projects(id);
            }
        }
    }

    /// Whether a path to write belongs to the project that `id`'s file was found in; anybody else may say any path.
    pub(super) fn is_ones_own(&self, id: StatementId, path: &AbsPath) -> bool {
        let project = self.surroundings.project.as_ref().unwrap_or(&self.context.cwd);
        self.author(&self.statements[id as usize]) != Author::Project || path.is_within(project)
    }

    /// Tells that a project's request has no effect, and what gives it one.
    pub(super) fn not_a_projects(&mut self, id: StatementId) {
        let statement = &self.statements[id as usize];
        let Place::Written(span) = &statement.place else { return };
        let title = format!("{} {} has no effect", quoted(statement.field.key), quoted(&statement.words));
        let file = &self.texts[span.source.0 as usize].name;
        let own =
            statement.field.flag.map_or(String::new(), |flag| format!("{flag} {}, or ", statement.words));
        let help = format!(
            "a policy found in a project makes no hole in the fence; if you mean it: {own}--policy {file}"
        );
        let warning = self.point(Diagnostic::warning(title), id, "not for a project to decide");
        self.warnings.push(warning.help(help));
    }
}

/// Whether a single value gives the command more than the base does, where that matters outside of the project.
fn makes_a_hole(statement: &Statement) -> bool {
    match (statement.field.key, &statement.value) {
        ("network.mode", Value::Network(mode)) => *mode != NetworkMode::None,
        ("processes.nested_namespaces", Value::Switch(on)) => *on,
        ("containment.level", Value::Level(level)) => *level == Level::Process,
        ("limits.memory" | "limits.processes", Value::Size(None) | Value::Count(None)) => true,
        _ => false,
    }
}
