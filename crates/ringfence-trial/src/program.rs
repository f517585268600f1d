//! Runs a program to its end with a time limit and keeps what it printed. Knows nothing of fences.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code, or 128 and the number of the signal, as a shell tells it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: Vec<u8>,
    /// The process group it led.
    group: i32,
    /// Whether the time was up and it was killed.
    pub(crate) timed_out: bool,
}

impl Ran {
    /// Both outputs as text.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr))
    }

    /// Standard output as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Code and output, short enough for a report.
    pub(crate) fn describe(&self) -> String {
        let tail = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<_> = text.lines().collect();
            let skip = lines.len().saturating_sub(10);
            lines[skip..]
                .iter()
                .map(|line| line.chars().take(300).collect::<String>())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let late = if self.timed_out { ", killed at the time limit" } else { "" };
        format!("exit {}{late}\nstdout: {}\nstderr: {}", self.code, tail(&self.stdout), tail(&self.stderr))
    }
}

/// Runs `command` as [`run`] does and then kills its process group: what has no fence may leave processes behind.
pub(crate) fn run_and_sweep(command: Command, input: &[u8], limit: Duration) -> Result<Ran, String> {
    let ran = run(command, input, limit)?;
    if let Some(group) = Pid::from_raw(ran.group) {
        // Gone already in most cases.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(ran)
}

/// Runs `command` in a process group of its own with `input` on its standard input, for at most `limit`.
pub(crate) fn run(mut command: Command, input: &[u8], limit: Duration) -> Result<Ran, String> {
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    watch(command, input, limit)
}

/// The same with `input` itself as its standard input.
pub(crate) fn run_with_input(mut command: Command, input: File, limit: Duration) -> Result<Ran, String> {
    command.stdin(input);
    watch(command, &[], limit)
}

fn watch(mut command: Command, input: &[u8], limit: Duration) -> Result<Ran, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child =
        command.spawn().map_err(|error| format!("starting {:?}: {error}", command.get_program()))?;
    let writer = child.stdin.take().map(|mut pipe| {
        let input = input.to_vec();
        // The program may end before it has read everything.
        std::thread::spawn(move || drop(pipe.write_all(&input)))
    });
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let (code, timed_out) = wait(&mut child, limit)?;
    if let Some(writer) = writer
        && !timed_out
    {
        let _ = writer.join();
    }
    let group = child.id().cast_signed();
    Ok(Ran { group, code, stdout: finish(stdout), stderr: finish(stderr), timed_out })
}

/// Waits for `child`; kills it when `limit` is over.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<(i32, bool), String> {
    let start = Instant::now();
    let mut timed_out = false;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("waiting: {error}"))? {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            return Ok((code, timed_out));
        }
        if start.elapsed() > limit && !timed_out {
            timed_out = true;
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A command as sh reads it.
pub(crate) fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A word as sh reads it.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Waits until `condition` holds, for at most `limit`.
pub(crate) fn eventually(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

struct Collector {
    thread: JoinHandle<()>,
    bytes: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Collector {
    let bytes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = bytes.clone();
    let thread = std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut buffer = vec![0; 65536];
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 {
                return;
            }
            if let Ok(mut kept) = kept.lock() {
                kept.extend_from_slice(&buffer[..count]);
            }
        }
    });
    Collector { thread, bytes }
}

/// What was printed. A process that outlived its parent may hold the pipe open: after a second that is given up.
fn finish(collector: Collector) -> Vec<u8> {
    eventually(Duration::from_secs(1), || collector.thread.is_finished());
    collector.bytes.lock().map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default()
}
