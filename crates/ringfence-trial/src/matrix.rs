//! The table times the backends times the users. Prints as it goes; the rows' own business is elsewhere.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::options::{Backends, Options, Users};
use crate::report::{self, Totals};
use crate::row::{Outcome, Row};
use crate::rows;
use crate::session::Session;
use crate::user::User;

const BACKENDS: &[&str] = &["namespaces", "process"];

/// Runs what was asked for and prints the totals as the last line.
pub fn run(options: &Options) -> ExitCode {
    match totals(options) {
        Ok(totals) => {
            println!("{}", totals.line());
            if totals.failed == 0 && totals.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("ringfence-trial: {why}");
            ExitCode::from(2)
        }
    }
}

/// The sessions that this process can run itself: the current user on each backend asked for. `trial` is the
/// `ringfence-trial` program.
pub fn sessions(options: &Options, trial: &Path) -> Result<Vec<Session>, String> {
    let program = program_on_trial(trial)?;
    BACKENDS
        .iter()
        .filter(|backend| match options.backends {
            Backends::All => true,
            Backends::One(name) => name == **backend,
        })
        .map(|backend| Session::start(backend, &program, trial))
        .collect()
}

fn totals(options: &Options) -> Result<Totals, String> {
    let mut totals = Totals::default();
    let root = rustix::process::geteuid().is_root();
    if options.users != Users::Unprivileged || !root {
        let own = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
        for session in sessions(options, &own)? {
            totals += table(&session, options);
        }
    }
    if options.users != Users::Current && root {
        let user = match &options.as_user {
            Some(name) => User::existing(name)?,
            None => User::make()?,
        };
        totals += as_user(&user, options)?;
    }
    Ok(totals)
}

/// Runs the whole table in one session: two rows at a time, then those that must be alone.
fn table(session: &Session, options: &Options) -> Totals {
    println!("== {} as {}", session.backend, if session.is_root { "root" } else { "an unprivileged user" });
    let rows: Vec<Row> = rows::all().into_iter().filter(|row| options.wants(&row.name)).collect();
    let (alone, beside): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.alone);
    let mut totals = Totals::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            let mut totals = Totals::default();
            while let Some(row) = beside.get(next.fetch_add(1, Ordering::Relaxed)) {
                totals.count(&one(session, row));
            }
            totals
        };
        let second = scope.spawn(work);
        totals += work();
        // A panic of the harness is no outcome of a row.
        totals += second.join().unwrap_or(Totals { failed: 1, ..Totals::default() });
    });
    for row in alone {
        totals.count(&one(session, row));
    }
    println!("-- {}: {}", session.backend, totals.line());
    totals
}

fn one(session: &Session, row: &Row) -> Outcome {
    let start = Instant::now();
    let outcome = row.run(session);
    report::row(row, &outcome, start.elapsed());
    outcome
}

/// Runs this program again as `user` and counts with it.
fn as_user(user: &User, options: &Options) -> Result<Totals, String> {
    let bin = PathBuf::from(format!("/tmp/rftrial-{}-bin", std::process::id()));
    let result = stage(&bin, user).and_then(|()| again(&bin, user, options));
    // The directory is ours and in /tmp.
    let _ = fs::remove_dir_all(&bin);
    result
}

/// Puts the programs where the user can run them, with one that is set-uid root (a copy of this one, for the row
/// that asks whether it still is inside).
fn stage(bin: &Path, user: &User) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("preparing {}: {error}", bin.display());
    fs::create_dir_all(bin).map_err(fail)?;
    let own = std::env::current_exe().map_err(fail)?;
    let copies = [
        (program_on_trial(&own)?, "ringfence", 0o755),
        (own.clone(), "trial", 0o755),
        (own, "setuid", 0o4755),
    ];
    for (from, name, mode) in copies {
        let to = bin.join(name);
        fs::copy(&from, &to).map_err(fail)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(fail)?;
    }
    lend_clients(bin)?;
    // A file of root's that is not the user's to read, named here so that no row has to guess one.
    fs::write(bin.join("roots"), crate::place::CANARY).map_err(fail)?;
    fs::set_permissions(bin.join("roots"), fs::Permissions::from_mode(0o600)).map_err(fail)?;
    fs::set_permissions(bin, fs::Permissions::from_mode(0o755)).map_err(fail)?;
    if user.home.is_dir() { Ok(()) } else { Err(format!("{} has no home directory", user.name)) }
}

/// Gives the user the clients that rows try, if there are any: by hard links, as they are large; by copies where those are
/// not to be had.
fn lend_clients(bin: &Path) -> Result<(), String> {
    let clients = std::env::var_os("RINGFENCE_CLIENTS").filter(|clients| Path::new(clients).is_dir());
    let Some(clients) = clients else { return Ok(()) };
    let copy = |how: &str| Command::new("cp").arg(how).arg(&clients).arg(bin.join("clients")).status();
    let done =
        |status: std::io::Result<std::process::ExitStatus>| status.is_ok_and(|status| status.success());
    if done(copy("-alT")) || done(copy("-aT")) {
        return Ok(());
    }
    Err(format!("copying {}, which RINGFENCE_CLIENTS names", clients.to_string_lossy()))
}

fn again(bin: &Path, user: &User, options: &Options) -> Result<Totals, String> {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", user.ids.0))
        .arg(format!("--regid={}", user.ids.1))
        .arg("--init-groups");
    command.arg(bin.join("trial")).args(["run", "--user", "current", "--backend", options.backend_name()]);
    for filter in &options.filters {
        command.args(["--filter", filter]);
    }
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", &user.home);
    command
        .env("USER", &user.name)
        .env("RINGFENCE_BIN", bin.join("ringfence"))
        .env("RFTRIAL_SETUID", bin.join("setuid"));
    if bin.join("clients").is_dir() {
        command.env("RINGFENCE_CLIENTS", bin.join("clients"));
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("running setpriv: {error}"))?;
    let mut last = String::new();
    for line in
        child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok))
    {
        if Totals::read(&line).is_none() {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        last = line;
    }
    child.wait().map_err(|error| format!("waiting for the trial as {}: {error}", user.name))?;
    Totals::read(&last)
        .ok_or(format!("the trial as {} ended without totals; its last line: {last}", user.name))
}

impl Options {
    fn backend_name(&self) -> &'static str {
        match self.backends {
            Backends::All => "all",
            Backends::One(name) => name,
        }
    }
}

/// The `ringfence` program: named, beside the `ringfence-trial` program, or built.
fn program_on_trial(trial: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("RINGFENCE_BIN") {
        return Ok(path.into());
    }
    let beside = trial.with_file_name("ringfence");
    // Under cargo it is built again: one that is there may be of yesterday.
    if std::env::var_os("CARGO").is_some() || !beside.is_file() {
        let status = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--quiet", "--package", "ringfence-cli"])
            .status()
            .map_err(|error| {
                format!("no `ringfence` beside {}, and running cargo: {error}", trial.display())
            })?;
        if !status.success() {
            return Err("cargo could not build the `ringfence` program".into());
        }
    }
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(format!("no `ringfence` beside {}; name one in RINGFENCE_BIN", trial.display()))
    }
}
