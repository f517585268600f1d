//! Registries that are named as groups of hosts: looked for once all is read.
//!
//! Where they are looked for is said in `groups::registries`.

use std::path::{Path, PathBuf};

use super::{LayerKind, Loader};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::groups::{self, Group, Machine};
use crate::statement::{Place, Value};

impl Loader<'_> {
    /// Gives each the hosts that its tool is set up to use. A ceiling has none: the caller's settings would move it.
    pub(super) fn registries(&mut self) -> Result<(), Report> {
        let mut found = Vec::new();
        let mut machine = None;
        for (at, layer) in self.layers.iter().enumerate() {
            for (which, statement) in layer.statements.iter().enumerate() {
                let (Value::Group(_), Some(Group::Registry(tool))) =
                    (&statement.value, groups::find(&statement.words))
                else {
                    continue;
                };
                let hosts = match layer.kind {
                    LayerKind::Ceiling => {
                        Err("in a ceiling, name the hosts: the caller's settings would move it".into())
                    }
                    LayerKind::Grants => tool.endpoints(machine.get_or_insert_with(|| self.machine())),
                };
                match (hosts, &statement.place) {
                    (Ok(hosts), _) => found.push((at, which, hosts)),
                    (Err(help), Place::Written(span)) => {
                        let title = format!("the hosts of {} are not known", quoted(&statement.words));
                        let label = match layer.kind {
                            LayerKind::Ceiling => "a tool's settings are the caller's",
                            LayerKind::Grants => "neither the tool nor a setting of it was found",
                        };
                        return Err(Diagnostic::error(title).at(&self.texts, span, label).help(help).into());
                    }
                    (Err(_), Place::BuiltIn(_)) => {}
                }
            }
        }
        for (at, which, hosts) in found {
            self.layers[at].statements[which].value = Value::Group(hosts);
        }
        Ok(())
    }

    fn machine(&self) -> Machine<'_> {
        let path = self.request.caller_env.get("PATH").map_or("", String::as_str);
        let project = self.project.as_ref().unwrap_or(&self.context.cwd).as_path();
        // What lies in the project, the project may have put there.
        let outside = |directory: &PathBuf| {
            directory.is_absolute()
                && directory.canonicalize().is_ok_and(|directory| !directory.starts_with(project))
        };
        Machine {
            root: Path::new("/"),
            home: &self.request.home,
            env: &self.request.caller_env,
            programs: path.split(':').map(PathBuf::from).filter(outside).collect(),
        }
    }
}
