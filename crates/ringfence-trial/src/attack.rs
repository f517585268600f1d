//! An attempt to get through the fence, with its control. Knows how to judge; the attempts themselves are rows.

use std::path::Path;

use crate::place::{CANARY, Place};
use crate::program::Ran;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

/// The words by which the system, a shell or a tool says that it was refused. Without one of them a fenced attempt that
/// failed may have failed for a reason of its own.
const REFUSALS: &[&str] = &[
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "No such file",
    "Directory nonexistent",
    "No such process",
    "Function not implemented",
    "Bad system call",
    "Device or resource busy",
    "Invalid cross-device link",
    "not supported",
    "refused: ",
];

/// An attempt.
#[derive(Clone)]
pub(crate) struct Attack {
    name: String,
    threats: &'static [u8],
    prepare: String,
    line: String,
    flags: Vec<String>,
    goal: Goal,
    refusals: Vec<String>,
    host_may_refuse: Option<&'static str>,
    field: Option<&'static str>,
    scope: Scope,
}

/// What the attacker wants. It is measured, never taken from his word alone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    /// That the line ends with 0.
    Success,
    /// That the canary's text shows up in its output.
    Secret,
    /// That something outside the workspace changes.
    HostChange,
    /// That something at or below one of these paths of the workspace changes.
    ChangeBelow(Vec<String>),
}

impl Attack {
    /// The attempt to have `line` succeed.
    pub(crate) fn run(name: impl Into<String>, threats: &'static [u8], line: impl Into<String>) -> Attack {
        Attack {
            name: name.into(),
            threats,
            prepare: String::new(),
            line: line.into(),
            flags: Vec::new(),
            goal: Goal::Success,
            refusals: Vec::new(),
            host_may_refuse: None,
            field: None,
            scope: Scope::Everywhere,
        }
    }

    /// The attempt of this name of the `ringfence-trial` program itself (see [`crate::attempts`]), which must be
    /// refused with one of these error names.
    pub(crate) fn native(attempt: &str, threats: &'static [u8], errors: &[&str]) -> Attack {
        let attack = Attack::run(attempt, threats, format!("\"$TRIAL\" attempt {attempt}"));
        Attack { refusals: errors.iter().map(|error| format!("refused: {error}")).collect(), ..attack }
    }

    /// The same attempt with these words behind its name.
    pub(crate) fn aimed(self, at: &str) -> Attack {
        Attack { line: format!("{} {at}", self.line), name: format!("{} {at}", self.name), ..self }
    }

    /// The same attempt under another name.
    pub(crate) fn called(self, name: impl Into<String>) -> Attack {
        Attack { name: name.into(), ..self }
    }

    /// The attempt to print the canary.
    pub(crate) fn read(name: impl Into<String>, threats: &'static [u8], line: impl Into<String>) -> Attack {
        Attack { goal: Goal::Secret, ..Attack::run(name, threats, line) }
    }

    /// The attempt to change the host outside the workspace, whatever the line's own exit code.
    pub(crate) fn change_host(
        name: impl Into<String>,
        threats: &'static [u8],
        line: impl Into<String>,
    ) -> Attack {
        Attack { goal: Goal::HostChange, ..Attack::run(name, threats, line) }
    }

    /// The attempt to change one of these paths of the workspace, whatever the line's own exit code.
    pub(crate) fn change_below(
        name: impl Into<String>,
        threats: &'static [u8],
        paths: &[&str],
        line: impl Into<String>,
    ) -> Attack {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Attack { goal: Goal::ChangeBelow(paths), ..Attack::run(name, threats, line) }
    }

    /// What is done in the place before, without a fence.
    pub(crate) fn after(self, prepare: impl Into<String>) -> Attack {
        Attack { prepare: prepare.into(), ..self }
    }

    /// More flags for `ringfence run`.
    pub(crate) fn flags(self, flags: &[&str]) -> Attack {
        Attack { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..self }
    }

    /// Why a host may refuse this to some users even without a fence; there the row is skipped.
    pub(crate) fn host_may_refuse(self, why: &'static str) -> Attack {
        Attack { host_may_refuse: Some(why), ..self }
    }

    /// The field that holds it.
    pub(crate) fn held_by(self, field: &'static str) -> Attack {
        Attack { field: Some(field), ..self }
    }

    /// Where it has a meaning.
    pub(crate) fn only(self, scope: Scope) -> Attack {
        Attack { scope, ..self }
    }

    /// The row of this attempt.
    pub(crate) fn row(self) -> Row {
        let (name, field, scope) = (self.name.clone(), self.field, self.scope);
        let row =
            Row::new(name, self.threats, move |session| self.judge(session).unwrap_or_else(Outcome::Failed));
        Row { field, scope, ..row }
    }

    /// Makes the attempt twice, with and without the fence.
    fn judge(&self, session: &Session) -> Result<Outcome, String> {
        let (fenced, fenced_ran) = self.attempt(session, true)?;
        if fenced_ran.timed_out {
            return Err(format!("the fenced attempt did not end: {}", fenced_ran.describe()));
        }
        if let Reached::Yes(what) = fenced {
            return Err(format!("{what}\nthe fenced attempt reached its goal: {}", fenced_ran.describe()));
        }
        if self.goal == Goal::Success && !self.was_refused(&fenced_ran) {
            return Err(format!("it failed, but not by being refused: {}", fenced_ran.describe()));
        }
        let (bare, bare_ran) = self.attempt(session, false)?;
        Ok(match (bare, self.host_may_refuse) {
            (Reached::Yes(_), _) => Outcome::Passed,
            (Reached::No, Some(why)) => Outcome::Skipped(format!("refused without a fence too: {why}")),
            (Reached::No, None) => {
                Outcome::NotProved(format!("the attempt fails without a fence: {}", bare_ran.describe()))
            }
        })
    }

    fn attempt(&self, session: &Session, fence: bool) -> Result<(Reached, Ran), String> {
        let place = session.place()?;
        if !self.prepare.is_empty() {
            let ran = session.bare(&place, &format!("set -e\n{}", self.prepare))?;
            if ran.code != 0 {
                return Err(format!("preparing failed: {}", ran.describe()));
            }
        }
        let (host, workspace) = (place.host_side(), place.workspace());
        let ran = match fence {
            true => session.fenced(&place, &self.flags, &self.line)?,
            false => session.bare(&place, &self.line)?,
        };
        let host_changes = host.changes(&place.host_side());
        let reached = match &self.goal {
            // Whatever the attempt is after: a change of the host is a breach.
            _ if fence && !host_changes.is_empty() => Reached::Yes(host_changes.join("\n")),
            Goal::Success => Reached::when(ran.code == 0, "it succeeded"),
            Goal::Secret => Reached::when(ran.text().contains(CANARY), "it read the canary"),
            Goal::HostChange => Reached::when(!host_changes.is_empty(), "it changed the host"),
            Goal::ChangeBelow(paths) => {
                let below = |path: &Path| paths.iter().any(|base| path.starts_with(base));
                let changes = workspace
                    .without(|path| !below(path))
                    .changes(&place.workspace().without(|path| !below(path)));
                Reached::when(!changes.is_empty(), &changes.join("\n"))
            }
        };
        Ok((reached, ran))
    }

    fn was_refused(&self, ran: &Ran) -> bool {
        let text = ran.text();
        match self.refusals.is_empty() {
            true => REFUSALS.iter().any(|refusal| text.contains(refusal)),
            false => self.refusals.iter().any(|refusal| text.contains(refusal.as_str())),
        }
    }
}

enum Reached {
    Yes(String),
    No,
}

impl Reached {
    fn when(condition: bool, what: &str) -> Reached {
        if condition { Reached::Yes(what.to_owned()) } else { Reached::No }
    }
}

/// Runs the preparation of a row that has a test of its own.
pub(crate) fn prepare(session: &Session, place: &Place, line: &str) -> Result<(), String> {
    let ran = session.bare(place, &format!("set -e\n{line}"))?;
    if ran.code == 0 { Ok(()) } else { Err(format!("preparing failed: {}", ran.describe())) }
}
