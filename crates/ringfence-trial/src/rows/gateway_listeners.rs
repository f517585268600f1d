//! A machine whose kernel lacks netfilter: each port that a rule names has a listener, and no other leads anywhere. What a
//! rule names works there too; what none names does not get out; and what is lost is said.

use std::process::Command;

use super::gateway::UNSET;
use crate::internet::line::rules;
use crate::internet::{self, Told};
use crate::row::{Outcome, Row};
use crate::session::{BEGUN, Session, strip_begun};

const ALLOW: &[&str] = &[
    "good.example",
    "203.0.113.10:8080",
    "udp://203.0.113.10:7",
    "udp://good.example:7000-7100",
    "private.example",
];

const WORKS: &[(&str, &str)] = &[
    ("a name", "curl -sS -m 5 http://good.example/"),
    ("an address and a port", "curl -sS -m 5 http://203.0.113.10:8080/"),
    (
        "datagrams",
        r#"python3 -c 'import socket
for host, port in (("203.0.113.10", 7), ("good.example", 7000)):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.sendto(b"hello", (host, port)); print(s.recvfrom(99))'"#,
    ),
    (
        "a server of its own on a port that no rule names",
        r#"python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 5555)); c = socket.create_connection(("127.0.0.1", 5555)); print(s.accept()[0] is not None)'"#,
    ),
];

/// Each must fail fast; without a fence it reaches what it names.
const ESCAPES: &[(&str, &str, &str)] = &[
    ("another_address_at_a_port_of_a_rule", "curl -s -m 5 http://203.0.113.11/", "tcp 203.0.113.11 80"),
    ("port_that_no_rule_names", "curl -s -m 5 telnet://203.0.113.10:22/ </dev/null", "tcp 203.0.113.10 22"),
    ("name_that_no_rule_names", "curl -s -m 5 http://evil.example/", "tcp 203.0.113.11 80"),
    ("name_that_leads_to_a_private_address", "curl -s -m 5 http://private.example/", "tcp 10.9.9.9 80"),
    ("address_of_ipv6", "curl -s -m 5 'http://[2001:db8:1::10]/'", "tcp 2001:db8:1::10 80"),
    ("loopback_of_the_host", "curl -s -m 5 http://127.0.0.1:8080/", "tcp 127.0.0.1 8080"),
    (
        "datagram_to_another_address",
        r#"python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.connect(("203.0.113.11", 7)); s.send(b"x"); print(s.recv(99))'"#,
        "datagram 203.0.113.11 7",
    ),
    (
        "datagram_to_another_port",
        r#"python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.connect(("203.0.113.10", 8001)); s.send(b"x"); print(s.recv(99))'"#,
        "datagram 203.0.113.10 8001",
    ),
];

/// Takes the place of a listener, on every address, on the one that others connect to, and on the loopback.
const STEAL: &str = r#"python3 - <<'E'
import socket
for host in ("0.0.0.0", "203.0.113.10", "127.0.0.1"):
    for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 7000)):
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try: s.bind((host, port)); print("took", host, port)
        except OSError: pass
E
curl -sS -m 5 http://203.0.113.10:8080/"#;

pub(super) fn rows() -> Vec<Row> {
    let works = WORKS.iter().map(|(name, line)| {
        internet::row(
            format!("works: through the gateway without netfilter: {name}"),
            &[],
            &[],
            move |session| judge_works(session, line),
        )
    });
    let escapes = ESCAPES.iter().map(|(name, line, reaches)| {
        internet::row(format!("gateway: without netfilter: {name}"), &[44, 47], &[], move |session| {
            judge_escape(session, line, reaches)
        })
    });
    let own = [
        internet::row("gateway: without netfilter: listener_that_the_command_would_take", &[44], &[], steal),
        internet::row("gateway: without netfilter: what is lost is said, and doctor tells", &[], &[], said),
    ];
    works.chain(escapes).chain(own).collect()
}

/// `command` where it believes that there is no netfilter.
pub(super) fn without_netfilter(session: &Session, command: &Command) -> Command {
    let mut outer = Command::new(&session.trial);
    outer.arg("without-netfilter").arg(command.get_program()).args(command.get_args());
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

fn fenced(session: &Session, line: &str) -> Result<Told, String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &rules(ALLOW));
    command.args(["sh", "-c", &format!("echo {BEGUN}\n{UNSET}{line}")]);
    let mut told = internet::within(session, &place, without_netfilter(session, &command))?;
    strip_begun(&mut told.ran)?;
    Ok(told)
}

fn judge_works(session: &Session, line: &str) -> Result<Outcome, String> {
    let bare = internet::bare(session, &session.place()?, line)?;
    if bare.ran.code != 0 {
        return Ok(bare.proves(false));
    }
    let told = fenced(session, line)?;
    told.does_as(&bare)
}

fn judge_escape(session: &Session, line: &str, reaches: &str) -> Result<Outcome, String> {
    let timed = format!(
        "curl -sS -m 5 http://good.example/alive || exit 99\nbegun=$(date +%s); {line} && exit 98\n\
         [ $(($(date +%s) - begun)) -lt 3 ] || exit 97"
    );
    let told = fenced(session, &timed)?;
    told.holds("GET /alive", told.has(reaches))?;
    if told.ran.code != 0 {
        return Err(told.describe());
    }
    let bare = internet::bare(session, &session.place()?, line)?;
    Ok(bare.proves(bare.has(reaches)))
}

fn steal(session: &Session) -> Result<Outcome, String> {
    let told = fenced(session, STEAL)?;
    if told.ran.out() != "served by 203.0.113.10\n" {
        return Err(told.describe());
    }
    // Where nobody listens yet, it is to be had.
    let bare = internet::bare(session, &session.place()?, STEAL)?;
    Ok(bare.proves(bare.ran.out().contains("took")))
}

fn said(session: &Session) -> Result<Outcome, String> {
    let told = fenced(session, "true")?;
    let text = told.ran.err();
    if !text.contains("network rules are held more narrowly") || !text.contains("nf_tables") {
        return Err(told.ran.describe());
    }
    let place = session.place()?;
    let doctor = session.bare_command(&place, &[session.ringfence.as_os_str(), "doctor".as_ref()]);
    let told = internet::within(session, &place, without_netfilter(session, &doctor))?;
    let found = told.ran.out().lines().any(|line| line.contains("a listener on each port"));
    if found { Ok(Outcome::Passed) } else { Err(told.ran.describe()) }
}
