//! Paths as people write them, made absolute: `~`, variables of a named set, relative to where they are written.
//!
//! Nothing is looked up: symlinks are the business of whoever opens the path.

use std::path::Path;

use ringfence_plan::{AbsPath, BadPath};

use crate::context::Context;
use crate::diagnostic::quoted;

/// The names that a path may start from.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) context: &'a Context,
    /// Not yet known while the workspace itself is read.
    pub(crate) workspace: Option<&'a AbsPath>,
}

/// What is wrong with a path's text: a label under it, and perhaps what mends it.
#[derive(Debug, PartialEq)]
pub(crate) struct BadText {
    pub(crate) label: String,
    pub(crate) help: Option<String>,
}

/// A text whose start is known.
#[derive(Debug, PartialEq)]
pub(crate) struct Rooted<'a> {
    /// Where it starts.
    pub(crate) base: AbsPath,
    /// What follows, without variables, `~` or leading `..`.
    pub(crate) rest: std::borrow::Cow<'a, str>,
    /// Whether the author left the start to us.
    pub(crate) relative: bool,
}

const VARIABLES: &str = "$HOME, $WORKSPACE, $TMPDIR, $USER, $AGENT and $TASK";

/// The path that `text`, written in a file of `directory`, means.
pub(crate) fn absolute(text: &str, directory: &Path, names: &Names<'_>) -> Result<AbsPath, BadText> {
    if let Some(at) = text.find(is_wildcard) {
        let wildcard = &text[at..at + 1];
        return Err(bad(
            &format!("wildcards such as `{wildcard}` are for deny and protect"),
            Some("a grant is one place; name the directory above"),
        ));
    }
    let rooted = root(text, directory, names)?;
    rooted.base.join(&*rooted.rest).map_err(|why| bad_path(why, text))
}

/// Where `text` starts, and what follows. Wildcards in what follows are left alone.
pub(crate) fn root<'a>(text: &'a str, directory: &Path, names: &Names<'_>) -> Result<Rooted<'a>, BadText> {
    if text.is_empty() {
        return Err(bad("an empty text names nothing", Some("`.` is the directory of this file")));
    }
    if text.contains('\0') {
        return Err(bad_path(BadPath::Nul, text));
    }
    let text = substituted(text, names)?;
    if let Some(rest) = text.strip_prefix('/') {
        let rest = rest.to_owned().into();
        return Ok(Rooted { base: AbsPath::root(), rest, relative: false });
    }
    let mut base = AbsPath::new(directory).map_err(|why| bad_path(why, &text))?;
    // A leading `..` is resolved by name, and that is right here: `directory` is free of symlinks. Behind a name it
    // would depend on what that name is a link to when somebody looks, so AbsPath refuses it.
    let mut rest = &*text;
    loop {
        rest = rest.trim_start_matches('/');
        match rest.split_once('/').unwrap_or((rest, "")) {
            (".", tail) => rest = tail,
            ("..", tail) => {
                base = base.parent().unwrap_or(base);
                rest = tail;
            }
            _ => break,
        }
    }
    Ok(Rooted { base, rest: rest.to_owned().into(), relative: true })
}

/// `text` with `~` and variables replaced; borrowed where there are none.
fn substituted<'a>(text: &'a str, names: &Names<'_>) -> Result<std::borrow::Cow<'a, str>, BadText> {
    let home = || names.context.home.to_string();
    if !text.starts_with('~') && !text.contains('$') {
        return Ok(text.into());
    }
    let mut result = String::new();
    let mut rest = text;
    if let Some(tail) = text.strip_prefix('~') {
        if !tail.is_empty() && !tail.starts_with('/') {
            return Err(bad(
                "`~` stands for your own HOME only",
                Some("write another user's directory in full"),
            ));
        }
        result = home();
        rest = tail;
    }
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (name, after) = variable_name(tail);
        match name {
            "$" => result.push('$'),
            "HOME" => result.push_str(&home()),
            "USER" => result.push_str(&names.context.user),
            "TMPDIR" => result.push_str("/tmp"),
            "AGENT" => result.push_str(told(names.context.agent.as_deref(), "$AGENT", "--agent NAME")?),
            "TASK" => result.push_str(told(names.context.task.as_deref(), "$TASK", "--task ID")?),
            "WORKSPACE" => match names.workspace {
                Some(workspace) => result.push_str(&workspace.to_string()),
                None => return Err(bad("there is no workspace that $WORKSPACE could stand for", None)),
            },
            _ => {
                let help = format!("a path may use {VARIABLES}; `$$` is a dollar sign");
                return Err(bad(&format!("${name} is not a variable of the policy language"), Some(&help)));
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result.into())
}

/// A name in a path of the machine's that stands for nothing the machine knows.
#[derive(Debug, PartialEq)]
pub(crate) enum Unsaid {
    /// The caller says it.
    Callers(&'static str),
    /// Nobody does.
    Nobody(&'static str),
}

/// `text` with `~`, `$HOME` and `$USER` replaced by a HOME and a name, if it has them; other names stay.
pub(crate) fn with_account(text: &str, account: Option<(&str, &str)>) -> Result<Option<String>, Unsaid> {
    let literal = |text: &str| text.replace('$', "$$");
    let known = |name| account.ok_or(Unsaid::Nobody(name));
    let mut result = String::new();
    let mut rest = text;
    if let Some(tail) = text.strip_prefix('~').filter(|tail| tail.is_empty() || tail.starts_with('/')) {
        result = literal(known("~")?.0);
        rest = tail;
    }
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let (name, after) = variable_name(&rest[at + 1..]);
        match name {
            "HOME" => result.push_str(&literal(known("$HOME")?.0)),
            "USER" => result.push_str(&literal(known("$USER")?.1)),
            "AGENT" => return Err(Unsaid::Callers("$AGENT")),
            "TASK" => return Err(Unsaid::Callers("$TASK")),
            _ => result.push_str(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    result.push_str(rest);
    Ok((result != text).then_some(result))
}

/// What a variable stands for, if the caller has said it.
fn told<'a>(value: Option<&'a str>, variable: &str, flag: &str) -> Result<&'a str, BadText> {
    value.ok_or_else(|| bad(&format!("{variable} stands for nothing here"), Some(&format!("{flag} says it"))))
}

/// The name at the start of what follows a `$` (`NAME`, `{NAME}` or `$`), and what follows it.
fn variable_name(text: &str) -> (&str, &str) {
    if let Some(after) = text.strip_prefix('$') {
        return (&text[..1], after);
    }
    if let Some((name, after)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, after);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// Whether `c` makes a text a pattern.
pub(crate) fn is_wildcard(c: char) -> bool {
    matches!(c, '*' | '?' | '[')
}

fn bad_path(why: BadPath, text: &str) -> BadText {
    let help = match why {
        BadPath::ParentDir => {
            Some("`..` may stand at the start only: behind a name its meaning depends on symlinks")
        }
        BadPath::Relative | BadPath::Nul | BadPath::TooLong => None,
    };
    bad(&format!("{} {why}", quoted(text)), help)
}

fn bad(label: &str, help: Option<&str>) -> BadText {
    BadText { label: label.into(), help: help.map(Into::into) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let home = AbsPath::new("/home/u").unwrap();
        let workspace = AbsPath::new("/home/u/p").unwrap();
        let cwd = workspace.clone();
        let context = Context { cwd, home, user: "u".into(), agent: Some("bot".into()), task: None };
        let names = Names { context: &context, workspace: Some(&workspace) };
        absolute(text, Path::new("/home/u/p/conf"), &names)
            .map(|path| path.to_string())
            .map_err(|bad| bad.label)
    }

    #[test]
    fn every_way_to_write_a_path() {
        let cases = [
            (".", "/home/u/p/conf"),
            ("./x/./y/", "/home/u/p/conf/x/y"),
            ("..", "/home/u/p"),
            ("../../q", "/home/u/q"),
            ("./../q", "/home/u/p/q"),
            ("../../../../../../x", "/x"),
            ("~", "/home/u"),
            ("~/.cargo", "/home/u/.cargo"),
            ("$HOME/x", "/home/u/x"),
            ("${HOME}x", "/home/ux"),
            ("$WORKSPACE/out", "/home/u/p/out"),
            ("$TMPDIR", "/tmp"),
            ("/srv/$USER/x", "/srv/u/x"),
            ("/srv/$AGENT/x", "/srv/bot/x"),
            ("a$$b", "/home/u/p/conf/a$b"),
            ("//usr//lib/", "/usr/lib"),
        ];
        for (text, path) in cases {
            assert_eq!(read(text).as_deref(), Ok(path), "{text}");
        }
    }

    #[test]
    fn the_names_of_the_machine_are_put_in_and_the_callers_refused() {
        let known = Some(("/home/u$1", "u"));
        for (text, becomes) in [
            ("~", Some("/home/u$$1")),
            ("~/x", Some("/home/u$$1/x")),
            ("${HOME}/x", Some("/home/u$$1/x")),
            ("/srv/$USER/x$$HOME", Some("/srv/u/x$$HOME")),
            ("$WORKSPACE/${TMPDIR}/x", None),
            ("/srv/~/x", None),
            ("~root/x", None),
            ("a$", None),
        ] {
            assert_eq!(with_account(text, known), Ok(becomes.map(str::to_owned)), "{text}");
        }
        assert_eq!(with_account("/srv/${AGENT}", known), Err(Unsaid::Callers("$AGENT")));
        assert_eq!(with_account("$TASK", known), Err(Unsaid::Callers("$TASK")));
        for (text, name) in [("~/x", "~"), ("$HOME", "$HOME"), ("/srv/$USER", "$USER")] {
            assert_eq!(with_account(text, None), Err(Unsaid::Nobody(name)));
        }
        assert_eq!(with_account("/srv/$$USER", None), Ok(None));
    }

    #[test]
    fn what_cannot_be_decided_is_refused() {
        for text in [
            "", "a/../b", "/a/..", "~root/x", "$PATH/x", "${HOME", "$", "*.rs", "a[1]", "a?", "a\0b",
            "$home", "$TASK",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
