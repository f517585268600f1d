//! Presets: read when they are chosen, and left with what of them this machine has.
//!
//! Which there are is in `presets`, which a project calls for in `detect`.

use std::path::Path;

use super::{Layer, LayerKind, Loader, Part};
use crate::detect;
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::discover;
use crate::nearest::nearest;
use crate::path_text::{Names, absolute};
use crate::presets::{self, Chosen, Preset};
use crate::read::{self, Hears};
use crate::source::{Author, Source, SourceId, Span};
use crate::statement::{Statement, Value, access_of};

/// What a preset becomes part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// The run's grants, or its ceilings if it is one.
    Run(Part),
    /// The ceiling that extends it, which it widens and which grants nothing.
    Ceiling(Hears),
}

impl Loader<'_> {
    /// The presets that the project's files call for, unless somebody has said which.
    pub(super) fn detected_presets(&mut self, root: Option<&ringfence_plan::AbsPath>) -> Result<(), Report> {
        let part = match self.says_extends {
            _ if self.names_default => Part::Always,
            [true, true] => return Ok(()),
            [false, false] => Part::Always,
            [false, true] => Part::Without,
            [true, false] => Part::With,
        };
        let cwd = self.context.cwd.as_path();
        for Chosen { name, why } in detect::presets(root.map_or(cwd, |root| root.as_path()), cwd) {
            if let Some(preset) = presets::find(&name) {
                self.preset(preset, why, part)?;
            }
        }
        self.names_default |= part != Part::With;
        Ok(())
    }

    /// Makes `preset` and what it extends part of the run.
    pub(super) fn preset(&mut self, preset: &'static Preset, why: String, part: Part) -> Result<(), Report> {
        let known = |chosen: &Chosen| chosen.name == preset.name;
        let name = format!("preset {}", preset.name);
        // One that so far counts in one reading only, since a project asked for it, has not been taken for everybody.
        let taken = |layer: &Layer| layer.part == Part::Always && layer.name == name;
        if part == Part::Always && self.layers.iter().any(taken) {
            return Ok(());
        }
        self.chosen.retain(|chosen| !known(chosen));
        self.chosen.push(Chosen { name: preset.name.to_owned(), why });
        let (statements, kind) = self.preset_statements(preset, Into::Run(part))?;
        self.layers.push(Layer { kind, part, name, statements });
        Ok(())
    }

    /// What `preset` says, as far as this machine has it; what it extends goes where it goes.
    pub(super) fn preset_statements(
        &mut self,
        preset: &'static Preset,
        into: Into,
    ) -> Result<(Vec<Statement>, LayerKind), Report> {
        let id = SourceId(self.texts.len() as u32);
        self.texts.push(Source {
            name: preset.name.into(),
            text: preset.text.into(),
            directory: self.context.cwd.as_path().to_owned(),
            files: Vec::new(),
            author: Author::Preset,
        });
        let hears = match into {
            Into::Run(_) => Hears::Caller,
            Into::Ceiling(hears) => hears,
        };
        let mut document = self.with_facts(true, hears, |facts| read::read(id, &self.texts, facts))?;
        let mut below = Vec::new();
        for (extended, span) in document.extends.iter().flatten() {
            match (presets::find(extended), into) {
                (Some(extended), Into::Run(part)) => {
                    self.preset(extended, format!("preset {} extends it", preset.name), part)?;
                }
                (Some(extended), Into::Ceiling(_)) => {
                    below.extend(self.preset_statements(extended, into)?.0);
                }
                (None, _) => return Err(self.no_preset(extended, Some(span))),
            }
        }
        // A ceiling keeps its word whatever is there: without any list left, it would bound no files at all.
        if let Into::Run(_) = into {
            document
                .statements
                .retain(|statement| self.is_there(statement) && !self.is_in_project(statement));
        }
        for variable in document.moved {
            if self.moves_something(&variable, &document.statements) && !self.moved.contains(&variable) {
                self.moved.push(variable);
            }
        }
        let kind = if document.ceiling.is_some() { LayerKind::Ceiling } else { LayerKind::Grants };
        below.extend(document.statements);
        Ok((below, kind))
    }

    /// Whether what a preset grants exists; a path that depends on the workspace is left to whoever opens it.
    fn is_there(&self, statement: &Statement) -> bool {
        let (Some(_), Value::Path { optional: Some(true) }) =
            (access_of(statement.field.key), &statement.value)
        else {
            return true;
        };
        if statement.field.key == "filesystem.deny" || self.request.assume_present {
            return true;
        }
        self.meant(statement).is_none_or(|path| discover::exists(path.as_path()))
    }

    /// Whether what a preset grants lies in the project, where a caller's variable may put a cache: it may be written
    /// there as it is, and a copy would throw away what somebody wants to keep.
    fn is_in_project(&self, statement: &Statement) -> bool {
        matches!(statement.field.key, "filesystem.read" | "filesystem.private")
            && self.meant(statement).is_some_and(|path| self.belongs_to_project(&path))
    }

    fn belongs_to_project(&self, path: &ringfence_plan::AbsPath) -> bool {
        path.is_within(self.project.as_ref().unwrap_or(&self.context.cwd))
    }

    /// Whether `variable` led to one of the paths that were granted, or into the project.
    fn moves_something(&self, variable: &str, statements: &[Statement]) -> bool {
        let root = discover::root(variable, &self.request.caller_env, self.context);
        let root = root.and_then(|root| ringfence_plan::AbsPath::new(root).ok());
        let Some(root) = root else { return false };
        if self.belongs_to_project(&root) {
            return true;
        }
        let granted = |statement: &Statement| {
            statement.field.key != "filesystem.deny" && access_of(statement.field.key).is_some()
        };
        statements
            .iter()
            .filter(|statement| granted(statement))
            .filter_map(|statement| self.meant(statement))
            .any(|path| path.is_within(&root))
    }

    fn meant(&self, statement: &Statement) -> Option<ringfence_plan::AbsPath> {
        let names = Names { context: self.context, workspace: None };
        absolute(&statement.words, Path::new("/"), &names).ok()
    }

    pub(super) fn no_preset(&self, name: &str, asked: Option<&Span>) -> Report {
        let help = match nearest(name, presets::names()) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => {
                format!("`ringfence policy presets` lists them; a file is written with a slash: ./{name}")
            }
        };
        let diagnostic = Diagnostic::error(format!("there is no preset {}", quoted(name))).help(help);
        match asked {
            Some(span) => diagnostic.at(&self.texts, span, "not a preset").into(),
            None => diagnostic.into(),
        }
    }
}
