//! A policy's stages for those who look at it, and as one plan.
//! Not those of a run: nothing here starts anything.

use std::path::Path;

use ringfence_plan::{Origin, Plan, Rule};
use ringfence_policy::difference::{Change, difference};
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

/// What the project's policy, which is not trusted, would grant if it were. Within the ceilings, since nobody gets more
/// than they let.
pub(crate) fn withheld(composed: &Composed) -> Vec<Change> {
    let stages = composed.stages();
    let within = |kind: StageKind| {
        let bounds = |stage: &&Stage| {
            matches!(stage.kind, StageKind::Ceiling | StageKind::Parent) || stage.kind == kind
        };
        meet(stages.iter().filter(bounds))
    };
    match (within(StageKind::Grants), within(StageKind::Untrusted)) {
        (Some(without), Some(with)) => difference(&without, &with).widened,
        _ => Vec::new(),
    }
}

/// `request` for a policy by itself: without the machine's and the user's files, and wherever it is read.
pub(super) fn alone(request: Request) -> Request {
    let nowhere = Some("/nonexistent".into());
    let places = Places { machine: None, home: nowhere, ..Places::default() };
    Request { places, assume_present: true, parent: None, ..request }
}

/// A policy file or preset by itself.
pub(super) struct Named {
    /// What a run under it lets.
    pub(super) run: Plan,
    /// Of a ceiling, what it lets others grant.
    pub(super) ceiling: Option<Plan>,
}

/// The policy file or preset called `name`.
pub(super) fn named(name: &str, request: &Request) -> Result<Named, Failure> {
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
    let mut stages = composed(&request)?.stages();
    stages.iter_mut().for_each(|stage| forget_own_files(&mut stage.plan));
    let ceiling = meet(stages.iter().filter(|stage| stage.kind == StageKind::Ceiling));
    Ok(Named { run: meet(&stages).expect("a composition has a stage"), ceiling })
}

/// Takes out that the policy's own files are protected: which file says something is no part of what it says.
fn forget_own_files(plan: &mut Plan) {
    let rules = &plan.rules;
    // The base names places by pattern, and files by their whole path.
    let own = |rule: &Rule| {
        matches!(rule.origin, Origin::BuiltIn(_)) && rule.text.starts_with("filesystem.protect = \"/")
    };
    plan.files.protect.retain(|protect| !rules.get(protect.rule.0 as usize).is_some_and(own));
}
