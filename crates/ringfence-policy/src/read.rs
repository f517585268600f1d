//! A policy file's text, read into statements of the right type or into diagnostics.
//!
//! No meaning beyond one value: paths are not resolved and authors not weighed here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::field::{self, FieldSpec, Kind};
use crate::nearest::nearest;
use crate::source::{Source, SourceId, Span};
use crate::statement::{Place, Statement, Value};

pub(crate) mod entry;
pub(crate) mod scalar;

/// The newest version of the language that this program reads.
const VERSION: &str = "1";

/// What a file says.
#[derive(Debug)]
pub(crate) struct Document {
    /// In the order of the text.
    pub(crate) statements: Vec<Statement>,
    /// `None` where the file does not say `extends`, which differs from saying that it extends nothing.
    pub(crate) extends: Option<Vec<(String, Span)>>,
}

/// Reads the source `id`.
pub(crate) fn read(id: SourceId, sources: &[Source]) -> Result<Document, Report> {
    let text = sources[id.0 as usize].text.clone();
    let mut reader = Reader {
        id,
        sources,
        problems: Vec::new(),
        document: Document { statements: Vec::new(), extends: None },
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    // The first mistake only: a missing bracket makes nonsense of what follows.
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map(|span| span.start)) {
        reader.malformed(error, text.len());
    }
    if reader.problems.is_empty() {
        reader.top(table.get_ref());
    }
    if reader.problems.is_empty() {
        reader.document.statements.sort_by_key(|statement| match &statement.place {
            Place::Written(span) => span.range.start,
            Place::BuiltIn(_) => 0,
        });
        Ok(reader.document)
    } else {
        Err(Report(reader.problems))
    }
}

struct Reader<'a> {
    id: SourceId,
    sources: &'a [Source],
    problems: Vec<Diagnostic>,
    document: Document,
}

type Key<'a> = &'a Spanned<std::borrow::Cow<'a, str>>;

impl Reader<'_> {
    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "version" => self.version(value),
                "extends" => self.extends(value),
                name if field::groups().any(|group| group == name) => match value.get_ref() {
                    DeValue::Table(fields) => self.group(name, fields),
                    other => self.problem(
                        format!("{} is a group of fields, not a value", quoted(name)),
                        &value.span(),
                        format!("this is {}", type_name(other)),
                        Some(format!("write it as a table: [{name}]")),
                    ),
                },
                _ => self.unknown_at_top(key, value),
            }
        }
    }

    fn group(&mut self, group: &str, fields: &DeTable<'_>) {
        for (key, value) in fields {
            let full = format!("{group}.{}", key.get_ref());
            match field::find(&full) {
                Some(spec) => self.field(spec, value),
                None => self.unknown(&full, &key.span()),
            }
        }
    }

    fn field(&mut self, spec: &'static FieldSpec, value: &Spanned<DeValue<'_>>) {
        match (spec.kind, value.get_ref()) {
            (Kind::Variables, DeValue::Table(table)) => self.variables(spec, table),
            (Kind::Path | Kind::PathPattern | Kind::Variable, DeValue::Array(entries)) => {
                for entry in entries {
                    self.entry(spec, entry);
                }
            }
            (Kind::Path | Kind::PathPattern | Kind::Variable | Kind::Variables, other) => {
                let (_, name) = field::group_and_name(spec.key);
                let wanted =
                    if spec.kind == Kind::Variables { "a table of names and values" } else { "a list" };
                self.problem(
                    format!("{} must be {wanted}", quoted(spec.key)),
                    &value.span(),
                    format!("this is {}", type_name(other)),
                    Some(format!("for example: {name} = {}", spec.example)),
                );
            }
            (_, single) => self.single(spec, single, &value.span()),
        }
    }

    fn single(&mut self, spec: &'static FieldSpec, value: &DeValue<'_>, at: &std::ops::Range<usize>) {
        let (_, name) = field::group_and_name(spec.key);
        let example = || Some(format!("for example: {name} = {}", spec.example));
        match scalar::of_toml(spec.kind, value) {
            Some(words) => match scalar::parse(spec, &words) {
                Ok(parsed) => self.say(spec, parsed, words, at),
                Err(bad) => {
                    let (title, label) = bad.in_words(spec, &words);
                    self.problem(title, at, label, bad.help.or_else(example));
                }
            },
            None => self.problem(
                format!("{} must be {}", quoted(spec.key), scalar::wanted(spec.kind)),
                at,
                format!("this is {}", type_name(value)),
                example(),
            ),
        }
    }

    fn version(&mut self, value: &Spanned<DeValue<'_>>) {
        let number = value.get_ref().as_integer().map(|integer| integer.as_str().to_owned());
        match number.as_deref() {
            Some(VERSION) => {}
            Some(other) => self.problem(
                format!("this file is written in version {} of the policy language", quoted(other)),
                &value.span(),
                format!("this ringfence reads version {VERSION}"),
                Some("nothing is guessed from a version that is not known; update ringfence, or write `version = 1`".into()),
            ),
            None => self.problem(
                "`version` must be a whole number".into(),
                &value.span(),
                format!("this is {}", type_name(value.get_ref())),
                Some("write `version = 1`".into()),
            ),
        }
    }

    fn extends(&mut self, value: &Spanned<DeValue<'_>>) {
        let help = || Some("for example: extends = [\"default\", \"../team.toml\"]".into());
        let mut names = Vec::new();
        let DeValue::Array(entries) = value.get_ref() else {
            let label = format!("this is {}", type_name(value.get_ref()));
            return self.problem("`extends` must be a list".into(), &value.span(), label, help());
        };
        for entry in entries {
            match entry.get_ref().as_str() {
                Some(name) => names.push((name.to_owned(), Span::new(self.id, entry.span()))),
                None => {
                    let label = format!("this is {}", type_name(entry.get_ref()));
                    self.problem("`extends` lists files and presets".into(), &entry.span(), label, help());
                }
            }
        }
        self.document.extends = Some(names);
    }

    fn say(&mut self, spec: &'static FieldSpec, value: Value, words: String, at: &std::ops::Range<usize>) {
        let place = Place::Written(Span::new(self.id, at.clone()));
        self.document.statements.push(Statement { field: spec, value, words: words.into(), place });
    }

    fn unknown_at_top(&mut self, key: Key<'_>, value: &Spanned<DeValue<'_>>) {
        let name = key.get_ref().as_ref();
        let names = ["version", "extends"].into_iter().chain(field::groups());
        let group = matches!(value.get_ref(), DeValue::Table(_));
        let near = nearest(name, names).map(|near| if group { format!("[{near}]") } else { near.to_owned() });
        let help = near.or_else(|| (!group).then(|| field::meant(name).map(str::to_owned)).flatten());
        let help = help.map_or_else(
            || {
                format!(
                    "the top level knows version, extends, {}",
                    field::groups().collect::<Vec<_>>().join(", ")
                )
            },
            |near| format!("did you mean {}?", quoted(near)),
        );
        self.problem(
            format!("unknown field {}", quoted(name)),
            &key.span(),
            "not a field".into(),
            Some(help),
        );
    }

    fn unknown(&mut self, key: &str, at: &std::ops::Range<usize>) {
        if let Some(why) = field::reserved(key) {
            return self.problem(
                format!("{} is not yet to be had", quoted(key)),
                at,
                "refused, since nothing would hold it".into(),
                Some(why.into()),
            );
        }
        let help = field::meant(key).map_or_else(
            || {
                let group = key.split_once('.').map_or("", |(group, _)| group);
                let names: Vec<_> =
                    field::of_group(group).map(|spec| field::group_and_name(spec.key).1).collect();
                format!("[{group}] knows {}", names.join(", "))
            },
            |near| format!("did you mean {}?", quoted(near)),
        );
        self.problem(format!("unknown field {}", quoted(key)), at, "not a field".into(), Some(help));
    }

    fn malformed(&mut self, error: &toml::de::Error, len: usize) {
        let at = error.span().unwrap_or(len..len);
        let message = error.message().trim().replace('\n', ", ");
        self.problem(
            "this file is no TOML".into(),
            &at,
            message,
            Some("the format is described at https://toml.io".into()),
        );
    }

    fn problem(&mut self, title: String, at: &std::ops::Range<usize>, label: String, help: Option<String>) {
        let span = Span::new(self.id, at.clone());
        let mut diagnostic = Diagnostic::error(title).at(self.sources, &span, label);
        diagnostic.help.extend(help);
        self.problems.push(diagnostic);
    }
}

/// A TOML type in words, with its article.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
