//! Fields with their values and the statements that say so: the outcome of composing.
//!
//! No decisions.

use std::collections::BTreeMap;

use ringfence_plan::{AbsPath, AuditDestination, Endpoint, PathPattern};

use super::gateway::Gateway;
use crate::field::{self, FIELDS};
use crate::settle::Claim;
use crate::statement::{Statement, Value};

/// Index into [`Fields::statements`].
pub(crate) type StatementId = u32;

/// Every field's value, with the statement that says so.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) statements: Vec<Statement>,
    /// Whether what is not said is unbounded, instead of the base's.
    pub(crate) is_ceiling: bool,
    /// The first line of a standing ceiling, the machine's or the user's: it is held, or nothing runs, unless it says that
    /// its bounds may be done without.
    pub(crate) standing: Option<StatementId>,
    pub(crate) home: AbsPath,
    pub(crate) workspace: Option<AbsPath>,
    /// Sorted by path, one a path.
    pub(crate) grants: Vec<Claim>,
    pub(crate) deny_globs: Vec<(PathPattern, StatementId)>,
    pub(crate) protect: Vec<(PathPattern, StatementId)>,
    pub(crate) protect_except: Vec<PathPattern>,
    /// Of a ceiling: what may pass, if it says so.
    pub(crate) pass: Vec<(String, StatementId)>,
    pub(crate) refuse: Vec<(&'static str, StatementId)>,
    pub(crate) set: BTreeMap<String, (String, StatementId)>,
    pub(crate) deny: Vec<(String, StatementId)>,
    pub(crate) allow_net: Vec<(Endpoint, StatementId)>,
    pub(crate) deny_net: Vec<(Endpoint, StatementId)>,
    pub(crate) gateway: Gateway,
    pub(crate) audit: Vec<(AuditDestination, StatementId)>,
    /// The deciding statement of each field that has a single value, in the order of [`FIELDS`].
    pub(crate) singles: [Option<StatementId>; FIELDS.len()],
    /// Claims of people that have no effect, each with the claim that voids it.
    pub(crate) void: Vec<(Claim, Claim)>,
}

impl Fields {
    /// The deciding value of a field that has a single one.
    pub(crate) fn single(&self, key: &str) -> Option<(&Value, StatementId)> {
        let at = self.singles[field::position(field::known(key))]?;
        Some((&self.statements[at as usize].value, at))
    }
}

/// What a ceiling needs to know of the grants below it.
#[derive(Clone, Debug)]
pub(crate) struct Anchors {
    /// For `$WORKSPACE`.
    pub(crate) workspace: Option<AbsPath>,
    /// Where `**/…` in `deny` begins.
    pub(crate) granted: Vec<AbsPath>,
    /// The writable trees, sorted, none in another.
    pub(crate) writable: Vec<AbsPath>,
    /// The hosts that the grants name.
    pub(crate) allow: Vec<Endpoint>,
    /// What the grants except from protection.
    pub(crate) except: Vec<PathPattern>,
}
