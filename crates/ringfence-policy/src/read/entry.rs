//! Entries of lists and tables: paths, variables, hosts.
//!
//! Single values are in `scalar`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Reader, scalar, type_name};
use crate::diagnostic::quoted;
use crate::field::{FieldSpec, Kind};
use crate::nearest::nearest;
use crate::statement::Value;

/// An entry's table, its keys read and not yet weighed.
#[derive(Default)]
struct Entry {
    /// The value: of `path`, `name`, `host` or `value`, by kind.
    main: Option<(String, Range<usize>)>,
    optional: Option<bool>,
    why: Option<String>,
    /// The variable that moves the root.
    variable: Option<String>,
    /// What below the root.
    below: Option<String>,
    /// `false` where a condition does not hold.
    counts: bool,
}

impl Reader<'_> {
    /// One entry of a list.
    pub(super) fn entry(&mut self, spec: &'static FieldSpec, entry: &Spanned<DeValue<'_>>) {
        let at = entry.span();
        match entry.get_ref() {
            DeValue::Table(table) if is_record(spec.kind) => self.record(spec, table, &at),
            other if is_record(spec.kind) => {
                let title = format!("{} lists tables", quoted(spec.key));
                let help = format!("write [[{}]], or a table as in {}", spec.key, spec.example);
                self.problem(title, &at, format!("this is {}", type_name(other)), Some(help));
            }
            DeValue::Integer(number) if is_port(spec.kind) => {
                self.listed(spec, &scalar::digits(number), None, None, &at);
            }
            DeValue::String(text) => self.listed(spec, text, None, None, &at),
            DeValue::Table(table) => self.table(spec, table, &at),
            other => {
                let title = format!("{} lists {}", quoted(spec.key), plural(spec.kind));
                let key = main_key(spec.kind);
                let help = format!("an entry is a text, or a table such as {{ {key} = \"…\", why = \"…\" }}");
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

    fn table(&mut self, spec: &'static FieldSpec, table: &DeTable<'_>, at: &Range<usize>) {
        let mut entry = Entry { counts: true, ..Entry::default() };
        for (key, value) in table {
            if !self.key(spec.kind, &mut entry, key, value) {
                return;
            }
        }
        let Some((text, span)) = self.placed(spec.kind, &mut entry, at) else { return };
        let before = self.document.statements.len();
        self.listed(spec, &text, entry.optional, entry.why, &span);
        // Read although it does not count, so that a mistake is told on every machine.
        if !entry.counts {
            self.lay_aside(before);
        }
    }

    /// Takes one key of an entry; `false` ends the entry, with a diagnostic.
    fn key(
        &mut self,
        kind: Kind,
        entry: &mut Entry,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> bool {
        let known = keys(kind, self.facts.preset);
        let name = key.get_ref().as_ref();
        if !known.contains(&name) {
            let help = nearest(name, known.iter().copied())
                .map_or(format!("an entry knows {}", known.join(", ")), |near| {
                    format!("did you mean `{near}`?")
                });
            self.problem(
                format!("unknown field {}", quoted(name)),
                &key.span(),
                "not a field of an entry".into(),
                Some(help),
            );
            return false;
        }
        match (name, value.get_ref()) {
            ("when", _) => entry.counts &= self.holds(value),
            ("optional", DeValue::Boolean(flag)) => entry.optional = Some(*flag),
            ("why", DeValue::String(text)) => entry.why = Some(text.to_string()),
            ("variable", DeValue::String(text)) => entry.variable = Some(text.to_string()),
            ("below", DeValue::String(text)) => entry.below = Some(text.to_string()),
            (main, DeValue::String(text)) if main == main_key(kind) => {
                entry.main = Some((text.to_string(), value.span()));
            }
            (main, DeValue::Integer(number)) if main == main_key(kind) && is_port(kind) => {
                entry.main = Some((scalar::digits(number), value.span()));
            }
            (name, other) => {
                let wanted = if name == "optional" { "true or false" } else { "a text" };
                let title = format!("{} must be {wanted}", quoted(name));
                self.problem(title, &value.span(), format!("this is {}", type_name(other)), None);
                return false;
            }
        }
        true
    }

    /// The entry's text, where a preset's root may be moved by a variable; `None` where there is nothing to say.
    fn placed(&mut self, kind: Kind, entry: &mut Entry, at: &Range<usize>) -> Option<(String, Range<usize>)> {
        let moved = entry.variable.as_deref().and_then(|name| (self.facts.root)(name));
        if let (Some(_), Some(name)) = (&moved, &entry.variable) {
            self.document.moved.push(name.clone());
        }
        let (root, span) = match (moved, entry.main.take()) {
            (Some(root), main) => (root, main.map_or(at.clone(), |(_, span)| span)),
            (None, Some(main)) => main,
            (None, None) if entry.variable.is_some() => return None,
            (None, None) => {
                let key = main_key(kind);
                let title = format!("this entry names no {}", singular(kind));
                self.problem(title, at, format!("`{key}` is missing"), None);
                return None;
            }
        };
        Some(match entry.below.take() {
            Some(below) => (format!("{root}/{below}"), span),
            None => (root, span),
        })
    }

    /// One value of a list, as a statement.
    fn listed(
        &mut self,
        spec: &'static FieldSpec,
        text: &str,
        optional: Option<bool>,
        why: Option<String>,
        at: &Range<usize>,
    ) {
        let value = match spec.kind {
            Kind::Variable => match bad_pattern(text) {
                None => Value::Variable,
                Some(why) => return self.bad_variable(text, why, at),
            },
            Kind::Path | Kind::PathPattern => {
                // A preset speaks of many machines: what it grants is there or not.
                Value::Path { optional: optional.or(self.facts.preset.then_some(true)) }
            }
            _ => match scalar::parse(spec, text) {
                Ok(value) => value,
                Err(bad) => {
                    let (title, label) = bad.in_words(spec, text);
                    return self.problem(title, at, label, bad.help);
                }
            },
        };
        self.say(spec, value, text.to_owned(), at);
        if let (Some(statement), Some(why)) = (self.document.statements.last_mut(), why) {
            statement.why = Some(why.into());
        }
    }

    fn bad_variable(&mut self, name: &str, why: &'static str, at: &Range<usize>) {
        self.problem(format!("{} is no name of a variable", quoted(name)), at, why.into(), None);
    }
}

/// Whether an entry is always a table.
pub(super) fn is_record(kind: Kind) -> bool {
    matches!(kind, Kind::Http | Kind::Credential | Kind::Budget)
}

/// Whether an entry may be a number.
fn is_port(kind: Kind) -> bool {
    matches!(kind, Kind::Publish | Kind::Listen | Kind::HostPort)
}

/// The key of an entry's value.
pub(crate) fn main_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Path | Kind::PathPattern => "path",
        Kind::Variable | Kind::User | Kind::FieldName => "name",
        Kind::Endpoint | Kind::Host => "host",
        Kind::Publish | Kind::Listen | Kind::HostPort => "port",
        _ => "value",
    }
}

/// Every key that an entry of this kind may have.
pub(crate) fn keys(kind: Kind, preset: bool) -> &'static [&'static str] {
    match kind {
        Kind::Path | Kind::PathPattern if preset => &["path", "optional", "why", "when", "variable", "below"],
        Kind::Path | Kind::PathPattern => &["path", "optional", "why", "when"],
        Kind::Variable | Kind::User | Kind::FieldName => &["name", "why", "when"],
        Kind::Endpoint | Kind::Host => &["host", "why", "when"],
        Kind::Publish | Kind::Listen | Kind::HostPort => &["port", "why", "when"],
        Kind::Http => &["host", "methods", "paths", "max_body", "max_header", "why", "when"],
        Kind::Credential => &["host", "header", "methods", "paths", "source", "placeholder", "why", "when"],
        Kind::Budget => &["host", "sent", "connections", "requests", "why", "when"],
        _ => &["value", "why", "when"],
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Variable | Kind::Variables => "names of variables",
        Kind::Endpoint | Kind::Host => "hosts",
        Kind::Publish | Kind::Listen | Kind::HostPort => "ports",
        Kind::Audit => "destinations",
        Kind::Key => "public keys",
        Kind::User => "users",
        Kind::FieldName => "names of fields",
        _ => "paths",
    }
}

fn singular(kind: Kind) -> &'static str {
    match kind {
        Kind::Variable | Kind::Variables => "variable",
        Kind::Endpoint | Kind::Host => "host",
        Kind::Publish | Kind::Listen | Kind::HostPort => "port",
        Kind::Audit => "destination",
        Kind::Key => "public key",
        Kind::User => "user",
        Kind::FieldName => "field",
        _ => "path",
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
