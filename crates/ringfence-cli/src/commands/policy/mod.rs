//! `ringfence policy`: what can be done with a policy other than running under it; one file a verb.
//! Not the language: these ask the policy crate and show the answer.

mod check;
mod diff;
mod export;
mod fmt;
mod import;
mod init;
mod keygen;
mod password;
mod presets;
mod schema;
mod show;
mod sign;
pub(crate) mod stages;
mod test;
mod trust;
mod verify;
mod write;

pub(crate) use show::Taken;

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_policy::Diagnostic;

use super::{Act, Verb};
use crate::failure::Failure;

/// The verbs below, in the order of the help.
pub(super) const VERBS: &[Verb] = &[
    Verb { name: "init", command: init::command, act: Act::Does(init::init) },
    Verb { name: "check", command: check::command, act: Act::Does(check::check) },
    Verb { name: "show", command: show::command, act: Act::Does(show::show) },
    Verb { name: "diff", command: diff::command, act: Act::Does(diff::diff) },
    Verb { name: "test", command: test::command, act: Act::Does(test::test) },
    Verb { name: "trust", command: trust::command, act: Act::Does(trust::trust) },
    Verb { name: "fmt", command: fmt::command, act: Act::Does(fmt::fmt) },
    Verb { name: "import", command: import::command, act: Act::Does(import::import) },
    Verb { name: "export", command: export::command, act: Act::Does(export::export) },
    Verb { name: "presets", command: presets::command, act: Act::Does(presets::presets) },
    Verb { name: "schema", command: schema::command, act: Act::Does(schema::schema) },
    Verb { name: "sign", command: sign::command, act: Act::Does(sign::sign) },
    Verb { name: "verify", command: verify::command, act: Act::Does(verify::verify) },
    Verb { name: "keygen", command: keygen::command, act: Act::Does(keygen::keygen) },
];

/// Help without the verbs below.
pub(super) fn command() -> Command {
    Command::new("policy")
        .about("Write, check, compare, test, trust and sign policies")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(EXAMPLES)
}

const EXAMPLES: &str = "\
Examples:
  ringfence policy init                  write a ringfence.toml for this project
  ringfence policy check                 find what is wrong or without effect
  ringfence policy trust                 read what the project asks for, and say yes
  ringfence policy diff dev production   what the second lets that the first does not";

/// The text of `file`, as its author wrote it.
fn text_of(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|source| Failure::Io {
        what: format!("read {}", file.display()),
        source,
        hint: None,
    })
}

/// The files of a verb that takes several.
fn files(help: &'static str) -> Arg {
    Arg::new("files")
        .value_name("FILE")
        .num_args(0..)
        .action(ArgAction::Append)
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

/// The files that were named, or the one here.
fn files_of(matches: &ArgMatches) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = matches.get_many("files").into_iter().flatten().cloned().collect();
    if named.is_empty() { vec!["ringfence.toml".into()] } else { named }
}

/// A failure of something that is told in words only.
fn failed(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Policy(Diagnostic::error(format!("failed to {what}: {why}")).into())
}
