//! `ringfence doctor`: what this host can hold, what would mend the rest, and on request the proof.
//! Not a repair: it changes nothing on the host.

#[cfg(target_os = "linux")]
mod attack;
#[cfg(not(target_os = "linux"))]
#[path = "doctor/attack_elsewhere.rs"]
mod attack;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_plan::{Host, Plan};

use crate::failure::Failure;
use crate::render::apparmor;
use crate::render::host::{self, Candidate};
use crate::render::style::{Stream, Style};
use crate::{exit, flags, render};

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
pub(crate) fn doctor(matches: &ArgMatches) -> Result<u8, Failure> {
    if matches.get_flag(PROFILE) {
        render::print(apparmor::profile(&own_program()?).as_bytes())?;
        return Ok(exit::DONE);
    }
    let holds = if matches.get_flag("attack") { attack::attack(matches)? } else { examine(matches)? };
    Ok(if holds { exit::DONE } else { exit::NO })
}

fn examine(matches: &ArgMatches) -> Result<bool, Failure> {
    let host = ringfence_backend::probe_deeply();
    let plan = default_plan()?;
    let candidates: Vec<_> =
        ringfence_backend::ALL.iter().map(|backend| candidate(*backend, &plan, &host)).collect();
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", host::as_json(&host, &candidates)),
        false => {
            let profile = needs_profile(&host).then(|| Ok::<_, Failure>(apparmor::profile(&own_program()?)));
            host::as_text(&host, &candidates, profile.transpose()?.as_deref(), Style::of(Stream::Output))
        }
    };
    render::print(text.as_bytes())?;
    Ok(candidates.iter().any(Candidate::holds))
}

/// Whether AppArmor is what keeps user namespaces from this program (Ubuntu 23.10 and later).
fn needs_profile(host: &Host) -> bool {
    let restricted = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    !host.user_namespaces.is_yes() && restricted.is_ok_and(|value| value.trim() == "1")
}

fn candidate(backend: &dyn ringfence_backend::Backend, plan: &Plan, host: &Host) -> Candidate {
    let answer = backend.lower(plan, host).map(|lowered| lowered.verdicts().clone());
    Candidate { backend: backend.name(), answer: answer.map_err(|refusal| refusal.to_string()) }
}

/// The default policy for a project that need not exist: what is asked is the host, not this directory.
fn default_plan() -> Result<Plan, Failure> {
    let request = flags::surroundings(std::env::temp_dir().join("ringfence-doctor"));
    let composed = ringfence_policy::compose(ringfence_policy::load(&request)?)?;
    Ok(ringfence_policy::compile(&composed)?)
}

fn own_program() -> Result<std::path::PathBuf, Failure> {
    std::env::current_exe().and_then(std::fs::canonicalize).map_err(|source| Failure::Io {
        what: "find this program's own file".into(),
        source,
        hint: Some("/proc must be mounted".into()),
    })
}
