//! Diagnostics as text for people, in the manner of rustc.
//!
//! Not on the fast path: only runs that fail, or warn, come here.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet as Shown};

use crate::diagnostic::{Diagnostic, Report, Severity, acts_on_terminals, printable};

/// More than this many diagnostics are counted, not shown: a wrong file type would fill the screen.
const MOST: usize = 20;

impl Report {
    /// The whole report; `color` asks for ANSI colours.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(100);
        let mut parts: Vec<String> =
            self.0.iter().take(MOST).map(|diagnostic| render(diagnostic, &renderer)).collect();
        if self.0.len() > MOST {
            parts.push(format!("… and {} more", self.0.len() - MOST));
        }
        let mut text = parts.join("\n\n");
        text.push('\n');
        text
    }
}

fn render(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let snippets = diagnostic.snippets.iter().map(|snippet| {
        let annotations = snippet.labels.iter().enumerate().map(|(nth, label)| {
            let kind = if nth == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(label.range.clone()).label(escaped(&label.text))
        });
        Shown::source(of_same_length(&snippet.text)).path(escaped(&snippet.name)).annotations(annotations)
    });
    let mut group: Group<'_> = level.primary_title(escaped(&diagnostic.title)).elements(snippets);
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(escaped(help)));
    }
    renderer.render(&[group])
}

/// `text` with what could act on a terminal written out.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts_on_terminals) { text.chars().flat_map(printable).collect() } else { text.into() }
}

/// `text` with what could act on a terminal replaced by something as long, so that spans stay right. What is one byte
/// long is left to the renderer, which shows it by name.
fn of_same_length(text: &str) -> Cow<'_, str> {
    let replaced = |c: char| match c.len_utf8() {
        2 if acts_on_terminals(c) => '\u{b7}',
        3 if acts_on_terminals(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    if text.is_ascii() { text.into() } else { text.chars().map(replaced).collect() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::{Label, Snippet};

    #[test]
    fn nothing_that_acts_on_a_terminal_is_shown() {
        let bad = "a\u{9b}31m\x1b[2J\r\x07\x7f\u{202e}\u{8d}b";
        let label = Label { range: 0..bad.len(), text: bad.into() };
        let snippet = Snippet { name: bad.into(), text: Arc::from(bad), labels: vec![label] };
        let diagnostic = Diagnostic { snippets: vec![snippet], ..Diagnostic::error(bad).help(bad) };
        let text = Report(vec![diagnostic]).render(false);
        assert!(!text.contains(|c| acts_on_terminals(c) && c != '\n'), "{text:?}");
    }
}
