//! Limits, and the ends a run can come to: nothing is left, whoever dies first.

use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::processes::running;
use crate::attack::prepare;
use crate::place::Place;
use crate::program::{self, Ran, eventually};
use crate::row::{Outcome, Row, Scope, outcome};
use crate::session::Session;

type Check = fn(&Session) -> Result<(), String>;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let checks: Vec<(&str, &'static [u8], Check)> = vec![
        ("killed_supervisor_leaves_nothing", &[41], killed_supervisor),
        ("terminated_supervisor_leaves_nothing", &[41], terminated_supervisor),
        ("no_mount_is_left", &[13], no_mount_left),
        ("no_temporary_file_is_left", &[11], no_file_left),
        ("time_limit_is_124_and_kills_all", &[39], time_limit),
        ("time_limit_of_one_deaf_to_signals", &[39], deaf_time_limit),
        ("flood_of_refusals_is_bounded", &[39], flood),
        ("text_of_a_refusal_does_not_drive_the_terminal", &[42], escapes),
        ("full_disk_is_an_error_of_the_command", &[39], full_disk),
        ("refusal_is_told_in_one_line", &[], told),
        ("quiet_run_says_nothing", &[], silent),
    ];
    let mut rows: Vec<Row> = checks
        .into_iter()
        .map(|(name, threats, check)| Row::new(name, threats, move |session| outcome(check(session))))
        .collect();
    let limits: [(&str, &'static str, &'static [&'static str], &str); 4] = [
        ("memory_hog_is_stopped", "limits.memory", &["--memory", "64MiB"], HOG),
        ("memory_hogs_together_are_stopped", "limits.memory", &["--memory", "96MiB"], HOGS),
        (
            "private_tmp_counts_and_is_bounded",
            "limits.tmp",
            &["--memory", "128MiB"],
            "head -c 4000000000 /dev/zero > ${TMPDIR:-/tmp}/x",
        ),
        ("output_limit_is_held", "limits.output", &["--output", "1MiB"], "yes | head -c 100000000"),
    ];
    for (name, field, flags, line) in limits {
        rows.push(
            Row::new(name, &[39], move |session| limit(session, flags, line).unwrap_or_else(Outcome::Failed))
                .held_by(field),
        );
    }
    rows.push(
        Row::new("fork_bomb_is_bounded", &[39], |session| fork_bomb(session).unwrap_or_else(Outcome::Failed))
            .held_by("limits.processes"),
    );
    rows.push(
        Row::new("own_network_interfaces_only", &[52], |session| outcome(interfaces(session)))
            .only(Scope::Namespaces("the interfaces are the host's, though unusable"))
            .held_by("network.mode"),
    );
    rows
}

const HOG: &str = "python3 -c 'b = bytearray(1 << 29); print(\"got\", len(b))'";
const HOGS: &str = "for i in 1 2 3 4; do python3 -c 'b = bytearray(1 << 26); import time; time.sleep(3); print(\"got\")' & done; wait";

fn fenced(session: &Session, place: &Place, flags: &[&str], line: &str) -> Result<Ran, String> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut command = session.fence(place, &flags);
    command.args(["sh", "-c", line]);
    program::run(command, &[], Duration::from_secs(60))
}

/// A number of seconds that nobody else sleeps.
fn marker(kind: u32) -> String {
    format!("87{:05}.{kind}", std::process::id() % 100_000)
}

fn start(session: &Session, place: &Place, marker: &str) -> Result<Child, String> {
    let mut command = session.fence(place, &[]);
    let line =
        format!("sleep {marker} & setsid sleep {marker} & (trap '' TERM HUP INT; sleep {marker}) & wait");
    command.args(["sh", "-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let sleepers = || running(&format!("sleep\0{marker}")).len();
    if eventually(Duration::from_secs(10), || sleepers() >= 3) {
        Ok(child)
    } else {
        let _ = child.kill();
        Err(format!("the command did not start: {} processes", sleepers()))
    }
}

fn killed_supervisor(session: &Session) -> Result<(), String> {
    ended_by(session, Signal::KILL, 1)
}

fn terminated_supervisor(session: &Session) -> Result<(), String> {
    ended_by(session, Signal::TERM, 2)
}

fn ended_by(session: &Session, signal: Signal, kind: u32) -> Result<(), String> {
    let place = session.place()?;
    let marker = marker(kind);
    let mut child = start(session, &place, &marker)?;
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        kill_process(pid, signal).map_err(|error| format!("kill: {error}"))?;
    }
    let (code, timed_out) = program::wait(&mut child, Duration::from_secs(10))?;
    if timed_out {
        return Err(format!("the supervisor outlived {signal:?}"));
    }
    if !eventually(Duration::from_secs(2), || running(&marker).is_empty()) {
        let left = running(&marker);
        for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        return Err(format!("left running after {signal:?} (exit {code}): {left:?}"));
    }
    no_trace(session)
}

/// No mount of the host names this session's scratch, and none was added.
fn no_trace(session: &Session) -> Result<(), String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
    let scratch = session.scratch().to_string_lossy().into_owned();
    match mounts.lines().find(|line| line.contains(&scratch)) {
        Some(line) => Err(format!("left mounted: {line}")),
        None => Ok(()),
    }
}

fn no_mount_left(session: &Session) -> Result<(), String> {
    let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines().count();
    let before = mounts();
    let place = session.place()?;
    for line in ["true", "kill -9 $$", "exit 3"] {
        fenced(session, &place, &[], line)?;
    }
    fenced(session, &place, &["--read", "/nowhere/at/all"], "true")?;
    no_trace(session)?;
    if mounts() == before { Ok(()) } else { Err(format!("{} mounts, {before} before", mounts())) }
}

/// What ringfence may have left in the directories for temporary files.
fn no_file_left(session: &Session) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    let names = || -> Vec<String> {
        ["/tmp", "/dev/shm", "/run", "/var/tmp"]
            .iter()
            .flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten().flatten())
            // Others' runs leave and take away theirs meanwhile.
            .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == own))
            .map(|entry| entry.path().display().to_string())
            .filter(|name| name.to_lowercase().contains("ringfence"))
            .collect()
    };
    let place = session.place()?;
    let before = names();
    let workspace = place.workspace();
    fenced(session, &place, &[], "true")?;
    fenced(session, &place, &[], "kill -9 $$")?;
    let marker = marker(3);
    let mut child = start(session, &place, &marker)?;
    let _ = child.kill();
    program::wait(&mut child, Duration::from_secs(5))?;
    eventually(Duration::from_secs(2), || running(&marker).is_empty());
    // What a killed supervisor could not remove is removed by the next run.
    fenced(session, &place, &[], "true")?;
    let changes = workspace.changes(&place.workspace());
    let new: Vec<_> = names().into_iter().filter(|name| !before.contains(name)).collect();
    match (new.is_empty(), changes.is_empty()) {
        (true, true) => Ok(()),
        _ => Err(format!("left: {new:?} {changes:?}")),
    }
}

fn time_limit(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let marker = marker(4);
    let begun = Instant::now();
    let ran =
        fenced(session, &place, &["--timeout", "500ms"], &format!("setsid sleep {marker} & sleep {marker}"))?;
    stopped_at(&ran, begun, &marker)
}

fn deaf_time_limit(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let marker = marker(5);
    let begun = Instant::now();
    let ran = fenced(
        session,
        &place,
        &["--timeout", "500ms"],
        &format!("trap '' TERM INT HUP; while :; do sleep {marker}; done"),
    )?;
    stopped_at(&ran, begun, &marker)
}

fn stopped_at(ran: &Ran, begun: Instant, marker: &str) -> Result<(), String> {
    let left = running(marker);
    if ran.code == 124 && left.is_empty() && begun.elapsed() < Duration::from_secs(10) {
        Ok(())
    } else {
        Err(format!("after {:?}, left {left:?}: {}", begun.elapsed(), ran.describe()))
    }
}

/// The command is stopped or refused by the limit, and is not without it.
fn limit(session: &Session, flags: &[&str], line: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    if let Some(why) = not_here(session, &place, flags)? {
        return Ok(Outcome::Skipped(why));
    }
    let begun = Instant::now();
    let ran = fenced(session, &place, flags, line)?;
    let complete = ran.code == 0
        && (ran.stdout.len() >= 100_000_000 || ran.stdout.windows(3).any(|text| text == b"got"));
    if complete || ran.code == 0 || ran.timed_out {
        return Err(format!(
            "not stopped ({:?}, {} bytes out): {}",
            begun.elapsed(),
            ran.stdout.len(),
            ran.describe()
        ));
    }
    if ran.stdout.len() > 2 << 20 {
        return Err(format!("{} bytes came out", ran.stdout.len()));
    }
    let bare = session.bare(&place, &line.replace("4000000000", "200000000"))?;
    session.bare(&place, "rm -f ${TMPDIR:-/tmp}/x")?;
    Ok(match bare.code {
        0 => Outcome::Passed,
        _ => Outcome::NotProved(format!("it fails without a limit: {}", bare.describe())),
    })
}

/// Whether this limit is refused here as one that the backend does not hold, which it must say before it starts.
fn not_here(session: &Session, place: &Place, flags: &[&str]) -> Result<Option<String>, String> {
    let ran = fenced(session, place, flags, "true")?;
    let text = ran.text();
    Ok((ran.code == 125 && text.contains("--allow-unenforced")).then(|| {
        format!(
            "the backend says that it does not hold this here: {}",
            text.lines().take(3).collect::<Vec<_>>().join(" ")
        )
    }))
}

fn fork_bomb(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let flags = ["--processes", "40", "--timeout", "4s"];
    if let Some(why) = not_here(session, &place, &flags)? {
        return Ok(Outcome::Skipped(why));
    }
    // Bounded by itself too, so that a limit that does not hold is no harm to this host.
    let marker = marker(6);
    let line = format!("for i in $(seq 1 200); do sleep {marker} & done; sleep 3");
    let mut command = session.fence(&place, &flags.map(str::to_owned));
    command.args(["bash", "-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut most = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(15) && child.try_wait().ok().flatten().is_none() {
        most = most.max(running(&format!("sleep\0{marker}")).len());
        std::thread::sleep(Duration::from_millis(30));
    }
    let took = begun.elapsed();
    let (code, timed_out) = program::wait(&mut child, Duration::from_secs(1))?;
    // 137: a run that a limit ended (docs/cli.md). It may be over before anybody outside has looked.
    let bomb_went_off = most > 0 || code == 137;
    // Counted by the kernel it is never above the limit. Where the supervisor counts, as the verdict then says, a burst
    // may pass it, but then the run is stopped long before the command's own end.
    let held = most <= 45 || took < Duration::from_millis(2500);
    if !bomb_went_off || !held || timed_out || !running(&marker).is_empty() {
        return Err(format!(
            "{most} processes at once; ended in time: {}; left: {:?}",
            !timed_out,
            running(&marker)
        ));
    }
    Ok(Outcome::Passed)
}

/// A hundred thousand refusals: the supervisor neither grows nor floods its caller.
fn flood(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, "git init -q .")?;
    let script = "import os\nn = 0\nfor i in range(100000):\n  try: os.close(os.open('.git/hooks/x%d' % i, os.O_CREAT | os.O_WRONLY))\n  except OSError: n += 1\nprint(n)";
    let mut command = session.fence(&place, &[]);
    command
        .args(["python3", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let pid = child.id();
    let mut peak = 0;
    while child.try_wait().ok().flatten().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|v| v.trim().split(' ').next()?.parse().ok());
        peak = peak.max(kib.unwrap_or(0_u64));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.trim() != "100000" {
        return Err(format!(
            "{} of 100000 were refused: {}",
            text.trim(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    // In a build for debugging the program itself is larger than the promise for a released one.
    if peak < 24 * 1024 && output.stderr.len() < 4096 {
        Ok(())
    } else {
        Err(format!("the supervisor took {peak} KiB and printed {} bytes", output.stderr.len()))
    }
}

/// Names chosen by the command are shown, and may hold anything.
fn escapes(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, "git init -q .")?;
    let line = "{ printf x > \"$(printf '.git/hooks/\\033]52;c;aGk=\\007\\033[2J\\342\\200\\256x\\nforged')\"; } 2>/dev/null; true";
    let ran = fenced(session, &place, &[], line)?;
    let text = ran.err();
    if text.contains(['\u{1b}', '\u{7}', '\u{202e}']) || text.lines().count() > 1 {
        Err(format!("raw control characters: {text:?}"))
    } else if !text.contains("forged") {
        Err(format!("the refusal is not told: {text:?}"))
    } else {
        Ok(())
    }
}

fn full_disk(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let ran = fenced(session, &place, &[], "echo x > /dev/full && echo written; echo after > f; cat f")?;
    if ran.out() == "after\n" { Ok(()) } else { Err(ran.describe()) }
}

fn told(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, "git init -q .")?;
    let ran = fenced(session, &place, &[], "{ echo x > .git/hooks/pre-commit; } 2>/dev/null; exit 5")?;
    let text = ran.err();
    let one_line = text.lines().count() == 1 && text.contains("pre-commit");
    if ran.code == 5 && one_line { Ok(()) } else { Err(ran.describe()) }
}

fn silent(session: &Session) -> Result<(), String> {
    let ran = fenced(session, &session.place()?, &[], "echo only this")?;
    if ran.code == 0 && ran.text() == "only this\n" { Ok(()) } else { Err(ran.describe()) }
}

fn interfaces(session: &Session) -> Result<(), String> {
    let ran = fenced(session, &session.place()?, &[], "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")?;
    let others: Vec<String> = ran.out().lines().filter(|name| *name != "lo").map(str::to_owned).collect();
    if ran.code == 0 && others.is_empty() && ran.out().contains("lo") { Ok(()) } else { Err(ran.describe()) }
}
