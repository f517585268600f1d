//! A row of the table: one promise and the function that puts it to the test. Not the tests themselves.

use crate::session::Session;

/// One promise.
pub struct Row {
    /// The promise in a few words, as an identifier.
    pub name: String,
    /// The threats (numbers of the table of known escapes) that it answers; empty for behaviours.
    pub threats: &'static [u8],
    /// The plan's field that holds it. Where the backend says that it cannot hold that field, the row is skipped
    /// with the backend's own words.
    pub field: Option<&'static str>,
    /// Where the row has a meaning.
    pub scope: Scope,
    /// Whether it looks at what all of the host has in common (processes, temporary files, time), so that no other row
    /// may run beside it.
    pub alone: bool,
    /// The test.
    pub check: Box<dyn Fn(&Session) -> Outcome + Send + Sync>,
}

/// Where a row has a meaning; elsewhere it is skipped with the reason given.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// On every backend, as every user.
    Everywhere,
    /// Only with namespaces.
    Namespaces(&'static str),
    /// Only when root runs it.
    Root(&'static str),
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promise held, and would not have without the fence.
    Passed,
    /// The promise did not hold.
    Failed(String),
    /// The attempt does not succeed without a fence either, so nothing was shown. Counts as a failure.
    NotProved(String),
    /// This host or backend cannot put it to the test.
    Skipped(String),
}

impl Row {
    /// A row with its own test.
    pub fn new(
        name: impl Into<String>,
        threats: &'static [u8],
        check: impl Fn(&Session) -> Outcome + Send + Sync + 'static,
    ) -> Row {
        Row {
            name: name.into(),
            threats,
            field: None,
            scope: Scope::Everywhere,
            alone: false,
            check: Box::new(check),
        }
    }

    /// The same row, held by this field.
    pub fn held_by(self, field: &'static str) -> Row {
        Row { field: Some(field), ..self }
    }

    /// The same row, elsewhere meaningless.
    pub fn only(self, scope: Scope) -> Row {
        Row { scope, ..self }
    }

    /// The same row, with no other beside it.
    pub fn alone(self) -> Row {
        Row { alone: true, ..self }
    }

    /// The threats as text.
    pub fn threat_list(&self) -> String {
        let numbers: Vec<_> = self.threats.iter().map(|number| format!("#{number}")).collect();
        numbers.join(" ")
    }

    /// Puts the row to the test in `session`.
    pub fn run(&self, session: &Session) -> Outcome {
        match self.scope {
            Scope::Namespaces(why) if session.backend != "namespaces" => return Outcome::Skipped(why.into()),
            Scope::Root(why) if !session.is_root => return Outcome::Skipped(why.into()),
            _ => {}
        }
        if let Some(why) = self.field.and_then(|field| session.unenforced(field)) {
            return Outcome::Skipped(format!("the backend says that it does not hold this here: {why}"));
        }
        (self.check)(session)
    }
}

/// What a test that fails on the way says.
pub(crate) fn outcome(result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}
