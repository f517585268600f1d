//! The sandbox that this program may itself run in: its plan, and what is not done there.
//! Not a boundary: whoever unsets the variable is held by the fence all the same.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use ringfence_plan::Plan;
use ringfence_policy::Diagnostic;

use crate::failure::Failure;

/// The variable that says where the plan is.
const VARIABLE: &str = "RINGFENCE_PLAN";
/// The longest plan that is read, in bytes; ten thousand rules are a twentieth of it.
const LONGEST: u64 = 64 << 20;

/// The plan of the sandbox around this process, if there is one.
pub(crate) fn plan() -> Result<Option<Plan>, Failure> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    // The variable alone is a word that anybody may say; that there is a sandbox the kernel knows.
    if !ringfence_backend::is_enclosed() {
        return Ok(None);
    }
    let mut text = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    let plan = read.and_then(|_| serde_json::from_slice(&text).map_err(io::Error::from));
    // Not taken for the absence of a sandbox: then a run inside would believe to be wider than it is.
    plan.map(Some).map_err(|source| Failure::Io {
        what: format!("read the plan of the sandbox around, {} ({VARIABLE})", path.display()),
        source,
        hint: Some(format!("{VARIABLE} is set by the sandbox; leave it as it is")),
    })
}

/// Refuses, inside a sandbox, to do what only the user himself should.
pub(crate) fn refuse(what: &str) -> Result<(), Failure> {
    if !ringfence_backend::is_enclosed() {
        return Ok(());
    }
    let title = format!("this is the inside of a sandbox, from where nobody may {what}");
    Err(Failure::Policy(Diagnostic::error(title).help("do it outside").into()))
}
