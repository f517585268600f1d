//! The verbs, one file each, and the way from the words of a command line to one of them.
//! Not what they do.

#[cfg(target_os = "linux")]
pub(crate) mod attempt;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod run;

use std::ffi::OsString;

use clap::{ArgMatches, Command};

use crate::exit;
use crate::failure::{Failure, Format};

/// One verb.
pub(crate) struct Verb {
    name: &'static str,
    /// Its flags and help.
    command: fn() -> Command,
    /// What it does.
    act: fn(&ArgMatches) -> Result<u8, Failure>,
}

impl Verb {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its command without the tree.
    pub(crate) fn alone(&self) -> Command {
        (self.command)().bin_name(format!("ringfence {}", self.name))
    }
}

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    Verb { name: "run", command: run::command, act: run::run },
    Verb { name: "plan", command: plan::command, act: plan::plan },
    Verb { name: "doctor", command: doctor::command, act: doctor::doctor },
    Verb { name: "completions", command: completions::command, act: completions::completions },
    Verb { name: "man", command: man::command, act: man::man },
];

/// Does what the words say; whatever goes wrong is told on standard error.
pub(crate) fn dispatch(words: Vec<OsString>) -> u8 {
    #[cfg(target_os = "linux")]
    if let Some((verb, rest)) = words.split_first()
        && verb == attempt::VERB
    {
        return attempt::attempt(rest);
    }
    // Taken before parsing: words that are wrong may still say who reads the answer.
    let asked = Format::asked(&words);
    match parse(words) {
        Ok((verb, matches)) => {
            (verb.act)(&matches).unwrap_or_else(|failure| failure.tell(Format::of(&matches)))
        }
        Err(error) => Failure::Usage(error).tell(asked),
    }
}

/// The whole tree, for help, completions, manual and reference.
pub(crate) fn tree() -> Command {
    Command::new("ringfence")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Runs a command inside a fence: the project writable, the tool-chains readable, the rest absent",
        )
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(VERBS.iter().map(|verb| (verb.command)()))
}

const EXAMPLES: &str = "\
Examples:
  ringfence run -- cargo test          run it here, without network, the rest of the machine absent
  ringfence plan                       what would be held, and by what
  ringfence doctor                     what this machine can hold
  ringfence doctor --attack            prove it";

/// The exit codes that a verb uses, as its help shows them.
pub(crate) fn exit_codes(verb: &str) -> String {
    let mut text = String::from("Exit codes:");
    for (code, _, meaning) in
        exit::TABLE.iter().filter(|(_, who, _)| who.contains(verb) || *who == "every verb")
    {
        text.push_str(&format!("\n  {code:<6} {meaning}"));
    }
    text
}

/// Only the verb in use is built: the tree of all costs more than some sandboxes.
fn parse(words: Vec<OsString>) -> Result<(&'static Verb, ArgMatches), clap::Error> {
    if let Some(verb) = words.first().and_then(|word| VERBS.iter().find(|verb| word == verb.name)) {
        return Ok((verb, verb.alone().try_get_matches_from(words)?));
    }
    let program = std::iter::once(OsString::from("ringfence"));
    let mut matches = tree().try_get_matches_from(program.chain(words))?;
    let (name, matches) = matches.remove_subcommand().expect("the tree asks for a verb");
    let verb = VERBS.iter().find(|verb| verb.name == name).expect("the tree is made of the verbs");
    Ok((verb, matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn a_verb_alone_shows_the_same_help_as_in_the_tree() {
        for verb in VERBS {
            let alone =
                parse(vec![verb.name.into(), "--help".into()]).err().expect("help is an error to clap");
            let whole = tree().try_get_matches_from(["ringfence", verb.name, "--help"]).unwrap_err();
            assert_eq!(alone.to_string(), whole.to_string());
        }
    }
}
