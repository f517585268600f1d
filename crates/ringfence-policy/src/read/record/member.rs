//! The members of an entry that is a table: texts, sizes, lists, and tables of one key; each wrong one is told.
//!
//! Not what they mean together.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Chosen, Reader, Told};
use crate::diagnostic::quoted;
use crate::field::Kind;
use crate::nearest::nearest;
use crate::quantity;
use crate::read::entry::bad_name;
use crate::read::{scalar, type_name};

impl Reader<'_> {
    /// A table that has one of `known`, and nothing else.
    pub(super) fn one_of<'a>(
        &mut self,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
        known: &[&'static str],
    ) -> Result<Chosen<'a>, Told> {
        let at = value.span();
        let example = format!("for example: {name} = {{ env = \"API_TOKEN\" }}");
        let DeValue::Table(table) = value.get_ref() else {
            let label = format!("this is {}", type_name(value.get_ref()));
            return Err(self.told(&format!("{} must be a table", quoted(name)), &at, label, Some(example)));
        };
        self.known_keys(table, known)?;
        let mut entries = table.iter();
        match (entries.next(), entries.next()) {
            (Some((key, value)), None) => Ok((key.get_ref().as_ref(), value)),
            (first, _) => {
                let title = format!("{} has one of {}", quoted(name), known.join(", "));
                let label = if first.is_some() { "it has several" } else { "it has none" };
                Err(self.told(&title, &at, label.into(), Some(example)))
            }
        }
    }

    pub(super) fn variable_name(&mut self, value: &Spanned<DeValue<'_>>) -> Result<String, Told> {
        let name = self.text_of("env", value)?;
        let wrong =
            bad_name(&name).or_else(|| name.contains('*').then_some("one variable is meant, not a pattern"));
        match wrong {
            None => Ok(name),
            Some(why) => {
                let title = format!("{} is no name of a variable", quoted(&name));
                Err(self.told(&title, &value.span(), why.into(), None))
            }
        }
    }

    pub(super) fn size(&mut self, table: &DeTable<'_>, key: &str) -> Result<Option<u64>, Told> {
        self.quantity(table, (key, Kind::Size), |words| quantity::size(words).map(|bytes| bytes.0))
    }

    pub(super) fn number(&mut self, table: &DeTable<'_>, key: &str) -> Result<Option<u32>, Told> {
        self.quantity(table, (key, Kind::Count), quantity::count)
    }

    pub(super) fn quantity<T>(
        &mut self,
        table: &DeTable<'_>,
        (key, kind): (&str, Kind),
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Told> {
        let Some(value) = table.get(key) else { return Ok(None) };
        let Some(words) = scalar::of_toml(kind, value.get_ref()) else {
            let title = format!("{} must be {}", quoted(key), scalar::wanted(kind));
            let label = format!("this is {}", type_name(value.get_ref()));
            return Err(self.told(&title, &value.span(), label, None));
        };
        parse(&words).map(Some).map_err(|why| {
            self.told(
                &format!("{} cannot be {}", quoted(key), quoted(&words)),
                &value.span(),
                format!("it {why}"),
                None,
            )
        })
    }

    pub(super) fn text(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
    ) -> Result<Option<(String, Range<usize>)>, Told> {
        match table.get(key) {
            None => Ok(None),
            Some(value) => self.text_of(key, value).map(|text| Some((text, value.span()))),
        }
    }

    pub(super) fn text_of(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Told> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            other => {
                let title = format!("{} must be a text", quoted(key));
                Err(self.told(&title, &value.span(), format!("this is {}", type_name(other)), None))
            }
        }
    }

    /// A list that may be left out, but not be empty: that would look as if it let nothing.
    pub(super) fn list(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        example: &str,
    ) -> Result<Vec<(String, Range<usize>)>, Told> {
        match table.get(key) {
            None => Ok(Vec::new()),
            Some(value) => self.entries(key, value, example),
        }
    }

    pub(super) fn entries(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        example: &str,
    ) -> Result<Vec<(String, Range<usize>)>, Told> {
        let help = || Some(format!("for example: {example}"));
        let DeValue::Array(entries) = value.get_ref() else {
            let label = format!("this is {}", type_name(value.get_ref()));
            return Err(self.told(&format!("{} must be a list", quoted(key)), &value.span(), label, help()));
        };
        if entries.is_empty() {
            let label = "it lists nothing".into();
            return Err(self.told(&format!("{} is empty", quoted(key)), &value.span(), label, help()));
        }
        entries.iter().map(|entry| Ok((self.text_of(key, entry)?, entry.span()))).collect()
    }

    pub(super) fn known_keys(&mut self, table: &DeTable<'_>, known: &[&'static str]) -> Result<(), Told> {
        let unknown = table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        let Some((key, _)) = unknown else { return Ok(()) };
        let name = key.get_ref().as_ref();
        let help = nearest(name, known.iter().copied())
            .map_or(format!("an entry knows {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        let title = format!("unknown field {}", quoted(name));
        Err(self.told(&title, &key.span(), "not a field of an entry".into(), Some(help)))
    }

    pub(super) fn told(
        &mut self,
        title: &str,
        at: &Range<usize>,
        label: String,
        help: Option<String>,
    ) -> Told {
        self.problem(title.to_owned(), at, label, help);
        Told
    }
}

/// The keys of `table` that are in `order`, as one line of TOML.
pub(super) fn worded(table: &DeTable<'_>, order: &[&str]) -> String {
    let said = order.iter().filter_map(|key| Some((key, table.get(*key)?)));
    let said: Vec<_> = said.map(|(key, value)| format!("{key} = {}", word(value.get_ref()))).collect();
    format!("{{ {} }}", said.join(", "))
}

fn word(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Array(entries) => {
            format!("[{}]", entries.iter().map(|entry| word(entry.get_ref())).collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(table) => {
            let keys: Vec<&str> = table.iter().map(|(key, _)| key.get_ref().as_ref()).collect();
            worded(table, &keys)
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => "…".into(),
    }
}
