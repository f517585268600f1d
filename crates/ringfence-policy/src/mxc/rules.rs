//! The lines of a request that a plan's parts come from, by their paths and places in the JSON text.
//!
//! So that a refusal, a verdict and an answer to `why` name the member that decides.

use ringfence_plan::{Origin, Rule, RuleId};

use super::ask::Said;
use crate::source::Positions;

pub(super) struct Rules<'a> {
    name: &'a str,
    positions: Positions<'a>,
    rules: Vec<Rule>,
}

impl<'a> Rules<'a> {
    /// Of the request `text`, which people call `name`.
    pub(super) fn new(name: &'a str, text: &'a str) -> Rules<'a> {
        Rules { name, positions: Positions::new(text), rules: Vec::new() }
    }

    /// A member that says `value`.
    pub(super) fn said<T>(&mut self, said: &Said<T>, value: &str) -> RuleId {
        let (line, column) = self.positions.of(said.at);
        let path = self.name.to_owned();
        self.add(format!("{} = {value:?}", said.field), Origin::File { path, line, column, why: None })
    }

    /// Something of this program's own.
    pub(super) fn built_in(&mut self, text: impl Into<String>, why: &str) -> RuleId {
        self.add(text.into(), Origin::BuiltIn(why.to_owned()))
    }

    fn add(&mut self, text: String, origin: Origin) -> RuleId {
        self.rules.push(Rule { text, origin });
        RuleId(self.rules.len() as u32 - 1)
    }

    pub(super) fn finish(self) -> Vec<Rule> {
        self.rules
    }
}
