//! `ringfence network`: the rules of runs that are under way, as their owner sees and changes them.
//! Not the rules of the next run: those are a policy's.

mod change;
mod list;

use std::path::PathBuf;

use clap::{Arg, Command};
use ringfence::live::{self, About, Answer, Request, Unreachable};

use super::{Act, Verb};
use crate::failure::Failure;
use crate::flags;

/// The verbs below, in the order of the help.
pub(super) const VERBS: &[Verb] = &[
    Verb { name: "list", command: list::command, act: Act::Does(list::list) },
    Verb { name: "allow", command: change::allow_command, act: Act::Does(change::allow) },
    Verb { name: "deny", command: change::deny_command, act: Act::Does(change::deny) },
    Verb { name: "remove", command: change::remove_command, act: Act::Does(change::remove) },
];

/// Help without the verbs below.
pub(super) fn command() -> Command {
    Command::new("network")
        .about("Show and change the network rules of a run that is under way")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(EXAMPLES)
}

const EXAMPLES: &str = "\
Examples:
  ringfence network list                         the runs that are under way
  ringfence network allow docs.example:443       one more host for the only one of them
  ringfence network deny --run 4711 old.example  none of that host, and break off what is open
  ringfence network remove docs.example:443      take the rule away again
A run can be changed if it began with network rules, or with --network rules and none yet; ceilings bound what is added.";

/// What is to be done at the start of a run that is to be changed.
const BEGINNING: &str = "a run that began with --network none has no gateway and gets none: start it with --network rules, \
                         which allows nothing until a rule does, or with --allow-net HOST";

fn run_flag() -> Arg {
    Arg::new("run").long("run").value_name("ID").help("Which run, as `ringfence network list` calls it")
}

/// The run that is meant: the one that is named, or the only one.
fn meant(named: Option<&String>, runs: impl FnOnce() -> Vec<About>) -> Result<String, Failure> {
    if let Some(id) = named {
        return Ok(id.clone());
    }
    let runs = runs();
    let failed = |why: &str, hint: &str| Failure::Io {
        what: "find the run that is meant".into(),
        source: std::io::Error::other(why.to_owned()),
        hint: Some(hint.into()),
    };
    match &runs[..] {
        [only] => Ok(only.id.clone()),
        [] => Err(failed("no run of yours that can be changed is under way", BEGINNING)),
        _ => {
            Err(failed("several are under way", "name it: --run ID, as `ringfence network list` shows them"))
        }
    }
}

fn state() -> Result<PathBuf, Failure> {
    flags::state().ok_or_else(|| Failure::Io {
        what: "find your runs".into(),
        source: std::io::Error::other("there is no home directory"),
        hint: Some("set HOME".into()),
    })
}

fn ask(state: &std::path::Path, id: &str, request: &Request) -> Result<Answer, Failure> {
    live::ask(state, id, request).map_err(|error| {
        let hint = match &error {
            Unreachable::Unknown(_) => {
                Some(format!("`ringfence network list` shows the runs that can be changed; {BEGINNING}"))
            }
            Unreachable::HungUp(_) | Unreachable::Io(..) => None,
        };
        Failure::Io { what: "reach the run".into(), source: std::io::Error::other(error), hint }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_only_one_run_can_be_meant() {
        let run = |id: &str| About { id: id.into(), ..About::default() };
        assert_eq!(meant(Some(&"7".to_owned()), Vec::new).unwrap(), "7");
        assert_eq!(meant(None, || vec![run("8")]).unwrap(), "8");
        assert!(meant(None, || vec![run("8"), run("9")]).is_err());
        assert!(meant(None, Vec::new).is_err());
    }
}
