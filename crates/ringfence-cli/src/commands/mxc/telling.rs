//! What is told of a request beside its output: `--status-fd`, `--log-file` and `--debug`, one JSON object a line.
//! Never in the command's own streams, but for `--debug`, which asks for it and gets it on standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use serde_json::{Value, json};

use super::reply::line;
#[cfg(target_os = "linux")]
use super::sys;

/// Who listens.
#[derive(Default)]
pub(super) struct Telling {
    status: Option<File>,
    log: Option<File>,
    debug: bool,
    /// What `--debug` has to say once the command has ended. Whoever reads standard error may read nothing until then, and
    /// a full pipe must not keep the run's clock from being looked at.
    later: Option<String>,
}

impl Telling {
    /// Opens what the words ask for. Before anything else: a log that cannot be written is no log.
    pub(super) fn of(matches: &ArgMatches) -> Result<Telling, String> {
        let status = match matches.get_one::<i32>("status-fd") {
            Some(number) => Some(status(*number)?),
            None => None,
        };
        let log = match matches.get_one::<PathBuf>("log-file") {
            Some(path) => Some(log(path)?),
            None => None,
        };
        Ok(Telling { status, log, debug: matches.get_flag("debug"), later: None })
    }

    /// Tells everybody. A listener that has gone away is nobody's error: the run is none the worse for it.
    pub(super) fn tell(&mut self, event: &Value) {
        let line = line(event);
        if let Some(status) = &mut self.status {
            let _ = status.write_all(line.as_bytes());
        }
        if let Some(log) = &mut self.log {
            // One write, so that two runs that share a log do not mix their lines (O_APPEND, open(2)).
            let _ = log.write_all(dated(event).as_bytes());
        }
        if self.debug {
            let line = format!("mxc: {line}");
            match &mut self.later {
                Some(later) => later.push_str(&line),
                None => drop(io::stderr().write_all(line.as_bytes())),
            }
        }
    }

    /// The command begins: from here on nothing waits for a reader.
    pub(super) fn begins(&mut self) {
        self.later = Some(String::new());
    }

    /// The command has ended.
    pub(super) fn ended(&mut self) {
        if let Some(later) = self.later.take() {
            let _ = io::stderr().write_all(later.as_bytes());
        }
    }

    /// Tells the log and `--debug` only: what a caller reads by machine at every run stays short.
    pub(super) fn note(&mut self, event: &Value) {
        let status = self.status.take();
        self.tell(event);
        self.status = status;
    }

    /// Whether anybody reads notes.
    pub(super) fn takes_notes(&self) -> bool {
        self.log.is_some() || self.debug
    }
}

fn dated(event: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = event.clone();
    event["time_ms"] = json!(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    line(&event)
}

/// The log may lie where an earlier command could write: it is not followed through a symlink, and has to be a file.
fn log(path: &Path) -> Result<File, String> {
    let failed = |why: &dyn std::fmt::Display| format!("failed to open the log {}: {why}", path.display());
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    let file = options.open(path).map_err(|error| failed(&error))?;
    let kind = file.metadata().map_err(|error| failed(&error))?;
    if kind.is_file() { Ok(file) } else { Err(failed(&"it is no regular file")) }
}

#[cfg(target_os = "linux")]
fn status(number: i32) -> Result<File, String> {
    let failed =
        |why: &dyn std::fmt::Display| format!("failed to use descriptor {number} for --status-fd: {why}");
    let file = sys::duplicate(number).map_err(|error| failed(&error))?;
    // What cannot be written would be a caller that waits for an answer that never comes.
    let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| failed(&error))?;
    match flags & rustix::fs::OFlags::RWMODE {
        rustix::fs::OFlags::RDONLY => Err(failed(&"it is open for reading only")),
        _ => Ok(file),
    }
}

#[cfg(not(target_os = "linux"))]
fn status(_: i32) -> Result<File, String> {
    Err("--status-fd is not to be had on this system".into())
}
