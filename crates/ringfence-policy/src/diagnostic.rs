//! What is wrong with a policy, as data: title, the text it is about with labels under it, and what mends it.
//!
//! Not its rendering: `render` does that, and JSON is the derived form.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::source::{Positions, Source, Span};

/// Everything that is wrong, in the order it was found; never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Report(pub Vec<Diagnostic>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Diagnostic {
    /// Whether anything can run all the same.
    pub severity: Severity,
    /// What happened, in one line.
    pub title: String,
    /// The text it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snippets: Vec<Snippet>,
    /// What would mend it, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but something that was asked for has no effect.
    Warning,
}

/// A text with labels. Serialized as positions, without the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet {
    /// The file as the user named it, or `command line`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// The labels; the first one is where the trouble is.
    pub labels: Vec<Label>,
}

/// A remark under a stretch of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// The remark.
    pub text: String,
}

impl Diagnostic {
    /// An error without a text to point at.
    pub fn error(title: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, title: title.into(), snippets: Vec::new(), help: Vec::new() }
    }

    pub(crate) fn warning(title: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(title) }
    }

    /// The same with something that mends it.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }

    /// The same with a remark under `span`.
    pub(crate) fn at(mut self, sources: &[Source], span: &Span, text: impl Into<String>) -> Diagnostic {
        let source = &sources[span.source.0 as usize];
        let label = Label { range: span.bytes(), text: text.into() };
        match self.snippets.iter_mut().find(|snippet| Arc::ptr_eq(&snippet.text, &source.text)) {
            Some(snippet) => snippet.labels.push(label),
            None => self.snippets.push(Snippet {
                name: source.name.clone(),
                text: source.text.clone(),
                labels: vec![label],
            }),
        }
        self
    }
}

impl Snippet {
    /// Where the trouble is, and what: `FILE:LINE:COLUMN: remark`, for texts of one line.
    pub(crate) fn told(&self) -> Option<String> {
        let Label { range, text } = self.labels.first()?;
        let (line, column) = Positions::new(&self.text).of(range.start);
        Some(format!("{}:{line}:{column}: {text}", self.name))
    }
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Report {
        Report(vec![diagnostic])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

impl Serialize for Snippet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Positioned<'a> {
            line: u32,
            column: u32,
            end_line: u32,
            end_column: u32,
            text: &'a str,
        }
        let positions = Positions::new(&self.text);
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|label| {
                let (line, column) = positions.of(label.range.start);
                let (end_line, end_column) = positions.of(label.range.end);
                Positioned { line, column, end_line, end_column, text: &label.text }
            })
            .collect();
        let mut fields = serializer.serialize_struct("Snippet", 2)?;
        fields.serialize_field("source", &*self.name)?;
        fields.serialize_field("labels", &labels)?;
        fields.end()
    }
}

/// `text` between backticks, fit for one line: control characters escaped, length bounded.
pub(crate) fn quoted(text: impl fmt::Display) -> String {
    const LONGEST: usize = 120;
    let text = text.to_string();
    let mut shown: String = text.chars().take(LONGEST).flat_map(printable).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Escapes what could act on a terminal.
pub(crate) fn printable(c: char) -> Box<dyn Iterator<Item = char>> {
    if acts_on_terminals(c) { Box::new(c.escape_unicode()) } else { Box::new(std::iter::once(c)) }
}

/// Whether `c` could move the cursor, start an escape sequence, or turn or hide writing.
pub(crate) fn acts_on_terminals(c: char) -> bool {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_disarms_control_characters() {
        assert_eq!(quoted("a\x1b[2Jb\u{202e}"), "`a\\u{1b}[2Jb\\u{202e}`");
        assert!(quoted("x".repeat(1000)).chars().count() < 130);
    }
}
