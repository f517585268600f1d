//! What is written down of a run: for whoever answers for the machine (the audit), and for the user who asks why (the
//! last refusals). Decides what a failure to write means; the writing is `audit`'s and below.
//!
//! A run whose start cannot be recorded is not started. Once it runs, it runs: ending it in the middle, for a log that
//! is full, would lose work and keep nothing from happening. What was not recorded is told in the outcome, and the exit
//! code stays the command's.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use ringfence_plan::{Event, Plan};

use super::audit::Audit;
use super::time;
use crate::error::Error;
use crate::last_run::LastRun;
use crate::outcome::{Outcome, Traffic};
use crate::run::Job;
use crate::run_log::{self, Entry, KEPT_RUNS, RunLog};

/// The records of one run.
pub(super) struct Journal<'a> {
    /// With the rules that came while it ran.
    plan: Cow<'a, Plan>,
    audit: Audit,
    kept: Option<Kept<'a>>,
    began: (Instant, Duration),
}

/// What is kept for the user, so far.
struct Kept<'a> {
    /// Where.
    state: &'a Path,
    /// The last refusals.
    last: LastRun,
    /// What happened.
    log: RunLog,
}

impl<'a> Journal<'a> {
    /// Opens every destination and records the start.
    pub(super) fn begin(job: &Job<'a>) -> Result<Journal<'a>, Error> {
        let audit = Audit::begin(job)?;
        let kept = job.record.state.as_deref().map(|state| Kept::nothing(state, job));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Journal { plan: Cow::Borrowed(job.plan), audit, kept, began: (Instant::now(), now) })
    }

    /// Records what happened. The caller bounds how often this is called.
    pub(super) fn event(&mut self, event: &Event) {
        if let Event::RuleChanged { text, .. } = event {
            self.plan.to_mut().rules.push(text.clone());
        }
        self.audit.event(event, &self.plan);
        if let Some(Kept { last, log, .. }) = &mut self.kept {
            last.note(event, &self.plan);
            let at = self.began.0.elapsed().as_millis() as u64;
            let rule = event.rule().map(|rule| self.plan.rule(rule).clone());
            log.entries.push(Entry { at, event: event.clone(), rule });
        }
    }

    /// Records the end.
    pub(super) fn end(mut self, result: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let mut unrecorded = self.audit.end(&result);
        let mut outcome = result?;
        if let Some(Kept { state, mut last, mut log }) = self.kept.take() {
            last.denied = outcome.denied;
            if let Err(error) = keep(state, &last) {
                let place = LastRun::place(state);
                unrecorded.push(format!("the refusals of this run, in {}: {error}", place.display()));
            }
            log.ending = Some(outcome.ending);
            (log.traffic, log.left_out) = (outcome.traffic, outcome.left_out);
            if let Err(error) = keep_log(state, &log, self.began.1) {
                let place = run_log::place(state);
                unrecorded.push(format!("the log of this run, in {}: {error}", place.display()));
            }
        }
        outcome.unrecorded.extend(unrecorded);
        Ok(outcome)
    }
}

impl Kept<'_> {
    fn nothing<'a>(state: &'a Path, job: &Job<'_>) -> Kept<'a> {
        let last = LastRun {
            time: time::now(),
            cwd: job.command.cwd.to_string(),
            argv: job.command.argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            backend: job.backend.into(),
            denied: 0,
            refusals: Vec::new(),
            connections: Vec::new(),
        };
        let LastRun { time, cwd, argv, backend, .. } = last.clone();
        let log = RunLog {
            id: std::process::id().to_string(),
            time,
            cwd,
            argv,
            backend,
            ending: None,
            traffic: Traffic::default(),
            left_out: 0,
            entries: Vec::new(),
        };
        Kept { state, last, log }
    }
}

/// Keeps the log of a run that has something to tell, and no more than the last ones.
fn keep_log(state: &Path, log: &RunLog, began: Duration) -> io::Result<()> {
    if log.entries.is_empty() {
        return Ok(());
    }
    let place = run_log::place(state);
    DirBuilder::new().recursive(true).mode(0o700).create(&place)?;
    // A name that no reader takes for one of a log, until it is whole.
    let draft = place.join(format!("{}.draft", log.id));
    let done = write_new(&draft, log)
        .and_then(|()| fs::rename(&draft, place.join(run_log::file_name(began, &log.id))));
    if done.is_err() {
        let _ = fs::remove_file(&draft);
        return done;
    }
    let names = run_log::names(state)?;
    for name in &names[..names.len().saturating_sub(KEPT_RUNS)] {
        // Another run may have been as tidy.
        let _ = fs::remove_file(place.join(name));
    }
    Ok(())
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

fn write_new(path: &Path, record: &impl serde::Serialize) -> io::Result<()> {
    // What a killed run left under the same number.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(record)?)
}

/// Nothing there, or nothing that could be: a home that is no directory, or that may not be looked into.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem)
}
