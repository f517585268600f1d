//! From statements of several authors to one set of fields, each value with its origin. Pure.
//!
//! Not the plan: `compile` words the outcome as one.

use std::collections::BTreeMap;

use ringfence_plan::{AbsPath, PathPattern};

use crate::context::{Context, Surroundings};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::field::{self, FIELDS, FieldSpec};
use crate::load::Sources;
use crate::settle::{Claim, Hide, settle};
use crate::source::{Author, Source};
use crate::statement::{Place, Statement, Value};

mod base;
mod claims;
mod environment;
mod patterns;
mod requests;
mod workspace;

/// Index into [`Composed::statements`].
pub(crate) type StatementId = u32;

/// Every field's value, with the statement that says so.
#[derive(Debug)]
pub struct Composed {
    pub(crate) texts: Vec<Source>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) home: AbsPath,
    pub(crate) workspace: Option<AbsPath>,
    /// Sorted by path, one a path.
    pub(crate) grants: Vec<Claim>,
    pub(crate) deny_globs: Vec<(PathPattern, StatementId)>,
    pub(crate) protect: Vec<(PathPattern, StatementId)>,
    pub(crate) protect_except: Vec<PathPattern>,
    pub(crate) pass: Vec<(String, StatementId)>,
    pub(crate) refuse: Vec<(&'static str, StatementId)>,
    pub(crate) set: BTreeMap<String, (String, StatementId)>,
    /// The deciding statement of each field that has a single value, in the order of [`FIELDS`].
    pub(crate) singles: [Option<StatementId>; FIELDS.len()],
    warnings: Report,
}

impl Composed {
    /// What was asked for and has no effect; worth telling, no reason to stop.
    pub fn warnings(&self) -> &Report {
        &self.warnings
    }

    /// The policy files that took part, as the user would name them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|source| !source.files.is_empty()).map(|source| &*source.name)
    }

    /// The deciding value of a field that has a single one.
    pub(crate) fn single(&self, key: &str) -> Option<(&Value, StatementId)> {
        let at = self.singles[field::position(field::known(key))]?;
        Some((&self.statements[at as usize].value, at))
    }
}

/// Composes what was loaded.
///
/// # Errors
/// Every path, pattern or variable that cannot be meant, and a workspace that would hand over too much.
pub fn compose(sources: Sources) -> Result<Composed, Report> {
    let Sources { context, surroundings, texts, statements } = sources;
    let mut composer = Composer::new(context, surroundings, texts, statements);
    composer.requests();
    composer.base_singles();
    composer.workspace();
    composer.base_grants();
    composer.written_paths();
    composer.hidden_places();
    let settled = settle(std::mem::take(&mut composer.claims));
    composer.warn_of_void(&settled.void);
    composer.grants = settled.kept;
    composer.keep_unseen(settled.unseen);
    composer.deny_patterns();
    composer.protect_patterns();
    composer.environment();
    composer.finish()
}

struct Composer {
    context: Context,
    surroundings: Surroundings,
    variables: Vec<&'static str>,
    texts: Vec<Source>,
    /// What people wrote first, then the base: so that what was read keeps its place.
    statements: Vec<Statement>,
    written: StatementId,
    claims: Vec<Claim>,
    workspace: Option<AbsPath>,
    grants: Vec<Claim>,
    deny_globs: Vec<(PathPattern, StatementId)>,
    protect: Vec<(PathPattern, StatementId)>,
    protect_except: Vec<PathPattern>,
    pass: Vec<(String, StatementId)>,
    refuse: Vec<(&'static str, StatementId)>,
    set: BTreeMap<String, (String, StatementId)>,
    singles: [Option<StatementId>; FIELDS.len()],
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Composer {
    fn new(
        context: Context,
        mut surroundings: Surroundings,
        texts: Vec<Source>,
        mut statements: Vec<Statement>,
    ) -> Composer {
        // Room for the base, so that it is not moved again and again.
        statements.reserve(192);
        let mut singles = [None; FIELDS.len()];
        for (at, statement) in (0..).zip(&statements) {
            // The later statement replaces the earlier: what extends, flags.
            if !statement.field.repeatable {
                singles[field::position(statement.field)] = Some(at);
            }
        }
        Composer {
            context,
            variables: std::mem::take(&mut surroundings.variables),
            surroundings,
            texts,
            written: statements.len() as StatementId,
            statements,
            claims: Vec::new(),
            workspace: None,
            grants: Vec::new(),
            deny_globs: Vec::new(),
            protect: Vec::new(),
            protect_except: Vec::new(),
            pass: Vec::new(),
            refuse: Vec::new(),
            set: BTreeMap::new(),
            singles,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn finish(self) -> Result<Composed, Report> {
        if !self.problems.is_empty() {
            return Err(Report(self.problems));
        }
        // A workspace that somebody made readable only is none.
        let writable = |claim: &&Claim| claim.hide == Hide::Workspace;
        let workspace = self.grants.iter().find(writable).map(|claim| claim.path.clone());
        Ok(Composed {
            texts: self.texts,
            statements: self.statements,
            home: self.context.home,
            workspace,
            grants: self.grants,
            deny_globs: self.deny_globs,
            protect: self.protect,
            protect_except: self.protect_except,
            pass: self.pass,
            refuse: self.refuse,
            set: self.set,
            singles: self.singles,
            warnings: Report(self.warnings),
        })
    }

    /// A statement of the base.
    fn built_in(
        &mut self,
        field: &'static FieldSpec,
        words: impl Into<std::borrow::Cow<'static, str>>,
        value: Value,
        why: &'static str,
    ) -> StatementId {
        let id = self.statements.len() as StatementId;
        self.statements.push(Statement { field, value, words: words.into(), place: Place::BuiltIn(why) });
        id
    }

    /// The statements that people wrote for the field `key`.
    fn written_for(&self, key: &'static str) -> Vec<StatementId> {
        let written = &self.statements[..self.written as usize];
        (0..).zip(written).filter(|(_, statement)| statement.field.key == key).map(|(id, _)| id).collect()
    }

    fn author(&self, statement: &Statement) -> Author {
        match &statement.place {
            Place::BuiltIn(_) => Author::BuiltIn,
            Place::Written(span) => self.texts[span.source.0 as usize].author,
        }
    }

    /// An error about a statement that somebody wrote.
    fn problem(&mut self, id: StatementId, what: &str, label: &str, help: Option<String>) {
        let statement = &self.statements[id as usize];
        let title = format!("{} {} {what}", quoted(statement.field.key), quoted(&statement.words));
        let mut diagnostic = self.point(Diagnostic::error(title), id, label);
        diagnostic.help.extend(help);
        self.problems.push(diagnostic);
    }

    /// `diagnostic` with a remark under the statement, if it stands in a text.
    fn point(&self, diagnostic: Diagnostic, id: StatementId, label: &str) -> Diagnostic {
        match &self.statements[id as usize].place {
            Place::Written(span) => diagnostic.at(&self.texts, span, label),
            Place::BuiltIn(_) => diagnostic,
        }
    }
}
