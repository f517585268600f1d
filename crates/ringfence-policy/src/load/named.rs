//! What the caller names: policy files, layers, agent, stage and task, flags.
//!
//! His own standing files are in `owned`.

use std::path::Path;

use super::chain::{File, Start};
use super::{Layer, LayerKind, Loader, Part};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::flag;
use crate::presets::{self, Group};
use crate::read::Hears;
use crate::source::{Author, SourceId};

/// A name that becomes part of a file's: no slash, no dot in front, nothing that acts on terminals.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+');
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(plain)
}

impl Loader<'_> {
    /// Presets by name, then `--policy`, in order.
    pub(super) fn named_policies(&mut self) -> Result<(), Report> {
        for name in &self.request.presets {
            match presets::find(name) {
                Some(preset) => self.preset(preset, "it was named".into(), Part::Always)?,
                None => return Err(self.no_preset(name, None)),
            }
            self.says_extends = [true; 2];
        }
        for file in self.request.policy_files.clone() {
            self.named_file(&file, format!("your policy {}", file.display()), true)?;
        }
        Ok(())
    }

    /// A file that the caller names: his own word, wherever it lies.
    fn named_file(&mut self, file: &Path, layer: String, decides: bool) -> Result<(), Report> {
        let (author, part, hears) = (Author::User, Part::Always, Hears::Caller);
        self.chain_of(file, Start { author, part, layer, decides, hears, standing: false })?;
        Ok(())
    }

    /// `--layer`, in order.
    pub(super) fn named_layers(&mut self) -> Result<(), Report> {
        for file in self.request.layers.clone() {
            self.named_file(&file, format!("the layer {}", file.display()), false)?;
        }
        Ok(())
    }

    /// `--agent`, `--stage` and `--task`: the user's own file of that name, or a preset.
    pub(super) fn agent_stage_and_task(&mut self) -> Result<(), Report> {
        let request = self.request;
        let kinds = [
            ("agent", "agents", &request.agent, Some(Group::Agent)),
            ("stage", "stages", &request.stage, Some(Group::Stage)),
            ("task", "tasks", &request.task, None),
        ];
        for (kind, directory, name, group) in kinds {
            let Some(name) = name else { continue };
            if !is_plain(name) {
                let title = format!("{} cannot name the {kind}", quoted(name));
                let help = "letters, digits and - _ . @ + make a name";
                return Err(Diagnostic::error(title).help(help).into());
            }
            if let Some(file) = self.own_file(&format!("{directory}/{name}.toml"))? {
                let layer = format!("your {kind} {}", self.name_of(&file.path));
                let hears = Hears::Caller;
                let start = Start {
                    author: Author::User,
                    part: Part::Always,
                    layer,
                    decides: false,
                    hears,
                    standing: true,
                };
                let (name, path, text) = (self.name_of(&file.path), file.path, file.text);
                self.chain(File { name, path, text, asked: None }, start)?;
                continue;
            }
            let Some(group) = group else { continue };
            match presets::find(name).filter(|preset| preset.group == group) {
                Some(preset) => self.preset(preset, format!("--{kind} {name}"), Part::Always)?,
                None => return Err(self.nobody(kind, directory, name, group)),
            }
        }
        Ok(())
    }

    fn nobody(&self, kind: &str, directory: &str, name: &str, group: Group) -> Report {
        let known: Vec<_> =
            presets::ALL.iter().filter(|preset| preset.group == group).map(|preset| preset.name).collect();
        Diagnostic::error(format!("there is no {kind} {}", quoted(name)))
            .help(format!("the built-in ones are {}", known.join(", ")))
            .help(format!("your own is written in ~/.config/ringfence/{directory}/{name}.toml"))
            .into()
    }

    /// Flags that stand for fields.
    pub(super) fn flags(&mut self) -> Result<(), Report> {
        let (mut problems, mut statements) = (Vec::new(), Vec::new());
        for flag in &self.request.flags {
            let id = SourceId(self.texts.len() as u32);
            self.texts.push(flag::source(flag, self.context));
            match flag::read(id, &self.texts, flag) {
                Ok(statement) => statements.push(statement),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Report(problems));
        }
        let (kind, part) = (LayerKind::Grants, Part::Always);
        self.layers.push(Layer { kind, part, name: "the command line".into(), statements });
        Ok(())
    }
}
