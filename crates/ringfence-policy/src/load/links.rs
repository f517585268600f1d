//! Follows the paths that somebody wrote through their symlinks, so that what is said of a name holds for its place.
//!
//! What that means is decided in `compose`. The base's own directories of the system are not looked at.

use std::collections::BTreeMap;

use ringfence_plan::AbsPath;

use super::Loader;
#[cfg(target_os = "linux")]
use super::author_of;
use crate::compose::literal_start;
use crate::context::Surroundings;
#[cfg(target_os = "linux")]
use crate::discover::Mounts;
use crate::discover::{Follower, Link};
use crate::path_text::{self, Names};
use crate::statement::{Place, Statement};

impl Loader<'_> {
    /// Fills in `surroundings.links`.
    pub(super) fn follow_links(&self, surroundings: &mut Surroundings) {
        let workspaces = self.workspaces();
        let mut all = Follower::default();
        let mut links = BTreeMap::new();
        let mut follow = |path: AbsPath| {
            if let Some(link) = all.follow(&path) {
                links.insert(path, link);
            }
        };
        follow(self.context.home.clone());
        surroundings.programs.iter().for_each(|found| follow(found.path.clone()));
        let written = self.layers.iter().flat_map(|layer| &layer.statements);
        for statement in written.filter(|statement| statement.field.key.starts_with("filesystem.")) {
            for workspace in &workspaces {
                self.start(statement, Some(workspace)).into_iter().for_each(&mut follow);
                if statement.field.key == "filesystem.protect" {
                    self.start_in(statement, workspace).into_iter().for_each(&mut follow);
                }
            }
        }
        let written = self.layers.iter().flat_map(|layer| &layer.statements);
        for statement in written.filter(|statement| statement.secret_file().is_some()) {
            for workspace in &workspaces {
                let text = statement.secret_file().unwrap_or_default();
                self.start_of(statement, text, Some(workspace)).into_iter().for_each(&mut follow);
            }
        }
        workspaces.iter().cloned().for_each(&mut follow);
        surroundings.links = links;
        #[cfg(target_os = "linux")]
        self.look_elsewhere(surroundings, &workspaces);
    }

    /// Fills in `surroundings.elsewhere`: what is denied, protected, or less than writable in a writable tree is so wherever
    /// the machine shows it. Where nothing is, the list of all that is mounted is not read.
    #[cfg(target_os = "linux")]
    fn look_elsewhere(&self, surroundings: &mut Surroundings, workspaces: &[AbsPath]) {
        let written = || self.layers.iter().flat_map(|layer| &layer.statements);
        let starts = |statement, text| {
            workspaces.iter().filter_map(move |workspace| self.start_of(statement, text, Some(workspace)))
        };
        let of = |key: &'static str| {
            let by_people = move |statement: &&Statement| {
                statement.field.key == key && author_of(&self.texts, statement).is_person()
            };
            written().filter(by_people)
        };
        let mut narrowed: Vec<AbsPath> = Vec::new();
        for statement in written() {
            let text = if statement.field.key == "filesystem.deny" { Some(&*statement.words) } else { None };
            narrowed.extend(
                text.or(statement.secret_file()).into_iter().flat_map(|text| starts(statement, text)),
            );
        }
        for statement in of("filesystem.protect") {
            narrowed.extend(starts(statement, &statement.words));
            narrowed.extend(workspaces.iter().filter_map(|workspace| self.start_in(statement, workspace)));
        }
        let writes = of("filesystem.write").flat_map(|statement| starts(statement, &statement.words));
        let trees: Vec<AbsPath> = workspaces.iter().cloned().chain(writes).collect();
        let in_tree = |path: &AbsPath| trees.iter().any(|tree| path.is_within(tree));
        let reads = of("filesystem.read").flat_map(|statement| starts(statement, &statement.words));
        narrowed.extend(reads.filter(in_tree));
        if narrowed.is_empty() {
            return;
        }
        let mounts = Mounts::look();
        for path in narrowed {
            let real = surroundings.links.get(&path).map_or(&path, |link| &link.real);
            let places = mounts.elsewhere(real);
            if !places.is_empty() {
                surroundings.elsewhere.insert(path, places);
            }
        }
    }

    /// What may be the workspace: the readings of an untrusted project's policy can differ in it.
    pub(super) fn workspaces(&self) -> Vec<AbsPath> {
        let usual = self.project.clone().unwrap_or_else(|| self.context.cwd.clone());
        let written = self.layers.iter().flat_map(|layer| &layer.statements);
        let written = written.filter(|statement| statement.field.key == "filesystem.workspace");
        let mut all: Vec<AbsPath> = written.filter_map(|statement| self.start(statement, None)).collect();
        all.push(usual);
        all.sort();
        all.dedup();
        all
    }

    /// The path of `statement`, or its part before the first wildcard.
    pub(super) fn start(&self, statement: &Statement, workspace: Option<&AbsPath>) -> Option<AbsPath> {
        self.start_of(statement, &statement.words, workspace)
    }

    /// The same of a text that `statement` holds.
    fn start_of(&self, statement: &Statement, text: &str, workspace: Option<&AbsPath>) -> Option<AbsPath> {
        let directory = match &statement.place {
            Place::Written(span) => &self.texts[span.source.0 as usize].directory,
            Place::BuiltIn(_) => self.context.cwd.as_path(),
        };
        let names = Names { context: self.context, workspace };
        let rooted = path_text::root(text, directory, &names).ok()?;
        literal_start(&rooted).0.ok()
    }

    /// The same for a name that is one of the workspace.
    fn start_in(&self, statement: &Statement, workspace: &AbsPath) -> Option<AbsPath> {
        let names = Names { context: self.context, workspace: Some(workspace) };
        let rooted = path_text::root(&statement.words, workspace.as_path(), &names).ok()?;
        literal_start(&rooted).0.ok()
    }
}

impl Surroundings {
    /// Where `path` leads, if that is elsewhere.
    pub(crate) fn link(&self, path: &AbsPath) -> Option<&Link> {
        self.links.get(path)
    }

    /// Where else the machine shows what is at `path`, if somebody narrows that.
    pub(crate) fn elsewhere(&self, path: &AbsPath) -> &[AbsPath] {
        self.elsewhere.get(path).map_or(&[], Vec::as_slice)
    }
}
