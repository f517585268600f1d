//! The password of a secret key: from a file, or typed on the terminal without an echo.
//! Not from a flag or a variable, which other processes could read.

#[cfg(not(unix))]
#[path = "password/prompt_elsewhere.rs"]
mod prompt;
#[cfg(unix)]
#[path = "password/prompt.rs"]
mod prompt;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use ringfence_policy::Diagnostic;

use super::text_of;
use crate::failure::Failure;

/// How often somebody is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Once: a wrong answer shows.
    Once,
    /// Twice: a slip would lock the key for good.
    Twice,
}

/// `--password-file`.
pub(super) fn flag() -> Arg {
    Arg::new("password-file")
        .long("password-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("The secret key's password is this file's first line [default: asked for on the terminal]")
}

/// The password of `--password-file`, if the flag is there.
pub(super) fn given(matches: &ArgMatches) -> Result<Option<String>, Failure> {
    let Some(file) = matches.get_one::<PathBuf>("password-file") else { return Ok(None) };
    Ok(Some(text_of(file)?.lines().next().unwrap_or_default().to_owned()))
}

/// The password that was given or is typed now.
pub(super) fn of(matches: &ArgMatches, ask: Ask) -> Result<String, Failure> {
    if let Some(password) = given(matches)? {
        return not_empty(password);
    }
    let typed = not_empty(asked("password of the secret key: ")?)?;
    if ask == Ask::Twice && typed != asked("the same again: ")? {
        return Err(Failure::Policy(Diagnostic::error("the two passwords differ").help("try again").into()));
    }
    Ok(typed)
}

fn asked(question: &str) -> Result<String, Failure> {
    prompt::without_echo(question).map_err(|source| Failure::Io {
        what: "ask for the password on the terminal".into(),
        source,
        hint: Some("--password-file FILE reads it from a file".into()),
    })
}

fn not_empty(password: String) -> Result<String, Failure> {
    if password.is_empty() {
        let help = "`policy keygen --no-password` makes a key without one";
        return Err(Failure::Policy(Diagnostic::error("the password is empty").help(help).into()));
    }
    Ok(password)
}
