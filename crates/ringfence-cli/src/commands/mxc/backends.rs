//! `--available-backends`: which of MXC's names this host makes good, found by running a command under each.
//! Not `doctor`, which says why not and what would mend it.

use serde_json::json;

use super::dialect;
use super::reply::{Code, Reply};
use super::source::Source;
use crate::failure::Failure;
use crate::{exit, render};

/// The names that mean our strongest local backend.
const NAMES: [&str; 2] = ["bubblewrap", "lxc"];

/// Plain, and with a mandatory proxy at a port on which nobody need listen: the start is what is tried.
const ISOLATED: &str = r#"{"version":"1.0.0","process":{"commandLine":"exit 7"}}"#;
const PROXY: &str = r#"{"version":"1.0.0","process":{"commandLine":"exit 7"},
    "runtimeConfig":{"networkProxy":"http://127.0.0.1:9"}}"#;

/// Prints them, in MXC's form with the name of what holds it.
pub(super) fn available() -> Result<u8, Failure> {
    let found = match starts(ISOLATED) {
        Ok(held_by) => {
            let capabilities: &[&str] = if starts(PROXY).is_ok() { &["proxyEnforcement"] } else { &[] };
            NAMES
                .map(|name| json!({ "backend": name, "capabilities": capabilities, "heldBy": held_by }))
                .to_vec()
        }
        Err(why) => {
            eprint!("{}", why.as_text());
            Vec::new()
        }
    };
    render::print(format!("{:#}\n", json!(found)).as_bytes())?;
    Ok(exit::DONE)
}

/// Runs the request, whose command does nothing but end with 7, and names the backend that held it.
fn starts(request: &str) -> Result<&'static str, Reply> {
    let asked =
        dialect::read(&Source { text: request.into(), name: "--available-backends".into(), file: None })?;
    let prepared = asked.run.prepare().map_err(|error| Reply::of(&error))?;
    let held_by = prepared.backend();
    let outcome = prepared.run(&mut |_| {}).map_err(|error| Reply::of(&error))?;
    match outcome.ending {
        ringfence_plan::Ending::Exited(7) => Ok(held_by),
        other => {
            let message =
                format!("a command in a sandbox of {held_by} ended with {other:?}, not as it should");
            Err(Reply::refused(Code::BackendUnavailable, message))
        }
    }
}
