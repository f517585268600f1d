//! What is written down of a run, and the plan that programs inside can read: neither is the workload's to change.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::place::Place;
use crate::program::{self, Ran};
use crate::row::{Row, outcome};
use crate::session::{PATIENCE, Session};

type Check = fn(&Session) -> Result<(), String>;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let checks: Vec<(&str, Check)> = vec![
        ("audited_run_is_recorded", recorded),
        ("run_that_cannot_be_recorded_is_refused", unrecordable),
        ("audit_within_reach_is_refused", within_reach),
        ("bypass_is_refused_where_a_rule_forbids_it", bypass),
        ("plan_inside_is_read_and_not_changed", plan_inside),
        ("last_refusals_are_kept", last_refusals),
    ];
    checks
        .into_iter()
        .map(|(name, check)| Row::new(name, &[], move |session| outcome(check(session))))
        .collect()
}

/// Runs a shell line under a policy of the user's with this text.
fn under(session: &Session, place: &Place, policy: &str, line: &str) -> Result<Ran, String> {
    let file = place.outside.join("policy.toml");
    fs::write(&file, format!("version = 1\n{}", place.expand(policy))).map_err(text)?;
    let mut command = session.fence(place, &["--policy".into(), "$OUTSIDE/policy.toml".into()]);
    command.args(["sh", "-c", line]);
    program::run(command, &[], PATIENCE)
}

const AUDIT: &str = "[oversight]\naudit = [\"$OUTSIDE/audit.jsonl\"]";

fn recorded(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let ran = under(session, &place, AUDIT, "mkdir -p .git/hooks/x; exit 3")?;
    let audit = fs::read_to_string(place.outside.join("audit.jsonl")).unwrap_or_default();
    let records: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let kinds: Vec<_> = records.iter().map(|record| record["record"].as_str().unwrap_or("")).collect();
    let told = |record: usize, field: &str| records.get(record).map(|record| record[field].to_string());
    match (ran.code, kinds.as_slice()) {
        (3, ["start", "event", "end"])
            if told(0, "argv").is_some_and(|argv| argv.contains(".git/hooks/x"))
                && told(1, "path").is_some_and(|path| path.contains(".git/hooks"))
                && told(2, "denied") == Some("1".into()) =>
        {
            Ok(())
        }
        _ => Err(format!("{}\n{audit}", ran.describe())),
    }
}

fn unrecordable(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let ran = under(session, &place, "[oversight]\naudit = [\"$OUTSIDE/absent/audit\"]", "touch ran")?;
    let control = under(session, &place, "", "touch control")?;
    let made = |name: &str| place.work.join(name).exists();
    match (ran.code, made("ran"), control.code, made("control")) {
        (125, false, 0, true) if ran.text().contains("policy.toml:3") => Ok(()),
        _ => Err(format!("{}\n{}", ran.describe(), control.describe())),
    }
}

fn within_reach(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let ran = under(session, &place, "[oversight]\naudit = [\"$WORK/audit\"]", "touch ran")?;
    match (ran.code, place.work.join("ran").exists()) {
        (125, false) if ran.text().contains("the command could change it") => Ok(()),
        _ => Err(ran.describe()),
    }
}

fn bypass(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let flags = ["--policy", "$OUTSIDE/policy.toml", "--allow-unenforced", "limits.cpu"];
    let run = |policy: &str| -> Result<Ran, String> {
        fs::write(place.outside.join("policy.toml"), format!("version = 1\n{policy}")).map_err(text)?;
        let mut command = session.fence(&place, &flags.map(str::to_owned));
        command.args(["sh", "-c", "echo began"]);
        program::run(command, &[], PATIENCE)
    };
    let (refused, control) = (run("[oversight]\nbypass = false")?, run("")?);
    match (refused.code, refused.out().as_str(), control.out().as_str()) {
        (125, "", "began\n") if refused.text().contains("policy.toml:3") => Ok(()),
        _ => Err(format!("{}\n{}", refused.describe(), control.describe())),
    }
}

/// The plan says what holds; somebody who could change it would make programs inside believe something else.
fn plan_inside(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let line = "p=$RINGFENCE_PLAN; cp \"$p\" before || exit 1\n\
                { echo x >> \"$p\"; rm -f \"$p\"; mv \"$p\" \"$p.old\"; chmod 0777 \"$p\"; ln -f before \"$p\"; } 2>/dev/null\n\
                mv \"${p%/*}\" \"${p%/*}.old\" 2>/dev/null; mount -t tmpfs x \"${p%/*}\" 2>/dev/null\n\
                cmp \"$p\" before && test $(stat -c %a \"$p\") != 777";
    let mut command = session.fence(&place, &[]);
    // A value of the caller's own does not pass for it.
    command.env("RINGFENCE_PLAN", "/nowhere");
    command.args(["sh", "-c", line]);
    let ran = program::run(command, &[], PATIENCE)?;
    let plan = fs::read(place.work.join("before")).map_err(text)?;
    let plan: serde_json::Value = serde_json::from_slice(&plan).map_err(|error| error.to_string())?;
    let workspace = place.work.to_string_lossy().into_owned();
    match (ran.code, plan["files"]["workspace"].as_str()) {
        (0, Some(named)) if named == workspace => Ok(()),
        _ => Err(ran.describe()),
    }
}

/// What was refused is there to be asked about, until a run that was refused nothing.
fn last_refusals(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    let file = place.home.join(".local/state/ringfence/last-run.json");
    let run = |line: &str| -> Result<(Ran, String), String> {
        let mut command = session.fence(&place, &[]);
        command.args(["sh", "-c", line]);
        let ran = program::run(command, &[], PATIENCE)?;
        Ok((ran, fs::read_to_string(&file).unwrap_or_default()))
    };
    let (ran, kept) = run("mkdir -p .git/hooks/x; cat ~/.local/state/ringfence/last-run.json; true")?;
    let mode = fs::metadata(&file).map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or_default();
    let (_, after) = run("true")?;
    let record: serde_json::Value = serde_json::from_str(&kept).unwrap_or_default();
    let first = &record["refusals"][0];
    match (first["operation"].as_str(), first["path"].as_str(), mode, after.as_str()) {
        (Some("create"), Some(path), 0o600, "")
            if path.contains(".git/hooks") && file.parent().is_some_and(std::path::Path::is_dir) =>
        {
            Ok(())
        }
        _ => Err(format!("mode {mode:o}, kept {kept:?}, then {after:?}: {}", ran.describe())),
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
