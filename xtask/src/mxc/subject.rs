//! One program under trial, and the place that a row has on its own for it.
//! Knows no weakness.

use super::row::{Row, Who};
use super::tun;
use crate::person::Person;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    V08,
    V10,
    Ours,
}

pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    /// The contract that requests for it are written to.
    pub(super) version: &'static str,
    pub(super) generation: Generation,
}

/// A directory of the row's, in which one program is tried once.
pub(super) struct Place<'a> {
    pub(super) subject: &'a Subject,
    person: &'a Person,
    as_root: bool,
    tunnel: bool,
    folder: PathBuf,
}

/// How one request went.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// However long a request may take before it is ended and the row with it.
const PATIENCE: Duration = Duration::from_secs(30);

impl<'a> Place<'a> {
    pub(super) fn new(
        subject: &'a Subject,
        row: &Row,
        person: &'a Person,
        scratch: &Path,
    ) -> Result<Place<'a>> {
        let folder = scratch.join(format!("{}-{:?}", row.name, subject.generation));
        fs::create_dir(&folder)?;
        let (as_root, tunnel) = (row.who == Who::Root, row.tunnel && !tun::is_open_to_all());
        let place = Place { subject, person, as_root, tunnel, folder };
        place.folder("rw")?;
        place.folder("ro")?;
        place.give("")?;
        Ok(place)
    }

    /// The full name of something in it.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(super) fn folder(&self, name: &str) -> Result<String> {
        fs::create_dir_all(self.folder.join(name))?;
        // With what was made on the way.
        self.give(name.split('/').next().unwrap_or_default())?;
        Ok(self.path(name))
    }

    pub(super) fn file(&self, name: &str, text: &str) -> Result<String> {
        fs::write(self.folder.join(name), text)?;
        self.give(name)?;
        Ok(self.path(name))
    }

    fn give(&self, name: &str) -> Result<()> {
        if self.as_root { Ok(()) } else { self.person.give(&self.folder.join(name)) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.folder.join(name).symlink_metadata().is_ok()
    }

    /// A request for `command`, with `rw` writable, `ro` readable, and what `more` says on top.
    pub(super) fn request(&self, command: &str, more: &Value) -> Value {
        let mut request = json!({
            "version": self.subject.version,
            "containment": "bubblewrap",
            "process": { "commandLine": command },
            "filesystem": { "readwritePaths": [self.path("rw")], "readonlyPaths": [self.path("ro")] },
        });
        merge(&mut request, more);
        request
    }

    /// The words that run `request`, which is written to a file.
    pub(super) fn words(&self, request: &Value) -> Result<Vec<String>> {
        let file = self.file("request.json", &request.to_string())?;
        Ok(vec![self.subject.program.display().to_string(), "--config".into(), file])
    }

    /// Runs the request.
    pub(super) fn run(&self, request: &Value) -> Result<Ran> {
        self.start(&self.words(request)?, &[])
    }

    /// Runs the request, whose command has to have begun: a refusal to run holds nothing.
    pub(super) fn tried(&self, request: &Value) -> Result<Ran> {
        let line = request["process"]["commandLine"].as_str().unwrap_or_default();
        let mut request = request.clone();
        request["process"]["commandLine"] = json!(format!("echo begun; {line}"));
        let mut ran = self.run(&request)?;
        match ran.stdout.strip_prefix("begun\n") {
            Some(rest) => ran.stdout = rest.into(),
            None => bail!("the command did not begin: {:?} {}", ran.code, ran.stderr),
        }
        Ok(ran)
    }

    /// Runs the words, as the row's user.
    pub(super) fn start(&self, words: &[String], env: &[(&str, &str)]) -> Result<Ran> {
        let mut all = Vec::new();
        if self.tunnel && self.person.other && !self.as_root {
            all.extend(tun::wrapper(&tun::After { uid: self.person.uid, gid: self.person.gid }));
        }
        let wrapped = !all.is_empty();
        all.extend_from_slice(words);
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).current_dir(&self.folder).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", &self.person.home);
        command.envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if !self.as_root && !wrapped {
            self.person.start(&mut command);
        }
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("failed to start {}", words[0]))?;
        let output = awaited(child)?;
        Ok(Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: start.elapsed(),
        })
    }

    /// `script` in a shell outside, with the words of `request` after it as `"$@"`.
    pub(super) fn shell(&self, script: &str, request: &Value) -> Result<Ran> {
        let words = ["sh", "-c", script, "sh"].map(String::from);
        self.start(&[&words[..], &self.words(request)?].concat(), &[])
    }
}

fn awaited(child: std::process::Child) -> Result<Output> {
    let group = child.id();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = ended.recv_timeout(PATIENCE) {
        return Ok(output?);
    }
    // Its own group, made for it above.
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
    bail!("still running after {PATIENCE:?}")
}

/// Members of `more` replace those of `into`, object by object.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
