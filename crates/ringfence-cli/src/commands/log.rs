//! `ringfence log`: what was decided in a run that is over, with rules, bytes and durations.
//! Not an audit: the last runs of this user that had something to tell, each up to a bound.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::RunLog;
use serde_json::json;

use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::log;
use crate::render::style::{Stream, Style};
use crate::{exit, flags, render};

/// Flags and help.
pub(crate) fn command() -> Command {
    Command::new("log")
        .about("Show what was allowed and refused in the last run, with rules, bytes and durations")
        .arg(Arg::new("run").long("run").value_name("ID").help("Of this run"))
        .arg(Arg::new("list").long("list").action(ArgAction::SetTrue).help("List the runs that are kept"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
        .after_help(EXAMPLES)
}

const EXAMPLES: &str = "\
Examples:
  ringfence log              the last run that had something to tell
  ringfence log --list       the runs that are kept, the last one last
  ringfence log --run 4711   one of them";

/// Shows it.
pub(crate) fn log(matches: &ArgMatches) -> Result<u8, Failure> {
    let json = matches.get_flag("json");
    let failed = |source| Failure::Io {
        what: "read the log".into(),
        source,
        hint: Some("the next run that has something to tell writes one anew".into()),
    };
    let state = flags::state();
    let id = matches.get_one::<String>("run").map(String::as_str);
    if matches.get_flag("list") {
        let ids = state.as_deref().map_or(Ok(Vec::new()), RunLog::ids).map_err(failed)?;
        let text = match json {
            true => format!("{:#}\n", json!(ids)),
            false => kept(state.as_deref(), &ids),
        };
        render::print(text.as_bytes())?;
        return Ok(exit::DONE);
    }
    let found = state.as_deref().map_or(Ok(None), |state| RunLog::read(state, id)).map_err(failed)?;
    match (found, id) {
        (Some(run), _) => {
            let style = Style::of(Stream::Output);
            let text = if json { format!("{:#}\n", json!(run)) } else { log::as_text(&run, style) };
            render::print(text.as_bytes())?;
            Ok(exit::DONE)
        }
        (None, None) => {
            render::print(if json { b"null\n" } else { b"no run has had anything to tell\n" })?;
            Ok(exit::DONE)
        }
        (None, Some(id)) => Err(Failure::Io {
            what: format!("find a log of the run {id}"),
            source: std::io::Error::other("none is kept"),
            hint: Some(
                "`ringfence log --list` shows those that are kept; a run is logged when it ends".into(),
            ),
        }),
    }
}

/// A line for each; of one that cannot be read any more, its name.
fn kept(state: Option<&Path>, ids: &[String]) -> String {
    let style = Style::of(Stream::Output);
    let line = |id: &String| match state.and_then(|state| RunLog::read(state, Some(id)).ok().flatten()) {
        Some(run) => log::head(&run, style),
        None => format!("{}\n", escape(id)),
    };
    ids.iter().map(line).collect()
}
