//! A flag, read into a statement or a diagnostic.
//!
//! Not the command line: the program takes that apart and hands over field, value and what was typed.

use std::sync::Arc;

use crate::context::{Context, Flag};
use crate::diagnostic::{Diagnostic, quoted};
use crate::field::{self, FieldSpec, Kind};
use crate::read::entry::{bad_name, bad_pattern};
use crate::read::scalar;
use crate::source::{Author, Source, SourceId, Span};
use crate::statement::{Place, Statement, Value};

/// The text that messages show for `flag`. The value of a variable is left out: it may be a secret, and what is typed
/// ends up in records.
pub(crate) fn source(flag: &Flag, context: &Context) -> Source {
    let text: Arc<str> = match assignment(flag) {
        Some((name, value)) if !value.is_empty() => {
            let hidden = flag.typed.replace(&format!("{name}={value}"), &format!("{name}=…"));
            if hidden.contains(value) { format!("--env {name}=…").into() } else { hidden.into() }
        }
        _ => flag.typed.as_str().into(),
    };
    Source {
        name: "command line".into(),
        text,
        directory: context.cwd.as_path().to_owned(),
        files: Vec::new(),
        author: Author::Flag,
    }
}

/// Reads `flag`, whose text is the source `id`.
pub(crate) fn read(id: SourceId, sources: &[Source], flag: &Flag) -> Result<Statement, Diagnostic> {
    let text = &sources[id.0 as usize].text;
    let spec = field::find(flag.key)
        .ok_or_else(|| Diagnostic::error(format!("{} stands for no field", quoted(&flag.typed))))?;
    let range = match text.rfind(&flag.value) {
        Some(start) if !flag.value.is_empty() => start..start + flag.value.len(),
        _ => 0..text.len(),
    };
    let span = Span::new(id, range);
    let (value, words) = value(spec, flag).map_err(|bad| {
        // The value of a variable is not repeated: it may be a secret.
        let shown = assignment(flag).map_or(flag.value.as_str(), |(name, _)| name);
        let (title, label) = bad.in_words(spec, shown);
        let mut diagnostic = Diagnostic::error(title).at(sources, &span, label);
        diagnostic.help.extend(bad.help);
        diagnostic
    })?;
    Ok(Statement {
        field: field_of(spec, flag),
        value,
        words: words.into(),
        place: Place::Written(span),
        why: None,
    })
}

fn value(spec: &'static FieldSpec, flag: &Flag) -> Result<(Value, String), scalar::BadValue> {
    let bad =
        |why: &'static str| scalar::BadValue { why: format!("is no variable: {why}").into(), help: None };
    match (spec.kind, assignment(flag)) {
        (Kind::Variable | Kind::Variables, Some((name, value))) => match bad_name(name) {
            None if !value.contains('\0') => {
                Ok((Value::Set { name: name.to_owned(), value: value.to_owned() }, String::new()))
            }
            None => Err(bad("the value contains a NUL byte")),
            Some(why) => Err(bad(why)),
        },
        (Kind::Variables, None) => Err(bad("write it as NAME=VALUE")),
        (Kind::Variable, None) => match bad_pattern(&flag.value) {
            None => Ok((Value::Variable, flag.value.clone())),
            Some(why) => Err(bad(why)),
        },
        _ => Ok((scalar::parse(spec, &flag.value)?, flag.value.clone())),
    }
}

/// `--env NAME=VALUE` says `environment.set`, `--env NAME` says `environment.pass`.
fn field_of(spec: &'static FieldSpec, flag: &Flag) -> &'static FieldSpec {
    match assignment(flag) {
        Some(_) => field::known("environment.set"),
        None => spec,
    }
}

fn assignment(flag: &Flag) -> Option<(&str, &str)> {
    match flag.key {
        "environment.pass" | "environment.set" => flag.value.split_once('='),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_plan::AbsPath;

    fn context() -> Context {
        let path = |text| AbsPath::new(text).unwrap();
        Context::new(path("/w"), path("/home/u"), "u")
    }

    #[test]
    fn the_value_of_a_variable_is_never_shown() {
        for typed in ["--env GH_TOKEN=s3cret", "--env=GH_TOKEN=s3cret"] {
            let flag = Flag { key: "environment.pass", value: "GH_TOKEN=s3cret".into(), typed: typed.into() };
            let sources = [source(&flag, &context())];
            assert!(!sources[0].text.contains("s3cret"), "{}", sources[0].text);
            let statement = read(SourceId(0), &sources, &flag).unwrap();
            assert_eq!(statement.field.key, "environment.set");
            assert!(!statement.text().contains("s3cret"));
        }
    }
}
