//! Processes: those outside are out of reach, and none of those inside is left when the run is over.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::attack::Attack;
use crate::program::{self, eventually};
use crate::row::{Outcome, Row, Scope, outcome};
use crate::session::{PATIENCE, Session, strip_begun};

const REFUSED: &[&str] = &["EPERM", "EACCES", "ESRCH", "ENOENT", "ENOSYS", "EINVAL"];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for attempt in ["ptrace", "read_memory", "take_descriptor", "signal", "prlimit", "schedule", "proc_files"]
    {
        rows.push(Row::new(format!("bystander_is_out_of_reach: {attempt}"), &[29, 37, 18], move |session| {
            bystander(session, attempt).unwrap_or_else(Outcome::Failed)
        }));
    }
    for attempt in ["ptrace", "read_memory", "take_descriptor"] {
        let attack = Attack::native(attempt, &[29], REFUSED)
            .aimed("$PPID")
            .called(format!("init_is_out_of_reach: {attempt}"));
        rows.push(attack.row());
    }
    rows.push(Attack::native("ptrace_sibling", &[29], REFUSED).row());
    rows.push(
        Row::new("supervisor_is_not_visible", &[18, 29], |session| outcome(only_own_processes(session)))
            .only(Scope::Namespaces("without a process namespace the host's process list stays as it is")),
    );
    for (name, line) in SURVIVORS {
        rows.push(Row::new(format!("nothing_survives: {name}"), &[41], move |session| {
            survivor(session, name, line).unwrap_or_else(Outcome::Failed)
        }));
    }
    rows
}

/// Ways to outlive the command. `$M` is a number of seconds by which the process is known afterwards.
const SURVIVORS: &[(&str, &str)] = &[
    ("background", "sleep $M & "),
    ("nohup", "nohup sleep $M >/dev/null 2>&1 &"),
    ("new session", "setsid sleep $M >/dev/null 2>&1 </dev/null &"),
    ("double fork", "( ( setsid sleep $M & ) & ) >/dev/null 2>&1 </dev/null"),
    ("stopped", "sleep $M & kill -STOP $!"),
    ("deaf to signals", "(trap '' TERM HUP INT; exec setsid sleep $M >/dev/null 2>&1 </dev/null) &"),
];

/// A process of the same user outside, at which the attempt is aimed.
fn bystander(session: &Session, attempt: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut target = Bystander(
        Command::new(&session.trial)
            .args(["attempt", "wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("starting a bystander: {error}"))?,
    );
    let line = format!("\"$TRIAL\" attempt {attempt} {}", target.0.id());
    let fenced = session.fenced(&place, &[], &line)?;
    if fenced.code == 0 {
        return Err(format!("reached from inside: {}", fenced.describe()));
    }
    if !fenced.text().contains("refused: ") {
        return Err(format!("it failed, but not by being refused: {}", fenced.describe()));
    }
    if target.0.try_wait().ok().flatten().is_some() {
        return Err("the bystander is dead".into());
    }
    let bare = session.bare(&place, &line)?;
    Ok(match bare.code {
        0 => Outcome::Passed,
        _ => Outcome::NotProved(format!("the attempt fails without a fence: {}", bare.describe())),
    })
}

struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ps` and /proc show a handful of processes, and none that is outside.
fn only_own_processes(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let count = "ls /proc | grep -c '^[0-9]'";
    let fenced = session.fenced(&place, &[], &format!("{count}; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))?;
    let outside = session.bare(&place, count)?;
    let number =
        |text: &str| text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()).unwrap_or(0);
    let (inside, outside) = (number(&fenced.out()), number(&outside.out()));
    if fenced.code == 0 && inside > 0 && inside <= 6 && outside > inside {
        Ok(())
    } else {
        Err(format!("{inside} processes inside, {outside} outside: {}", fenced.describe()))
    }
}

fn survivor(session: &Session, name: &str, line: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    // Seconds that nobody else sleeps, no other row either: they name the process on the host.
    let of_the_row: u32 = name.bytes().map(u32::from).sum();
    let marker = format!("86{:05}.{of_the_row}", std::process::id() % 100_000);
    let line = line.replace("$M", &marker);
    let mut command = session.fence(&place, &[]);
    command.args(["sh", "-c", &format!("echo {}\n{line}\nsleep 0.2", crate::session::BEGUN)]);
    let mut fenced = program::run(command, &[], PATIENCE)?;
    strip_begun(&mut fenced)?;
    if fenced.timed_out {
        return Err(format!("the run did not end with its command: {}", fenced.describe()));
    }
    // The end of the run is the end of all: no grace.
    if !running(&marker).is_empty() {
        return Err(format!("left running: {:?}", running(&marker)));
    }
    let child = session
        .bare_command(&place, &["sh", "-c", &line])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    let survives = eventually(Duration::from_secs(2), || !running(&marker).is_empty());
    // Until none has been seen for a while: one may be about to fork, and one that executes has no command line.
    let quiet = std::cell::Cell::new(0);
    eventually(Duration::from_secs(5), || {
        let left = running(&marker);
        for pid in left.iter().filter_map(|pid| rustix::process::Pid::from_raw(*pid)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        quiet.set(if left.is_empty() { quiet.get() + 1 } else { 0 });
        quiet.get() > 20
    });
    Ok(match survives {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("nothing survives without a fence either ({child})")),
    })
}

/// The host's processes with `marker` in their command line.
pub(super) fn running(marker: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
    .collect()
}
