//! Bad input: an error that says what, where and what instead; exit code 125; the command not started, nothing touched.

use crate::attack::prepare;
use crate::place::CANARY;
use crate::program;
use crate::row::{Outcome, Row, Scope};
use crate::session::{PATIENCE, Session};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let policies = POLICIES.iter().map(|(name, text, says)| {
        Row::new(format!("bad_policy: {name}"), &[], move |session| {
            refused(session, &format!("printf '%s' {} > ringfence.toml", quote(text)), &[], says)
                .unwrap_or_else(Outcome::Failed)
        })
    });
    let named = NAMED.iter().map(|(name, text, says)| {
        Row::new(format!("bad_policy: {name}"), &[], move |session| {
            let setting = format!("printf '%s' {} > named.toml", quote(text));
            refused(session, &setting, &["--policy", "named.toml"], says).unwrap_or_else(Outcome::Failed)
        })
    });
    let flags = FLAGS.iter().map(|(name, flags, says)| {
        Row::new(format!("bad_flag: {name}"), &[], move |session| {
            refused(session, "", flags, says).unwrap_or_else(Outcome::Failed)
        })
    });
    let mut rows: Vec<Row> = policies.chain(named).chain(flags).collect();
    rows.push(Row::new("run_in_home_is_refused", &[10], |session| {
        elsewhere(session, "$HOME").unwrap_or_else(Outcome::Failed)
    }));
    rows.push(Row::new("run_in_the_root_is_refused", &[10], |session| {
        elsewhere(session, "/").unwrap_or_else(Outcome::Failed)
    }));
    rows.push(
        Row::new("unreadable_directory_is_reported", &[], |session| {
            refused(session, "mkdir d && chmod 000 d", &["--read", "$WORK/d/x"], "d/x")
                .unwrap_or_else(Outcome::Failed)
        })
        .only(Scope::Everywhere),
    );
    rows
}

/// Name, text of the policy, and what the error must name.
const POLICIES: &[(&str, &str, &str)] = &[
    ("not TOML", "version = = 1\n", "ringfence.toml:1"),
    ("unknown field", "version = 1\n[filesystem]\nraed = [\"/usr\"]\n", "read"),
    ("unknown table", "version = 1\n[filesytem]\nread = []\n", "filesystem"),
    ("wrong type", "version = 1\n[limits]\nprocesses = \"many\"\n", "ringfence.toml:3"),
    ("text for a list", "version = 1\n[filesystem]\nread = \"/usr\"\n", "ringfence.toml:3"),
    ("version of the future", "version = 99\n", "version"),
    ("key twice", "version = 1\nversion = 1\n", "ringfence.toml:2"),
    ("no processes", "version = 1\n[limits]\nprocesses = 0\n", "processes"),
    ("negative processor share", "version = 1\n[limits]\ncpu = -1.0\n", "cpu"),
    ("share that is no number", "version = 1\n[limits]\ncpu = nan\n", "cpu"),
    ("memory of four bytes", "version = 1\n[limits]\nmemory = \"4B\"\n", "memory"),
    ("size without sense", "version = 1\n[limits]\nmemory = \"2 bananas\"\n", "memory"),
    ("size beyond all", "version = 1\n[limits]\nmemory = \"99999999999999999999GiB\"\n", "memory"),
    ("duration without sense", "version = 1\n[limits]\ntime = \"soon\"\n", "time"),
    ("unknown network mode", "version = 1\n[network]\nmode = \"some\"\n", "host"),
    ("unknown level", "version = 1\n[containment]\nlevel = \"strong\"\n", "namespaces"),
    ("wildcard in read", "version = 1\n[filesystem]\nread = [\"/usr/*\"]\n", "ringfence.toml:3"),
    (
        "unknown variable in a path",
        "version = 1\n[filesystem]\nread = [\"$SECRET_PLACE/x\"]\n",
        "SECRET_PLACE",
    ),
    ("open class in a pattern", "version = 1\n[filesystem]\ndeny = [\"a[b\"]\n", "ringfence.toml:3"),
    ("missing base", "version = 1\nextends = [\"./none.toml\"]\n", "none.toml"),
    ("base of itself", "version = 1\nextends = [\"./ringfence.toml\"]\n", "ringfence.toml"),
    ("zero byte", "version = 1\n[filesystem]\nread = [\"/usr\\u0000x\"]\n", "ringfence.toml:3"),
    ("workspace that is the root", "version = 1\n[filesystem]\nworkspace = \"/\"\n", "workspace"),
];

/// The same of policies that the user names: what they grant counts.
const NAMED: &[(&str, &str, &str)] =
    &[("missing path", "version = 1\n[filesystem]\nread = [\"/nowhere/at/all\"]\n", "/nowhere/at/all")];

/// Name, flags, and what the error must name.
const FLAGS: &[(&str, &[&str], &str)] = &[
    ("unknown flag", &["--raed", "/usr"], "--read"),
    ("missing value", &["--memory"], "memory"),
    ("missing path", &["--read", "/nowhere/at/all"], "/nowhere/at/all"),
    ("missing policy file", &["--policy", "$WORK/none.toml"], "none.toml"),
    ("directory for a policy file", &["--policy", "$WORK"], "directory"),
    ("unknown level", &["--containment", "strong"], "namespaces"),
    ("no processes", &["--processes", "0"], "processes"),
    ("memory of nothing", &["--memory", "0"], "memory"),
    ("time without sense", &["--timeout", "soon"], "soon"),
    ("missing working directory", &["--cwd", "/nowhere/at/all"], "/nowhere/at/all"),
    ("working directory outside", &["--cwd", "$OUTSIDE"], "outside"),
    ("unknown field to leave open", &["--allow-unenforced", "filesystem.raed"], "filesystem.raed"),
    ("variable without a name", &["--env", "=x"], "env"),
];

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Runs with bad input: the error names `says`, the command leaves no mark and the host is as it was.
fn refused(session: &Session, setting: &str, flags: &[&str], says: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    prepare(session, &place, setting)?;
    let (host, workspace) = (place.host_side(), place.workspace());
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut command = session.fence(&place, &flags);
    command.args(["sh", "-c", "echo started; echo x > mark"]);
    let ran = program::run(command, &[], PATIENCE)?;
    let error = ran.err();
    let changes = [host.changes(&place.host_side()), workspace.changes(&place.workspace())].concat();
    let problem = if !ran.stdout.is_empty() || !changes.is_empty() {
        "the command started, or something changed"
    } else if ran.code != 125 {
        "the exit code is not 125"
    } else if !error.contains(says) {
        "the error does not name what is wrong"
    } else if error.contains("panicked") || error.contains(CANARY) {
        "the error is a panic, or tells a secret"
    } else {
        return Ok(Outcome::Passed);
    };
    Err(format!("{problem} (`{says}`): {} {changes:?}", ran.describe()))
}

/// Runs in a directory that must not become a workspace.
fn elsewhere(session: &Session, directory: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &[]);
    command.current_dir(place.expand(directory)).args(["sh", "-c", "echo started"]);
    let ran = program::run(command, &[], PATIENCE)?;
    match (ran.code, ran.stdout.is_empty(), ran.stderr.is_empty()) {
        (125, true, false) => Ok(Outcome::Passed),
        _ => Err(ran.describe()),
    }
}
