//! Registries that are named as groups of hosts: looked for once all is read.
//!
//! Where they are looked for is said in `groups::registries`.

use std::path::{Path, PathBuf};

use super::{LayerKind, Loader, Part};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::discover::Follower;
use crate::groups::{self, Group, Machine, Unknown};
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
                    LayerKind::Ceiling => Err(Unknown {
                        why: "a tool's settings are the caller's".into(),
                        help: "in a ceiling, name the hosts: the caller's settings would move it",
                    }),
                    LayerKind::Grants => tool.endpoints(machine.get_or_insert_with(|| self.machine())),
                };
                match (hosts, &statement.place) {
                    (Ok(hosts), _) => found.push((at, which, hosts)),
                    (Err(Unknown { why, help }), Place::Written(span)) => {
                        let title = format!("the hosts of {} are not known", quoted(&statement.words));
                        return Err(Diagnostic::error(title).at(&self.texts, span, &why).help(help).into());
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
        let programs = path.split(':').map(PathBuf::from).filter(|directory| directory.is_absolute());
        Machine {
            root: Path::new("/"),
            home: &self.request.home,
            env: &self.request.caller_env,
            programs: programs.collect(),
            writable: self.writable(),
        }
    }

    /// What the workload may write, by its names and where these lead: the project, and whatever somebody grants. What an
    /// untrusted project's policy grants is not had, and must not decide here either.
    fn writable(&self) -> Vec<PathBuf> {
        // What holds HOME can be no workspace, whatever directory the caller is in.
        let mut workspaces = self.workspaces();
        workspaces.retain(|workspace| !self.context.home.is_within(workspace));
        let layers =
            self.layers.iter().filter(|layer| layer.kind == LayerKind::Grants && layer.part != Part::With);
        let written = layers.flat_map(|layer| &layer.statements);
        let written: Vec<_> = written.filter(|statement| statement.field.key == "filesystem.write").collect();
        let starts = workspaces.iter().map(Some).chain([None]).flat_map(|workspace| {
            written.iter().filter_map(move |statement| self.start(statement, workspace))
        });
        let mut links = Follower::default();
        let named = starts.chain(workspaces.iter().cloned());
        let trees = named.flat_map(|tree| [links.follow(&tree).map(|link| link.real), Some(tree)]);
        trees.flatten().map(|tree| tree.as_path().to_owned()).collect()
    }
}
