//! What in a policy is probably not meant: grants without effect, grants too broad, rules that repeat or match nothing.
//!
//! Not errors: those stop the composing before. Nothing is looked at here; what the machine has is told.

use ringfence_plan::{PathPattern, Rule};

use crate::compile;
use crate::compose::{Composed, Fields, StatementId};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::presets::Chosen;
use crate::source::{Author, Span};
use crate::statement::{Place, Statement};
use crate::{Stage, StageKind};

mod broad;
mod gateway;
mod repeated;
#[cfg(test)]
mod tests;
mod void;

/// What a check has to be told of the machine.
pub struct Machine<'a> {
    /// Whether anything there matches a pattern. Asked once for each denied pattern that people wrote.
    pub matches: &'a dyn Fn(&PathPattern) -> Matches,
    /// The presets that the project's files call for.
    pub called_for: &'a [Chosen],
}

/// Whether anything matches a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// Something does.
    Some,
    /// Nothing does.
    None,
    /// The tree is too large to tell.
    Unknown,
}

/// What is probably not meant in `composed`; empty where all is well. The composing's own warnings come first.
pub fn check(composed: &Composed, around: &Machine<'_>) -> Report {
    let stages = composed.stages();
    // A project's policy that is not trusted is checked as if it were.
    let reading = composed.readings.iter().find(|reading| reading.kind == StageKind::Untrusted);
    let Some(reading) = reading.or(composed.readings.first()) else { return Report::default() };
    let mut checker = Checker { composed, fields: &reading.fields, found: composed.warnings().0.clone() };
    if reading.kind == StageKind::Untrusted {
        checker.void_when_trusted();
    }
    let bounds: Vec<&Stage> =
        stages.iter().filter(|stage| matches!(stage.kind, StageKind::Ceiling | StageKind::Parent)).collect();
    checker.void_by_bounds(&bounds);
    checker.void_variables(&bounds);
    checker.void_endpoints(&bounds);
    checker.void_ports(&bounds);
    checker.bounded_singles(&bounds);
    checker.broad();
    checker.gateway();
    checker.repeated();
    checker.unmatched(around);
    checker.uncalled(around);
    Report(checker.found)
}

/// What the caller's flags ask for and a ceiling, or the sandbox around this one, takes, and hosts, ports and proxies that
/// they name in vain: told at every run, so that nobody believes in a flag that has no effect. Empty without flags, at no cost.
pub(crate) fn void_flags(composed: &Composed) -> Report {
    let Some(grants) = composed.readings.first() else { return Report::default() };
    let by_flag = |statement: &Statement| match &statement.place {
        Place::Written(span) => composed.texts[span.source.0 as usize].author == Author::Flag,
        Place::BuiltIn(_) => false,
    };
    if !grants.fields.statements.iter().any(by_flag) {
        return Report::default();
    }
    let mut checker = Checker { composed, fields: &grants.fields, found: Vec::new() };
    if composed.is_bounded() {
        let stages = composed.stages();
        let bounds: Vec<&Stage> = stages
            .iter()
            .filter(|stage| matches!(stage.kind, StageKind::Ceiling | StageKind::Parent))
            .collect();
        checker.void_by_bounds(&bounds);
        checker.void_variables(&bounds);
        checker.void_endpoints(&bounds);
        checker.void_ports(&bounds);
        checker.bounded_singles(&bounds);
    } else {
        checker.void_endpoints(&[]);
    }
    checker.gateway();
    let flags = |diagnostic: &Diagnostic| {
        diagnostic.snippets.iter().any(|snippet| {
            composed.texts.iter().any(|text| text.author == Author::Flag && text.text == snippet.text)
        })
    };
    Report(checker.found.into_iter().filter(flags).collect())
}

struct Checker<'a> {
    composed: &'a Composed,
    fields: &'a Fields,
    found: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    /// A warning about a statement that a person wrote: what it amounts to, a label under it, and what helps.
    fn warn(&mut self, id: StatementId, what: &str, label: &str, help: String) {
        let statement = self.statement(id);
        let Some(span) = self.written(statement) else { return };
        let title = format!("{} {} {what}", quoted(statement.field.key), quoted(&statement.words));
        let diagnostic = Diagnostic::warning(title).at(&self.composed.texts, span, label);
        let diagnostic = diagnostic.help(help);
        // The composing may have told it already.
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    fn statement(&self, id: StatementId) -> &'a Statement {
        &self.fields.statements[id as usize]
    }

    /// A statement as a rule: what it says, and where it stands.
    fn rule(&self, id: StatementId) -> Rule {
        let statement = self.statement(id);
        Rule { text: statement.text(), origin: compile::origin(&self.composed.texts, statement) }
    }

    /// Where a statement stands, if a person wrote it.
    fn written(&self, statement: &'a Statement) -> Option<&'a Span> {
        let Place::Written(span) = &statement.place else { return None };
        let author = self.composed.texts[span.source.0 as usize].author;
        (author.is_person() && author != Author::Ceiling).then_some(span)
    }

    /// Denied patterns that match nothing.
    fn unmatched(&mut self, around: &Machine<'_>) {
        let fields = self.fields;
        let mut rest = &fields.deny_globs[..];
        // One statement may stand for a pattern in each of several trees.
        while let Some((_, id)) = rest.first() {
            let (of_one, others) = rest.split_at(rest.iter().take_while(|(_, other)| other == id).count());
            rest = others;
            let written = self.written(self.statement(*id)).is_some();
            if written && of_one.iter().all(|(pattern, _)| (around.matches)(pattern) == Matches::None) {
                let help = match as_it_stands(&self.statement(*id).words) {
                    Some(text) => format!(
                        "`[` begins a set of single characters; for a name with brackets, write {}",
                        quoted(&text)
                    ),
                    None => "it holds for what comes later too; if it was meant for what is there, look at its spelling"
                        .into(),
                };
                self.warn(*id, "denies nothing today", "nothing has such a name", help);
            }
        }
    }

    /// Presets that the project's files call for and that a policy with an `extends` of its own leaves out.
    fn uncalled(&mut self, around: &Machine<'_>) {
        let taken = self.composed.presets();
        let missing = around.called_for.iter().filter(|call| taken.iter().all(|one| one.name != call.name));
        for Chosen { name, why } in missing {
            let title = format!("the preset {} is left out although {why}", quoted(name));
            let help = format!(
                "extends = [\"default\", …] takes what the project's files call for, or name {} there",
                quoted(name)
            );
            self.found.push(Diagnostic::warning(title).help(help));
        }
    }
}

/// The pattern whose brackets are meant as they stand, as in `app/[id]`; `None` where there are none, or where they are
/// written so already.
fn as_it_stands(words: &str) -> Option<String> {
    let plain = words.contains('[') && !words.contains("[[]");
    plain.then(|| words.replace('[', "[[]"))
}
