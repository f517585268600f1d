//! A small internet for the rows of the gateway: a network namespace that plays the host, another that plays the rest of
//! the world, and in it servers that write down whatever reaches them. Nothing leaves the machine.
//!
//! It is set up by the system's own tools, so that it shares nothing with what is on trial.

pub(crate) mod line;
mod parent;
mod servers;
mod told;
mod unfriendly;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use crate::program;
use crate::session::{BEGUN, Session, strip_begun};

pub use servers::main;
pub(crate) use told::{Told, row};

/// What it takes to make one.
const TOOLS: &[&str] = &["ip", "nsenter", "unshare", "mount", "curl", "python3"];

/// The host of the small internet is 203.0.113.1 and 198.51.100.7; the world is 203.0.113.10, .11 and .53, and the
/// private 10.9.9.9.
const SET_UP: &str = r#"
set -e
ip link set lo up
unshare -n sleep 600 >/dev/null 2>&1 & world=$!
trap 'kill $world $servers 2>/dev/null || true' EXIT
until [ "$(readlink /proc/$world/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add v0 type veth peer name v1
ip link set v1 netns $world
ip addr add 203.0.113.1/24 dev v0
ip addr add 198.51.100.7/32 dev lo
ip link set v0 up
ip route add default via 203.0.113.10
ip -6 addr add 2001:db8:1::1/64 dev v0 nodad
ip -6 route add default via 2001:db8:1::10
inside() { nsenter -t $world -n "$@"; }
inside ip link set lo up
inside ip link set v1 up
for last in 10 11 12 13 53; do inside ip addr add 203.0.113.$last/24 dev v1; done
inside ip -6 addr add 2001:db8:1::10/64 dev v1 nodad
inside ip addr add 10.9.9.9/32 dev lo
inside ip addr add 169.254.169.254/32 dev lo
nsenter -t $world -n "$TRIAL" internet "$LOG" >/dev/null 2>&1 & servers=$!
"$TRIAL" internet-host "$LOG" >/dev/null 2>&1 & servers="$servers $!"
if [ -n "$WITH_PARENT" ]; then
    "$TRIAL" internet-parent "$LOG" >/dev/null 2>&1 & export PARENT=$!; servers="$servers $!"
fi
if [ -n "$SECURE" ]; then
    nsenter -t $world -n node "$SECURE/secure.js" "$LOG" "$SECURE" >"$SECURE/out" 2>&1 & servers="$servers $!"
fi
if [ -n "$REGISTRIES" ]; then
    mkdir -m 700 .servers
    nsenter -t $world -n $BE python3 "$REGISTRIES" "$LOG" 203.0.113.10 "$PWD/.servers" >/dev/null 2>&1 & servers="$servers $!"
fi
until [ "$(grep -c ready "$LOG")" = "$READY" ]; do sleep 0.01; done
mount --bind "$RESOLV" /etc/resolv.conf
set +e
eval "$BE" '"$@"'
"#;

/// Runs a line in the small internet, fenced by these flags.
pub(crate) fn fenced(session: &Session, place: &Place, flags: &[String], line: &str) -> Result<Told, String> {
    let mut command = session.fence(place, flags);
    command.args(["sh", "-c", &format!("echo {BEGUN}\n{line}")]);
    let mut told = within(session, place, command)?;
    strip_begun(&mut told.ran)?;
    Ok(told)
}

/// The same without a fence.
pub(crate) fn bare(session: &Session, place: &Place, line: &str) -> Result<Told, String> {
    within(session, place, session.bare_command(place, &["sh", "-c", line]))
}

/// The beginning of a command, fenced where there are flags.
fn either(session: &Session, place: &Place, flags: Option<&[String]>) -> Command {
    match flags {
        Some(flags) => session.fence(place, flags),
        None => session.bare_command(place, &["env"]),
    }
}

/// Servers for real clients, at `good.example`: registries on 3000, PostgreSQL on 5432, Redis on 6379, SSH on 22022. What
/// they need is put into `.servers` in the workspace.
const REGISTRIES: &str = include_str!("registries.py");

/// As [`fenced`] and [`bare`], with servers for real clients.
pub(crate) fn with_registries(
    session: &Session,
    place: &Place,
    flags: Option<&[String]>,
    line: &str,
) -> Result<Told, String> {
    let script = place.outside.join("registries.py");
    fs::write(&script, REGISTRIES).map_err(|error| format!("preparing the registries: {error}"))?;
    let mut command = either(session, place, flags);
    command.args(["sh", "-c", line]).env("REGISTRIES", script);
    within(session, place, command)
}

/// As [`bare`] where there are no flags and else as [`fenced`], with parent proxies on the host, and these variables of the
/// caller's. The variable PARENT, outside of the fence, is the proxies' process.
pub(crate) fn with_parent(
    session: &Session,
    place: &Place,
    (flags, variables): (Option<&[String]>, &[(&str, &str)]),
    line: &str,
) -> Result<Told, String> {
    let mut command = either(session, place, flags);
    command.args(["sh", "-c", line]).env("WITH_PARENT", "1").envs(variables.iter().copied());
    within(session, place, command)
}

/// Servers that speak TLS, with an authority of their own that `SSL_CERT_FILE` of the caller names: `api.example` and
/// `shared.example` at one address, `other.example` at another, HTTP/1 and HTTP/2, WebSocket, and a repository of git.
const SECURE: &str = include_str!("secure.js");
/// Beside them: resolvers behind TLS at 203.0.113.53, which is `dns.example`.
const RESOLVERS: &str = include_str!("resolvers.js");
const CERTIFICATES: &str = include_str!("certificates.sh");

/// As [`with_parent`], with servers that speak TLS.
pub(crate) fn with_secure(
    session: &Session,
    place: &Place,
    (flags, variables): (Option<&[String]>, &[(&str, &str)]),
    line: &str,
) -> Result<Told, String> {
    let fail = |error: std::io::Error| format!("preparing the servers: {error}");
    let secure = place.outside.join("secure");
    if !secure.exists() {
        fs::create_dir(&secure).map_err(fail)?;
        fs::write(secure.join("secure.js"), SECURE).map_err(fail)?;
        fs::write(secure.join("resolvers.js"), RESOLVERS).map_err(fail)?;
        let made =
            Command::new("sh").args(["-ec", CERTIFICATES]).current_dir(&secure).output().map_err(fail)?;
        if !made.status.success() {
            return Err(format!("making certificates: {}", String::from_utf8_lossy(&made.stderr)));
        }
    }
    let mut command = either(session, place, flags);
    command.args(["sh", "-c", line]).env("SECURE", &secure).env("SSL_CERT_FILE", secure.join("roots.pem"));
    command.envs(variables.iter().copied());
    within(session, place, command)
}

/// Runs a command in the small internet.
pub(crate) fn within(session: &Session, place: &Place, command: Command) -> Result<Told, String> {
    let fail = |error: std::io::Error| format!("preparing the small internet: {error}");
    // Both beside the home, where no fenced line comes.
    let (log, resolver) = (place.outside.join("internet.log"), place.outside.join("resolv.conf"));
    fs::write(&log, "").map_err(fail)?;
    fs::write(&resolver, "nameserver 203.0.113.53\n").map_err(fail)?;
    let others = ["REGISTRIES", "WITH_PARENT", "SECURE"];
    let more = command.get_envs().filter(|(name, _)| others.iter().any(|other| name == other));
    let ready = 2 + more.count();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut outer = Command::new("unshare");
    // An ordinary user has to be root of a user namespace to make all this, and himself again for the line.
    let be = if session.is_root {
        outer.arg("-nm");
        String::new()
    } else {
        outer.arg("-Urnm");
        format!("unshare -U --map-user={uid} --map-group={gid}")
    };
    outer.args(["sh", "-c", SET_UP, "sh"]).arg(command.get_program()).args(command.get_args());
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.env("LOG", &log).env("RESOLV", &resolver).env("BE", be).env("READY", ready.to_string());
    outer.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    let ran = program::run_and_sweep(outer, &[], Duration::from_secs(60))?;
    let log = fs::read_to_string(&log).map_err(fail)?;
    if log.lines().filter(|line| *line == "ready").count() != ready {
        return Err(format!("the small internet did not come up: {}", ran.describe()));
    }
    Ok(Told { ran, log: log.replace("ready\n", "") })
}
