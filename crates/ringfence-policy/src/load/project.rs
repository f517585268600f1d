//! The policy that lies in the project: a request, until its content is trusted.
//!
//! What the user has trusted is recorded by `layers::trust`.

use std::fs;
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Rule};

use super::chain::Start;
use super::{FILE_NAME, Layer, LayerKind, Loader, Part};
use crate::compile;
use crate::diagnostic::{Diagnostic, Report};
use crate::layers::trust::{self, Trust};
use crate::read::Hears;
use crate::source::{Author, SourceId};

/// A project's policy that the user has not trusted, or no longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsettled {
    /// The file, as the user would name it.
    pub name: String,
    /// The file and all that it extends: where they are, and what they say.
    pub files: Vec<(PathBuf, String)>,
    /// What they said when the user trusted them, if he did.
    pub before: Option<Vec<(PathBuf, String)>>,
    /// What they say under conditions that do not hold here and now: to trust them is to trust that too.
    pub dormant: Vec<Rule>,
    /// Why a record of his trust does not count, if there is one.
    pub doubt: Option<Diagnostic>,
}

impl Loader<'_> {
    /// The `ringfence.toml` nearest to the current directory, not above the project's root.
    pub(super) fn project_policy(&mut self, root: Option<&AbsPath>) -> Result<(), Report> {
        let Some(path) = self.found(root) else { return Ok(()) };
        let name = self.name_of(&path);
        let layer = format!("the project's policy {name}");
        let first = self.layers.len();
        let hears = Hears::Caller;
        let start =
            Start { author: Author::Project, part: Part::With, layer, decides: true, hears, standing: false };
        let files = self.chain_of(&path, start)?;
        let files = self.contents(&files);
        self.settle(first, name, files)
    }

    fn found(&self, root: Option<&AbsPath>) -> Option<PathBuf> {
        let cwd = self.context.cwd.as_path();
        let top = root.map_or(cwd, AbsPath::as_path);
        cwd.ancestors().take_while(|dir| dir.starts_with(top)).map(|dir| dir.join(FILE_NAME)).find(|file| {
            // symlink_metadata: a link that leads nowhere is a policy that cannot be read, not the absence of one.
            fs::symlink_metadata(file).is_ok()
        })
    }

    fn contents(&self, files: &[SourceId]) -> Vec<(PathBuf, String)> {
        let text = |id: &SourceId| {
            let source = &self.texts[id.0 as usize];
            // By the name that it has in its own directory: a symlink to what the user trusts elsewhere is not trusted, and
            // a text whose relative paths would start somewhere else is another one.
            source.files.last().map(|path| (path.clone(), source.text.to_string()))
        };
        files.iter().filter_map(text).collect()
    }

    /// Makes the layers from `first` on the user's own word if he trusts these contents.
    fn settle(&mut self, first: usize, name: String, files: Vec<(PathBuf, String)>) -> Result<(), Report> {
        let dormant = self.dormant.iter();
        let dormant = dormant
            .map(|statement| Rule { text: statement.text(), origin: compile::origin(&self.texts, statement) })
            .collect();
        match trust::is_trusted(&self.places, &files) {
            Trust::Trusted => {
                let mine = |layer: &&mut Layer| layer.part == Part::With;
                self.layers[first..].iter_mut().filter(mine).for_each(|layer| layer.part = Part::Always);
                self.says_extends[0] |= self.says_extends[1];
            }
            Trust::Changed { before } => {
                self.unsettled = Some(Unsettled { name, files, before: Some(before), dormant, doubt: None });
            }
            Trust::Unknown => {
                self.unsettled = Some(Unsettled { name, files, before: None, dormant, doubt: None });
            }
            Trust::Doubtful { why } => {
                self.unsettled = Some(Unsettled { name, files, before: None, dormant, doubt: Some(why) });
            }
        }
        // A ceiling of the project's own narrows whether it is trusted or not.
        for layer in &mut self.layers[first..] {
            if layer.kind == LayerKind::Ceiling {
                layer.part = Part::Always;
            }
        }
        Ok(())
    }
}
