//! `ringfence doctor`: what this host can hold, what would mend the rest, and on request the proof.
//! Not a repair: it changes nothing on the host.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_plan::{Host, Level, Plan};

use crate::failure::Failure;
use crate::render::host::{self, Candidate};
use crate::render::style::Style;
use crate::render::{apparmor, attack};
use crate::{attempts, exit, flags, render};

/// Flags and help.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let level = Arg::new("containment")
        .long("containment")
        .value_name("LEVEL")
        .value_parser(["auto", "process", "namespaces"])
        .hide_possible_values(true)
        .requires("attack")
        .help("With --attack: the backend to prove: auto, process or namespaces");
    flags::add_allow(
        Command::new("doctor")
            .about("Say what this host can hold and what would mend the rest; prove it with --attack")
            .arg(switch("attack", "Attempt to break out of a real sandbox, and say what that proves"))
            .arg(level)
            .arg(switch(PROFILE, "Print the AppArmor profile that lets this program make user namespaces"))
            .arg(switch("json", "The same as JSON"))
            .after_help(EXAMPLES),
    )
}

const PROFILE: &str = "apparmor-profile";
const EXAMPLES: &str = "\
Examples:
  ringfence doctor
  ringfence doctor --attack
  ringfence doctor --attack --containment process
  ringfence doctor --apparmor-profile > /etc/apparmor.d/ringfence

Each attempt is also made outside the sandbox, against things made for it. One that fails there too is \"not proved\".";

/// Says it; the exit code is 0 if the default policy can be held, and with --attack if every promise held.
pub(crate) fn doctor(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    if matches.get_flag(PROFILE) {
        render::print(apparmor::profile(&own_program()?).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let holds = if matches.get_flag("attack") { attack(matches)? } else { examine(matches)? };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
}

fn examine(matches: &ArgMatches) -> Result<bool, Failure> {
    let host = ringfence_backend::probe_deeply();
    let plan = default_plan()?;
    let candidates: Vec<_> =
        ringfence_backend::ALL.iter().map(|backend| candidate(*backend, &plan, &host)).collect();
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", host::as_json(&host, &candidates)),
        false => host::as_text(&host, &candidates, Style::of(&std::io::stdout())),
    };
    render::print(text.as_bytes())?;
    Ok(candidates.iter().any(Candidate::holds))
}

fn candidate(backend: &dyn ringfence_backend::Backend, plan: &Plan, host: &Host) -> Candidate {
    let answer = backend.lower(plan, host).map(|lowered| lowered.verdicts().clone());
    Candidate { backend: backend.name(), answer: answer.map_err(|refusal| refusal.to_string()) }
}

/// The default policy, for a project in an empty scratch directory: what is asked is the host, not this directory.
fn default_plan() -> Result<Plan, Failure> {
    let scratch = attempts::Scratch::new().map_err(|source| Failure::Io {
        what: "make a scratch directory".into(),
        source,
        hint: Some("TMPDIR=/path/to/a/writable/directory ringfence doctor".into()),
    })?;
    let request = flags::surroundings(scratch.path().to_path_buf());
    let composed = ringfence_policy::compose(ringfence_policy::load(&request)?)?;
    let mut plan = ringfence_policy::compile(&composed)?;
    plan.containment.level = Level::Auto;
    Ok(plan)
}

fn attack(matches: &ArgMatches) -> Result<bool, Failure> {
    let style = Style::of(&std::io::stdout());
    let options = attempts::Options { program: own_program()?, flags: forwarded(matches) };
    let json = matches.get_flag("json");
    let mut findings = Vec::new();
    for (title, rows) in attempts::GROUPS {
        let group = rows.iter().map(|row| attempts::referee(row, &options)).collect::<Result<Vec<_>, _>>();
        let group =
            group.map_err(|source| Failure::Io { what: "make an attempt".into(), source, hint: None })?;
        if !json {
            render::print(attack::group(title, &group, style).as_bytes())?;
        }
        findings.extend(group);
    }
    let tally = attack::Tally::of(&findings);
    let text = if json { format!("{:#}\n", attack::as_json(&findings)) } else { tally.line(style) };
    render::print(text.as_bytes())?;
    Ok(tally.holds())
}

/// Flags that each `ringfence run` of the attempts gets too.
fn forwarded(matches: &ArgMatches) -> Vec<String> {
    let level = matches.get_one::<String>("containment");
    let mut forwarded: Vec<_> =
        level.into_iter().flat_map(|level| ["--containment".to_owned(), level.clone()]).collect();
    for field in flags::allowed(matches) {
        forwarded.extend(["--allow-unenforced".to_owned(), field.name().to_owned()]);
    }
    forwarded
}

fn own_program() -> Result<std::path::PathBuf, Failure> {
    attempts::own_program().map_err(|source| Failure::Io {
        what: "find this program's own file".into(),
        source,
        hint: Some("/proc must be mounted".into()),
    })
}
