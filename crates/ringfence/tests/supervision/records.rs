//! What is written down of a run, and what happens where it cannot be.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use ringfence::{LastRun, Operation};

use crate::rows::Row;
use crate::session::{Workspace, run};

pub(crate) const ROWS: &[Row] = &[
    ("a_run_is_recorded_from_its_start_to_its_end", recorded),
    ("a_log_socket_gets_every_record", logged),
    ("a_run_that_cannot_be_recorded_is_not_started", unrecorded),
    ("a_record_within_the_commands_reach_is_refused", reachable),
    ("a_log_that_goes_away_is_told_and_the_command_goes_on", log_lost),
    ("a_command_that_cannot_be_executed_has_an_end_too", not_executed),
    ("doing_without_is_refused_where_the_policy_says_so", no_bypass),
    ("the_last_refusals_are_kept_until_a_run_without_any", last_refusals),
];

/// Options and a shell line in a workspace of its own: the exit code and standard error.
fn finish(workspace: &Workspace, options: &[&str], line: &str) -> (Option<i32>, String) {
    let output = run(workspace, options, line).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn objects(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recorded() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    let file = outside.0.join("audit.jsonl");
    let audit = format!("audit:{}", file.display());
    let options =
        [&audit, "no-bypass", "reason:the usual tool is down", "environment.set=TOKEN=hidden-value"];
    let (code, stderr) = finish(&workspace, &options, "echo \"'\n\" > .envrc; exit 3");
    assert_eq!(code, Some(3), "{stderr}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hidden-value"), "{text}");
    let records = objects(&text);
    let kinds: Vec<_> = records.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "event", "end"]);
    let start = &records[0];
    assert_eq!(start["argv"][2], "echo \"'\n\" > .envrc; exit 3");
    assert_eq!(start["uid"], rustix::process::getuid().as_raw());
    assert_eq!(start["cwd"], workspace.0.to_str().unwrap());
    assert_eq!(start["break_glass"], "the usual tool is down");
    assert_eq!(start["plan_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(records[1]["operation"], "create");
    assert!(records[1]["path"].as_str().unwrap().ends_with("/.envrc"));
    assert!(records[1]["rule"]["text"].is_string(), "{}", records[1]);
    assert_eq!((&records[2]["ending"]["exited"], &records[2]["denied"]), (&3.into(), &1.into()));
    assert!(records.iter().all(|record| record["run"] == start["run"]));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    // The next run is added.
    assert_eq!(finish(&workspace, &[&audit], "true").0, Some(0));
    let records = objects(&fs::read_to_string(&file).unwrap());
    assert_eq!(records.len(), 5);
    assert_ne!(records[3]["run"], records[0]["run"]);
}

fn logged() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    let path = outside.0.join("log");
    let log = UnixDatagram::bind(&path).unwrap();
    let (code, stderr) = finish(&workspace, &[&format!("log:{}", path.display())], "exit 4");
    assert_eq!(code, Some(4), "{stderr}");
    log.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 65536];
    let mut next = || {
        let len = log.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    };
    for kind in ["\"record\":\"start\"", "\"record\":\"end\""] {
        let message = next().unwrap();
        assert!(message.starts_with("<85>ringfence[") && message.contains(kind), "{message}");
    }
    assert_eq!(next(), None);
}

fn unrecorded() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    fs::write(outside.0.join("real"), "").unwrap();
    std::os::unix::fs::symlink("real", outside.0.join("link")).unwrap();
    for bad in ["audit:/nonexistent/audit", "audit:/dev/null", "log:/nonexistent/log"] {
        let (code, stderr) = finish(&workspace, &[bad], "touch ran");
        assert!(
            code == Some(125) && stderr.contains("failed to record the run in"),
            "{bad}: {code:?} {stderr}"
        );
    }
    let (code, stderr) = finish(&workspace, &[&format!("audit:{}/link", outside.0.display())], "touch ran");
    assert_eq!(code, Some(125), "{stderr}");
    assert!(!workspace.0.join("ran").exists());
    assert_eq!(finish(&workspace, &[], "touch ran").0, Some(0));
    assert!(workspace.0.join("ran").exists());
}

fn reachable() {
    let workspace = Workspace::new();
    let link = Workspace::new();
    std::os::unix::fs::symlink(&workspace.0, link.0.join("elsewhere")).unwrap();
    for directory in [workspace.0.clone(), link.0.join("elsewhere")] {
        let option = format!("audit:{}/audit", directory.display());
        let (code, stderr) = finish(&workspace, &[&option], "touch ran");
        assert!(code == Some(125) && stderr.contains("the command could change it"), "{code:?} {stderr}");
    }
    assert!(!workspace.0.join("ran").exists() && !workspace.0.join("audit").exists());
}

fn log_lost() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    let path = outside.0.join("log");
    let log = UnixDatagram::bind(&path).unwrap();
    let option = format!("log:{}", path.display());
    let mut child = run(&workspace, &[&option, "verbose"], "echo ready; read line; exit 5")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    crate::session::wait_for(&mut child, "ready");
    drop(log);
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("1 audit record, the first to unix:"), "{stderr}");
}

fn not_executed() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    let file = outside.0.join("audit");
    let mut run = run(&workspace, &[], "");
    run = {
        let mut direct = std::process::Command::new(run.get_program());
        direct.args(["--run", &format!("audit:{}", file.display()), "--", "no-such-program"]);
        direct.current_dir(&workspace.0).stderr(std::process::Stdio::null());
        direct
    };
    assert_eq!(run.status().unwrap().code(), Some(127));
    let records = objects(&fs::read_to_string(&file).unwrap());
    assert_eq!(records.len(), 2);
    assert!(records[1]["error"].as_str().unwrap().contains("no-such-program"), "{}", records[1]);
}

fn no_bypass() {
    let workspace = Workspace::new();
    let (code, stderr) = finish(&workspace, &["no-bypass", "lenient"], "true");
    assert!(code == Some(125) && stderr.contains("is forbidden by"), "{code:?} {stderr}");
    assert_eq!(finish(&workspace, &["lenient"], "true").0, Some(0));
    assert_eq!(finish(&workspace, &["no-bypass"], "true").0, Some(0));
}

fn last_refusals() {
    let (workspace, outside) = (Workspace::new(), Workspace::new());
    let state = outside.0.join("deep/state");
    let option = format!("state:{}", state.display());
    let read = |state: &Path| LastRun::read(state).unwrap();
    assert_eq!(finish(&workspace, &[&option], "true").0, Some(0));
    assert!(!state.exists());
    let line = "for i in 1 2 3; do touch .envrc; done; mkdir -p .git/hooks; exit 0";
    assert_eq!(finish(&workspace, &[&option], line).0, Some(0));
    let last = read(&state).unwrap();
    assert!(last.denied >= 4 && last.cwd == workspace.0.to_str().unwrap(), "{last:?}");
    let first = &last.refusals[0];
    assert_eq!((first.operation, first.count), (Operation::Create, 3));
    assert!(first.path.ends_with("/.envrc") && !first.rule.is_empty(), "{first:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&state), mode(&LastRun::place(&state))), (0o700, 0o600));
    // Beside it lies the log of the run, which stays.
    let mut names: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| mode(&state.join(name)) & 0o077 == 0), "{names:?}");
    assert_eq!(finish(&workspace, &[&option], "true").0, Some(0));
    assert_eq!(read(&state), None);
}
