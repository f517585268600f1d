//! The inspector: of a host that HTTP rules speak of, only what they let through is asked, whatever the client and however
//! it is written; a host beside it is left alone. Each control is the same line without a fence, where it gets there.
//!
//! Not credentials, which have rows of their own.

use std::fs;

use super::gateway::UNSET;
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A request that must not be made.
struct Escape {
    name: &'static str,
    threats: &'static [u8],
    line: &'static str,
    /// What the servers write when it is.
    reaches: &'static str,
}

/// A line that must work as it does without a fence.
struct Works {
    name: &'static str,
    tool: &'static str,
    line: &'static str,
}

/// A row of its own.
type Judge = fn(&Session) -> Result<Outcome, String>;

pub(super) const NEEDED: [&str; 2] = ["node", "openssl"];

const POLICY: &str = r#"version = 1
[network]
mode = "rules"
allow = ["api.example", "shared.example", "other.example"]
[[network.http]]
host = "api.example"
methods = ["GET"]
paths = ["/ok/**"]
max_header = "4KiB"
[[network.http]]
host = "api.example"
methods = ["POST"]
paths = ["/up", "/stream"]
max_body = "1MiB"
[[network.http]]
host = "api.example"
methods = ["GET", "POST"]
paths = ["/git/**", "/ws"]
[[network.http]]
host = "broken.example"
"#;

/// Speaks TLS by hand: what is said is what the servers get.
const RAW: &str = "raw() { python3 - \"$@\" <<'E'\nimport socket,ssl,sys\nc=ssl.create_default_context()\n\
                   s=c.wrap_socket(socket.create_connection((\"api.example\",443),5),server_hostname=\"api.example\")\n\
                   s.settimeout(3)\nfor part in sys.argv[1:]:\n s.sendall(part.encode().decode(\"unicode_escape\").encode(\"latin-1\"))\n\
                   \x20try: s.recv(9999)\n except OSError: pass\nE\n}\n";

const ESCAPES: &[Escape] = &[
    Escape {
        name: "method over http/2",
        threats: &[49, 50],
        line: "curl -s -m 5 -X DELETE https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "method over http/1",
        threats: &[49, 50],
        line: "curl -s -m 5 --http1.1 -X DELETE https://api.example/ok/x",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "path over http/2",
        threats: &[49, 50],
        line: "curl -s -m 5 https://api.example/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path over http/1",
        threats: &[49, 50],
        line: "curl -s -m 5 --http1.1 https://api.example/no",
        reaches: "request tls/1 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path without encryption",
        threats: &[49, 50],
        line: "curl -s -m 5 http://api.example/no",
        reaches: "request plain/1 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path with dots",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/../no",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/../no",
    },
    Escape {
        name: "path with encoded dots",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/%2e%2E/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/%2e%2E/no",
    },
    Escape {
        name: "path with an encoded slash",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/..%2fno",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/..%2fno",
    },
    Escape {
        name: "path with a backslash",
        threats: &[49],
        line: "raw 'GET /ok/..\\\\no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 GET api.example /ok/..\\no",
    },
    Escape {
        name: "another host in the request",
        threats: &[44],
        line: "curl -s -m 5 -H 'Host: shared.example' https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET shared.example /ok/x",
    },
    Escape {
        name: "another host in absolute form",
        threats: &[44, 49],
        line: "raw 'GET https://shared.example/ok/x HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 GET api.example https://shared.example/ok/x",
    },
    Escape {
        name: "second request of a connection",
        threats: &[47, 49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n' 'DELETE /ok/2 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/2",
    },
    Escape {
        name: "pipelined request",
        threats: &[47, 49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\nDELETE /ok/2 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/2",
    },
    Escape {
        name: "request behind a body with bare line feeds",
        threats: &[49],
        line: "raw 'GET /ok/1 HTTP/1.1\\nHost: api.example\\n\\n' || true; \
               raw 'POST /up HTTP/1.1\\r\\nHost: api.example\\r\\nContent-Length: 0\\r\\n\\r\\nDELETE /no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /no",
    },
    Escape {
        name: "requests behind a refused change of the protocol",
        threats: &[49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n' \
               'DELETE /no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'; \
               curl -s -m 5 -X DELETE --http1.1 https://api.example/no",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /no",
    },
    Escape {
        name: "body that is larger than it may be",
        threats: &[50],
        line: "head -c 1048577 /dev/zero | curl -s -m 5 --data-binary @- https://api.example/up",
        reaches: "request tls/2 203.0.113.12 POST api.example /up 1048577",
    },
    Escape {
        name: "body of a length that nobody said",
        threats: &[50],
        line: "head -c 1048577 /dev/zero | curl -s -m 5 --http1.1 -H Transfer-Encoding:chunked -T - -X POST https://api.example/up",
        reaches: "request tls/1 203.0.113.12 POST api.example /up 1048577",
    },
    Escape {
        name: "head that is larger than it may be",
        threats: &[50],
        line: "curl -s -m 5 -H \"X: $(head -c 5000 /dev/zero | tr '\\0' x)\" https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x",
    },
    Escape {
        name: "client that names no server",
        threats: &[44],
        line: "getent hosts api.example >/dev/null; curl -s -m 5 -k -H 'Host: api.example' https://203.0.113.12/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "client that names a neighbour to no one",
        threats: &[44],
        line: "getent hosts api.example >/dev/null; curl -s -m 5 -k --connect-to shared.example:443:203.0.113.12:443 -H 'Host: api.example' https://nobody.example/no; \
               curl -s -m 5 -k --resolve nobody.example:443:203.0.113.12 -H 'Host: api.example' https://nobody.example/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "method through the proxy",
        threats: &[43, 49],
        line: "curl -s -m 5 $PROXY -X DELETE https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "method without encryption through the proxy",
        threats: &[43, 49],
        line: "curl -s -m 5 $PROXY -X DELETE http://api.example/ok/x",
        reaches: "request plain/1 203.0.113.12 DELETE api.example /ok/x",
    },
];

const WORKS: &[Works] = &[
    Works {
        name: "curl by http/2",
        tool: "curl",
        line: "curl -sS -m 5 -w '%{http_version}' https://api.example/ok/1",
    },
    Works {
        name: "curl by http/1",
        tool: "curl",
        line: "curl -sS -m 5 --http1.1 https://api.example/ok/1 https://api.example/ok/2",
    },
    Works { name: "curl without encryption", tool: "curl", line: "curl -sS -m 5 http://api.example/ok/1" },
    Works {
        name: "python",
        tool: "python3",
        line: "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"https://api.example/ok/1\",timeout=5).read())'",
    },
    Works {
        name: "python requests",
        tool: "python3",
        line: "REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$SSL_CERT_FILE} python3 -c '\ntry: import requests\nexcept ImportError: from pip._vendor import requests\n\
               s=requests.Session(); print(s.get(\"https://api.example/ok/1\",timeout=5).text, s.get(\"https://api.example/ok/2\",timeout=5).text)'",
    },
    Works {
        name: "node fetch",
        tool: "node",
        line: "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$SSL_CERT_FILE} node -e 'fetch(\"https://api.example/ok/1\").then(r=>r.text()).then(t=>process.stdout.write(t))'",
    },
    Works {
        name: "git",
        tool: "git",
        line: "GIT_SSL_CAINFO=${GIT_SSL_CAINFO:-$SSL_CERT_FILE} git ls-remote https://u:p@api.example/git/repo.git && echo done",
    },
    Works {
        name: "WebSocket",
        tool: "node",
        line: "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$SSL_CERT_FILE} node -e 'const s=require(\"tls\").connect({host:\"api.example\",port:443,servername:\"api.example\",ALPNProtocols:[\"http/1.1\"]},()=>{\n\
               s.write(\"GET /ws HTTP/1.1\\r\\nHost: api.example\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Key: x\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n\")\n\
               let t=\"\"; s.on(\"data\",d=>{t+=d.toString(\"latin1\"); if(t.endsWith(\"\\r\\n\\r\\n\"))s.write(Buffer.from([0x81,0x82,1,2,3,4,105,107])); if(t.endsWith(\"hi\")){console.log(\"hi\");s.end()}})})\n\
               s.on(\"error\",e=>console.log(e.message))'",
    },
    Works {
        name: "a body that is carried both ways at once",
        tool: "curl",
        line: "head -c 1000000 /dev/zero | curl -sS -m 9 --data-binary @- https://api.example/stream | cksum",
    },
    Works {
        name: "a body of a length that nobody said",
        tool: "curl",
        line: "head -c 1000000 /dev/zero | curl -sS -m 9 --http1.1 -H Transfer-Encoding:chunked -T - -X POST https://api.example/up",
    },
    Works {
        name: "a body of a GET, of a length that nobody said",
        tool: "curl",
        line: "curl -sS -m 9 --http1.1 -X GET -H Transfer-Encoding:chunked -d abc https://api.example/ok/get",
    },
    Works {
        name: "a neighbour at the same address",
        tool: "curl",
        line: "curl -vsS -m 5 https://shared.example/any 2>&1 | grep -oE 'issuer.*|GET /any 0$'",
    },
    Works {
        name: "a host of its own",
        tool: "curl",
        line: "curl -vsS -m 5 https://other.example/any 2>&1 | grep -oE 'issuer.*|GET /any 0$'",
    },
];

pub(super) fn rows() -> Vec<Row> {
    let escapes = ESCAPES.iter().map(|escape| {
        internet::row(format!("inspect: {}", escape.name), escape.threats, &NEEDED, move |session| {
            judge_escape(session, escape)
        })
    });
    let works = WORKS.iter().map(|work| {
        internet::row(
            format!("works: through the inspector: {}", work.name),
            &[],
            &[&NEEDED[..], &[work.tool]].concat(),
            move |session| judge_works(session, work),
        )
    });
    let own: [(&str, Judge); 5] = [
        ("inspect: refused says which rule and what would allow it", told_why),
        ("inspect: a server that nobody vouches for is not asked", unvouched),
        ("inspect: its certificate is trusted where it is meant and for no other host", issued),
        ("inspect: what its owner denies while it runs is broken off", denied_meanwhile),
        ("inspect: killed_and_its_hosts_are_gone_and_others_are_not", killed),
    ];
    let own = own.into_iter().map(|(name, judge)| internet::row(name, &[], &NEEDED, judge));
    escapes.chain(works).chain(own).collect()
}

/// A line under a policy; without one, unfenced.
pub(super) fn run(
    session: &Session,
    policy: Option<&str>,
    variables: &[(&str, &str)],
    line: &str,
) -> Result<Told, String> {
    let place = session.place()?;
    let line = format!("{UNSET}{RAW}{line}");
    let Some(policy) = policy else {
        return internet::with_secure(session, &place, (None, variables), &line);
    };
    let path = place.outside.join("policy.toml");
    fs::write(&path, policy).map_err(|error| format!("writing a policy: {error}"))?;
    let flags = ["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()];
    internet::with_secure(session, &place, (Some(&flags), variables), &line)
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
    let (text, summary) = (told.ran.out(), String::from_utf8_lossy(&told.ran.stderr).into_owned());
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
import socket, ssl, time
c = ssl.create_default_context()
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

fn denied_meanwhile(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let fail = |error: std::io::Error| format!("preparing the run: {error}");
    fs::write(place.outside.join("policy.toml"), POLICY).map_err(fail)?;
    fs::write(place.work.join("kept.py"), KEPT).map_err(fail)?;
    let mut command = session.fence(&place, &["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()]);
    command.args(["sh", "-c", &format!("{UNSET}python3 kept.py; echo went on")]);
    let line = format!(
        "{} & run=$!; for _ in $(seq 500); do [ -e connected ] && break; sleep 0.02; done; sleep 0.5\n\
         '{}' network deny $DENIED || echo not denied; wait $run",
        program::words(&command),
        session.ringfence.display()
    );
    let deny = |host| internet::with_secure(session, &place, (None, &[("DENIED", host)]), &line);
    let told = deny("api.example")?;
    let broken = |told: &Told| {
        let text = told.ran.text();
        text.contains("went on")
            && !text.contains("never")
            && !text.contains("not denied")
            && told.log.contains("/ok/3")
    };
    if !broken(&told) {
        return Err(told.describe());
    }
    fs::remove_file(place.work.join("connected")).map_err(fail)?;
    let other = deny("other.example")?;
    match other.ran.text().contains("never broken off") {
        true => Ok(Outcome::Passed),
        false => Err(format!("what nobody denied was broken off: {}", other.describe())),
    }
}

/// The inspector is the supervisor's first child.
fn killed(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    fs::write(place.outside.join("policy.toml"), POLICY).map_err(|error| error.to_string())?;
    let flags = ["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()];
    let mut command = session.fence(&place, &flags);
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
