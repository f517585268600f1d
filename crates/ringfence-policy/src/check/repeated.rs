//! Lines that say what another line says already.
//!
//! By their words: `./x` and `x` are not seen to be one.

use std::collections::HashMap;
use std::path::Path;

use super::Checker;
use crate::diagnostic::{Diagnostic, quoted};
use crate::source::Span;

impl Checker<'_> {
    pub(super) fn repeated(&mut self) {
        let mut first: HashMap<(&str, &str, &Path), &Span> = HashMap::new();
        for statement in self.fields.statements.iter().filter(|statement| statement.field.repeatable) {
            let Some(span) = self.written(statement) else { continue };
            // The value of a variable is its own; its name stands in no words.
            if statement.words.is_empty() {
                continue;
            }
            // Relative to a file, the same words mean another path in another directory.
            let directory = self.composed.texts[span.source.0 as usize].directory.as_path();
            let anywhere = statement.words.starts_with(['/', '~', '$'])
                || !statement.field.key.starts_with("filesystem.");
            let place = if anywhere { Path::new("") } else { directory };
            let key = (statement.field.key, &*statement.words, place);
            let Some(known) = first.get(&key) else {
                first.insert(key, span);
                continue;
            };
            let title = format!("{} {} is said twice", quoted(statement.field.key), quoted(&statement.words));
            let texts = &self.composed.texts;
            let diagnostic =
                Diagnostic::warning(title).at(texts, span, "again").at(texts, known, "here already");
            self.found.push(diagnostic.help("take one of the two out"));
        }
    }
}
