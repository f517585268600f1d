//! One set of fields out of the statements that count together: those that grant, or those of one ceiling. Pure.
//!
//! Which statements count together is decided in `compose`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ringfence_plan::{AbsPath, AuditDestination, Endpoint, PathPattern};

use super::fields::{Anchors, Fields, StatementId};
use super::gateway::Gateway;
use crate::context::{Context, Surroundings};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::field::{self, FIELDS, FieldSpec};
use crate::settle::{Claim, Hide, settle};
use crate::source::{Author, Source};
use crate::statement::{Place, Statement, Value};

/// What the grants amount to, with what is worth telling about them.
///
/// # Errors
/// Every path, pattern or variable that cannot be meant, and a workspace that would hand over too much.
pub(super) fn grants(
    texts: &[Source],
    context: &Context,
    surroundings: &Surroundings,
    statements: Vec<Statement>,
) -> Result<(Fields, Vec<Diagnostic>), Report> {
    let mut composer = Composer::new((texts, context, surroundings), statements, None);
    composer.base_singles();
    composer.workspace();
    composer.base_grants();
    composer.written_paths();
    composer.secrets();
    composer.linked_claims();
    composer.elsewhere_claims();
    composer.hidden_places();
    let mut settled = settle(std::mem::take(&mut composer.claims));
    // Whoever comes by a link to what is not granted is told so when links are checked.
    settled.void.retain(|(lost, _)| lost.hide != Hide::Linked);
    composer.warn_of_void(&settled.void);
    composer.void = settled.void;
    composer.grants = settled.kept;
    composer.keep_unseen(settled.unseen);
    composer.deny_patterns();
    composer.protect_patterns();
    composer.environment();
    composer.network();
    composer.secret_variables();
    composer.oversight();
    composer.finish()
}

/// What one ceiling amounts to, over grants that are anchored at `anchors`.
///
/// # Errors
/// As [`grants`]; and what only a policy can say.
pub(super) fn ceiling(
    texts: &[Source],
    context: &Context,
    surroundings: &Surroundings,
    (statements, anchors): (Vec<Statement>, Anchors),
) -> Result<Fields, Report> {
    let mut composer = Composer::new((texts, context, surroundings), statements, Some(anchors));
    composer.refuse_what_grants();
    composer.written_paths();
    composer.secrets();
    composer.linked_claims();
    composer.elsewhere_claims();
    composer.bound_files();
    composer.grants = settle(std::mem::take(&mut composer.claims)).kept;
    composer.deny_patterns();
    composer.protect_written_only();
    composer.bound_environment();
    composer.network();
    composer.secret_variables();
    composer.oversight();
    composer.finish().map(|(fields, _)| fields)
}

pub(super) struct Composer<'a> {
    pub(super) context: &'a Context,
    pub(super) surroundings: &'a Surroundings,
    pub(super) texts: &'a [Source],
    /// Where patterns of any depth begin, and what the workspace is, if this is a ceiling.
    pub(super) anchors: Option<Anchors>,
    /// What people wrote first, then the base: so that what was read keeps its place.
    pub(super) statements: Vec<Statement>,
    pub(super) written: StatementId,
    pub(super) claims: Vec<Claim>,
    pub(super) workspace: Option<AbsPath>,
    pub(super) grants: Vec<Claim>,
    pub(super) deny_globs: Vec<(PathPattern, StatementId)>,
    pub(super) protect: Vec<(PathPattern, StatementId)>,
    pub(super) protect_except: Vec<PathPattern>,
    pub(super) pass: Vec<(String, StatementId)>,
    pub(super) refuse: Vec<(&'static str, StatementId)>,
    pub(super) set: BTreeMap<String, (String, StatementId)>,
    pub(super) deny: Vec<(String, StatementId)>,
    pub(super) allow_net: Vec<(Endpoint, StatementId)>,
    pub(super) deny_net: Vec<(Endpoint, StatementId)>,
    pub(super) gateway: Gateway,
    pub(super) audit: Vec<(AuditDestination, StatementId)>,
    pub(super) void: Vec<(Claim, Claim)>,
    pub(super) singles: [Option<StatementId>; FIELDS.len()],
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'a> Composer<'a> {
    fn new(
        (texts, context, surroundings): (&'a [Source], &'a Context, &'a Surroundings),
        mut statements: Vec<Statement>,
        anchors: Option<Anchors>,
    ) -> Composer<'a> {
        // Room for the base, so that it is not moved again and again.
        statements.reserve(192);
        let singles = deciding(texts, &statements);
        Composer {
            context,
            surroundings,
            texts,
            workspace: anchors.as_ref().and_then(|anchors| anchors.workspace.clone()),
            anchors,
            written: statements.len() as StatementId,
            statements,
            claims: Vec::new(),
            grants: Vec::new(),
            deny_globs: Vec::new(),
            protect: Vec::new(),
            protect_except: Vec::new(),
            pass: Vec::new(),
            refuse: Vec::new(),
            set: BTreeMap::new(),
            deny: Vec::new(),
            allow_net: Vec::new(),
            deny_net: Vec::new(),
            gateway: Gateway::default(),
            audit: Vec::new(),
            void: Vec::new(),
            singles,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn finish(self) -> Result<(Fields, Vec<Diagnostic>), Report> {
        if !self.problems.is_empty() {
            return Err(Report(self.problems));
        }
        // A workspace that somebody made readable only is none.
        let writable = |claim: &&Claim| claim.hide == Hide::Workspace;
        let workspace = self.grants.iter().find(writable).map(|claim| claim.path.clone());
        let by_its_owner = |id: &StatementId| {
            self.anchors.is_some() && self.author(&self.statements[*id as usize]).is_ceiling()
        };
        let standing = (0..self.written).find(by_its_owner);
        let fields = Fields {
            statements: self.statements,
            standing,
            is_ceiling: self.anchors.is_some(),
            home: self.context.home.clone(),
            workspace,
            grants: self.grants,
            deny_globs: self.deny_globs,
            protect: self.protect,
            protect_except: self.protect_except,
            pass: self.pass,
            refuse: self.refuse,
            set: self.set,
            deny: self.deny,
            allow_net: self.allow_net,
            deny_net: self.deny_net,
            gateway: self.gateway,
            audit: self.audit,
            singles: self.singles,
            void: self.void,
        };
        Ok((fields, self.warnings))
    }

    /// A statement of the base.
    pub(super) fn built_in(
        &mut self,
        field: &'static FieldSpec,
        words: impl Into<Cow<'static, str>>,
        value: Value,
        why: &'static str,
    ) -> StatementId {
        let id = self.statements.len() as StatementId;
        self.statements.push(Statement {
            field,
            value,
            words: words.into(),
            place: Place::BuiltIn(why),
            why: None,
        });
        id
    }

    /// The statements that people wrote for the field `key`.
    pub(super) fn written_for(&self, key: &'static str) -> Vec<StatementId> {
        let written = &self.statements[..self.written as usize];
        (0..).zip(written).filter(|(_, statement)| statement.field.key == key).map(|(id, _)| id).collect()
    }

    pub(super) fn author(&self, statement: &Statement) -> Author {
        match &statement.place {
            Place::BuiltIn(_) => Author::BuiltIn,
            Place::Written(span) => self.texts[span.source.0 as usize].author,
        }
    }

    /// An error about a statement that somebody wrote.
    pub(super) fn problem(&mut self, id: StatementId, what: &str, label: &str, help: Option<String>) {
        let statement = &self.statements[id as usize];
        let title = match &statement.value {
            // The text below shows the table; in a title it would be a screenful.
            Value::Http(_) | Value::Credential(_) | Value::Budget(_) | Value::Secret(_) => {
                format!("this {} {what}", quoted(statement.field.key))
            }
            _ => format!("{} {} {what}", quoted(statement.field.key), quoted(&statement.words)),
        };
        let mut diagnostic = self.point(Diagnostic::error(title), id, label);
        diagnostic.help.extend(help);
        self.problems.push(diagnostic);
    }

    /// `diagnostic` with a remark under the statement, if it stands in a text.
    pub(super) fn point(&self, diagnostic: Diagnostic, id: StatementId, label: &str) -> Diagnostic {
        match &self.statements[id as usize].place {
            Place::Written(span) => diagnostic.at(self.texts, span, label),
            Place::BuiltIn(_) => diagnostic,
        }
    }
}

/// The statement that decides each field with a single value: the later one, of what extends or of a flag; but among
/// presets, whose order says nothing, the one that lets most.
fn deciding(texts: &[Source], statements: &[Statement]) -> [Option<StatementId>; FIELDS.len()] {
    let preset = |at: StatementId| match &statements[at as usize].place {
        Place::Written(span) => texts[span.source.0 as usize].author == Author::Preset,
        Place::BuiltIn(_) => false,
    };
    let mut singles: [Option<StatementId>; FIELDS.len()] = [None; FIELDS.len()];
    for (at, statement) in (0..).zip(statements).filter(|(_, statement)| !statement.field.repeatable) {
        let decided = &mut singles[field::position(statement.field)];
        let lets_more =
            |before: StatementId| statement.value.lets_more_than(&statements[before as usize].value);
        if decided.is_none_or(|before| !(preset(before) && preset(at)) || lets_more(before)) {
            *decided = Some(at);
        }
    }
    singles
}
