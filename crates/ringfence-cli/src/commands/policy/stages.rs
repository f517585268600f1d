//! A policy's stages for those who look at it, and as one plan.
//! Not those of a run: nothing here starts anything.

use std::path::Path;

use ringfence_plan::Plan;
use ringfence_policy::layers::places::Places;
use ringfence_policy::{Composed, Diagnostic, Request, Stage, StageKind, presets};

use crate::failure::Failure;
use crate::render::escape::escape;

/// What `request` composes to.
pub(super) fn composed(request: &Request) -> Result<Composed, Failure> {
    Ok(ringfence_policy::compose(ringfence_policy::load(request)?)?)
}

/// What all of `stages` let.
pub(super) fn meet<'a>(stages: impl IntoIterator<Item = &'a Stage>) -> Option<Plan> {
    stages.into_iter().map(|stage| stage.plan.clone()).reduce(|all, plan| all.meet(&plan))
}

/// `request` for a policy by itself: without the machine's and the user's files, and wherever it is read.
pub(super) fn alone(request: Request) -> Request {
    let nowhere = Some("/nonexistent".into());
    let places = Places { machine: None, home: nowhere, ..Places::default() };
    Request { places, assume_present: true, parent: None, ..request }
}

/// The plan of a policy file or preset by itself; of a ceiling, what it lets others grant.
pub(super) fn of_name(name: &str, request: &Request) -> Result<(Plan, StageKind), Failure> {
    let mut request = alone(request.clone());
    match name.contains('/') || name.ends_with(".toml") || Path::new(name).exists() {
        true => request.policy_files = vec![name.into()],
        false => match presets::find(name) {
            Some(preset) => request.presets = vec![preset.name.to_owned()],
            None => {
                let title = format!("there is no file and no preset `{}`", escape(name));
                let help = "`ringfence policy presets` lists the presets";
                return Err(Failure::Policy(Diagnostic::error(title).help(help).into()));
            }
        },
    }
    let stages = composed(&request)?.stages();
    let ceilings: Vec<_> = stages.iter().filter(|stage| stage.kind == StageKind::Ceiling).collect();
    let kind = if ceilings.is_empty() { StageKind::Grants } else { StageKind::Ceiling };
    let plan = if ceilings.is_empty() { meet(&stages) } else { meet(ceilings) };
    Ok((plan.expect("a composition has a stage"), kind))
}
