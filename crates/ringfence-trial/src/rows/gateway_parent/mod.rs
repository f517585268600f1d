//! Parent proxies: what the rules allow goes through them by name and nothing else does, and nobody inside reaches or knows
//! them. A row's control is the same line where it gets out, or without the part of the policy that holds it.

mod cases;

use self::cases::{BAD, Bad, ESCAPES, THROUGH, Through};
use super::gateway::{UNSET, flags};
use super::gateway_budget::SEND;
use super::inspect::{self, NEEDED};
use crate::internet::line::{self, Escape, Judge};
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

const OPEN: &str = "proxy = \"http://127.0.0.1:3128\"";
const SECRET: &str = "user:pass word";
/// Asks the sandbox's proxy for a tunnel and prints the answer, which curl would not.
const ASK: &str = "python3 -c 'import socket; s=socket.create_connection((\"127.0.0.1\",1023),5)\n\
                   s.sendall(b\"CONNECT good.example:8080 HTTP/1.1\\r\\nHost: good.example:8080\\r\\n\\r\\n\"); print(s.makefile(\"rb\").read(400))'";
const GET: &str = "curl -sS -m 5 http://good.example/";

pub(super) fn rows() -> Vec<Row> {
    let through = THROUGH.iter().map(|this| {
        internet::row(format!("works: through a parent proxy: {}", this.name), &[], &[], move |session| {
            judge_through(session, this)
        })
    });
    let escapes = line::escapes("gateway: parent proxy", ESCAPES, &[], judge_escape);
    let bad = BAD.iter().map(|this| {
        internet::row(
            format!("gateway: parent proxy {} is told and nothing goes round it", this.name),
            &[],
            &[],
            move |session| judge_bad(session, this),
        )
    });
    let own: [(&str, &[&str], Judge); 11] = [
        ("works: through a parent proxy: by TLS", &NEEDED, by_tls),
        ("gateway: parent proxy: by TLS with a certificate that nobody trusts", &NEEDED, untrusted),
        ("gateway: parent proxy: in_a_block_that_a_rule_names", &NEEDED, in_a_block),
        ("gateway: parent proxy: rules over requests hold through one by TLS", &NEEDED, inspected_by_tls),
        ("gateway: parent proxy: rules over requests hold through it", &[], inspected),
        ("gateway: parent proxy: bytes_beyond_a_budget_do_not_go_through_it", &[], over_budget),
        ("gateway: parent proxy that keeps silent is given up and told", &[], silent),
        ("works: through a parent proxy: a name that only it resolves", &[], only_it_resolves),
        ("gateway: parent proxy: exceptions go round it and nothing else does", &[], exceptions),
        ("gateway: parent proxy: killed_and_nothing_goes_round_it", &[], killed),
        ("gateway: parent proxy: its credential is nowhere inside and in no report", &[], unseen),
    ];
    let own = own.into_iter().map(|(name, tools, judge)| internet::row(name, &[], tools, judge));
    through.chain(escapes).chain(bad).chain(own).collect()
}

/// A line under this policy; without one, unfenced.
fn run(
    session: &Session,
    policy: Option<&str>,
    variables: &[(&str, &str)],
    line: &str,
) -> Result<Told, String> {
    let place = session.place()?;
    let Some(policy) = policy else {
        return internet::with_parent(session, &place, (None, variables), line);
    };
    let mut flags = flags();
    flags.extend(line::allowing(&["inner.example", "203.0.113.11:80", "good.example:8080"]));
    flags.extend(line::policy(&place, &format!("version = 1\n[network]\n{policy}\n"))?);
    internet::with_parent(session, &place, (Some(&flags), variables), &format!("{UNSET}{line}"))
}

fn judge_through(session: &Session, this: &Through) -> Result<Outcome, String> {
    let bare = run(session, None, this.variables, &format!("{UNSET}{}", this.line))?;
    if bare.ran.code != 0 || bare.has("parent ") {
        return Ok(bare.proves(false));
    }
    let fenced = run(session, Some(this.policy), this.variables, this.line)?;
    let good = fenced.ran.code == 0
        && fenced.ran.stdout == bare.ran.stdout
        && fenced.has(this.asks)
        && !fenced.has("dns ")
        && fenced.log.matches("to-parent").count()
            == fenced.log.lines().filter(|line| line.starts_with("tcp ")).count();
    fenced.judge(good)
}

fn judge_escape(session: &Session, this: &Escape) -> Result<Outcome, String> {
    let fill = |proxy: &str| this.line.replace("$PROXY", proxy);
    let line = format!("{GET}alive || exit 99\n{}", fill("-x http://127.0.0.1:1023"));
    let fenced = run(session, Some(OPEN), &[], &line)?;
    let asked = |line: &&str| line.starts_with("parent ") && !line.ends_with(" good.example:80");
    let reached = fenced.has(this.reaches) || fenced.log.lines().any(|line| asked(&line));
    fenced.holds("GET /alive", reached)?;
    let bare = run(session, None, &[], &fill(""))?;
    Ok(bare.proves(bare.has(this.reaches)))
}

fn judge_bad(session: &Session, this: &Bad) -> Result<Outcome, String> {
    let line = format!("{ASK}; curl -s -m 5 http://good.example:8080/; true");
    let told = run(session, Some(this.policy), &[], &line)?;
    // Over HTTP the client reads it, and the summary has it.
    let summary = told.ran.err();
    let good = told.ran.out().contains(this.says)
        && summary.contains("did not reach good.example:8080")
        && summary.contains(this.says)
        && !told.has("tcp ");
    if !good {
        return Err(told.describe());
    }
    let sound = run(session, Some(OPEN), &[], &line)?;
    Ok(sound.proves(sound.has("tcp 203.0.113.10 8080")))
}

fn over_budget(session: &Session) -> Result<Outcome, String> {
    let arrived = |told: &Told| {
        let data = told.log.lines().filter(|line| line.starts_with("data 203.0.113.10 8080"));
        data.map(|line| line.replace("\\x00", "").matches('x').count()).sum::<usize>()
    };
    let with = run(session, Some(&format!("{OPEN}\n[[network.budget]]\nsent = 1031")), &[], SEND)?;
    let without = run(session, Some(OPEN), &[], SEND)?;
    match (arrived(&with), with.has("parent 3128 good.example:8080"), arrived(&without)) {
        (1030, true, 5000) => Ok(Outcome::Passed),
        (1030, true, other) => {
            Ok(Outcome::NotProved(format!("{other} without it: {}", without.ran.describe())))
        }
        other => Err(format!("{other:?}: {}\n{}", with.ran.describe(), with.log)),
    }
}

fn inspected(session: &Session) -> Result<Outcome, String> {
    let rule = format!("{OPEN}\n[[network.http]]\nhost = \"good.example:80\"\nmethods = [\"GET\"]");
    let line = format!("{GET}first; curl -s -m 5 -d secret http://good.example/second; true");
    let with = run(session, Some(&rule), &[], &line)?;
    let good = with.log.contains("GET /first")
        && with.ran.out().contains("served by 203.0.113.10")
        && with.has("parent 3128 good.example:80")
        && !with.log.contains("/second");
    if !good {
        return Err(with.describe());
    }
    let without = run(session, Some(OPEN), &[], &line)?;
    Ok(without.proves(without.log.contains("POST /second")))
}

/// As [`run`], with a proxy behind TLS at `other.example:3443`, whose certificate the caller trusts.
fn run_by_tls(session: &Session, policy: Option<&str>, line: &str) -> Result<Told, String> {
    let policy = policy.map(|policy| format!("version = 1\n[network]\n{policy}\n"));
    inspect::run(session, policy.as_deref(), &[("WITH_PARENT", "1")], line)
}

const BY_TLS: &str = "mode = \"rules\"\nallow = [\"good.example:8080\", \"good.example:80\"]\n\
                      proxy = \"https://other.example:3443\"";
/// Twice, since a proxy is asked otherwise for what is plain.
const BOTH: &str = "curl -sS -m 5 http://good.example:8080/ && curl -sS -m 5 http://good.example/";

fn by_tls(session: &Session) -> Result<Outcome, String> {
    let bare = run_by_tls(session, None, BOTH)?;
    if bare.ran.code != 0 || bare.has("front ") {
        return Ok(bare.proves(false));
    }
    let fenced = run_by_tls(session, Some(BY_TLS), BOTH)?;
    let good = fenced.ran.code == 0
        && fenced.ran.stdout == bare.ran.stdout
        && ["parent 3128 good.example:8080", "parent 3128 good.example:80"]
            .iter()
            .all(|line| fenced.has(line))
        && fenced.has("front other.example");
    fenced.judge(good)
}

/// The control is the same proxy by the name that its certificate is for.
fn untrusted(session: &Session) -> Result<Outcome, String> {
    let told = run_by_tls(session, Some(&BY_TLS.replace("other.", "broken.")), BOTH)?;
    let summary = told.ran.err();
    let held = summary.contains("its certificate is not trusted")
        && told.has("front broken.example")
        && !told.has("parent ")
        && !told.has("tcp 203.0.113.10");
    if !held {
        return Err(told.describe());
    }
    let control = run_by_tls(session, Some(BY_TLS), BOTH)?;
    Ok(control.proves(control.has("parent ")))
}

/// A rule for a block is none for the proxy that lies in it, which would go anywhere; the control names no proxy.
fn in_a_block(session: &Session) -> Result<Outcome, String> {
    let policy = BY_TLS.replace("\"good.example:8080\"", "\"good.example:8080\", \"203.0.113.0/24:3443\"");
    let line = "curl -sS -m 5 http://good.example/alive; for to in 203.0.113.13 other.example; do \
                curl -s -m 5 --proxy-insecure -x https://$to:3443 -p http://evil.example/; done; true";
    let with = run_by_tls(session, Some(&policy), line)?;
    let asked = |line: &&str| line.starts_with("parent ") && !line.ends_with(" good.example:80");
    let reached = with.log.lines().any(|line| asked(&line));
    with.holds("parent 3128 good.example:80", reached)?;
    let without = run_by_tls(session, Some(&policy.replace("proxy = ", "#")), line)?;
    Ok(without.proves(without.has("parent 3128 evil.example:80")))
}

fn inspected_by_tls(session: &Session) -> Result<Outcome, String> {
    let rule = "\n[[network.http]]\nhost = \"api.example\"\nmethods = [\"GET\"]";
    let line =
        "curl -sS -m 5 https://api.example/first; curl -s -m 5 -d secret https://api.example/second; true";
    let with = run_by_tls(session, Some(&format!("{BY_TLS}{rule}")), line)?;
    let good = with.log.contains("GET api.example /first")
        && with.has("parent 3128 api.example:443")
        && !with.log.contains("/second");
    if !good {
        return Err(with.describe());
    }
    let bare = run_by_tls(session, None, &line.replace("curl", "curl -k"))?;
    Ok(bare.proves(bare.log.contains("POST api.example /second")))
}

fn silent(session: &Session) -> Result<Outcome, String> {
    let line = ASK.replace("1023),5)", "1023),50)");
    let told = run(session, Some("proxy = \"http://127.0.0.1:3134\""), &[], &line)?;
    let summary = told.ran.err();
    let good = told.ran.out().contains("504 Gateway Timeout")
        && summary.contains("did not reach good.example:8080 (the parent proxy did not answer in time)")
        && !told.has("tcp ");
    told.judge(good)
}

fn only_it_resolves(session: &Session) -> Result<Outcome, String> {
    let line = "curl -sS -m 5 http://inner.example/";
    // Without the proxy nobody knows the name, whatever the rules allow.
    let without = run(session, Some(""), &[], line)?;
    let with = run(session, Some(OPEN), &[], line)?;
    match (without.ran.code, with.ran.code, with.has("parent 3128 inner.example:80")) {
        (0, ..) => Ok(Outcome::NotProved(format!("it is known without: {}", without.ran.describe()))),
        (_, 0, true) if with.ran.out().contains("served by 203.0.113.10") => Ok(Outcome::Passed),
        _ => Err(with.describe()),
    }
}

fn exceptions(session: &Session) -> Result<Outcome, String> {
    let policy = format!("{OPEN}\nno_proxy = [\"web.example\", \"203.0.113.11/32\"]");
    let line = format!(
        "{GET}; curl -sS -m 5 http://web.example/round; curl -sS -m 5 http://203.0.113.11/; \
                        curl -s -m 5 http://evil.example/; true"
    );
    let told = run(session, Some(&policy), &[], &line)?;
    let through: Vec<&str> = told.log.lines().filter(|line| line.starts_with("parent ")).collect();
    let good = through == ["parent 3128 good.example:80"]
        && told.has("dns web.example")
        && told.log.contains("GET /round")
        && told.has("tcp 203.0.113.11 80")
        && !told.has("dns good.example")
        && !told.has("dns evil.example");
    if !good {
        return Err(told.describe());
    }
    let all = run(session, Some(OPEN), &[], &line)?;
    match all.has("parent 3128 web.example:80") && all.has("parent 3128 203.0.113.11:80") {
        true => Ok(Outcome::Passed),
        false => Ok(Outcome::NotProved(format!("they go round it anyway: {}", all.log))),
    }
}

/// The proxies are killed from outside while the run goes on.
fn killed(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut flags = flags();
    flags.extend(line::policy(&place, &format!("version = 1\n[network]\n{OPEN}\n"))?);
    let mut command = session.fence(&place, &flags);
    let inside = format!(
        "{UNSET}{GET}before; touch ready; until [ -e killed ]; do sleep 0.02; done; {GET}after && exit 1; echo went on"
    );
    command.args(["sh", "-c", &inside]);
    let line = format!(
        "{} & run=$!; until [ -e ready ]; do sleep 0.02; done; kill -9 $PARENT; touch killed; wait $run",
        program::words(&command)
    );
    let told = internet::with_parent(session, &place, (None, &[]), &line)?;
    let text = told.ran.text();
    let good = told.ran.code == 0
        && text.contains("went on")
        && text.contains("did not reach good.example:80 (the parent proxy takes no connection)")
        && told.log.contains("GET /before")
        && !told.log.contains("GET /after");
    told.judge(good)
}

fn unseen(session: &Session) -> Result<Outcome, String> {
    let look = "env; sed 's/^/plan: /' \"$RINGFENCE_PLAN\"; echo; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'";
    let shown = "curl -s -m 5 http://good.example/shown; curl -s -m 5 -X TRACE http://good.example/traced";
    let line = format!("{GET}; curl -s -m 5 http://evil.example/; {shown}; {look}");
    let variables = [("CORP_LOGIN", SECRET), ("HTTPS_PROXY", "http://user:pass%20word@127.0.0.1:3129")];
    let shows = |told: &Told| {
        let text = told.ran.text();
        text.contains("pass word") || text.contains("pass%20word") || text.contains("dXNlcjpwYXNzIHdvcmQ=")
    };
    for policy in [
        "proxy = \"http://127.0.0.1:3129\"\nproxy_credential = { env = \"CORP_LOGIN\" }\n[environment]\npass = [\"CORP_LOGIN\"]",
        "proxy = \"environment\"\n[environment]\npass = [\"HTTPS_PROXY\"]",
    ] {
        let told = run(session, Some(policy), &variables, &line)?;
        // Nor where the proxy is.
        let text = told.ran.text();
        let mut plan = text.lines().filter(|line| line.starts_with("plan: ")).peekable();
        if plan.peek().is_none() || plan.any(|line| line.contains("127.0.0.1:3129")) {
            return Err(told.ran.describe());
        }
        if shows(&told) || !told.has("parent 3129 good.example:80") {
            return Err(told.describe());
        }
    }
    let bare = run(session, None, &variables, look)?;
    Ok(if shows(&bare) { Outcome::Passed } else { Outcome::NotProved(bare.ran.describe()) })
}
