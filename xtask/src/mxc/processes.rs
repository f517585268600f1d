//! Weaknesses of what a command inherits, keeps and leaves behind.
//! Nothing here exhausts the host: a limit is tried with some hundred processes that sleep.

use super::row::{BOTH, OLD, Row, Seen};
use super::subject::{Generation, Place};
use anyhow::{Result, ensure};
use serde_json::json;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("root_keeps_capabilities", BOTH, root_keeps_capabilities).by_root(),
        Row::new("descriptor_is_inherited", BOTH, descriptor_is_inherited),
        Row::new("typed_into_the_terminal", BOTH, typed_into_the_terminal)
            .needs(&["script"])
            .while_on("/proc/sys/dev/tty/legacy_tiocsti"),
        Row::new("signals_are_blocked", BOTH, signals_are_blocked),
        Row::new("secret_in_the_words_of_a_process", BOTH, secret_in_the_words_of_a_process),
        Row::new("request_in_the_words_of_a_process", BOTH, request_in_the_words_of_a_process),
        Row::new("no_filter_of_system_calls", BOTH, no_filter_of_system_calls),
        Row::new("namespaces_can_be_made", BOTH, namespaces_can_be_made),
        Row::new("processes_without_bound", BOTH, processes_without_bound),
        Row::new("time_out_leaves_the_command", OLD, time_out_leaves_the_command),
        Row::new("killed_program_leaves_the_command", OLD, killed_program_leaves_the_command),
        Row::new("sandbox_by_the_callers_path", BOTH, sandbox_by_the_callers_path),
    ]
}

fn root_keeps_capabilities(place: &Place) -> Result<Seen> {
    let ran = place.run(&place.request("grep CapEff: /proc/self/status", &json!({})))?;
    let effective = ran.stdout.split_whitespace().last().unwrap_or_default().to_string();
    ensure!(!effective.is_empty(), "no status: {}", ran.stderr);
    let none = effective.bytes().all(|digit| digit == b'0');
    Ok(Seen::of(!none, format!("CapEff {effective}"), "no capability"))
}

fn descriptor_is_inherited(place: &Place) -> Result<Seen> {
    place.file("secret", "behind-descriptor-seven")?;
    let ran = place.shell("exec 7<secret; exec \"$@\"", &place.request("echo begun; cat <&7", &json!({})))?;
    ensure!(ran.stdout.contains("begun"), "the command did not begin: {}", ran.stderr);
    let read = ran.stdout.contains("behind-descriptor-seven");
    Ok(Seen::of(read, "a file that was open outside was read", "the descriptor is closed"))
}

/// TIOCSTI of ioctl_tty(2), as perl calls it: every Debian has perl.
const TYPES: &str = r#"perl -e 'for my $c (split //, "echo typed-by-the-command\n") { ioctl(STDIN, 0x5412, $c) or die "refused: $!\n" }'"#;

fn typed_into_the_terminal(place: &Place) -> Result<Seen> {
    let words = place
        .words(&place.request(&format!("echo begun >{}; {TYPES}", place.path("rw/begun")), &json!({})))?;
    // A terminal of its own; whatever was typed into it is read by the program that runs next there.
    let inner = format!("{}; bash -c 'read -r -t 2 line; echo \"$line\" >read'", words.join(" "));
    // With an input that stays open: at its end `script` would send the terminal an end of file.
    let outer = "mkfifo keyboard && exec script -q -e -c \"$1\" /dev/null 0<>keyboard";
    let words = ["sh", "-c", outer, "sh", &inner].map(String::from);
    let ran = place.start(&words, &[])?;
    ensure!(place.has("rw/begun"), "the command did not begin: {}", ran.stdout);
    let read = fs::read_to_string(place.path("read")).unwrap_or_default();
    let typed = read.contains("typed-by-the-command");
    Ok(Seen::of(typed, "the next program read what the command had typed", "nothing was typed"))
}

fn signals_are_blocked(place: &Place) -> Result<Seen> {
    // Without a shell between: some shells clear the mask once they have started something.
    let ran = place.run(&place.request("exec grep SigBlk: /proc/self/status", &json!({})))?;
    let blocked = ran.stdout.split_whitespace().last().unwrap_or_default().to_string();
    ensure!(!blocked.is_empty(), "no status: {}", ran.stderr);
    let none = blocked.bytes().all(|digit| digit == b'0');
    Ok(Seen::of(!none, format!("SigBlk {blocked}"), "none is blocked"))
}

fn secret_in_the_words_of_a_process(place: &Place) -> Result<Seen> {
    let secret = format!("secret-of-{}", std::process::id());
    let env = json!({"process": {"env": [format!("API_KEY={secret}")]}});
    let words = place.words(&place.request("echo $API_KEY; sleep 1", &env))?;
    let watched = std::thread::scope(|scope| {
        let run = scope.spawn(|| place.start(&words, &[]));
        let end = Instant::now() + Duration::from_millis(900);
        let mut seen = false;
        while Instant::now() < end && !seen {
            seen = words_of_all().iter().any(|words| words.contains(&secret));
            sleep(Duration::from_millis(50));
        }
        (seen, run.join())
    });
    let (seen, Ok(ran)) = watched else { anyhow::bail!("the run panicked") };
    ensure!(ran?.stdout.contains(&secret), "the command did not have its variable");
    Ok(Seen::of(seen, "every user can read it in /proc", "it stands in no process's words"))
}

/// As SDKs hand requests over. Until the program has read its words nobody can hide them.
fn request_in_the_words_of_a_process(place: &Place) -> Result<Seen> {
    let file = place.file("request", &place.request("sleep 2", &json!({})).to_string())?;
    let base64 = Command::new("base64").args(["-w", "0", &file]).output()?.stdout;
    let base64 = String::from_utf8(base64)?;
    let words = [place.subject.program.display().to_string(), "--config-base64".into(), base64.clone()];
    let seen = std::thread::scope(|scope| {
        let run = scope.spawn(|| place.start(&words, &[]));
        sleep(Duration::from_millis(1000));
        let seen = words_of_all().iter().any(|words| words.contains(&base64));
        run.join().map(|ran| (seen, ran))
    });
    let Ok((seen, ran)) = seen else { anyhow::bail!("the run panicked") };
    ensure!(ran?.took > Duration::from_secs(2), "it was over too soon");
    Ok(Seen::of(seen, "every user can read it for as long as it runs", "blotted out once it is read"))
}

fn words_of_all() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|words| String::from_utf8_lossy(&words).into_owned())
        .collect()
}

fn no_filter_of_system_calls(place: &Place) -> Result<Seen> {
    let ran = place.run(&place.request("grep Seccomp: /proc/self/status", &json!({})))?;
    let mode = ran.stdout.split_whitespace().last().unwrap_or_default().to_string();
    ensure!(!mode.is_empty(), "no status: {}", ran.stderr);
    Ok(Seen::of(mode == "0", "there is none", format!("Seccomp {mode}")))
}

fn namespaces_can_be_made(place: &Place) -> Result<Seen> {
    let ran = place.tried(&place.request("unshare --user true && echo made", &json!({})))?;
    Ok(Seen::of(ran.stdout.contains("made"), "a user namespace was made", "EPERM"))
}

/// What is asked for where it can be: MXC's contract has no word for it.
fn processes_without_bound(place: &Place) -> Result<Seen> {
    let more = match place.subject.generation {
        Generation::Ours => json!({"ringfence": {"limits": {"processes": 64}}}),
        _ => json!({}),
    };
    let command = "n=0; while [ $n -lt 300 ]; do sleep 3 & n=$((n+1)); done; echo all 300 started";
    let ran = place.tried(&place.request(command, &more))?;
    let all = ran.stdout.contains("all 300") && !ran.stderr.contains("fork");
    Ok(Seen::of(all, "300 started; no request can say less", "ended at the request's 64"))
}

fn time_out_leaves_the_command(place: &Place) -> Result<Seen> {
    let command = format!("sleep 2; echo late >{}", place.path("rw/late"));
    let ran = place.tried(&place.request(&command, &json!({"process": {"timeout": 300}})))?;
    ensure!(ran.code == Some(255), "no time-out: {:?} {}", ran.code, ran.stderr);
    sleep(Duration::from_secs(3));
    Ok(Seen::of(place.has("rw/late"), "it went on after the time-out", "it ended with the time-out"))
}

fn killed_program_leaves_the_command(place: &Place) -> Result<Seen> {
    let command =
        format!("echo x >{}; sleep 2; echo late >{}", place.path("rw/early"), place.path("rw/late"));
    // Killed by its process number, not by a signal that it could hand on.
    let script =
        "\"$@\" & program=$!; n=0; while [ ! -e rw/early ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
        kill -KILL $program; wait $program";
    place.shell(script, &place.request(&command, &json!({})))?;
    ensure!(place.has("rw/early"), "it never began");
    sleep(Duration::from_secs(3));
    Ok(Seen::of(place.has("rw/late"), "the command went on", "the command ended with it"))
}

fn sandbox_by_the_callers_path(place: &Place) -> Result<Seen> {
    place.folder("bin")?;
    let answer = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo bubblewrap 0.8.0\nwhile [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n";
    let program = place.file("bin/bwrap", answer)?;
    Command::new("chmod").args(["755", &program]).stdin(Stdio::null()).status()?;
    let secret = place.file("outside", "what-no-rule-grants")?;
    let words = place.words(&place.request(&format!("echo begun; cat {secret}"), &json!({})))?;
    let path = format!("{}:/usr/bin:/bin", place.path("bin"));
    let ran = place.start(&words, &[("PATH", &path)])?;
    ensure!(ran.stdout.contains("begun"), "the command did not begin: {}", ran.stderr);
    let ran_open = ran.stdout.contains("what-no-rule-grants");
    Ok(Seen::of(ran_open, "a program called bwrap ran it in no sandbox", "no program of PATH takes part"))
}
