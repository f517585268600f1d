//! Makes each attempt twice, outside and inside a sandbox, and says what that proves.
//! Not a judge of severity: a promise holds, does not hold, or was not proved here.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde::Serialize;

use super::scene::Scene;
use super::{Attempt, From, Input, Judge};
use crate::commands::attempt::{HELD, THROUGH, VERB};

/// What one attempt showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "conclusion")]
pub(crate) enum Conclusion {
    /// It worked outside and not inside.
    Proved {
        /// What stopped it, in the system's words.
        by: String,
    },
    /// It does not work outside either, so that its failure inside says nothing about the fence; or this backend
    /// does not promise it.
    Moot {
        /// Why not.
        why: String,
    },
    /// The sandbox did not start for it.
    NotRun {
        /// Why not.
        why: String,
    },
    /// It worked inside.
    Broken {
        /// How that was seen.
        how: String,
    },
}

/// One row of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// The attempt.
    pub(crate) attempt: &'static str,
    /// What it is about.
    pub(crate) promise: &'static str,
    /// What it showed.
    #[serde(flatten)]
    pub(crate) conclusion: Conclusion,
}

/// How the attempts are made.
pub(crate) struct Options {
    /// This program.
    pub(crate) program: PathBuf,
    /// Flags for every `ringfence run`.
    pub(crate) flags: Vec<String>,
}

/// Longer than any attempt takes, outside or inside.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the attempt outside, then inside.
pub(crate) fn referee(attempt: &'static Attempt, options: &Options) -> io::Result<Finding> {
    let control = perform(attempt, options, Side::Outside)?;
    let conclusion = match control.got_through(attempt) {
        false => Conclusion::Moot { why: format!("fails outside too: {}", control.words()) },
        true => conclude(attempt, &perform(attempt, options, Side::Inside)?),
    };
    Ok(Finding { attempt: attempt.name, promise: attempt.promise, conclusion })
}

fn conclude(attempt: &Attempt, inside: &Performance) -> Conclusion {
    if attempt.from == From::Namespaces && inside.report()["backend"] == "process" {
        return Conclusion::Moot { why: "the process backend does not promise this".into() };
    }
    // No silent step down: a fence that cannot hold a rule refuses the run. That breaks no promise, and proves none.
    if inside.report()["error"]["kind"] == "refused" {
        return Conclusion::Moot { why: format!("refused: {}", inside.words()) };
    }
    let stopped = attempt.judge == Judge::RefusedOrStopped && inside.was_stopped();
    if inside.line.is_none() && !stopped {
        return Conclusion::NotRun { why: inside.words() };
    }
    match (attempt.judge, inside.got_through(attempt)) {
        (Judge::Works, true) => Conclusion::Proved { by: "it works".into() },
        (Judge::Works, false) => Conclusion::Broken { how: inside.words() },
        (_, true) => Conclusion::Broken { how: "it got through".into() },
        (_, false) if inside.harm == Some(true) => {
            Conclusion::Broken { how: "its traces are outside".into() }
        }
        (_, false) => Conclusion::Proved { by: inside.words() },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Outside,
    Inside,
}

/// One attempt, made.
struct Performance {
    /// What the attempt said; `None` if it did not come to speak.
    line: Option<String>,
    /// Whether traces were seen outside, if any can be.
    harm: Option<bool>,
    status: ExitStatus,
    errors: String,
}

impl Performance {
    fn got_through(&self, attempt: &Attempt) -> bool {
        let through = self.line.as_deref().is_some_and(|line| line.starts_with(THROUGH));
        match attempt.judge {
            Judge::Harm => self.harm == Some(true),
            _ => through && self.harm != Some(false),
        }
    }

    /// What `ringfence run --json` reports; null outside.
    fn report(&self) -> serde_json::Value {
        self.errors.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }

    /// Whether a limit ended the run before the attempt could speak.
    fn was_stopped(&self) -> bool {
        self.report()["ending"].get("stopped").is_some()
    }

    fn words(&self) -> String {
        let line =
            self.line.as_deref().map(|line| line.trim_start_matches(HELD).trim_start_matches(THROUGH).trim());
        match line {
            Some(line) if !line.is_empty() => line.to_owned(),
            Some(_) => "no trace outside".into(),
            None if self.was_stopped() => {
                format!("stopped by the {} limit", self.report()["ending"]["stopped"])
            }
            None => match self.report()["error"]["message"].as_str() {
                Some(message) => message.lines().map(str::trim).collect::<Vec<_>>().join("; "),
                None => self.status.to_string(),
            },
        }
    }
}

fn perform(attempt: &Attempt, options: &Options, side: Side) -> io::Result<Performance> {
    // A scene of its own each time: an attempt that got through has changed it.
    let scene = Scene::set(&options.program)?;
    let mut command = match side {
        Side::Outside => Command::new(&options.program),
        Side::Inside => fenced(attempt, options, &scene),
    };
    command.args([VERB, attempt.name, &serde_json::to_string(&scene.stage)?]);
    command.current_dir(scene.stage.workspace()).env("HOME", scene.stage.home());
    command.env("AWS_SECRET_ACCESS_KEY", &scene.stage.canary).env("GH_TOKEN", &scene.stage.canary);
    // Kept until the end: without a master the terminal hangs up.
    let mut _master = None;
    command.stdin(match attempt.input {
        Input::Null => Stdio::null(),
        Input::Terminal => {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
            grantpt(&master)?;
            unlockpt(&master)?;
            let slave = open_slave(&master)?;
            _master = Some(master);
            Stdio::from(slave)
        }
    });
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (status, output, errors) = wait(child)?;
    let harm = attempt.harm.map(|harm| harm(&scene));
    let line = output.lines().find(|line| line.starts_with(HELD) || line.starts_with(THROUGH));
    Ok(Performance { line: line.map(str::to_owned), harm, status, errors })
}

fn open_slave(master: &std::os::fd::OwnedFd) -> io::Result<std::os::fd::OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    // By name where the kernel lacks TIOCGPTPEER (before 4.13).
    ioctl_tiocgptpeer(master, flags).map_err(io::Error::from).or_else(|_| {
        let name = rustix::pty::ptsname(master, Vec::new())?;
        Ok(rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
    })
}

fn fenced(attempt: &Attempt, options: &Options, scene: &Scene) -> Command {
    let outside = scene.stage.outside();
    let mut command = Command::new(&options.program);
    // The program must be seen inside to make the attempt there.
    command.args(["run", "--json", "--no-tty", "--read"]).arg(&options.program).args(&options.flags);
    for flag in attempt.flags {
        command.arg(flag.replace("$OUTSIDE", &outside.to_string_lossy()));
    }
    command.arg("--").arg(&options.program);
    command
}

/// Waits for the end, however it comes, and takes what was said.
fn wait(mut child: Child) -> io::Result<(ExitStatus, String, String)> {
    let start = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    // Read after the end: what an attempt says fits into a pipe many times over.
    let output = child.stdout.take().map(read_available).transpose()?.unwrap_or_default();
    let errors = child.stderr.take().map(read_available).transpose()?.unwrap_or_default();
    Ok((status, output, errors))
}

/// What is in the pipe now: a survivor that still holds it must not hold us.
fn read_available(mut pipe: impl Read + std::os::fd::AsFd) -> io::Result<String> {
    rustix::io::ioctl_fionbio(&pipe, true)?;
    let mut text = Vec::new();
    match pipe.read_to_end(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(String::from_utf8_lossy(&text).into_owned()),
    }
}
