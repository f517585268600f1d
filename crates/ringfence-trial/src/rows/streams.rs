//! Standard streams, exit codes and the terminal: between the command and its caller there is nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::attack::Attack;
use crate::place::Place;
use crate::program::{self, Ran};
use crate::row::{Outcome, Row, outcome};
use crate::session::Session;

type Check = fn(&Session) -> Result<(), String>;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let simple: Vec<(&str, Check)> = vec![
        ("works: exit codes 0 to 255", exit_codes),
        ("works: killed by a signal is 128 and its number", signals),
        ("works: not found is 127, not executable 126", not_found),
        ("works: a hundred megabytes through", hundred_megabytes),
        ("works: standard error apart from standard output", apart),
        ("works: bytes of every value", every_byte),
        ("works: job control in a terminal", job_control),
        ("works: size of the terminal", terminal_size),
        ("works: interrupt from the terminal", interrupt),
        ("terminal_is_restored", restored),
        ("closed_output_ends_the_command", closed_output),
    ];
    let mut rows: Vec<Row> = simple
        .into_iter()
        .map(|(name, check)| Row::new(name, &[], move |session| outcome(check(session))))
        .collect();
    for attempt in ["tiocsti", "tioclinux"] {
        rows.push(Row::new(attempt, &[28], move |session| {
            typed(session, attempt).unwrap_or_else(Outcome::Failed)
        }));
    }
    // Without a terminal the calls are refused all the same.
    rows.push(
        Attack::native("tioclinux", &[28], &["EPERM", "ENOSYS", "EACCES"])
            .called("tioclinux_without_a_terminal")
            .row(),
    );
    rows
}

fn fenced(session: &Session, place: &Place, argv: &[&str], input: &[u8]) -> Result<Ran, String> {
    let mut command = session.fence(place, &[]);
    command.args(argv);
    program::run(command, input, Duration::from_secs(120))
}

fn exit_codes(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    for code in 0..=255 {
        let ran = fenced(session, &place, &["sh", "-c", &format!("exit {code}")], &[])?;
        if ran.code != code || !ran.stdout.is_empty() || !ran.stderr.is_empty() {
            return Err(format!("exit {code} came out as: {}", ran.describe()));
        }
    }
    Ok(())
}

fn signals(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    for signal in [1, 2, 3, 6, 9, 11, 13, 15] {
        let ran =
            fenced(session, &place, &["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$; sleep 5")], &[])?;
        if ran.code != 128 + signal {
            return Err(format!("signal {signal} came out as: {}", ran.describe()));
        }
    }
    Ok(())
}

fn not_found(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    std::fs::write(place.work.join("plain"), "no program\n").map_err(|error| error.to_string())?;
    for (program, code) in [("rftrial-no-such-program", 127), ("./none", 127), ("./plain", 126)] {
        let ran = fenced(session, &place, &[program], &[])?;
        if ran.code != code || ran.stderr.is_empty() {
            return Err(format!("{program} should be {code}: {}", ran.describe()));
        }
    }
    Ok(())
}

fn hundred_megabytes(session: &Session) -> Result<(), String> {
    // A pattern that repeats in no power of two, so that a lost or doubled block shows.
    let input: Vec<u8> = (0..100_000_000_u32).map(|n| (n % 251) as u8).collect();
    let ran = fenced(session, &session.place()?, &["cat"], &input)?;
    match ran.code {
        0 if ran.stdout == input => Ok(()),
        code => Err(format!(
            "exit {code}, {} of {} bytes came back, or not the same",
            ran.stdout.len(),
            input.len()
        )),
    }
}

fn apart(session: &Session) -> Result<(), String> {
    let ran = fenced(session, &session.place()?, &["sh", "-c", "echo out; echo err >&2"], &[])?;
    if ran.stdout == b"out\n" && ran.stderr == b"err\n" { Ok(()) } else { Err(ran.describe()) }
}

fn every_byte(session: &Session) -> Result<(), String> {
    let input: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let ran = fenced(session, &session.place()?, &["cat"], &input)?;
    if ran.stdout == input { Ok(()) } else { Err("the bytes changed on their way".into()) }
}

/// The reader goes away; the writer gets SIGPIPE as it would without a fence, and the run ends.
fn closed_output(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &[]);
    command.args(["sh", "-c", "while :; do echo line; done"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    if let Some(mut pipe) = child.stdout.take() {
        let _ = pipe.read(&mut [0; 64]);
    }
    let (code, timed_out) = program::wait(&mut child, Duration::from_secs(10))?;
    // A shell's built-in may report the broken pipe instead of dying by it.
    if timed_out { Err(format!("still running after the reader went (exit {code})")) } else { Ok(()) }
}

/// A terminal of which the trial is the other end.
struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    fn open() -> Result<Terminal, String> {
        let attempt = || -> rustix::io::Result<Terminal> {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
            grantpt(&master)?;
            unlockpt(&master)?;
            let name = ptsname(&master, Vec::new())?;
            use rustix::fs::{Mode, OFlags};
            let slave = rustix::fs::open(
                name.as_c_str(),
                OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            Ok(Terminal { master, slave })
        };
        attempt().map_err(|error| format!("opening a terminal: {error}"))
    }

    /// Starts `command` as the leader of a session on this terminal.
    fn start(&self, session: &Session, command: &Command) -> Result<std::process::Child, String> {
        let mut leader = Command::new(&session.trial);
        leader.args(["attempt", "in_terminal"]).arg(command.get_program()).args(command.get_args());
        leader.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                leader.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            leader.current_dir(directory);
        }
        let end = || self.slave.try_clone().map(Stdio::from).map_err(|error| error.to_string());
        leader.stdin(end()?).stdout(end()?).stderr(end()?);
        leader.spawn().map_err(|error| format!("starting in a terminal: {error}"))
    }

    /// Reads until `wanted` was printed; what was read.
    fn expect(&self, wanted: &str, limit: Duration) -> Result<String, String> {
        let start = Instant::now();
        let mut seen = String::new();
        let mut buffer = [0_u8; 4096];
        while start.elapsed() < limit {
            let mut poll = [rustix::event::PollFd::new(&self.master, rustix::event::PollFlags::IN)];
            let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if rustix::event::poll(&mut poll, Some(&timeout)).is_ok_and(|ready| ready > 0) {
                match rustix::io::read(&self.master, &mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
                }
            }
            if seen.contains(wanted) {
                return Ok(seen);
            }
        }
        Err(format!("{wanted:?} did not come; what came: {seen:?}"))
    }

    fn send(&self, text: &str) -> Result<(), String> {
        let file = self.master.try_clone().map_err(|error| error.to_string())?;
        File::from(file).write_all(text.as_bytes()).map_err(|error| format!("typing: {error}"))
    }
}

const SOON: Duration = Duration::from_secs(15);

/// An interactive shell inside: a job is stopped, listed, and brought back.
fn job_control(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let terminal = Terminal::open()?;
    let mut command = session.fence(&place, &[]);
    command.args(["bash", "--norc", "--noprofile", "-i"]);
    let mut child = terminal.start(session, &command)?;
    let talk = || -> Result<(), String> {
        terminal.expect("bash-", SOON)?;
        terminal.send("sleep 77\n")?;
        std::thread::sleep(Duration::from_millis(500));
        terminal.send("\x1a")?;
        terminal.expect("Stopped", SOON)?;
        terminal.send("jobs -l | grep -c 'sleep 77'; echo jobs-$?\n")?;
        terminal.expect("jobs-0\r", SOON)?;
        terminal.send("kill %1; fg 2>/dev/null; echo ended-$((1 + 1))\n")?;
        terminal.expect("ended-2", SOON)?;
        terminal.send("exit 7\n")
    };
    let result = talk();
    if result.is_err() {
        let _ = child.kill();
    }
    drain(&terminal, &mut child, result)
        .and_then(|code| if code == 7 { Ok(()) } else { Err(format!("exit {code}, not 7")) })
}

/// Reads the rest so that the other side can end, and waits for it.
fn drain(
    terminal: &Terminal,
    child: &mut std::process::Child,
    before: Result<(), String>,
) -> Result<i32, String> {
    let start = Instant::now();
    while start.elapsed() < SOON && child.try_wait().ok().flatten().is_none() {
        let _ = terminal.expect("\0never", Duration::from_millis(50));
    }
    let (code, timed_out) = program::wait(child, Duration::from_secs(1))?;
    before?;
    if timed_out { Err("it did not end".into()) } else { Ok(code) }
}

fn terminal_size(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let terminal = Terminal::open()?;
    let size = |rows, columns| Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal.master, size(33, 101)).map_err(|error| error.to_string())?;
    let mut command = session.fence(&place, &[]);
    command.args([
        "bash",
        "-c",
        "trap 'echo now $(stty size)' WINCH; test -t 0 && test -t 1 && test -t 2 && echo first $(stty size); \
        for i in $(seq 100); do sleep 0.1; done",
    ]);
    let mut child = terminal.start(session, &command)?;
    let result = terminal.expect("first 33 101", SOON).and_then(|_| {
        tcsetwinsize(&terminal.master, size(44, 120)).map_err(|error| error.to_string())?;
        terminal.expect("now 44 120", SOON).map(drop)
    });
    let _ = child.kill();
    drain(&terminal, &mut child, result).map(drop)
}

fn interrupt(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let terminal = Terminal::open()?;
    let mut command = session.fence(&place, &[]);
    // Not a child of the shell: dash loses an interrupt that comes while it forks, without a fence too.
    command.args(["sh", "-c", "echo ready; exec sleep 60"]);
    let mut child = terminal.start(session, &command)?;
    let result = terminal.expect("ready", SOON).and_then(|_| terminal.send("\x03"));
    let code = drain(&terminal, &mut child, result)?;
    if code == 130 { Ok(()) } else { Err(format!("exit {code}, not 130")) }
}

/// The terminal's settings are the same after a run that set them, was killed, or ended at its time limit.
fn restored(session: &Session) -> Result<(), String> {
    for (flags, line) in [
        (vec![], "stty raw -echo; echo done"),
        (vec![], "stty raw; kill -9 $$"),
        (vec!["--timeout".to_owned(), "300ms".to_owned()], "stty raw -echo; sleep 30"),
    ] {
        let place = session.place()?;
        let terminal = Terminal::open()?;
        let settings = || {
            tcgetattr(&terminal.slave)
                .map(|settings| format!("{settings:?}"))
                .map_err(|error| error.to_string())
        };
        let before = settings()?;
        let mut command = session.fence(&place, &flags);
        command.args(["sh", "-c", line]);
        let mut child = terminal.start(session, &command)?;
        drain(&terminal, &mut child, Ok(()))?;
        if settings()? != before {
            return Err(format!("after `{line}` the terminal is {} and was {before}", settings()?));
        }
    }
    Ok(())
}

/// What the attacker types must not be there for the caller's shell to read.
fn typed(session: &Session, attempt: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    let terminal = Terminal::open()?;
    let mut command = session.fence(&place, &[]);
    let trial = session.trial.to_string_lossy().into_owned();
    command.args([trial.as_str(), "attempt", attempt]);
    let mut child = terminal.start(session, &command)?;
    let seen = terminal.expect("refused: ", SOON);
    let code = drain(&terminal, &mut child, Ok(()))?;
    let seen = seen?;
    let waiting = rustix::io::ioctl_fionread(terminal.slave.as_fd()).map_err(|error| error.to_string())?;
    if code == 0 || waiting > 0 {
        return Err(format!("exit {code}, {waiting} bytes typed: {seen}"));
    }
    let terminal = Terminal::open()?;
    let mut child =
        terminal.start(session, &session.bare_command(&place, &[trial.as_str(), "attempt", attempt]))?;
    let reached = terminal.expect("reached", SOON);
    drain(&terminal, &mut child, Ok(()))?;
    Ok(match reached {
        Ok(_) => Outcome::Passed,
        Err(why) => Outcome::Skipped(format!("this host refuses it too (dev.tty.legacy_tiocsti): {why}")),
    })
}
