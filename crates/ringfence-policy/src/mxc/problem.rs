//! What keeps a request from running, before the place is worded as line and column.
//!
//! Nothing about which problems there are.

use super::{Code, Refusal};
use crate::diagnostic::{Diagnostic, Report, Snippet, printable};
use crate::source::Positions;

/// A refusal in the making.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) field: Option<String>,
    /// The byte where it stands.
    pub(super) at: Option<usize>,
    pub(super) what: String,
}

impl Problem {
    /// It is no request of the contract.
    pub(super) fn malformed(field: &str, at: usize, what: impl Into<String>) -> Problem {
        let field = Some(field.to_owned()).filter(|field| !field.is_empty());
        Problem { code: Code::MalformedRequest, field, at: Some(at), what: what.into() }
    }

    /// It is one, and asks for what cannot be meant or not be held.
    pub(super) fn policy(field: &str, at: usize, what: impl Into<String>) -> Problem {
        Problem { code: Code::PolicyValidation, ..Problem::malformed(field, at, what) }
    }

    /// Something other than the request's text is wrong: a ceiling's file, a link.
    pub(super) fn around(report: &Report) -> Problem {
        let told = |diagnostic: &Diagnostic| {
            let place = diagnostic.snippets.first().and_then(Snippet::told);
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            let help: String = diagnostic.help.iter().map(|help| format!("; {help}")).collect();
            format!("{}{place}{help}", diagnostic.title)
        };
        let what = report.0.iter().map(told).collect::<Vec<_>>().join("\n");
        Problem { code: Code::PolicyValidation, field: None, at: None, what }
    }

    pub(super) fn refusal(self, text: &str) -> Refusal {
        let (line, column) = self.at.map_or((0, 0), |at| Positions::new(text).of(at));
        // A key may be anything.
        let field = self.field.map(|field| field.chars().flat_map(printable).collect());
        Refusal { code: self.code, message: self.what, field, line, column }
    }
}
