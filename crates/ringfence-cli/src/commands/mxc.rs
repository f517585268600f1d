//! `ringfence mxc`, and the program itself under the name `lxc-exec`: one MXC request, run as MXC's own program would.
//! Not its language: that is `ringfence_policy::mxc`. Not its weaknesses: docs/mxc.md names where we differ.

mod backends;
mod base64;
mod dialect;
mod reply;
mod source;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a descriptor by its number is raw until it is ours")]
mod sys;
mod telling;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence::{Outcome, Run};
use ringfence_plan::{Ending, Event, FieldVerdict, Limit, NetworkMode, Plan, Verdict};
use serde_json::{Value, json};

use self::dialect::{Asked, Facts};
use self::reply::{Reply, line};
use self::telling::Telling;
use crate::failure::Failure;
use crate::{exit, render};

/// The name by which MXC's callers start its program on Linux.
pub(crate) const PROGRAM: &str = "lxc-exec";
/// The words cannot be read, as MXC has it.
const USAGE: u8 = 2;
/// The words name no request, or one that is none.
const NO_REQUEST: u8 = 1;

/// Flags and help.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let from = ["path", "config", "config-base64"];
    let requests = from.map(|name| from.into_iter().filter(|other| *other != name).collect::<Vec<_>>());
    let [beside_path, beside_config, beside_base64] = requests;
    Command::new("mxc")
        .about("Run a request that was written for MXC, as its lxc-exec does")
        .arg(
            Arg::new("path")
                .value_name("CONFIG")
                .help("The request, a JSON file; - is standard input")
                .conflicts_with_all(beside_path),
        )
        .arg(text("config", "CONFIG", "The same").conflicts_with_all(beside_config))
        .arg(
            text(
                "config-base64",
                "BASE64",
                "The request itself; other users can read it in /proc until we have",
            )
            .conflicts_with_all(beside_base64),
        )
        .arg(switch("dry-run", "Check the request and what this host can hold of it; run nothing"))
        .arg(switch("debug", "Say on standard error what is held and what happens, one JSON object a line"))
        .arg(
            text("log-file", "FILE", "Append the same there, with the hash of the policy")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            text("status-fd", "N", "Say on descriptor N how it ended, one JSON object a line")
                .value_parser(value_parser!(i32).range(3..)),
        )
        .arg(switch(
            "available-backends",
            "Start a sandbox, and say as JSON which of MXC's backends that stands for",
        ))
        .arg(switch("experimental", "Nothing: here everything that is there counts"))
        .arg(switch("allow-testing-features", "Nothing; what needs it is refused").hide(true))
        .arg(switch("delete", "Remove the container that --containername names: there never is one"))
        .arg(text("containername", "NAME", "The container for --delete"))
        .after_help(HELP)
}

const HELP: &str = "\
Examples:
  ringfence mxc request.json
  generate | ringfence mxc -
  ringfence mxc --dry-run request.json
  ringfence mxc --status-fd 3 request.json 3>status
  ln -s \"$(command -v ringfence)\" bin/x64/lxc-exec      for programs that start MXC's by its name

Exit codes:
  0–255  the command's own code
  128+N  signal N ended the command
  1      the request is none; the envelope has the code malformed_request, unsupported_…
  2      the words cannot be read
  255    refused, not set up, or out of time; the envelope, or --status-fd, tells which";

/// The verb among others.
pub(crate) fn mxc(matches: &ArgMatches) -> Result<u8, Failure> {
    act(matches)
}

/// Whether the program was started as MXC's.
pub(crate) fn is_called(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()) == Some(OsStr::new(PROGRAM))
}

/// The whole program under MXC's name; `words` are those after it. As the verb it is `called` otherwise.
pub(crate) fn enter(called: &'static str, words: Vec<OsString>) -> u8 {
    let parsed = command().bin_name(called).no_binary_name(true).try_get_matches_from(words);
    match parsed {
        Ok(matches) => act(&matches).unwrap_or_else(|failure| failure.tell(crate::failure::Format::Text)),
        Err(error) => {
            // If nobody reads it, nobody is left to tell.
            let _ = error.print();
            if error.use_stderr() { USAGE } else { exit::DONE }
        }
    }
}

fn act(matches: &ArgMatches) -> Result<u8, Failure> {
    let mut telling = match Telling::of(matches) {
        Ok(telling) => telling,
        Err(why) => return Ok(answer(&Reply::malformed(why))),
    };
    if matches.get_flag("available-backends") {
        return backends::available();
    }
    if matches.get_flag("delete") {
        return Ok(delete(matches.get_one::<String>("containername")));
    }
    let ended = match source::find(matches) {
        Ok(source) => dialect::read(&source).and_then(|asked| match matches.get_flag("dry-run") {
            true => dry_run(asked, &mut telling),
            false => run(asked, &mut telling),
        }),
        Err(why) => Err(Reply::malformed(why)),
    };
    Ok(ended.unwrap_or_else(|reply| {
        let dry = matches.get_flag("dry-run") && reply.exit_code() != NO_REQUEST;
        if dry {
            // Where MXC's callers look for it.
            let why = render::escape::escape(&reply.message);
            let text = format!("Dry run completed. Result: validation failed: {why}\n");
            let _ = io::stdout().write_all(text.as_bytes());
        }
        telling.tell(&reply.as_event());
        answer(&reply)
    }))
}

/// Words and envelope, for whoever reads standard error.
fn answer(reply: &Reply) -> u8 {
    let _ = io::stderr().write_all(reply.as_text().as_bytes());
    reply.exit_code()
}

/// Runs it, and ends as it ended.
fn run(asked: Asked, telling: &mut Telling) -> Result<u8, Reply> {
    let Asked { run, notes, facts } = asked;
    let time = run.plan.limits.time.map(|limit| limit.0);
    notes.iter().for_each(|note| telling.tell(note));
    let again = (run.plan.network.held_as() == NetworkMode::Rules).then(|| run.clone());
    let outcome = match (attempt(run, &facts, telling), again) {
        // Nothing was started: what the kernel turned out to lack, the second plan of the fence does without.
        (Err(error), Some(mut run)) if error.is_uncaptured() => {
            run.host.capture = ringfence_backend::probe_capture();
            attempt(run, &facts, telling)
        }
        (outcome, _) => outcome,
    };
    end(&outcome.map_err(|error| Reply::of(&error))?, time, telling)
}

/// Prepares a run, tells what holds it, and runs it.
fn attempt(run: Run, facts: &Facts, telling: &mut Telling) -> Result<Outcome, ringfence::Error> {
    let rules = run.plan.rules.clone();
    let hash = telling.takes_notes().then(|| hash(&run.plan));
    let prepared = run.prepare()?;
    if let Some(hash) = hash {
        telling.note(&json!({
            "event": "mxc.PolicyHash",
            "backend": prepared.backend(),
            "policy_hash": hash,
            "config_schema_version": facts.version,
        }));
        prepared.verdicts().0.iter().for_each(|entry| telling.note(&verdict(entry)));
    }
    telling.begins();
    let outcome = prepared.run(&mut |event: &Event| {
        let rule = event.rule().and_then(|id| rules.get(id.0 as usize)).map(ToString::to_string);
        let mut told = json!(event);
        told["rule"] = json!(rule);
        telling.note(&told);
    });
    telling.ended();
    outcome
}

/// The exit code, and the last word to whoever listens.
fn end(outcome: &Outcome, time: Option<u64>, telling: &mut Telling) -> Result<u8, Reply> {
    let code = exit::of(outcome.ending);
    let mut event = match outcome.ending {
        Ending::Stopped(Limit::Time) => return Err(Reply::timed_out(time.unwrap_or_default())),
        Ending::Exited(_) => json!({ "event": "exited" }),
        Ending::Signaled(number) => json!({ "event": "signaled", "signal": number }),
        Ending::Stopped(limit) => json!({ "event": "stopped", "limit": limit }),
    };
    event["exit_code"] = json!(code);
    event["denied"] = json!(outcome.denied);
    telling.tell(&event);
    Ok(code)
}

/// All of a run but the run.
fn dry_run(asked: Asked, telling: &mut Telling) -> Result<u8, Reply> {
    let Asked { run, notes, facts } = asked;
    if let Some(why) = dialect::absent(&run.plan) {
        return Err(Reply::refused(reply::Code::PolicyValidation, why));
    }
    let hash = hash(&run.plan);
    let prepared = run.prepare().map_err(|error| Reply::of(&error))?;
    let mut text = format!(
        "request: version {}, {} bytes of command line\nheld by: {}\npolicy: {}\n",
        facts.version,
        facts.command,
        prepared.backend(),
        hash,
    );
    for entry in &prepared.verdicts().0 {
        text.push_str(&line(&verdict(entry)));
    }
    for note in &notes {
        text.push_str(&line(note));
    }
    text.push_str("Dry run completed. Result: validation passed\n");
    notes.iter().for_each(|note| telling.tell(note));
    telling.tell(&json!({ "event": "validated", "exit_code": exit::DONE }));
    // Whatever fails here, the answer is in the exit code.
    let _ = render::print(text.as_bytes());
    Ok(exit::DONE)
}

/// As logs have it.
fn hash(plan: &Plan) -> String {
    format!("sha256:{}", ringfence_policy::mxc::hash(plan))
}

fn verdict(entry: &FieldVerdict) -> Value {
    let (verdict, why) = match &entry.verdict {
        Verdict::Enforced => ("enforced", None),
        Verdict::Narrowed { why } => ("narrowed", Some(why)),
        Verdict::Unenforced { why } => ("unenforced", Some(why)),
    };
    json!({ "event": "verdict", "field": entry.field, "verdict": verdict, "by": entry.mechanism, "why": why })
}

/// Nothing outlives its command here, so there is nothing that could be removed.
fn delete(name: Option<&String>) -> u8 {
    match name {
        None => plainly("--containername is required with --delete"),
        Some(name) => {
            let name = render::escape::escape(name);
            let line = format!("Container '{name}' does not exist: nothing outlives its command here.\n");
            let _ = io::stdout().write_all(line.as_bytes());
            NO_REQUEST
        }
    }
}

/// What is wrong before there is a request to answer.
fn plainly(why: &str) -> u8 {
    let _ = io::stderr().write_all(format!("Error: {}\n", render::escape::escape(why)).as_bytes());
    NO_REQUEST
}
