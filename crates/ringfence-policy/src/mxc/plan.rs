//! From what a request says to the plan of its run, within all that bounds it.
//!
//! With `files`, which follows links, the only part of this folder that looks at the machine.

use ringfence_plan::{AbsPath, Access, Containment, Files, Level, Oversight, Plan, Processes};

use super::ask::{Ask, Remark};
use super::files::{Around, Laid};
use super::problem::Problem;
use super::rules::Rules;
use super::{Context, Note, NoteKind, Request, egress, environment, files, limits};
use crate::compose::{self, Stage, StageKind};
use crate::context;
use crate::diagnostic::quoted;
use crate::difference::difference;
use crate::layers::trust::digest;
use crate::links::check_within;
use crate::load::{self, Sources};
use crate::source::Positions;

/// The plan of `ask`, which stands in `text`.
pub(super) fn request(ask: &Ask, text: &str, context: &Context) -> Result<Request, Problem> {
    let sources = load::ceilings(&of_load(context)).map_err(|report| Problem::around(&report))?;
    let mut rules = Rules::new(&context.name, text);
    let mut remarks = ask.remarks.clone();
    let (plan, claims) = granted(ask, (context, &sources), &mut rules, &mut remarks)?;
    let allow = plan.network.allow.iter().map(|rule| rule.endpoint.clone()).collect();
    let anchors = (allow, plan.files.protect_except.clone());
    let stages = compose::ceilings(&sources, &claims, anchors).map_err(|report| Problem::around(&report))?;
    let around = sources.parent.iter().map(|plan| Stage {
        name: "the sandbox around this one".into(),
        kind: StageKind::Parent,
        plan: (**plan).clone(),
    });
    let stages: Vec<Stage> = stages.into_iter().chain(around).collect();
    let narrowed = within(plan, &stages, &mut remarks);
    let bounds: Vec<&Stage> = stages.iter().collect();
    check_within(&bounds, &narrowed, &[]).map_err(|report| Problem::around(&report))?;
    let cwd = cwd(ask, &narrowed, &sources.context.cwd)?;
    let texts = sources.texts.iter().map(|source| (source.name.to_string(), digest(&source.text)));
    Ok(Request {
        command: ["sh", "-c", ask.command.value.as_str()].map(Into::into).into(),
        cwd,
        env: narrowed.environment.apply([]).into_iter().filter_map(as_text).collect(),
        time: narrowed.limits.time.map(|time| std::time::Duration::from_millis(time.0)),
        container: ask.container.clone(),
        version: ask.version,
        notes: notes(remarks, text),
        digests: [(context.name.clone(), digest(text))].into_iter().chain(texts).collect(),
        plan: narrowed,
    })
}

/// What the request and our floor grant, before anything narrows it.
fn granted(
    ask: &Ask,
    (context, sources): (&Context, &Sources),
    rules: &mut Rules<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<(Plan, Vec<crate::settle::Claim>), Problem> {
    let own = context.file.iter().filter_map(|file| AbsPath::new(file).ok());
    let own = own.chain(AbsPath::new("/etc/ringfence")).collect();
    let around = Around { context: &sources.context, surroundings: &sources.surroundings, own };
    let Laid { files, claims } = files::files(ask, &around, rules, remarks)?;
    let environment = environment::environment(ask, rules, remarks)?;
    let network = egress::network(&ask.traffic, &ask.ours, rules, remarks)?;
    let limits = limits::limits(ask, sources.surroundings.memory, rules)?;
    let safe = rules.built_in("processes.nested_namespaces = false", "the safe choice");
    let (level, rule) = match &ask.ours.level {
        Some(said) => (level(&said.value), rules.said(said, &said.value)),
        None => {
            (Level::Auto, rules.built_in("containment.level = \"auto\"", "the strongest that this host has"))
        }
    };
    let oversight = rules.built_in("oversight.bypass = true", "nobody forbids it");
    let plan = Plan {
        files,
        environment,
        network,
        limits,
        processes: Processes { nested_namespaces: false, rule: safe },
        containment: Containment { level, rule },
        oversight: Oversight { audit: Vec::new(), bypass: true, rule: oversight },
        rules: std::mem::replace(rules, Rules::new("", "")).finish(),
    };
    Ok((plan, claims))
}

fn level(word: &str) -> Level {
    match word {
        "namespaces" => Level::Namespaces,
        "process" => Level::Process,
        _ => Level::Auto,
    }
}

/// What all of `stages` let of `plan`; what each of them took is told.
fn within(plan: Plan, stages: &[Stage], remarks: &mut Vec<Remark>) -> Plan {
    stages.iter().fold(plan, |plan, stage| {
        let less = plan.meet(&stage.plan);
        let taken = difference(&plan, &less).narrowed;
        remarks.extend(taken.iter().map(|change| Remark {
            field: String::new(),
            at: 0,
            kind: NoteKind::Narrowed,
            text: format!(
                "{}: {} was {}, and is {}",
                stage.name,
                quoted(&change.subject),
                change.before,
                change.after
            ),
        }));
        less
    })
}

/// Where the command starts: where the request says, else where the caller is, if that is there inside, else at the root.
fn cwd(ask: &Ask, plan: &Plan, here: &AbsPath) -> Result<AbsPath, Problem> {
    let Some(said) = &ask.cwd else {
        return Ok(if is_there(plan, here) { here.clone() } else { AbsPath::root() });
    };
    let path = AbsPath::new(&said.value);
    let path =
        path.map_err(|why| said.policy(format!("the working directory {} {why}", quoted(&said.value))))?;
    match is_there(plan, &path) {
        true => Ok(path),
        false => Err(said.policy(format!(
            "the working directory {} is not there inside; grant it in filesystem.readonlyPaths or readwritePaths",
            quoted(&path)
        ))),
    }
}

/// Whether there will be such a directory inside: granted, HOME, /tmp, or on the way to one of them. HOME and /tmp are
/// empty at the start, so that what lies below them on the host is not there.
fn is_there(plan: &Plan, path: &AbsPath) -> bool {
    let Files { home, grants, .. } = &plan.files;
    if let Some((access, _)) = plan.files.access(path) {
        return access != Access::Deny;
    }
    let own = ["/tmp", "/dev/shm", "/proc", "/etc"].into_iter().filter_map(|path| AbsPath::new(path).ok());
    let granted = grants.iter().filter(|grant| grant.access != Access::Deny).map(|grant| grant.path.clone());
    granted.chain(own).chain([home.clone()]).any(|place| place.is_within(path))
}

fn notes(remarks: Vec<Remark>, text: &str) -> Vec<Note> {
    let positions = Positions::new(text);
    let note = |Remark { field, at, kind, text }: Remark| {
        let (line, column) = if field.is_empty() { (0, 0) } else { positions.of(at) };
        Note { field, kind, text, line, column }
    };
    remarks.into_iter().map(note).collect()
}

fn as_text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

fn of_load(context: &Context) -> context::Request {
    let Context { name: _, file: _, cwd, home, user, caller_env, places, parent } = context;
    context::Request {
        cwd: cwd.clone(),
        home: home.clone(),
        user: user.clone(),
        caller_env: caller_env.clone(),
        places: places.clone(),
        parent: parent.clone(),
        ..context::Request::default()
    }
}
