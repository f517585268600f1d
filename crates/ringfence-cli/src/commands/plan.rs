//! `ringfence plan`: what would be held, by what, and how; nothing is run.
//! Not a weaker run: it asks the same policy, the same backends and the same host.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::{Prepared, Run};
use ringfence_plan::{Access, Field, Grant, Plan};

use crate::failure::Failure;
use crate::render::plan::Held;
use crate::render::style::{Stream, Style};
use crate::{exit, flags, render};

/// Flags and help.
pub(crate) fn command() -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("The whole plan as JSON");
    let command = Command::new("plan")
        .about("Show what would be held, by which mechanism, with which steps")
        .arg(flags::trailing("The command, which is not started: so that `run` can be changed to `plan`"))
        .arg(json)
        .after_help("Examples:\n  ringfence plan\n  ringfence plan --containment process\n  ringfence plan --json | jq .verdicts");
    flags::add(flags::add_run(command))
}

/// Shows it; the exit code says whether `run` would start.
pub(crate) fn plan(matches: &ArgMatches) -> Result<u8, Failure> {
    let (plan, composed) = flags::plan(matches)?;
    let mut run = super::run::request(plan.clone(), matches, &composed)?;
    if plan.network.held_as() == ringfence_plan::NetworkMode::Rules && run.host.enclosure.is_none() {
        // A run would find out; here nothing runs.
        run.host.capture = ringfence_backend::probe_capture();
    }
    if run.argv.is_empty() {
        run.argv.push("true".into());
    }
    let (prepared, refusal) = prepare(run)?;
    let absent = absent(&plan);
    let held = Held {
        plan: &plan,
        composed: &composed,
        prepared: &prepared,
        absent: absent.iter().map(|grant| &grant.path).collect(),
        refusal: refusal.as_ref(),
    };
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", held.as_json()),
        false => held.as_text(Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    if refusal.is_none() && absent.is_empty() {
        return Ok(exit::DONE);
    }
    if matches.get_flag("json") {
        return Ok(exit::NO);
    }
    Err(match (refusal, absent.first()) {
        (Some(refusal), _) => Failure::NotHeld(refusal),
        (None, grant) => {
            let grant = grant.expect("there is a refusal or an absent path");
            Failure::Absent { path: grant.path.to_string(), rule: plan.rule(grant.rule).to_string() }
        }
    })
}

/// The grants that `run` would stop at, because what they grant is not there.
fn absent(plan: &Plan) -> Vec<&Grant> {
    let needed = plan.files.grants.iter().filter(|grant| !grant.optional && grant.access != Access::Deny);
    needed.filter(|grant| !grant.path.as_path().exists()).collect()
}

/// The fence as `run` would make it; where it would refuse, the refusal and what it would be without it.
fn prepare(run: Run) -> Result<(Prepared, Option<ringfence::Error>), Failure> {
    match run.clone().prepare() {
        Ok(prepared) => Ok((prepared, None)),
        Err(refusal @ ringfence::Error::Refused(_)) => {
            let mut anyway = Run { allow_unenforced: Field::ALL.to_vec(), ..run };
            // To be shown, not run.
            anyway.plan.oversight.bypass = true;
            Ok((anyway.prepare()?, Some(refusal)))
        }
        Err(error) => Err(error.into()),
    }
}
