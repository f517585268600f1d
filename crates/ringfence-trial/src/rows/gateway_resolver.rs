//! Resolvers behind TLS: names are asked of the one that the policy names and of nobody else, whatever becomes of it. A row's
//! control is the same line without a fence, which asks in clear, or with a sound resolver.

use super::gateway_names::ASK;
use super::inspect::{self, NEEDED};
use super::{gateway, gateway_listeners};
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A resolver that is of use.
struct Works {
    name: &'static str,
    resolver: &'static str,
    /// Lines that the servers write, each of which begins so.
    asks: &'static [&'static str],
    /// Whether the resolver's own name is asked for in clear.
    named: bool,
}

/// A resolver that does not answer, and what of it is told.
struct Bad {
    name: &'static str,
    resolver: &'static str,
    says: &'static str,
    /// How often one question comes to it.
    asked: usize,
}

type Judge = fn(&Session) -> Result<Outcome, String>;

const TLS: &str = "tls://203.0.113.53";
const GET: &str = "curl -sS -m 15 http://good.example/";
/// Asks for the address of a name, prints the outcome, and then what the proxy says of it.
const TOLD: &str =
    "good.example; curl -s -m 25 -w ' status %{http_code}' -x http://127.0.0.1:1023 http://good.example/";
const UNTRUSTED: &str = "the resolver's certificate is not trusted, or not for this resolver";
const FAILED: &str = "the resolver failed to answer (SERVFAIL), hung up, or said what is no answer";
const SILENT: &str = "the resolver did not answer in time";
const UNREACHABLE: &str = "the resolver takes no connection, or its own name has no address";

const WORKS: &[Works] = &[
    // Both kinds of addresses fit one stream; questions are as long as many others.
    Works { name: "by TLS", resolver: TLS, asks: &["dot 853 good.example 128"], named: false },
    Works {
        name: "by TLS and its name",
        resolver: "tls://dns.example:853",
        asks: &["dns dns.example", "dot 853 good.example 128"],
        named: true,
    },
    Works {
        name: "by HTTPS",
        resolver: "https://203.0.113.53/dns-query",
        asks: &["doh 2 POST 203.0.113.53 /dns-query good.example [application/dns-message]"],
        named: false,
    },
    Works {
        name: "by HTTPS and its name, in the first version of HTTP",
        resolver: "https://dns.example:4431/dns-query",
        asks: &["doh 1 POST dns.example:4431 /dns-query good.example [application/dns-message]"],
        named: true,
    },
];

const BAD: &[Bad] = &[
    Bad {
        name: "whose certificate nobody vouches for",
        resolver: "tls://203.0.113.53:8531",
        says: UNTRUSTED,
        asked: 0,
    },
    Bad {
        name: "whose certificate is for another",
        resolver: "tls://203.0.113.53:8530",
        says: UNTRUSTED,
        asked: 0,
    },
    Bad {
        name: "whose name its certificate is not for",
        resolver: "https://alias.example/dns-query",
        says: UNTRUSTED,
        asked: 0,
    },
    Bad {
        name: "that speaks no TLS",
        resolver: "tls://203.0.113.10:22",
        says: "the resolver does not speak TLS as it should",
        asked: 0,
    },
    Bad { name: "that is not there", resolver: "tls://203.0.113.53:9", says: UNREACHABLE, asked: 0 },
    Bad { name: "whose name is none", resolver: "tls://absent.example", says: UNREACHABLE, asked: 0 },
    Bad {
        name: "that closes in the middle of an answer",
        resolver: "tls://203.0.113.53:8532",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "that answers to another question's identity",
        resolver: "tls://203.0.113.53:8533",
        says: FAILED,
        asked: 2,
    },
    Bad { name: "that says that more comes", resolver: "tls://203.0.113.53:8534", says: SILENT, asked: 2 },
    Bad {
        name: "that answers for another name",
        resolver: "tls://203.0.113.53:8535",
        says: FAILED,
        asked: 2,
    },
    Bad { name: "that keeps silent", resolver: "tls://203.0.113.53:8536", says: SILENT, asked: 2 },
    Bad { name: "that fails", resolver: "tls://203.0.113.53:8537", says: FAILED, asked: 2 },
    Bad { name: "that sends for ever", resolver: "tls://203.0.113.53:8539", says: FAILED, asked: 2 },
    Bad { name: "by HTTPS that fails", resolver: "https://203.0.113.53/failing", says: FAILED, asked: 2 },
    Bad {
        name: "by HTTPS that sends elsewhere",
        resolver: "https://203.0.113.53/elsewhere",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "by HTTPS that answers with text",
        resolver: "https://203.0.113.53/text",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "by HTTPS whose answer is too long",
        resolver: "https://203.0.113.53/large",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "by HTTPS whose answer is too short",
        resolver: "https://203.0.113.53/short",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "by HTTPS that answers for another name",
        resolver: "https://203.0.113.53/other",
        says: FAILED,
        asked: 2,
    },
    Bad {
        name: "by HTTPS that keeps silent",
        resolver: "https://203.0.113.53/silent",
        says: SILENT,
        asked: 2,
    },
];

pub(super) fn rows() -> Vec<Row> {
    let works = WORKS.iter().map(|this| {
        internet::row(format!("works: through a resolver: {}", this.name), &[], &NEEDED, move |session| {
            judge_works(session, this)
        })
    });
    let bad = BAD.iter().map(|this| {
        internet::row(
            format!("gateway: resolver {} is told and nobody else is asked", this.name),
            &[45],
            &NEEDED,
            move |session| judge_bad(session, this),
        )
    });
    let own: [(&str, Judge); 7] = [
        ("works: through a resolver: without netfilter", without_netfilter),
        ("gateway: resolver: names that no rule names are not asked for", unasked),
        ("gateway: resolver: answers that nobody asked for are no other name's", unasked_for),
        ("gateway: resolver: what a name may not lead to is left out", special),
        ("gateway: resolver: nothing inside reaches it", unreached),
        ("gateway: resolver: killed_inspector_leaves_no_names", killed),
        ("gateway: resolver: it is not asked round a parent proxy", round_a_proxy),
    ];
    let own = own.into_iter().map(|(name, judge)| internet::row(name, &[45], &NEEDED, judge));
    works.chain(bad).chain(own).collect()
}

/// A line with this resolver; without one, unfenced.
fn run(session: &Session, resolver: Option<&str>, line: &str) -> Result<Told, String> {
    let policy = resolver.map(policy);
    inspect::run(session, policy.as_deref(), &[], line)
}

fn policy(resolver: &str) -> String {
    format!(
        "version = 1\n[network]\nmode = \"rules\"\nallow = [\"good.example\", \"web.example\", \"private.example\"]\n\
         resolver = \"{resolver}\"\n"
    )
}

/// Questions in clear, but for where a resolver itself is.
fn in_clear(told: &Told) -> bool {
    let own = ["dns dns.example", "dns alias.example", "dns absent.example"];
    told.log.lines().any(|line| line.starts_with("dns ") && !own.contains(&line))
}

fn judge_works(session: &Session, this: &Works) -> Result<Outcome, String> {
    let line = format!("{GET} && curl -sS -m 15 http://web.example/ && getent ahostsv4 good.example");
    let bare = run(session, None, &line)?;
    if bare.ran.code != 0 || !bare.has("dns good.example") {
        return Ok(bare.proves(false));
    }
    let fenced = run(session, Some(this.resolver), &line)?;
    let own = fenced.has("dns dns.example");
    let good = fenced.ran.code == 0
        && fenced.ran.stdout == bare.ran.stdout
        && this.asks.iter().all(|line| fenced.has(line))
        && !in_clear(&fenced)
        && own == this.named;
    fenced.judge(good)
}

fn judge_bad(session: &Session, this: &Bad) -> Result<Outcome, String> {
    let line = format!("{ASK}{TOLD}");
    let told = run(session, Some(this.resolver), &line)?;
    let (out, summary) = (told.ran.out(), String::from_utf8_lossy(&told.ran.stderr).into_owned());
    let questions = told.log.lines().filter(|line| {
        (line.starts_with("dot ") || line.starts_with("doh ")) && line.contains(" good.example ")
    });
    // It is asked for by datagram, and again for the proxy, where it is asked for in two kinds.
    let questions = questions.count();
    let status = if this.says == SILENT { "status 504" } else { "status 502" };
    let good = out.contains("rcode 2")
        && out.contains(status)
        && out.contains(this.says)
        && summary.contains("did not reach good.example")
        && summary.contains(this.says)
        && questions >= this.asked
        && questions <= 3 * this.asked
        && !in_clear(&told)
        && !told.has("tcp 203.0.113.10 80")
        && !told.has("tcp 203.0.113.11");
    if !good {
        return Err(format!("{questions} questions: {}", told.describe()));
    }
    let sound = run(session, Some(TLS), &line)?;
    Ok(sound.proves(sound.ran.out().contains("rcode 0") && sound.has("dot 853 good.example")))
}

fn unasked(session: &Session) -> Result<Outcome, String> {
    let line =
        format!("{GET} || exit 99\ngetent ahosts nonce.evil.example; getent ahosts evil.example; true");
    let fenced = run(session, Some(TLS), &line)?;
    let reached = fenced.log.contains("evil.example");
    fenced.holds("dot 853 good.example", reached)?;
    let bare = run(session, None, &line)?;
    Ok(bare.proves(bare.has("dns nonce.evil.example")))
}

/// The resolver sends answers for questions that may come next, with other addresses.
fn unasked_for(session: &Session) -> Result<Outcome, String> {
    let line = format!("{GET}first; curl -sS -m 15 http://web.example/second");
    let told = run(session, Some("tls://203.0.113.53:8538"), &line)?;
    let good = told.ran.code == 0
        && told.log.contains("GET /first")
        && told.log.contains("GET /second")
        && !told.has("tcp 203.0.113.11")
        && !in_clear(&told);
    told.judge(good)
}

fn special(session: &Session) -> Result<Outcome, String> {
    let line = format!("{GET} || exit 99\ncurl -s -m 15 http://private.example/; true");
    let fenced = run(session, Some(TLS), &line)?;
    fenced.holds("dot 853 private.example", fenced.has("tcp 10.9.9.9 80"))?;
    let bare = run(session, None, &line)?;
    Ok(bare.proves(bare.has("tcp 10.9.9.9 80")))
}

/// What is said to it without TLS it writes down.
fn unreached(session: &Session) -> Result<Outcome, String> {
    let say = "python3 -c 'import socket; s=socket.create_connection((\"203.0.113.53\",853),5); s.sendall(b\"GET / HTTP/1.0\\r\\n\\r\\n\"); print(s.recv(99))'";
    let proxy = "curl -s -m 5 -p -x http://127.0.0.1:1023 http://203.0.113.53:853/";
    let line = format!("{GET} || exit 99\n{say}; {proxy}; true");
    let fenced = run(session, Some(TLS), &line)?;
    fenced.holds("dot 853 good.example", fenced.has("no-tls "))?;
    let bare = run(session, None, &format!("{say}; sleep 0.2"))?;
    Ok(bare.proves(bare.has("no-tls ")))
}

/// The inspector is the supervisor's first child, and speaks TLS to the resolver.
fn killed(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    std::fs::write(place.outside.join("policy.toml"), policy(TLS)).map_err(|error| error.to_string())?;
    let flags = ["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()];
    let mut command = session.fence(&place, &flags);
    let inside = format!(
        "{}{GET}before; touch ready; until [ -e killed ]; do sleep 0.02; done; \
         curl -sS -m 15 http://web.example/after && exit 1; {GET}known || exit 2; echo went on",
        gateway::UNSET
    );
    command.args(["sh", "-c", &inside]);
    let line = format!(
        "{} & run=$!; until [ -e ready ]; do sleep 0.02; done\n\
         set -- $(cat /proc/$run/task/$run/children); kill -9 $1; sleep 0.1; touch killed; wait $run",
        program::words(&command)
    );
    let told = internet::with_secure(session, &place, (None, &[]), &line)?;
    let text = told.ran.text();
    let good = told.ran.code == 0
        && text.contains("went on")
        && text.contains("did not reach web.example")
        && told.log.contains("GET /before")
        && told.log.contains("GET /known")
        && !told.log.contains("GET /after")
        && !in_clear(&told);
    told.judge(good)
}

fn without_netfilter(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    std::fs::write(place.outside.join("policy.toml"), policy(TLS)).map_err(|error| error.to_string())?;
    let mut command = session.fence(&place, &["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()]);
    command.args(["sh", "-c", &format!("{}{GET}", gateway::UNSET)]);
    let line = program::words(&gateway_listeners::without_netfilter(session, &command));
    let told = internet::with_secure(session, &place, (None, &[]), &line)?;
    let good = told.ran.code == 0
        && told.has("dot 853 good.example")
        && told.has("tcp 203.0.113.10 80")
        && !in_clear(&told);
    told.judge(good)
}

fn round_a_proxy(session: &Session) -> Result<Outcome, String> {
    let with = |more: &str| {
        let policy = format!("{}proxy = \"http://127.0.0.1:3128\"\n{more}\n", policy(TLS));
        let line = format!("{GET}; curl -sS -m 15 http://web.example/round");
        inspect::run(session, Some(&policy), &[("WITH_PARENT", "1")], &line)
    };
    let refused = with("")?;
    let why = String::from_utf8_lossy(&refused.ran.stderr).into_owned();
    let held = refused.ran.code != 0
        && why.contains("network.resolver")
        && why.contains("no_proxy")
        && refused.log.is_empty();
    if !held {
        return Err(refused.describe());
    }
    // What goes round the proxy is looked up by the resolver, and the rest by the proxy.
    let told = with("no_proxy = [\"203.0.113.53\", \"web.example\"]")?;
    let good = told.ran.code == 0
        && told.has("parent 3128 good.example:80")
        && told.has("dot 853 web.example")
        && told.log.contains("GET /round")
        && !told.has("dot 853 good.example")
        && !in_clear(&told);
    told.judge(good)
}
