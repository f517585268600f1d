//! The verbs, one file each, and the way from the words of a command line to one of them.
//! Not what they do.

#[cfg(target_os = "linux")]
pub(crate) mod attempt;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod mxc;
pub(crate) mod network;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod why;

use std::ffi::OsString;

use clap::{ArgMatches, Command};

use crate::exit;
use crate::failure::{Failure, Format};

/// One verb.
pub(crate) struct Verb {
    name: &'static str,
    /// Its flags and help, without the verbs below it.
    command: fn() -> Command,
    act: Act,
}

/// What a verb does.
pub(crate) enum Act {
    /// Something.
    Does(fn(&ArgMatches) -> Result<u8, Failure>),
    /// Nothing by itself: it gathers others.
    Gathers(&'static [Verb]),
}

impl Verb {
    /// The verbs below it.
    fn below(&self) -> &'static [Verb] {
        match self.act {
            Act::Does(_) => &[],
            Act::Gathers(verbs) => verbs,
        }
    }

    /// Its command with those below it.
    fn whole(&self) -> Command {
        (self.command)().subcommands(self.below().iter().map(Verb::whole))
    }
}

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    Verb { name: "run", command: run::command, act: Act::Does(run::run) },
    Verb { name: "plan", command: plan::command, act: Act::Does(plan::plan) },
    Verb { name: "why", command: why::command, act: Act::Does(why::why) },
    Verb { name: "log", command: log::command, act: Act::Does(log::log) },
    Verb { name: "network", command: network::command, act: Act::Gathers(network::VERBS) },
    Verb { name: "policy", command: policy::command, act: Act::Gathers(policy::VERBS) },
    Verb { name: "doctor", command: doctor::command, act: Act::Does(doctor::doctor) },
    Verb { name: "mxc", command: mxc::command, act: Act::Does(mxc::mxc) },
    Verb { name: "completions", command: completions::command, act: Act::Does(completions::completions) },
    Verb { name: "man", command: man::command, act: Act::Does(man::man) },
];

/// Every verb with the words that lead to it, those that gather before those that they gather.
pub(crate) fn paths() -> Vec<Vec<&'static Verb>> {
    fn below(trail: &[&'static Verb], verbs: &'static [Verb], paths: &mut Vec<Vec<&'static Verb>>) {
        for verb in verbs {
            let path = [trail, &[verb]].concat();
            paths.push(path.clone());
            below(&path, verb.below(), paths);
        }
    }
    let mut paths = Vec::new();
    below(&[], VERBS, &mut paths);
    paths
}

/// The words of `path` with `between` between them.
pub(crate) fn joined(path: &[&Verb], between: &str) -> String {
    path.iter().map(|verb| verb.name).collect::<Vec<_>>().join(between)
}

/// The command of the last verb of `path`, as if it were a program of its own.
pub(crate) fn alone(path: &[&Verb]) -> Command {
    let verb = path.last().expect("a path has a verb");
    verb.whole().bin_name(format!("ringfence {}", joined(path, " ")))
}

/// Does what the words say; whatever goes wrong is told on standard error.
pub(crate) fn dispatch(words: Vec<OsString>) -> u8 {
    #[cfg(target_os = "linux")]
    if let Some((verb, rest)) = words.split_first()
        && verb == attempt::VERB
    {
        return attempt::attempt(rest);
    }
    // Whoever writes for MXC expects its exit codes for words that cannot be read, too.
    if let Some((verb, rest)) = words.split_first()
        && verb == "mxc"
    {
        return mxc::enter("ringfence mxc", rest.to_vec());
    }
    // Taken before parsing: words that are wrong may still say who reads the answer.
    let asked = Format::asked(&words);
    match parse(words) {
        Ok((act, matches)) => act(&matches).unwrap_or_else(|failure| failure.tell(Format::of(&matches))),
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
        .subcommands(VERBS.iter().map(Verb::whole))
}

const EXAMPLES: &str = "\
Examples:
  ringfence run -- cargo test          run it here, without network, the rest of the machine absent
  ringfence plan                       what would be held, and by what
  ringfence why write .git/config      who says that it may not
  ringfence policy init                write a policy for this project
  ringfence doctor                     what this machine can hold
  ringfence doctor --attack            prove it";

/// The exit codes that a verb uses, as its help shows them.
pub(crate) fn exit_codes(verb: &str) -> String {
    let mut text = String::from("Exit codes:");
    for (code, _, meaning) in
        exit::TABLE.iter().filter(|(_, who, _)| who.contains(verb) || who.starts_with("every verb"))
    {
        text.push_str(&format!("\n  {code:<6} {meaning}"));
    }
    text
}

type Doing = fn(&ArgMatches) -> Result<u8, Failure>;

/// Only the verb in use is built: the tree of all costs more than some sandboxes.
fn parse(words: Vec<OsString>) -> Result<(Doing, ArgMatches), clap::Error> {
    let mut path: Vec<&'static Verb> = Vec::new();
    let mut level = VERBS;
    while let Some(verb) = words.get(path.len()).and_then(|word| level.iter().find(|verb| word == verb.name))
    {
        path.push(verb);
        level = verb.below();
    }
    if path.is_empty() {
        let program = std::iter::once(OsString::from("ringfence"));
        return Ok(named(tree().try_get_matches_from(program.chain(words))?, VERBS));
    }
    let rest = words.into_iter().skip(path.len() - 1);
    let matches = alone(&path).try_get_matches_from(rest)?;
    Ok(match path[path.len() - 1].act {
        Act::Does(act) => (act, matches),
        Act::Gathers(verbs) => named(matches, verbs),
    })
}

/// The verb among `verbs` that the words named, or one below it.
fn named(mut matches: ArgMatches, mut verbs: &'static [Verb]) -> (Doing, ArgMatches) {
    loop {
        let (name, below) = matches.remove_subcommand().expect("a verb that gathers asks for one");
        let verb = verbs.iter().find(|verb| verb.name == name).expect("the tree is made of the verbs");
        match verb.act {
            Act::Does(act) => return (act, below),
            Act::Gathers(more) => (matches, verbs) = (below, more),
        }
    }
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
        for path in paths() {
            let words: Vec<OsString> = path.iter().map(|verb| verb.name.into()).collect();
            let asked = [&words[..], &["--help".into()]].concat();
            let alone = parse(asked.clone()).expect_err("help is an error to clap");
            let program = [&["ringfence".into()], &asked[..]].concat();
            assert_eq!(alone.to_string(), tree().try_get_matches_from(program).unwrap_err().to_string());
            let help = [&["ringfence".into(), "help".into()], &words[..]].concat();
            assert_eq!(alone.to_string(), tree().try_get_matches_from(help).unwrap_err().to_string());
        }
    }

    #[test]
    fn a_verb_below_another_is_found_with_and_without_flags_before_it() {
        let found = |words: &[&str]| parse(words.iter().map(OsString::from).collect()).is_ok();
        assert!(found(&["policy", "schema"]) && found(&["policy", "presets"]));
        assert!(!found(&["policy"]) && !found(&["policy", "schemma"]) && !found(&["policy", "run", "x"]));
    }
}
