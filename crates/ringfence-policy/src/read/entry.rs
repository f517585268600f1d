//! Entries of lists and tables: paths, variables.
//!
//! Single values are in `scalar`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Reader, type_name};
use crate::diagnostic::quoted;
use crate::field::{FieldSpec, Kind};
use crate::nearest::nearest;
use crate::statement::Value;

impl Reader<'_> {
    /// One entry of a list.
    pub(super) fn entry(&mut self, spec: &'static FieldSpec, entry: &Spanned<DeValue<'_>>) {
        let at = entry.span();
        match (spec.kind, entry.get_ref()) {
            (Kind::Variable, DeValue::String(name)) => match bad_pattern(name) {
                None => self.say(spec, Value::Variable, name.to_string(), &at),
                Some(why) => self.bad_variable(name, why, &at),
            },
            (Kind::Path | Kind::PathPattern, DeValue::String(text)) => self.path(spec, text, None, &at),
            (Kind::Path | Kind::PathPattern, DeValue::Table(table)) => self.path_table(spec, table, &at),
            (Kind::Variable, other) => {
                let title = format!("{} lists names of variables", quoted(spec.key));
                self.problem(title, &at, format!("this is {}", type_name(other)), None);
            }
            (_, other) => {
                let title = format!("{} lists paths", quoted(spec.key));
                let help =
                    "an entry is a text, or a table such as { path = \"…\", optional = true }".to_owned();
                self.problem(title, &at, format!("this is {}", type_name(other)), Some(help));
            }
        }
    }

    /// The table of variables to set.
    pub(super) fn variables(&mut self, spec: &'static FieldSpec, table: &DeTable<'_>) {
        for (name, value) in table {
            if let Some(why) = bad_name(name.get_ref()) {
                self.bad_variable(name.get_ref(), why, &name.span());
                continue;
            }
            match value.get_ref() {
                DeValue::String(text) if !text.contains('\0') => {
                    let set = Value::Set { name: name.get_ref().to_string(), value: text.to_string() };
                    self.say(spec, set, String::new(), &value.span());
                }
                DeValue::String(_) => {
                    let title = format!("the value of {} contains a NUL byte", quoted(name.get_ref()));
                    self.problem(title, &value.span(), "no program could receive it".into(), None);
                }
                other => {
                    let title = format!("the value of {} must be a text", quoted(name.get_ref()));
                    let help = format!("put it in quotes: {} = \"…\"", name.get_ref());
                    self.problem(title, &value.span(), format!("this is {}", type_name(other)), Some(help));
                }
            }
        }
    }

    fn path_table(&mut self, spec: &'static FieldSpec, table: &DeTable<'_>, at: &Range<usize>) {
        let (mut path, mut optional) = (None, None);
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("path", DeValue::String(text)) => path = Some((text.to_string(), value.span())),
                ("optional", DeValue::Boolean(flag)) => optional = Some(*flag),
                ("path" | "optional", other) => {
                    let wanted = if key.get_ref() == "path" { "a text" } else { "true or false" };
                    let title = format!("{} must be {wanted}", quoted(key.get_ref()));
                    self.problem(title, &value.span(), format!("this is {}", type_name(other)), None);
                    return;
                }
                (name, _) => {
                    let help = nearest(name, ["path", "optional"].into_iter())
                        .map_or("an entry knows path and optional".into(), |near| {
                            format!("did you mean `{near}`?")
                        });
                    let title = format!("unknown field {}", quoted(name));
                    self.problem(title, &key.span(), "not a field of an entry".into(), Some(help));
                    return;
                }
            }
        }
        match path {
            Some((text, span)) => self.path(spec, &text, optional, &span),
            None => self.problem("this entry names no path".into(), at, "`path` is missing".into(), None),
        }
    }

    fn path(&mut self, spec: &'static FieldSpec, text: &str, optional: Option<bool>, at: &Range<usize>) {
        self.say(spec, Value::Path { optional }, text.to_owned(), at);
    }

    fn bad_variable(&mut self, name: &str, why: &'static str, at: &Range<usize>) {
        self.problem(format!("{} is no name of a variable", quoted(name)), at, why.into(), None);
    }
}

/// Why `name` cannot name a variable, if it cannot (environ(7)).
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        name if name.contains('=') => {
            Some("a name holds no `=`; a value is set in [environment] set = { … }")
        }
        name if name.contains('\0') => Some("it contains a NUL byte"),
        _ => None,
    }
}

/// The same for a name with a `*` at an end.
pub(crate) fn bad_pattern(name: &str) -> Option<&'static str> {
    let inner = name.strip_prefix('*').unwrap_or(name);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if inner.contains('*') {
        return Some("a `*` may stand at the start and at the end only");
    }
    bad_name(name)
}
