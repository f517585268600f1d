//! Races: whatever changes between the check and the use, the host's files stay as they were.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::attack::{Attack, prepare};
use crate::place::CANARY;
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::{PATIENCE, Session};

const GIT: &str = "git init -q -b main . && git commit -q --allow-empty -m one";

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    // Five seconds each: on this side of a race that is some hundred thousand tries.
    let protected = [
        (
            "race_of_the_path's_text",
            "race_text .git/hookz/planted .git/hooks/planted 5",
            "rm -rf .git/hooks && mkdir .git/hookz .git/hooks",
        ),
        ("race_of_an_absent_name", "race_text .git/hookz .git/hooks 5", "rm -rf .git/hooks"),
        (
            "race_of_the_path's_length",
            "race_text .vscode-x/planted .vscode/./planted 5",
            "mkdir .vscode-x .vscode",
        ),
        ("race_of_a_directory_and_a_symlink", "race_directory way .git/hooks 5", "true"),
        ("race_of_a_descriptor", "race_descriptor way .git/hooks 5", "true"),
    ];
    let mut rows: Vec<Row> = protected
        .into_iter()
        .map(|(name, attempt, setting)| {
            let line = format!("\"$TRIAL\" attempt {attempt}");
            Attack::change_below(name, &[33, 35], &[".git/hooks", ".vscode"], line)
                .after(format!("{GIT} && {setting}"))
                .held_by("filesystem.protect")
                .row()
        })
        .collect();
    rows.push(
        Attack::change_host(
            "race_to_the_outside",
            &[14, 33],
            "\"$TRIAL\" attempt race_directory way $OUTSIDE/tree 5",
        )
        .row(),
    );
    rows.push(Row::new("race_against_the_setting_up", &[14], |session| {
        setting_up(session).unwrap_or_else(Outcome::Failed)
    }));
    for (name, link) in SETTINGS {
        rows.push(Row::new(format!("set_up_through_a_symlink: {name}"), &[13], move |session| {
            set_up_through(session, link).unwrap_or_else(Outcome::Failed)
        }));
    }
    rows
}

/// Where a symlink in the workspace points while a rule names a path through it.
const SETTINGS: &[(&str, &str)] = &[
    ("old root", "/oldroot/$OUTSIDE"),
    ("own root", "/proc/self/root$OUTSIDE"),
    ("new root", "/newroot"),
    ("outside", "$OUTSIDE"),
    ("dangling", "/nowhere/at/all"),
    ("itself", "a"),
    ("working directory", "/proc/self/cwd"),
];

/// Names a path through the link in rules of every kind; whatever ringfence says to it, the host is untouched.
fn set_up_through(session: &Session, link: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    prepare(session, &place, &format!("ln -s \"{}\" a", place.expand(link)))?;
    let host = place.host_side();
    for flags in [
        ["--deny", "$WORK/a/new"],
        ["--protect", "a/new"],
        ["--read", "$WORK/a/new"],
        ["--write", "$WORK/a/new"],
    ] {
        let mut command = session.fence(&place, &flags.map(str::to_owned));
        command.args(["sh", "-c", "echo x > a/new; cat a/secret; true"]);
        let ran = program::run(command, &[], PATIENCE)?;
        let changes = host.changes(&place.host_side());
        if !changes.is_empty() || ran.text().contains(CANARY) {
            return Err(format!(
                "with {flags:?} the host was reached: {}\n{}",
                changes.join("\n"),
                ran.describe()
            ));
        }
        if ran.timed_out || ran.code > 128 {
            return Err(format!("with {flags:?} it did not end well: {}", ran.describe()));
        }
        if ran.code == 125 && ran.stderr.is_empty() {
            return Err(format!("with {flags:?} it was refused without a word"));
        }
    }
    // The control: without a fence the same command writes there, or the link leads nowhere.
    let bare = session.bare(&place, "echo x > a/new; cat a/secret; true")?;
    let reached = !host.changes(&place.host_side()).is_empty() || bare.text().contains(CANARY);
    let leads_out = link.contains("$OUTSIDE") && !link.starts_with("/oldroot");
    Ok(match reached || !leads_out {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("the link is harmless without a fence: {}", bare.describe())),
    })
}

/// Another program of the user's exchanges a directory of the workspace with a symlink to the outside all the while
/// sandboxes are set up that have rules on it.
fn setting_up(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    prepare(session, &place, "mkdir -p d/.git/hooks && echo x > d/secret && ln -s \"$OUTSIDE\" link")?;
    let host = place.host_side();
    let seconds = 8;
    let work = place.work.to_string_lossy().into_owned();
    let trial = session.trial.to_string_lossy().into_owned();
    let mut flipper = session
        .bare_command(
            &place,
            &[
                trial,
                "attempt".into(),
                "exchange_for".into(),
                format!("{work}/d"),
                format!("{work}/link"),
                seconds.to_string(),
            ],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("starting the attacker: {error}"))?;
    let start = Instant::now();
    let mut runs = 0;
    while start.elapsed() < Duration::from_secs(seconds - 1) {
        for flags in [["--deny", "$WORK/d/secret"], ["--deny", "$WORK/link/secret"], ["--protect", "d/new"]] {
            let mut command = session.fence(&place, &flags.map(str::to_owned));
            command.args(["sh", "-c", "echo x > d/new; echo x > link/new; cat d/secret link/secret; true"]);
            let ran = program::run(command, &[], PATIENCE)?;
            if ran.text().contains(CANARY) || ran.timed_out || ran.code > 128 {
                return Err(format!("with {flags:?}: {}", ran.describe()));
            }
            runs += 1;
        }
    }
    program::wait(&mut flipper, Duration::from_secs(5))?;
    let changes = host.changes(&place.host_side());
    if !changes.is_empty() {
        return Err(format!("the host changed in {runs} runs: {}", changes.join("\n")));
    }
    session.bare(&place, "echo x > d/new; echo x > link/new")?;
    Ok(match host.changes(&place.host_side()).is_empty() {
        false => Outcome::Passed,
        true => Outcome::NotProved("the exchange leads nowhere without a fence".into()),
    })
}
