//! The inspector: of a host that HTTP rules speak of, only what they let through is asked, whatever the client and however
//! it is written; a host beside it is left alone. Each control is the same line without a fence, where it gets there.
//!
//! Not credentials, which have rows of their own.

mod cases;
mod java;

use std::fs;

use self::cases::{ESCAPES, POLICY, WORKS};
use super::gateway::UNSET;
use crate::internet::line::{self, Escape, Judge, Works};
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

pub(super) const NEEDED: [&str; 2] = ["node", "openssl"];

/// Speaks TLS by hand: what is said is what the servers get.
const RAW: &str = "raw() { python3 - \"$@\" <<'E'\nimport socket,ssl,sys\nc=ssl.create_default_context()\n\
                   s=c.wrap_socket(socket.create_connection((\"api.example\",443),5),server_hostname=\"api.example\")\n\
                   s.settimeout(3)\nfor part in sys.argv[1:]:\n s.sendall(part.encode().decode(\"unicode_escape\").encode(\"latin-1\"))\n\
                   \x20try: s.recv(9999)\n except OSError: pass\nE\n}\n";

pub(super) fn rows() -> Vec<Row> {
    let escapes = line::escapes("inspect", ESCAPES, &NEEDED, judge_escape);
    let works = line::works("through the inspector", WORKS, &NEEDED, judge_works);
    let own: [(&str, Judge); 5] = [
        ("inspect: refused says which rule and what would allow it", told_why),
        ("inspect: a server that nobody vouches for is not asked", unvouched),
        ("inspect: its certificate is trusted where it is meant and for no other host", issued),
        ("inspect: what its owner denies while it runs is broken off", denied_meanwhile),
        ("inspect: killed_and_its_hosts_are_gone_and_others_are_not", killed),
    ];
    let own = own.into_iter().map(|(name, judge)| internet::row(name, &[], &NEEDED, judge));
    escapes.chain(works).chain(own).chain(java::rows()).collect()
}

/// A line under a policy; without one, unfenced.
pub(super) fn run(
    session: &Session,
    policy: Option<&str>,
    variables: &[(&str, &str)],
    line: &str,
) -> Result<Told, String> {
    let place = session.place()?;
    let flags = policy.map(|policy| line::policy(&place, policy)).transpose()?;
    let flags = flags.as_ref().map(|flags| &flags[..]);
    internet::with_secure(session, &place, (flags, variables), &format!("{UNSET}{RAW}{line}"))
}

fn judge_escape(session: &Session, escape: &Escape) -> Result<Outcome, String> {
    let fill = |proxy: &str| escape.line.replace("$PROXY", proxy);
    // In front of it, something that is allowed: a network that is simply dead would hold everything.
    let inside = fill("-x http://127.0.0.1:1023");
    let line = format!("curl -sS -m 5 https://api.example/ok/alive || exit 99\n{inside}");
    let fenced = run(session, Some(POLICY), &[], &line)?;
    fenced.holds("/ok/alive", fenced.has(escape.reaches))?;
    let bare = run(session, None, &[], &fill(""))?;
    Ok(bare.proves(bare.has(escape.reaches)))
}

fn judge_works(session: &Session, work: &Works) -> Result<Outcome, String> {
    let bare = run(session, None, &[], work.line)?;
    if bare.ran.code != 0 {
        return Ok(bare.proves(false));
    }
    let fenced = run(session, Some(POLICY), &[], work.line)?;
    fenced.does_as(&bare)
}

fn told_why(session: &Session) -> Result<Outcome, String> {
    let line = "for v in --http1.1 --http2; do curl -s -m 5 $v -w '%{http_code}\\n' -X PUT 'https://api.example/ok/x?secret=1'; done";
    let told = run(session, Some(POLICY), &[], line)?;
    let (text, summary) = (told.ran.out(), told.ran.err());
    let says = ["ringfence refused PUT api.example:443/ok/x", "policy.toml:6", "methods = [\"PUT\"]", "403"];
    let good = says.iter().all(|word| text.matches(word).count() >= 2)
        && summary.contains("refused 2 requests: PUT api.example:443/ok/x")
        && !summary.contains("secret=1");
    told.judge(good)
}

fn unvouched(session: &Session) -> Result<Outcome, String> {
    let line = "for v in --http1.1 --http2; do curl -s -m 5 -k $v -w '%{http_code}\\n' https://broken.example/; done";
    let told = run(session, Some(POLICY), &[], line)?;
    let bare = run(session, None, &[], line)?;
    let text = told.ran.out();
    let reached = |told: &Told| told.log.contains(" broken.example /");
    if !reached(&bare) {
        return Ok(bare.proves(false));
    }
    let good = text.matches("502").count() == 2 && text.contains("its certificate") && !reached(&told);
    told.judge(good)
}

/// By the file that is shown at the usual place too, without a variable.
fn issued(session: &Session) -> Result<Outcome, String> {
    let line = "unset SSL_CERT_FILE CURL_CA_BUNDLE; for h in api.example/ok/1 shared.example/; do curl -vsS -m 5 https://$h 2>&1 | grep -o 'issuer.*'; done";
    let told = run(session, Some(POLICY), &[], line)?;
    let text = told.ran.out();
    let good = text.contains("issuer: CN=ringfence, this run alone\nissuer: CN=roots");
    let usual = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists();
    match (good, usual) {
        (true, _) => Ok(Outcome::Passed),
        (false, false) => Ok(Outcome::Skipped("this host has no file of roots at the usual place".into())),
        (false, true) => Err(told.describe()),
    }
}

/// A connection that is kept, and asked again and again.
const KEPT: &str = r#"
import os, socket, ssl, time
if os.path.exists("neighbour"): socket.getaddrinfo("shared.example", 443)
c = ssl._create_unverified_context()
s = c.wrap_socket(socket.create_connection(("api.example", 443), 5), server_hostname="api.example")
s.settimeout(5)
for n in range(100):
    try:
        s.sendall(b"GET /ok/%d HTTP/1.1\r\nHost: api.example\r\n\r\n" % n)
        if not s.recv(999): break
    except OSError: break
    if n == 3: open("connected", "w")
    time.sleep(0.1)
else: print("never broken off")
"#;

/// The same hosts, into which nobody looks.
const LEFT_ALONE: &str = "version = 1\n[network]\nmode = \"rules\"\nallow = [\"api.example\", \"shared.example\", \"other.example\"]\n";

fn denied_meanwhile(session: &Session) -> Result<Outcome, String> {
    for policy in [POLICY, LEFT_ALONE] {
        broken_off(session, policy)?;
    }
    Ok(Outcome::Passed)
}

fn broken_off(session: &Session, policy: &str) -> Result<(), String> {
    let place = session.place()?;
    let fail = |error: std::io::Error| format!("preparing the run: {error}");
    fs::write(place.work.join("kept.py"), KEPT).map_err(fail)?;
    let mut command = session.fence(&place, &line::policy(&place, policy)?);
    command.args(["sh", "-c", &format!("{UNSET}python3 kept.py; echo went on")]);
    let line = format!(
        "{} & run=$!; for _ in $(seq 500); do [ -e connected ] && break; sleep 0.02; done; sleep 0.5\n\
         '{}' network deny $DENIED || echo not denied; wait $run",
        program::words(&command),
        session.ringfence.display()
    );
    let deny = |host| internet::with_secure(session, &place, (None, &[("DENIED", host)]), &line);
    let again = || fs::remove_file(place.work.join("connected")).map_err(fail);
    let broken = |told: &Told| {
        let text = told.ran.text();
        text.contains("went on")
            && !text.contains("never")
            && !text.contains("not denied")
            && told.log.contains("/ok/3")
    };
    let told = deny("api.example")?;
    if !broken(&told) {
        return Err(told.describe());
    }
    again()?;
    // Also where a neighbour's name leads to the same address, and is still allowed.
    fs::write(place.work.join("neighbour"), "").map_err(fail)?;
    let told = deny("api.example")?;
    if !broken(&told) {
        return Err(format!("beside a neighbour that is allowed: {}", told.describe()));
    }
    again()?;
    let other = deny("other.example")?;
    match other.ran.text().contains("never broken off") {
        true => Ok(()),
        false => Err(format!("what nobody denied was broken off: {}", other.describe())),
    }
}

/// The inspector is the supervisor's first child.
fn killed(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &line::policy(&place, POLICY)?);
    let inside = format!(
        "{UNSET}curl -sS -m 5 https://api.example/ok/before; touch ready; until [ -e killed ]; do sleep 0.02; done; \
         curl -sS -m 5 https://api.example/ok/after && exit 1; curl -sS -m 5 https://other.example/still || exit 2; echo went on"
    );
    command.args(["sh", "-c", &inside]);
    let words = program::words(&command);
    let line = format!(
        "{} & run=$!; until [ -e ready ]; do sleep 0.02; done\n\
         set -- $(cat /proc/$run/task/$run/children); kill -9 $1; sleep 0.1; touch killed; wait $run",
        words
    );
    let told = internet::with_secure(session, &place, (None, &[]), &line)?;
    let text = told.ran.text();
    let good = told.ran.code == 0
        && text.contains("went on")
        && text.contains("the inspector ended")
        && told.log.contains("/ok/before")
        && told.log.contains("/still")
        && !told.log.contains("/ok/after");
    told.judge(good)
}
