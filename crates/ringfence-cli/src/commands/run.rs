//! `ringfence run`: one command inside the fence that files and flags describe.
//! Not the fence: policy makes the plan, the library holds it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::mem::ManuallyDrop;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::live::Bound;
use ringfence::{Outcome, Record, Run, Text};
use ringfence_plan::{Plan, Rule};
use ringfence_policy::{Composed, Stage, StageKind};

use crate::failure::Failure;
use crate::render::policy;
use crate::render::style::{Stream, Style};
use crate::render::summary::Summary;
use crate::{exit, flags, inside};

/// Flags and help.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let command = Command::new("run")
        .about("Run a command inside the fence")
        .override_usage("ringfence run [OPTIONS] [--] <COMMAND>...")
        .arg(flags::trailing("The command and its arguments").required(true))
        .arg(switch("quiet", "No summary on standard error").short('q').conflicts_with("json"))
        .arg(switch("json", "One JSON object as the last line on standard error, whatever happened"))
        .arg(switch("no-tty", "Hand the terminal through instead of making one inside"))
        .after_help(format!("{EXAMPLES}\n\n{}", super::exit_codes("run")));
    flags::add(flags::add_break_glass(flags::add_run(command)))
}

const EXAMPLES: &str = "\
Examples:
  ringfence run -- cargo test
  ringfence run --write ../out --timeout 10m -- make install
  ringfence run --deny '**/.env' --env CI=1 -- npm test
  ringfence run --memory 2GiB --processes 256 --json -- ./untrusted.sh
  ringfence run --allow-net @npm -- npm ci
  ringfence run --allow-net api.example.org --publish 8080:3000 -- ./server
  ringfence run --network host -- git fetch";

/// Runs it, and ends as it ended.
pub(crate) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let (plan, composed) = flags::plan(matches)?;
    // Neither is taken apart at the end: the process goes, and its memory with it, all at once.
    let composed: &'static Composed = Box::leak(Box::new(composed));
    let mut summary = ManuallyDrop::new(Summary::of(&plan, composed));
    if speaks(matches) && composed.unsettled().is_some() {
        say(&policy::untrusted(composed, Style::of(Stream::Error)));
    }
    let outcome = match attempt(request(plan, matches, composed)?, matches, composed, &mut summary)? {
        // Nothing was started: what the kernel turned out to lack, the second plan of the fence does without.
        Err(error) if error.is_uncaptured() => {
            let mut run = request(ringfence_policy::compile(composed)?, matches, composed)?;
            run.host.capture = ringfence_backend::probe_capture();
            attempt(run, matches, composed, &mut summary)?
        }
        outcome => outcome,
    }?;
    if outcome.denied > 0 || matches.get_flag("json") {
        summary.explain(rules(composed));
    }
    let code = exit::of(outcome.ending);
    if matches.get_flag("json") {
        say(&format!("{}\n", summary.as_json(&outcome, code)));
    } else if speaks(matches) {
        say(&summary.as_text(&outcome, || Style::of(Stream::Error)));
    }
    Ok(code)
}

/// Prepares a run, says what is to be said beforehand, and runs it.
fn attempt(
    run: Run,
    matches: &ArgMatches,
    composed: &'static Composed,
    summary: &mut Summary,
) -> Result<Result<Outcome, ringfence::Error>, Failure> {
    let capture = run.host.capture.clone();
    let prepared = run.prepare()?.changeable(|| bounds(composed));
    summary.fence(&prepared, &capture);
    if speaks(matches) {
        say(&summary.beforehand(|| Style::of(Stream::Error)));
    }
    Ok(prepared.run(&mut |event| summary.note(event)))
}

/// The plan's rules. Compiled again, which is pure, rather than kept by every run that has nothing to tell.
fn rules(composed: &Composed) -> Vec<Rule> {
    ringfence_policy::compile(composed).map(|plan| plan.rules).unwrap_or_default()
}

/// The stages that only narrow. What is added while it runs is the user's own, like a flag, so that a project's policy that
/// is not trusted has no say in it; what that denies is denied already.
fn bounds(composed: &Composed) -> Vec<Bound> {
    let narrows = |stage: &Stage| matches!(stage.kind, StageKind::Ceiling | StageKind::Parent);
    let stages = composed.stages().into_iter().filter(narrows);
    stages.map(|Stage { name, plan, .. }| Bound { name, plan }).collect()
}

/// What the library is asked for.
pub(super) fn request(plan: Plan, matches: &ArgMatches, composed: &Composed) -> Result<Run, Failure> {
    let argv: Vec<OsString> = matches.get_many("command").into_iter().flatten().cloned().collect();
    let no_tty = matches.try_get_one("no-tty").ok().flatten().copied();
    let record = record(&plan, matches, composed);
    Ok(Run {
        host: ringfence_backend::probe_for(&plan),
        plan,
        argv,
        cwd: flags::working_directory(matches)?,
        caller_env: std::env::vars_os().collect(),
        terminal: no_tty != Some(true),
        allow_unenforced: flags::allowed(matches),
        record,
        around: inside::plan()?,
    })
}

/// What records of the run tell of it. Texts are hashed only where there is a record to go to.
fn record(plan: &Plan, matches: &ArgMatches, composed: &Composed) -> Record {
    let named = |name: &str| matches.get_one::<String>(name).cloned();
    let digests = if plan.oversight.audit.is_empty() { Vec::new() } else { composed.digests() };
    Record {
        layers: digests.into_iter().map(|(name, sha256)| Text { name, sha256 }).collect(),
        agent: named("agent"),
        task: named("task"),
        stage: named("stage"),
        break_glass: composed.exception().map(|lifted| lifted.reason.clone()),
        state: flags::state(),
    }
}

fn speaks(matches: &ArgMatches) -> bool {
    !matches.get_flag("quiet") && !matches.get_flag("json")
}

/// To standard error; if that is closed there is nobody left to tell.
fn say(text: &str) {
    if !text.is_empty() {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
