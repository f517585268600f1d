//! `ringfence policy show`: the policy that counts here, every line with its source, and what each ceiling took away.
//! Not whether this host can hold it: that is `plan`.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_plan::Plan;
use ringfence_policy::difference::{Change, difference};
use ringfence_policy::{Composed, Stage};
use serde_json::json;

use super::stages;
use crate::failure::Failure;
use crate::render::style::{Stream, Style};
use crate::render::{self, policy};
use crate::{exit, flags};

/// Flags and help.
pub(super) fn command() -> Command {
    let command = Command::new("show")
        .about("Show the policy that counts here, every line with its source")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
        .after_help("Examples:\n  ringfence policy show\n  ringfence policy show --stage production --json | jq .taken");
    flags::add(command)
}

/// What a stage took from those before it.
pub(crate) struct Taken {
    /// The stage.
    pub(crate) stage: String,
    /// What it took.
    pub(crate) changes: Vec<Change>,
}

/// Shows it.
pub(super) fn show(matches: &ArgMatches) -> Result<u8, Failure> {
    let composed = stages::composed(&flags::request(matches)?)?;
    let stages = composed.stages();
    let (plan, taken) = narrowed(&stages);
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", as_json(&composed, &stages, (&plan, &taken))),
        false => policy::as_text(&composed, &plan, &taken, Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(exit::DONE)
}

/// The plan of all stages, and what each after the first took.
fn narrowed(stages: &[Stage]) -> (Plan, Vec<Taken>) {
    let (first, rest) = stages.split_first().expect("a composition has a stage");
    let mut plan = first.plan.clone();
    let mut taken = Vec::new();
    for stage in rest {
        let less = plan.meet(&stage.plan);
        taken.push(Taken { stage: stage.name.clone(), changes: difference(&plan, &less).narrowed });
        plan = less;
    }
    (plan, taken)
}

fn as_json(composed: &Composed, stages: &[Stage], (plan, taken): (&Plan, &[Taken])) -> serde_json::Value {
    let stages = stages.iter().map(|stage| json!({ "name": stage.name, "kind": stage.kind }));
    let taken = taken.iter().map(|taken| json!({ "stage": taken.stage, "changes": taken.changes }));
    json!({
        "stages": stages.collect::<Vec<_>>(),
        "presets": policy::presets_as_json(composed),
        "files": composed.files().collect::<Vec<_>>(),
        "untrusted": composed.unsettled().map(|unsettled| &unsettled.name),
        "taken": taken.collect::<Vec<_>>(),
        "warnings": composed.warnings(),
        "plan": plan,
    })
}
