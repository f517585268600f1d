//! What is written down of a run: for whoever answers for the machine (the audit), and for the user who asks why (the
//! last refusals). Decides what a failure to write means; the writing is `audit`'s and below.
//!
//! A run whose start cannot be recorded is not started. Once it runs, it runs: ending it in the middle, for a log that
//! is full, would lose work and keep nothing from happening. What was not recorded is told in the outcome, and the exit
//! code stays the command's.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ringfence_plan::{Event, Plan};

use super::audit::Audit;
use super::time;
use crate::error::Error;
use crate::last_run::LastRun;
use crate::outcome::Outcome;
use crate::run::Job;

/// The records of one run.
pub(super) struct Journal<'a> {
    plan: &'a Plan,
    audit: Audit,
    /// Where the last refusals are kept, and what they are so far.
    last: Option<(&'a Path, LastRun)>,
}

impl<'a> Journal<'a> {
    /// Opens every destination and records the start.
    pub(super) fn begin(job: &Job<'a>) -> Result<Journal<'a>, Error> {
        let audit = Audit::begin(job)?;
        let last = job.record.state.as_deref().map(|state| (state, empty(job)));
        Ok(Journal { plan: job.plan, audit, last })
    }

    /// Records what happened. The caller bounds how often this is called.
    pub(super) fn event(&mut self, event: &Event) {
        self.audit.event(event, self.plan);
        if let Some((_, last)) = &mut self.last {
            last.note(event, self.plan);
        }
    }

    /// Records the end.
    pub(super) fn end(mut self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let mut unrecorded = self.audit.end(&result);
        let mut outcome = result?;
        if let Some((state, mut last)) = self.last.take() {
            last.denied = outcome.denied;
            if let Err(error) = keep(state, &last) {
                let place = LastRun::place(state);
                unrecorded.push(format!("the refusals of this run, in {}: {error}", place.display()));
            }
        }
        outcome.unrecorded = unrecorded;
        Ok(outcome)
    }
}

fn empty(job: &Job<'_>) -> LastRun {
    LastRun {
        time: time::now(),
        cwd: job.command.cwd.to_string(),
        argv: job.command.argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        backend: job.backend.into(),
        denied: 0,
        refusals: Vec::new(),
        connections: Vec::new(),
    }
}

/// Puts the record of a run that was refused something in place of the one before; of one that was not, only takes
/// that away.
fn keep(state: &Path, last: &LastRun) -> io::Result<()> {
    let place = LastRun::place(state);
    if last.denied == 0 {
        return match fs::remove_file(place) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        };
    }
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    // By a rename, so that a reader finds a whole record, of one run or of the other.
    let draft = state.join(format!("last-run.json.{}", std::process::id()));
    let written = write_new(&draft, last).and_then(|()| fs::rename(&draft, &place));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write_new(path: &Path, last: &LastRun) -> io::Result<()> {
    // What a killed run left under the same number.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(last)?)
}

/// Nothing there, or nothing that could be: a home that is no directory, or that may not be looked into.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem)
}
