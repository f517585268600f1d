//! Lines that are tried in the small internet, the rows that they become, and the flags and policies that they are tried
//! under. Not what a line has to show: whoever tries it judges that.

use std::fs;

use super::told::row;
use crate::place::Place;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A line that must not reach something.
pub(crate) struct Escape {
    pub(crate) name: &'static str,
    pub(crate) threats: &'static [u8],
    /// Run by sh; without a fence it must reach what is named below.
    pub(crate) line: &'static str,
    /// A beginning of a line in the servers' log.
    pub(crate) reaches: &'static str,
}

/// A line that must work as it does without a fence.
pub(crate) struct Works {
    pub(crate) name: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) line: &'static str,
}

/// The test of a row that is no line.
pub(crate) type Judge = fn(&Session) -> Result<Outcome, String>;

/// A row each; their names begin by `part`.
pub(crate) fn escapes(
    part: &'static str,
    lines: &'static [Escape],
    tools: &'static [&'static str],
    judge: fn(&Session, &Escape) -> Result<Outcome, String>,
) -> impl Iterator<Item = Row> {
    lines.iter().map(move |escape| {
        let name = format!("{part}: {}", escape.name);
        row(name, escape.threats, tools, move |session| judge(session, escape))
    })
}

/// A row each; their names begin by `works:` and `part`.
pub(crate) fn works(
    part: &'static str,
    lines: &'static [Works],
    tools: &'static [&'static str],
    judge: fn(&Session, &Works) -> Result<Outcome, String>,
) -> impl Iterator<Item = Row> {
    lines.iter().map(move |works| {
        let name = format!("works: {part}: {}", works.name);
        row(name, &[], &[tools, &[works.tool]].concat(), move |session| judge(session, works))
    })
}

/// Flags for a network by rules that allows these hosts.
pub(crate) fn rules(allow: &[&str]) -> Vec<String> {
    ["--network".to_owned(), "rules".to_owned()].into_iter().chain(allowing(allow)).collect()
}

/// Flags that allow these hosts as well.
pub(crate) fn allowing(allow: &[&str]) -> impl Iterator<Item = String> {
    allow.iter().flat_map(|endpoint| ["--allow-net".to_owned(), (*endpoint).to_owned()])
}

/// Writes a policy where no fenced line comes; the flags that name it.
pub(crate) fn policy(place: &Place, text: &str) -> Result<[String; 2], String> {
    fs::write(place.outside.join("policy.toml"), text)
        .map_err(|error| format!("writing a policy: {error}"))?;
    Ok(["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()])
}
