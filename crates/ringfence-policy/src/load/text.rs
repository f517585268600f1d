//! A policy that is no file: for tests, fuzzing, and programs that make one.
//!
//! Nothing is looked up.

use super::{LARGEST, Layer, LayerKind, Part, Sources};
use crate::context::{Context, Surroundings};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::presets;
use crate::read::{self, Facts};
use crate::source::{Author, Source, SourceId};
use crate::statement::{Place, Statement, Value};

impl Sources {
    /// One policy that is no file: its text, called `name`, in these surroundings. Presets that it extends are left out.
    ///
    /// # Errors
    /// As [`crate::load()`]; and an `extends` that names a file, since nothing is read here.
    pub fn of_text(
        name: &str,
        text: &str,
        context: Context,
        surroundings: Surroundings,
    ) -> Result<Sources, Report> {
        let mut sources = Sources {
            context,
            surroundings,
            texts: Vec::new(),
            layers: Vec::new(),
            chosen: Vec::new(),
            unsettled: None,
            lifted: None,
            parent: None,
        };
        sources.add(name, text, Author::User)?;
        Ok(sources)
    }

    /// The same with one more text, a ceiling.
    ///
    /// # Errors
    /// As [`Sources::of_text`].
    pub fn with_ceiling(mut self, name: &str, text: &str) -> Result<Sources, Report> {
        self.add(name, text, Author::Ceiling)?;
        Ok(self)
    }

    fn add(&mut self, name: &str, text: &str, author: Author) -> Result<(), Report> {
        if text.len() as u64 > LARGEST {
            return Err(
                Diagnostic::error(format!("the policy {} is larger than 16 MiB", quoted(name))).into()
            );
        }
        let id = SourceId(self.texts.len() as u32);
        let directory = self.context.cwd.as_path().to_owned();
        self.texts.push(Source {
            name: name.into(),
            text: text.into(),
            directory,
            files: Vec::new(),
            author,
        });
        let document = read::read(id, &self.texts, &Facts::NOTHING)?;
        for (extended, span) in document.extends.iter().flatten() {
            if extended != presets::DEFAULT && presets::find(extended).is_none() {
                let title = format!("{} cannot be extended from here", quoted(extended));
                let label = "this policy is no file, so it extends presets only";
                return Err(Diagnostic::error(title).at(&self.texts, span, label).into());
            }
        }
        let unknown =
            |statement: &&Statement| matches!(&statement.value, Value::Group(hosts) if hosts.is_empty());
        if let Some(Statement { words, place: Place::Written(span), .. }) =
            document.statements.iter().find(unknown)
        {
            let title = format!("the hosts of {} are not known", quoted(words));
            let label = "this policy is no file, so no tool's settings are looked at";
            return Err(Diagnostic::error(title).at(&self.texts, span, label).into());
        }
        let ceiling = author.is_ceiling() || document.ceiling.is_some();
        self.layers.push(Layer {
            kind: if ceiling { LayerKind::Ceiling } else { LayerKind::Grants },
            part: Part::Always,
            name: name.to_owned(),
            statements: document.statements,
        });
        Ok(())
    }
}
