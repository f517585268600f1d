//! Diagnostics as text for people, in the manner of rustc.
//!
//! Not on the fast path: only runs that fail, or warn, come here.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet as Shown};

use crate::diagnostic::{Diagnostic, Report, Severity};

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
            kind.span(label.range.clone()).label(label.text.as_str())
        });
        Shown::source(&*snippet.text).path(&*snippet.name).annotations(annotations)
    });
    let mut group: Group<'_> = level.primary_title(diagnostic.title.as_str()).elements(snippets);
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}
