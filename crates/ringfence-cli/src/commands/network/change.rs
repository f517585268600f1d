//! `ringfence network allow`, `deny` and `remove`.
//! Not whether that may be: the run's supervisor says.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::live::{self, Request};
use ringfence_plan::{Change, Endpoint};
use serde_json::json;

use super::{ask, meant, run_flag, state};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::style::{Meaning, Stream, Style};
use crate::{exit, render};

pub(super) fn allow_command() -> Command {
    command("allow", "Allow a host in addition, as far as ceilings let it")
}

pub(super) fn deny_command() -> Command {
    command("deny", "Deny a host, and break off what is open to it; without a port, on every port")
}

pub(super) fn remove_command() -> Command {
    command("remove", "Take a rule away, and break off what no other allows")
}

fn command(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .arg(
            Arg::new("host")
                .value_name("HOST[:PORT]")
                .required(true)
                .value_parser(host)
                .help("As in network.allow; without a port, those of the web"),
        )
        .arg(run_flag())
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The answer as JSON"))
        .after_help(format!("Examples:\n  ringfence network {name} docs.example:443\n  ringfence network {name} --run 4711 10.1.2.3:5432\n\n{}", crate::commands::exit_codes("network")))
}

/// One host. Groups are looked up when a run starts.
fn host(text: &str) -> Result<String, String> {
    match Endpoint::parse(text) {
        _ if text.starts_with('@') => {
            Err("groups are for the start of a run; name one of its hosts, as `ringfence plan --allow-net` lists them".into())
        }
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

pub(super) fn allow(matches: &ArgMatches) -> Result<u8, Failure> {
    change(matches, Change::Allow)
}

pub(super) fn deny(matches: &ArgMatches) -> Result<u8, Failure> {
    change(matches, Change::Deny)
}

pub(super) fn remove(matches: &ArgMatches) -> Result<u8, Failure> {
    change(matches, Change::Remove)
}

fn change(matches: &ArgMatches, change: Change) -> Result<u8, Failure> {
    let host: &String = matches.get_one("host").expect("it is required");
    let state = state()?;
    let id = meant(matches.get_one("run"), || live::runs(&state))?;
    let word = word(change);
    let request = Request {
        change: Some(change),
        // Parsed before, as what the flag takes.
        endpoints: Endpoint::parse(host).unwrap_or_default(),
        said: format!("ringfence network {word} {host}"),
    };
    let answer = ask(&state, &id, &request)?;
    let text = if matches.get_flag("json") {
        format!("{:#}\n", json!({ "refused": answer.refused, "notes": answer.notes, "run": answer.run }))
    } else {
        let style = Style::of(Stream::Output);
        let head = match &answer.refused {
            Some(why) => format!("{} {}", style.paint(Meaning::Bad, "not changed:"), escape(why)),
            None => {
                let done = match change {
                    Change::Allow => "may reach",
                    Change::Deny => "may not reach",
                    Change::Remove => "no longer has the rule for",
                };
                format!("run {} {done} {}", escape(&answer.run.id), escape(host))
            }
        };
        let notes = answer.notes.iter().map(|note| format!("  {}\n", escape(note)));
        format!("{head}\n{}", notes.collect::<String>())
    };
    render::print(text.as_bytes())?;
    Ok(if answer.refused.is_some() { exit::NO } else { exit::DONE })
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Allow => "allow",
        Change::Deny => "deny",
        Change::Remove => "remove",
    }
}
