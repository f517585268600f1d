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

mod condition;
pub(crate) mod entry;
pub(crate) mod facts;
mod network;
pub(crate) mod record;
pub(crate) mod scalar;

pub(crate) use facts::{Facts, Hears};

/// The newest version of the language that this program reads.
const VERSION: &str = "1";

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// In the order of the text.
    pub(crate) statements: Vec<Statement>,
    /// `None` where the file does not say `extends`, which differs from saying that it extends nothing.
    pub(crate) extends: Option<Vec<(String, Span)>>,
    /// Whether it says `kind = "ceiling"`, and where.
    pub(crate) ceiling: Option<Span>,
    /// What a preset says of itself.
    pub(crate) about: Option<String>,
    /// Names in a project that call for this preset.
    pub(crate) detect: Vec<String>,
    /// What stands under a condition that does not hold: it counts for nothing, and may another time.
    pub(crate) dormant: Vec<Statement>,
    /// The caller's variables that moved a root.
    pub(crate) moved: Vec<String>,
}

/// Reads the source `id`.
pub(crate) fn read(id: SourceId, sources: &[Source], facts: &Facts<'_>) -> Result<Document, Report> {
    let text = sources[id.0 as usize].text.clone();
    let mut reader =
        Reader { id, sources, facts, problems: Vec::new(), empty: Vec::new(), document: Document::default() };
    let (table, errors) = DeTable::parse_recoverable(&text);
    // The first mistake only: a missing bracket makes nonsense of what follows.
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map(|span| span.start)) {
        reader.malformed(error, text.len());
    }
    if reader.problems.is_empty() {
        reader.top(table.get_ref());
    }
    reader.of_ceilings();
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
    facts: &'a Facts<'a>,
    problems: Vec<Diagnostic>,
    /// Lists that are there and empty: in a ceiling one that means "nothing" would bound nothing.
    empty: Vec<(&'static str, std::ops::Range<usize>)>,
    document: Document,
}

type Key<'a> = &'a Spanned<std::borrow::Cow<'a, str>>;

impl Reader<'_> {
    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "version" => self.version(value),
                "extends" => self.extends(value),
                "kind" => self.kind(value),
                "about" if self.facts.preset => {
                    self.document.about = value.get_ref().as_str().map(str::to_owned)
                }
                "detect" if self.facts.preset => {
                    let names = value.get_ref().as_array().into_iter().flatten();
                    self.document.detect =
                        names.filter_map(|name| name.get_ref().as_str().map(str::to_owned)).collect();
                }
                "conditional" => self.conditionals(value),
                _ => self.group_at(key, value, &["version", "kind", "extends", "conditional"]),
            }
        }
    }

    /// What stands behind `key`, if that is a group of fields; `beside` are the other names that could stand here.
    fn group_at(&mut self, key: Key<'_>, value: &Spanned<DeValue<'_>>, beside: &[&'static str]) {
        let Some(group) = field::groups().find(|group| group == key.get_ref()) else {
            return self.unknown_at_top(key, value, beside);
        };
        match value.get_ref() {
            DeValue::Table(fields) => self.group(group, fields),
            other => self.problem(
                format!("{} is a group of fields, not a value", quoted(group)),
                &value.span(),
                format!("this is {}", type_name(other)),
                Some(format!("write it as a table: [{group}]")),
            ),
        }
    }

    fn conditionals(&mut self, value: &Spanned<DeValue<'_>>) {
        let entries = value.get_ref().as_array().into_iter().flatten();
        let mut tables = 0;
        for entry in entries {
            match entry.get_ref() {
                DeValue::Table(table) => {
                    tables += 1;
                    self.conditional(table, &entry.span());
                }
                _ => break,
            }
        }
        if value.get_ref().as_array().is_none_or(|entries| entries.len() != tables) {
            let label = format!("this is {}", type_name(value.get_ref()));
            let help =
                Some("write [[conditional]], then when = { … } and groups: [conditional.limits]".into());
            self.problem("`conditional` must be a list of tables".into(), &value.span(), label, help);
        }
    }

    fn kind(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref().as_str() {
            Some("policy") => {}
            Some("ceiling") => self.document.ceiling = Some(Span::new(self.id, value.span())),
            _ => self.problem(
                "`kind` must be \"policy\" or \"ceiling\"".into(),
                &value.span(),
                "neither of them".into(),
                Some("a policy grants; a ceiling only narrows what others grant".into()),
            ),
        }
    }

    /// Refuses lists of a ceiling that look as if they let nothing, and would bound nothing.
    fn empty_bounds(&mut self) {
        const FILES: [&str; 3] = ["filesystem.read", "filesystem.write", "filesystem.private"];
        let bounded = self.document.statements.iter().any(|said| FILES.contains(&said.field.key));
        for (key, at) in std::mem::take(&mut self.empty) {
            let help = match key {
                // Beside another list it says what it seems to say.
                key if bounded && FILES.contains(&key) => continue,
                "filesystem.write" | "filesystem.private" => {
                    "to let nothing be written, list what may be read beside it: read = [\"/\"]"
                }
                "filesystem.read" => "to bound files, list what there can be at most",
                "environment.pass" => {
                    "to let no further variable pass, name one that nobody has: pass = [\"NONE\"]"
                }
                "network.http" | "network.budget" | "network.credential" | "network.no_proxy" => {
                    "leave it out"
                }
                "network.allow" => "to let nothing be reached, write mode = \"none\"",
                _ => continue,
            };
            let title = format!("an empty {} in a ceiling bounds nothing", quoted(key));
            self.problem(title, &at, "it reads as if it let nothing".into(), Some(help.into()));
        }
    }

    /// Refuses what only a ceiling may say.
    fn of_ceilings(&mut self) {
        let source = &self.sources[self.id.0 as usize];
        if self.document.ceiling.is_some() || source.author.is_ceiling() {
            return self.empty_bounds();
        }
        let said = self.document.statements.iter().filter(|statement| statement.field.ceiling_only);
        let said: Vec<_> = said.map(|statement| (statement.field.key, statement.place.clone())).collect();
        for (key, place) in said {
            let Place::Written(span) = place else { continue };
            self.problem(
                format!("{} is for ceilings", quoted(key)),
                &span.bytes(),
                "this file is a policy".into(),
                Some("ceilings are /etc/ringfence/ceiling.toml, or files that say kind = \"ceiling\"".into()),
            );
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
            (kind, DeValue::Array(entries)) if spec.repeatable && kind != Kind::Variables => {
                match kind {
                    // What an empty list of these bounds it can say: no port at all.
                    Kind::Publish | Kind::Listen | Kind::HostPort if entries.is_empty() => {
                        self.say(spec, Value::NoPort, "[]".into(), &value.span());
                    }
                    _ if entries.is_empty() => self.empty.push((spec.key, value.span())),
                    _ => {}
                }
                for entry in entries {
                    self.entry(spec, entry);
                }
            }
            (Kind::Secret, _) => self.secret(spec, value),
            (_, other) if spec.repeatable => {
                let (_, name) = field::group_and_name(spec.key);
                let wanted =
                    if spec.kind == Kind::Variables { "a table of names and values" } else { "a list" };
                self.problem(
                    format!("{} must be {wanted}", quoted(spec.key)),
                    &value.span(),
                    format!("this is {}", type_name(other)),
                    Some(match other {
                        DeValue::Table(_) if entry::is_record(spec.kind) => format!("write [[{}]]", spec.key),
                        _ => format!("for example: {name} = {}", spec.example),
                    }),
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
        self.document.statements.push(Statement {
            field: spec,
            value,
            words: words.into(),
            place,
            why: None,
        });
    }

    /// Takes the statements from the one at `first` out of those that count.
    fn lay_aside(&mut self, first: usize) {
        let dormant = self.document.statements.split_off(first);
        self.document.dormant.extend(dormant);
    }

    fn unknown_at_top(&mut self, key: Key<'_>, value: &Spanned<DeValue<'_>>, beside: &[&'static str]) {
        let name = key.get_ref().as_ref();
        let names = beside.iter().copied().chain(field::groups());
        let group = matches!(value.get_ref(), DeValue::Table(_));
        let near = nearest(name, names).map(|near| if group { format!("[{near}]") } else { near.to_owned() });
        let help = near.or_else(|| (!group).then(|| field::meant(name).map(str::to_owned)).flatten());
        let help = help.map_or_else(
            || {
                let groups = field::groups().collect::<Vec<_>>().join(", ");
                format!("here may stand {}, {groups}", beside.join(", "))
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

/// What is wrong with `text`, called `name`, as a policy of anybody's, a preset's included; nothing of it is kept.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn check(name: &str, text: &str) -> Result<(), Report> {
    let source = Source {
        name: name.into(),
        text: text.into(),
        directory: std::path::PathBuf::from("/"),
        files: Vec::new(),
        author: crate::source::Author::User,
    };
    read(SourceId(0), &[source], &Facts { preset: true, ..Facts::NOTHING }).map(|_| ())
}
