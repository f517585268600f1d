//! Attempts at other processes, at privileges, and at outliving or outgrowing the run.
//! The only process outside that is touched is the scene's victim.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};

use super::{Attempt, From, Judge, REFUSED, Stage, scene::Scene, sys};
use crate::commands::attempt::VERB;
use crate::exit;

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "see_process",
        promise: "Processes outside are not seen",
        act: |stage| fs::read(format!("/proc/{}/stat", stage.victim)).map(|_| ()),
        from: From::Namespaces,
        ..REFUSED
    },
    Attempt {
        name: "kill_process",
        promise: "A process outside is not signalled",
        act: |stage| Ok(kill_process(victim(stage)?, Signal::TERM)?),
        harm: Some(Scene::lost_victim),
        ..REFUSED
    },
    Attempt {
        name: "trace_process",
        promise: "A process outside is not traced",
        act: |stage| sys::ptrace_seize(stage.victim),
        ..REFUSED
    },
    Attempt {
        name: "read_process_memory",
        promise: "The memory of a process outside is not read",
        act: |stage| sys::process_vm_readv(stage.victim),
        ..REFUSED
    },
    Attempt {
        name: "take_descriptor",
        promise: "A descriptor of a process outside is not taken",
        act: take_descriptor,
        ..REFUSED
    },
    Attempt {
        name: "gain_privileges",
        promise: "No program can gain privileges: set-user-ID bits count for nothing",
        act: |_| status_is("NoNewPrivs", |value| value == "0"),
        ..REFUSED
    },
    Attempt {
        name: "keep_capabilities",
        promise: "No capability is held",
        act: |_| status_is("CapPrm", |value| value.bytes().any(|digit| digit != b'0')),
        ..REFUSED
    },
    Attempt {
        name: "regain_capabilities",
        promise: "No capability can be had again: the bounding set is empty",
        act: |_| status_is("CapBnd", |value| value.bytes().any(|digit| digit != b'0')),
        from: From::Namespaces,
        ..REFUSED
    },
    Attempt {
        name: "survive",
        promise: "A process that left its session does not outlive the command",
        act: survive,
        harm: Some(has_survivor),
        judge: Judge::Harm,
        ..REFUSED
    },
    Attempt {
        name: "outgrow_processes",
        promise: "More processes than the limit are not started",
        act: outgrow_processes,
        judge: Judge::RefusedOrStopped,
        flags: &["--processes", "64"],
        ..REFUSED
    },
    Attempt {
        name: "outgrow_memory",
        promise: "More memory than the limit is not had",
        act: outgrow_memory,
        judge: Judge::RefusedOrStopped,
        flags: &["--memory", "96MiB"],
        ..REFUSED
    },
    Attempt {
        name: "outstay_time",
        promise: "The command does not run longer than the time limit",
        act: |_| {
            sleep(Duration::from_millis(1500));
            Ok(())
        },
        judge: Judge::RefusedOrStopped,
        flags: &["--timeout", "300ms"],
        ..REFUSED
    },
];

/// How many processes [`outgrow_processes`] starts; well above the limit in its row.
const CROWD: usize = 160;

/// What a survivor does: leaves the session and shows for two seconds that it is there.
pub(crate) fn linger(stage: &Stage) -> io::Result<()> {
    let _ = rustix::process::setsid();
    for _ in 0..80 {
        fs::write(stage.heartbeat(), "alive")?;
        sleep(Duration::from_millis(25));
    }
    Ok(())
}

fn victim(stage: &Stage) -> io::Result<Pid> {
    Pid::from_raw(stage.victim).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

fn take_descriptor(stage: &Stage) -> io::Result<()> {
    let process = pidfd_open(victim(stage)?, PidfdFlags::empty())?;
    pidfd_getfd(process, 0, PidfdGetfdFlags::empty())?;
    Ok(())
}

fn status_is(field: &str, test: fn(&str) -> bool) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = line.ok_or_else(|| io::Error::other(format!("no {field} in /proc/self/status")))?.trim();
    match test(value) {
        true => Ok(()),
        false => Err(io::Error::other(format!("{field} is {value}"))),
    }
}

fn survive(stage: &Stage) -> io::Result<()> {
    let stage_text = serde_json::to_string(stage)?;
    let program = std::env::current_exe()?;
    Command::new(program)
        .args([VERB, "linger", &stage_text])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    for _ in 0..200 {
        if stage.heartbeat().exists() {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    // Without a word, so that it counts as not run: the end of a survivor that never lived proves nothing.
    std::process::exit(exit::FAILED.into())
}

fn has_survivor(scene: &Scene) -> bool {
    let heartbeat = scene.stage.heartbeat();
    // A file of a survivor that has just been killed may still be there: what counts is a new one.
    let _ = fs::remove_file(&heartbeat);
    sleep(Duration::from_millis(200));
    heartbeat.exists()
}

fn outgrow_processes(_: &Stage) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut crowd: Vec<Child> = Vec::with_capacity(CROWD);
    let mut outcome = Ok(());
    while crowd.len() < CROWD && outcome.is_ok() {
        let child =
            Command::new(&program).args([VERB, "idle"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        match child {
            Ok(child) => crowd.push(child),
            Err(error) => outcome = Err(error),
        }
    }
    // A limit that is held by watching needs a moment to see the crowd.
    sleep(Duration::from_millis(if outcome.is_ok() { 500 } else { 0 }));
    for child in &mut crowd {
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

fn outgrow_memory(_: &Stage) -> io::Result<()> {
    // Written, not just reserved: only touched pages count.
    let block = vec![1_u8; 192 << 20];
    std::hint::black_box(&block);
    sleep(Duration::from_millis(700));
    Ok(())
}
