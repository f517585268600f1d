//! Environment variables and descriptors: nothing passes but what is named.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::place::CANARY;
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::{BEGUN, PATIENCE, Session, strip_begun};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = CANARIES
        .iter()
        .map(|name| {
            Row::new(format!("variable_does_not_pass: {name}"), &[54], move |session| {
                variable(session, name).unwrap_or_else(Outcome::Failed)
            })
            .held_by("environment")
        })
        .collect();
    rows.push(Row::new("environment_of_no_process_shows_it", &[54], |session| {
        every_environment(session).unwrap_or_else(Outcome::Failed)
    }));
    rows.push(Row::new("descriptors_do_not_pass", &[19], |session| {
        descriptors(session).unwrap_or_else(Outcome::Failed)
    }));
    rows
}

/// Names of secrets, of agents' sockets, and of everything by which a loader or interpreter is told to run more.
const CANARIES: &[&str] = &[
    "SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "NPM_TOKEN",
    "DATABASE_URL",
    "PGPASSWORD",
    "VAULT_TOKEN",
    "KUBECONFIG",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "GPG_AGENT_INFO",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DOCKER_HOST",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "BASH_FUNC_ls%%",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "NODE_OPTIONS",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "GIT_SSH_COMMAND",
    "GIT_CONFIG_COUNT",
    "GIT_EXEC_PATH",
    "GIT_ASKPASS",
    "RUSTC_WRAPPER",
    "MAKEFLAGS",
    "npm_config_registry",
    "OP_SESSION_x",
    "GOFLAGS",
    "CDPATH",
    "IFS_CANARY",
];

fn variable(session: &Session, name: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    let line = "tr '\\0' '\\n' < /proc/self/environ";
    let mut command = session.fence(&place, &[]);
    command.env(name, CANARY).args(["sh", "-c", &format!("echo {BEGUN}\n{line}")]);
    let mut fenced = program::run(command, &[], PATIENCE)?;
    strip_begun(&mut fenced)?;
    if fenced.text().contains(CANARY) || fenced.code != 0 {
        return Err(format!("{name} is inside, or the environment is unreadable: {}", fenced.describe()));
    }
    let mut command = session.bare_command(&place, &["sh", "-c", line]);
    command.env(name, CANARY);
    let bare = program::run(command, &[], PATIENCE)?;
    Ok(match bare.text().contains(CANARY) {
        true => Outcome::Passed,
        false => {
            Outcome::NotProved(format!("the variable does not show without a fence: {}", bare.describe()))
        }
    })
}

/// The supervisor has the variable; nobody inside can see the supervisor's.
fn every_environment(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let line = "cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ 2>/dev/null | tr '\\0' '\\n' | grep RFTRIAL_C; true";
    let mut command = session.fence(&place, &[]);
    command.env("RFTRIAL_C", CANARY).args(["sh", "-c", &format!("echo {BEGUN}\n{line}")]);
    let mut fenced = program::run(command, &[], PATIENCE)?;
    strip_begun(&mut fenced)?;
    if fenced.text().contains(CANARY) {
        return Err(format!("a process's environment shows it: {}", fenced.describe()));
    }
    let mut command = session.bare_command(&place, &["sh", "-c", line]);
    command.env("RFTRIAL_C", CANARY);
    let bare = program::run(command, &[], PATIENCE)?;
    Ok(match bare.text().contains(CANARY) {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("it does not show without a fence: {}", bare.describe())),
    })
}

/// The caller has a secret file, the root directory, the fence's own program and a socket open, all inheritable.
fn descriptors(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let fail = |error: std::io::Error| format!("opening: {error}");
    let (socket, _other) = UnixStream::pair().map_err(fail)?;
    let open: Vec<OwnedFd> = vec![
        File::open(place.outside.join("secret")).map_err(fail)?.into(),
        File::open("/").map_err(fail)?.into(),
        File::open(&session.ringfence).map_err(fail)?.into(),
        socket.into(),
    ];
    let inherit = |flags: FdFlags| {
        open.iter()
            .try_for_each(|fd| fcntl_setfd(fd.as_fd(), flags))
            .map_err(|error| format!("fcntl: {error}"))
    };
    let line = "\"$TRIAL\" attempt inherited_descriptors";
    inherit(FdFlags::empty())?;
    let fenced = session.fenced(&place, &[], line);
    let bare = session.bare(&place, line);
    inherit(FdFlags::CLOEXEC)?;
    let (fenced, bare) = (fenced?, bare?);
    if fenced.code == 0 || !fenced.text().contains("refused: EBADF") {
        return Err(format!("descriptors are open inside: {}", fenced.describe()));
    }
    Ok(match bare.code {
        0 => Outcome::Passed,
        _ => Outcome::NotProved(format!("none is open without a fence either: {}", bare.describe())),
    })
}
