//! Whether what a plan grants is, behind symlinks, still what its authors let: the one question about a plan that names
//! alone cannot answer.
//!
//! Not how paths are opened: the fence opens each once, and holds what it found.

use std::path::Path;

use ringfence_plan::{AbsPath, Access, Grant, Origin, Plan};

use crate::compose::{Composed, Stage, StageKind};
use crate::diagnostic::{Diagnostic, Report, quoted};

/// Refuses a grant that a symlink takes where the plan does not let as much: out of a writable tree, in which a command of
/// an earlier run may have put that link; to what is hidden or denied; or out of what a ceiling allows.
///
/// # Errors
/// Every such grant.
pub fn check_links(composed: &Composed, plan: &Plan) -> Result<(), Report> {
    // Worded only where something bounds: every run comes by here.
    let stages = if composed.is_bounded() { composed.stages() } else { Vec::new() };
    let bounds: Vec<&Stage> =
        stages.iter().filter(|stage| matches!(stage.kind, StageKind::Ceiling | StageKind::Parent)).collect();
    check_within(&bounds, plan, &composed.programs)
}

/// The same for a plan that was not composed: `bounds` are what narrows it, `programs` what it grants unasked and by names
/// that may lead through links.
///
/// # Errors
/// As [`check_links`].
pub(crate) fn check_within(bounds: &[&Stage], plan: &Plan, programs: &[AbsPath]) -> Result<(), Report> {
    let trees = writable_trees(plan);
    let mut problems = Vec::new();
    let asked = |grant: &&Grant| is_written(plan, grant) || is_of_path(programs, grant);
    for grant in plan.files.grants.iter().filter(asked) {
        // What is absent is dropped, or stops the run, when it is opened.
        let Some(real) = real(&grant.path).filter(|real| *real != grant.path) else { continue };
        let tree = trees.iter().find(|tree| &grant.path != **tree && grant.path.is_within(tree));
        if let Some(tree) = tree.filter(|tree| leaves(tree, &real) && !lets(plan, &real, grant.access)) {
            problems.push(out_of_a_tree(plan, grant, &real, tree));
            continue;
        }
        if let Some(stage) = bounds.iter().find(|stage| !lets(&stage.plan, &real, grant.access)) {
            problems.push(out_of_a_bound(plan, grant, &real, stage));
        } else if !lets(plan, &real, grant.access) {
            problems.push(out_of_the_plan(plan, grant, &real));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Report(problems)) }
}

/// Whether somebody wrote it; what the base grants of the system leads through the system's own links.
fn is_written(plan: &Plan, grant: &Grant) -> bool {
    grant.access != Access::Deny && !matches!(plan.rule(grant.rule).origin, Origin::BuiltIn(_))
}

fn is_of_path(programs: &[AbsPath], grant: &Grant) -> bool {
    grant.access != Access::Deny && programs.contains(&grant.path)
}

/// The outermost writable trees, by name.
fn writable_trees(plan: &Plan) -> Vec<&AbsPath> {
    let mut trees: Vec<&AbsPath> = Vec::new();
    for grant in plan.files.grants.iter().filter(|grant| grant.access == Access::Write) {
        if !trees.last().is_some_and(|last| grant.path.is_within(last)) {
            trees.push(&grant.path);
        }
    }
    trees
}

fn leaves(tree: &AbsPath, place: &AbsPath) -> bool {
    !real(tree).is_some_and(|tree| place.is_within(&tree))
}

fn lets(plan: &Plan, path: &AbsPath, access: Access) -> bool {
    plan.files.access(path).is_some_and(|(granted, _)| granted >= access)
}

fn real(path: &AbsPath) -> Option<AbsPath> {
    AbsPath::new(Path::canonicalize(path.as_path()).ok()?).ok()
}

fn out_of_a_tree(plan: &Plan, grant: &Grant, real: &AbsPath, tree: &AbsPath) -> Diagnostic {
    let rule = plan.rule(grant.rule);
    Diagnostic::error(format!("{} leads to {} by a symlink", quoted(&grant.path), quoted(real)))
        .help(format!("it is granted by {rule}"))
        .help(format!("what writes in {} may have put that link there, so it grants nothing", quoted(tree)))
        .help(format!("if it is yours and you mean it, grant {} itself", quoted(real)))
}

fn out_of_a_bound(plan: &Plan, grant: &Grant, real: &AbsPath, stage: &Stage) -> Diagnostic {
    let rule = plan.rule(grant.rule);
    let title = format!(
        "{} leads to {} by a symlink, and {} does not allow that",
        quoted(&grant.path),
        quoted(real),
        stage.name
    );
    let diagnostic = Diagnostic::error(title).help(format!("it is granted by {rule}"));
    match stage.plan.files.access(real) {
        Some((_, by)) => diagnostic.help(format!("what counts there is {}", stage.plan.rule(by))),
        None => diagnostic.help(format!("nothing in it names {}", quoted(real))),
    }
}

fn out_of_the_plan(plan: &Plan, grant: &Grant, real: &AbsPath) -> Diagnostic {
    let (rule, path) = (plan.rule(grant.rule), quoted(&grant.path));
    let title = format!("{path} leads to {} by a symlink, where less is allowed", quoted(real));
    let diagnostic = Diagnostic::error(title).help(format!("it is granted by {rule}"));
    let diagnostic = match plan.files.access(real) {
        Some((_, by)) => diagnostic.help(format!("what counts there is {}", plan.rule(by))),
        None => diagnostic.help(format!("nothing that counts grants {}", quoted(real))),
    };
    diagnostic.help(format!("if you mean it, grant {} itself", quoted(real)))
}
