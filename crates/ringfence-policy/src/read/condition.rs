//! `when = { os, stage, host_has }`: whether an entry or a `[[conditional]]` counts. Decided once, when it is read.
//!
//! No language: every key must hold, a list means any of.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Hears, Reader, type_name};
use crate::diagnostic::quoted;
use crate::nearest::nearest;

const KEYS: [&str; 3] = ["os", "stage", "host_has"];
const SYSTEMS: [&str; 3] = ["linux", "macos", "windows"];

impl Reader<'_> {
    /// Whether `value`, which stands behind `when`, holds; what is wrong with it is noted, and then it does not.
    pub(super) fn holds(&mut self, value: &Spanned<DeValue<'_>>) -> bool {
        let DeValue::Table(table) = value.get_ref() else {
            let help = Some("for example: when = { os = \"linux\", host_has = \"git\" }".into());
            let label = format!("this is {}", type_name(value.get_ref()));
            self.problem("`when` must be a table".into(), &value.span(), label, help);
            return false;
        };
        if table.is_empty() {
            let help = Some(format!("it knows {}", KEYS.join(", ")));
            self.problem("`when` is empty".into(), &value.span(), "it says nothing".into(), help);
        }
        // Not `all`: every key is looked at, so that a mistake behind one that does not hold is told.
        table.iter().fold(true, |holds, (key, value)| self.key_holds(key, value) && holds)
    }

    fn key_holds(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> bool {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            let help = nearest(name, KEYS.into_iter())
                .map_or(format!("it knows {}", KEYS.join(", ")), |near| format!("did you mean `{near}`?"));
            let title = format!("unknown condition {}", quoted(name));
            self.problem(title, &key.span(), "not a condition".into(), Some(help));
            return false;
        }
        if name != "os" && self.facts.hears == Hears::Nothing {
            let title = format!("{} is not for a ceiling of the machine's", quoted(format!("when.{name}")));
            let label = "the caller decides it, by a flag or by his PATH".into();
            let help = Some("such a ceiling may ask for `os`; say it without a condition".into());
            self.problem(title, &key.span(), label, help);
            return false;
        }
        let Some(texts) = self.texts(name, value) else { return false };
        let facts = self.facts;
        let any = |is: &dyn Fn(&str) -> bool| texts.iter().any(|(text, _)| is(text));
        match name {
            "os" => {
                for (text, at) in texts.iter().filter(|(text, _)| !SYSTEMS.contains(&text.as_str())) {
                    let help = Some(format!("`os` is one of {}", SYSTEMS.join(", ")));
                    let title = format!("{} is no system that `os` knows", quoted(text));
                    self.problem(title, at, "not a system".into(), help);
                }
                any(&|text| text == facts.os)
            }
            "stage" => any(&|text| facts.stage == Some(text)),
            _ => any(&|text| !text.is_empty() && !text.contains('\0') && (facts.host_has)(text)),
        }
    }

    /// The texts of a text or a list of them.
    fn texts(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<(String, Range<usize>)>> {
        let entries: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(entries) => entries.iter().collect(),
            _ => vec![value],
        };
        let texts: Option<Vec<_>> = entries
            .iter()
            .map(|entry| entry.get_ref().as_str().map(|text| (text.to_owned(), entry.span())))
            .collect();
        if texts.is_none() {
            let title = format!("{} must be a text or a list of texts", quoted(key));
            let label = format!("this is {}", type_name(value.get_ref()));
            self.problem(title, &value.span(), label, None);
        }
        texts
    }

    /// One `[[conditional]]`: groups that count where its `when` holds. All of it is read either way, so that a mistake
    /// is told on every machine.
    pub(super) fn conditional(&mut self, table: &DeTable<'_>, at: &Range<usize>) {
        let holds = match table.iter().find(|(key, _)| key.get_ref() == "when") {
            Some((_, when)) => self.holds(when),
            None => {
                let help = Some("for example: when = { stage = \"production\" }".into());
                let title = "this `[[conditional]]` has no condition".into();
                self.problem(title, at, "`when` is missing".into(), help);
                false
            }
        };
        let before = self.document.statements.len();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "when" => {}
                _ => self.group_at(key, value, &["when"]),
            }
        }
        if !holds {
            self.lay_aside(before);
        }
    }
}
