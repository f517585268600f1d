//! From the text of a request to what the library runs; the policy crate reads it, this only says who asks.
//! Not the language, and no decision about it.

use std::path::{Path, PathBuf};

use ringfence::{Record, Run, Text};
use ringfence_plan::{Access, Plan};
use ringfence_policy::mxc::{Context, Refusal, Request};
use serde_json::{Value, json};

use super::reply::{Code, Phase, Reply};
use super::source::Source;
use crate::failure::Failure;
use crate::{flags, inside};

/// A request that can be run.
pub(super) struct Asked {
    pub(super) run: Run,
    /// What is not as MXC does it, an event each.
    pub(super) notes: Vec<Value>,
    pub(super) facts: Facts,
}

/// What is told of a request beside its plan.
pub(super) struct Facts {
    pub(super) version: &'static str,
    pub(super) command: usize,
}

/// Reads the request.
pub(super) fn read(source: &Source) -> Result<Asked, Reply> {
    let context = context(source).map_err(|failure| Reply::set_up(&failure))?;
    let parent = context.parent.clone();
    let request =
        ringfence_policy::mxc::read(&source.text, &context).map_err(|refusal| Reply::from(&refusal))?;
    Ok(asked(request, parent))
}

fn context(source: &Source) -> Result<Context, Failure> {
    let cwd = flags::current_directory()?;
    let file = source.file.as_ref().map(|file| whole(&cwd.join(file)));
    let ringfence_policy::Request { cwd, home, user, caller_env, places, .. } = flags::surroundings(cwd);
    Ok(Context {
        name: source.name.clone(),
        file,
        cwd,
        home,
        user,
        caller_env,
        places,
        parent: inside::plan()?,
    })
}

/// `file` with its directory as it really is. Its own name is left: where that is a symlink, both have to stay.
fn whole(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, file.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => file.to_path_buf(),
    }
}

fn asked(request: Request, around: Option<Plan>) -> Asked {
    let Request { plan, command, cwd, version, notes, digests, .. } = request;
    let notes = notes.iter().map(|note| {
        json!({
            "event": "field",
            "field": note.field,
            "verdict": note.kind,
            "why": note.text,
            "line": note.line,
            "column": note.column,
        })
    });
    let line = command.last().map_or(0, |word| word.len());
    let record = Record {
        layers: digests.into_iter().map(|(name, sha256)| Text { name, sha256 }).collect(),
        state: flags::state(),
        ..Record::default()
    };
    Asked {
        notes: notes.collect(),
        facts: Facts { version: version.as_str(), command: line },
        run: Run {
            host: ringfence_backend::probe_for(&plan),
            plan,
            argv: command,
            cwd: cwd.as_path().to_path_buf(),
            // The plan lets none of them pass; TMPDIR tells where temporary files may lie.
            caller_env: std::env::vars_os().collect(),
            terminal: true,
            allow_unenforced: Vec::new(),
            record,
            around,
        },
    }
}

/// The first granted path that is not there, in words: a run would stop at it.
pub(super) fn absent(plan: &Plan) -> Option<String> {
    let needed = plan.files.grants.iter().filter(|grant| !grant.optional && grant.access != Access::Deny);
    let missing = needed.into_iter().find(|grant| !grant.path.as_path().exists())?;
    Some(format!("{} does not exist; asked for by {}", missing.path, plan.rule(missing.rule)))
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Reply {
        let mut reply = Reply::refused(refusal.code, refusal.to_string());
        if matches!(
            refusal.code,
            Code::MalformedRequest | Code::UnsupportedContainment | Code::UnsupportedPhase
        ) {
            reply.phase = Phase::Request;
        }
        reply.field.clone_from(&refusal.field);
        reply
    }
}
