//! The gateway under bad input: what is said so that it could be read in two ways does not get out, and neither clients nor
//! servers that misbehave end the gateway or keep others from it.

use super::gateway::{KILL, UNSET, flags, judge_escape};
use crate::internet::line::{self, Escape};
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// What a run survives: after the line, a plain request is served, and the gateway is still there.
struct Survives {
    name: &'static str,
    /// Run by sh, without the proxy's variables.
    line: &'static str,
    /// What it prints; empty where only the survival counts.
    prints: &'static str,
}

pub(super) fn rows() -> Vec<Row> {
    let escapes = line::escapes("gateway", ESCAPES, &[], judge_escape);
    let survives = SURVIVES.iter().map(|survives| {
        internet::row(format!("gateway: goes on: {}", survives.name), &[], &[], move |session| {
            judge_survival(session, survives)
        })
    });
    let own = [
        internet::row("gateway: hidden_name_where_that_is_refused", &[44], &[], hidden_name),
        internet::row("gateway: killed_in_a_transfer_and_nothing_goes_on", &[], &[], killed_in_a_transfer),
        internet::row("gateway: events that its supervisor does not hear are counted", &[], &[], unheard),
        internet::row("gateway: every name that is refused is told", &[], &[], every_name),
    ];
    escapes.chain(survives).chain(own).collect()
}

const ESCAPES: &[Escape] = &[
    Escape {
        name: "another_name_in_the_second_client_hello",
        threats: &[44],
        line: "python3 -c 'import socket\n\
               p=lambda b: len(b).to_bytes(2,\"big\")+b\n\
               def hello(name,minor):\n\
               \x20   b=b\"\\3\\3\"+b\"\\7\"*32+b\"\\0\"+p(b\"\\x13\\1\")+b\"\\1\\0\"+p(b\"\\0\\0\"+p(p(b\"\\0\"+p(name))))\n\
               \x20   return b\"\\x16\\3\"+bytes([minor])+p(b\"\\1\\0\"+p(b))\n\
               s=socket.create_connection((\"good.example\",8443),5); s.sendall(hello(b\"good.example\",1)); s.recv(999)\n\
               s.sendall(hello(b\"evil.example\",3))'; sleep 0.3",
        reaches: "data 203.0.113.10 8443 \\x16\\x03\\x03",
    },
    Escape {
        name: "request_with_an_odd_method",
        threats: &[44, 49],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"G(T /odd HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n\"); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 G(T",
    },
    Escape {
        name: "request_with_bare_line_feeds",
        threats: &[49],
        line: "timeout 5 python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"GET /bare HTTP/1.1\\nHost: evil.example\\n\\n\"); s.settimeout(2); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 GET /bare",
    },
    Escape {
        name: "request_without_a_version",
        threats: &[44],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"GET http://evil.example/\\r\\n\"); s.settimeout(2); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 GET http://evil.example",
    },
    Escape {
        name: "header_of_the_proxy_protocol",
        threats: &[44],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\\r\\nGET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n\"); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 PROXY",
    },
    Escape {
        name: "header_of_the_proxy_protocol_in_its_second_form",
        threats: &[44],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"\\r\\n\\r\\n\\0\\r\\nQUIT\\n\\x20\\0\\0\\0GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n\"); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 \\r\\n\\r\\n\\x00",
    },
    Escape {
        name: "greeting_of_ssl_2",
        threats: &[44],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",443),5)\n\
               s.sendall(b\"\\x80\\x2e\\1\\3\\1\\0\\x15\\0\\0\\0\\x10\"+bytes(37)); s.settimeout(2); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 443 \\x80",
    },
];

const SURVIVES: &[Survives] = &[
    Survives {
        name: "10,000 greetings that do not end",
        line: "python3 -c 'import socket,resource\n\
               resource.setrlimit(resource.RLIMIT_NOFILE,(resource.getrlimit(resource.RLIMIT_NOFILE)[1],)*2)\n\
               text=b\"GET /\"+b\"a\"*60000; open_=[]\n\
               try:\n\
               \x20   for i in range(10000):\n\
               \x20       s=socket.create_connection((\"127.0.0.1\",1023)); s.settimeout(5); open_.append(s)\n\
               \x20       try: s.sendall(text)\n\
               \x20       except OSError: pass\n\
               except OSError as e: print(e)\n\
               print(len(open_))'",
        prints: "10000\n",
    },
    Survives {
        name: "10,000 connections that are refused",
        line: "python3 -c 'import socket,time\n\
               refused=0\n\
               for i in range(10000):\n\
               \x20   s=socket.socket()\n\
               \x20   try: s.connect((\"203.0.113.11\",80)); s.settimeout(5); s.recv(1)\n\
               \x20   except ConnectionError: refused+=1\n\
               \x20   s.close()\n\
               print(refused)'",
        prints: "10000\n",
    },
    Survives {
        name: "1,000 clients of the proxy that leave at once and half-way",
        line: "python3 -c 'import socket\n\
               for i in range(1000):\n\
               \x20   s=socket.create_connection((\"127.0.0.1\",1023))\n\
               \x20   s.sendall([b\"\",b\"\\5\",b\"\\5\\1\\0\",b\"GET http://good.example/ HTTP/1.1\\r\\n\",b\"CONNECT good.example:80 HTTP/1.1\\r\\n\\r\\n\"][i%5])\n\
               \x20   if i%2: s.shutdown(socket.SHUT_WR)\n\
               \x20   s.close()'",
        prints: "",
    },
    Survives {
        name: "requests that are none",
        line: "python3 -c 'import socket,random\n\
               random.seed(7)\n\
               for i in range(300):\n\
               \x20   s=socket.create_connection(((\"good.example\",80),(\"127.0.0.1\",1023))[i%2]); s.settimeout(0.02)\n\
               \x20   s.sendall((b\"GET / HTTP/1.1\\r\\n\",b\"\\x16\\3\\1\",b\"\\5\",b\"\")[i%4]+random.randbytes(200))\n\
               \x20   try: s.recv(99)\n\
               \x20   except OSError: pass\n\
               \x20   s.close()'",
        prints: "",
    },
    Survives {
        name: "a client that says its request byte by byte",
        line: "python3 -c 'import socket,time\n\
               s=socket.create_connection((\"good.example\",80),5)\n\
               for b in b\"GET /slow HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\": s.sendall(bytes([b])); time.sleep(0.005)\n\
               print(s.recv(15).decode())'",
        prints: "HTTP/1.1 200 OK\n",
    },
    Survives {
        name: "clients that read nothing",
        line: "python3 -c 'import socket,time\n\
               slow=[socket.create_connection((\"good.example\",8446),5) for i in range(20)]\n\
               for s in slow: s.sendall(b\"GET / HTTP/1.1\\r\\nHost: good.example:8446\\r\\n\\r\\n\")\n\
               time.sleep(0.5); t=time.time()\n\
               s=socket.create_connection((\"good.example\",80),5); s.sendall(b\"GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\")\n\
               print(s.recv(15).decode(), time.time()-t<2)'",
        prints: "HTTP/1.1 200 OK True\n",
    },
    Survives {
        name: "a server that resets in an answer",
        line: "for i in 1 2 3; do curl -s -o /dev/null -m 5 http://good.example:8444/; echo $?; done",
        prints: "56\n56\n56\n",
    },
    Survives {
        name: "a server that never answers",
        line: "curl -s -m 1 http://good.example:8445/; echo $?",
        prints: "28\n",
    },
];

fn judge_survival(session: &Session, survives: &Survives) -> Result<Outcome, String> {
    let line = format!(
        "{UNSET}curl -sS -m 5 http://good.example/before || exit 99\n{}\ncurl -sS -m 10 http://good.example/after >/dev/null",
        survives.line
    );
    let told = internet::fenced(session, &session.place()?, &flags(), &line)?;
    let text = told.ran.out();
    let good = told.ran.code == 0
        && told.log.contains("GET /after")
        && text.ends_with(survives.prints)
        && !told.ran.err().contains("the gateway ended");
    told.judge(good)
}

/// Python's own TLS hides nothing; this greeting says that it does, and is whole otherwise.
const HIDES: &str = "python3 -c 'import socket\n\
    p=lambda b: len(b).to_bytes(2,\"big\")+b\n\
    b=b\"\\3\\3\"+b\"\\7\"*32+b\"\\0\"+p(b\"\\x13\\1\")+b\"\\1\\0\"+p(b\"\\0\\0\"+p(p(b\"\\0\"+p(b\"good.example\")))+b\"\\xfe\\x0d\"+p(b\"\\0\"))\n\
    s=socket.create_connection((\"good.example\",8443),5); s.sendall(b\"\\x16\\3\\1\"+p(b\"\\1\\0\"+p(b))); s.recv(999)'; sleep 0.3";

fn hidden_name(session: &Session) -> Result<Outcome, String> {
    const REACHES: &str = "data 203.0.113.10 8443 \\x16\\x03\\x01";
    let reached = |told: &Told| told.has(REACHES);
    // By default the outer name is judged, and it is allowed.
    let allowed = internet::fenced(session, &session.place()?, &flags(), &format!("{UNSET}{HIDES}"))?;
    if !reached(&allowed) {
        return Err(format!("by default it does not pass: {}", allowed.describe()));
    }
    let place = session.place()?;
    let mut flags = flags();
    let refuse = "version = 1\n[network]\nmode = \"rules\"\nencrypted_hello = \"refuse\"\n";
    flags.extend(line::policy(&place, refuse)?);
    let line = format!("{UNSET}curl -sS -m 5 http://good.example/alive || exit 99\n{HIDES}");
    let refused = internet::fenced(session, &place, &flags, &line)?;
    let told = refused.ran.err().contains("the client hid the server's name");
    let good = refused.log.contains("GET /alive") && !reached(&refused) && told;
    refused.judge(good)
}

fn killed_in_a_transfer(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &flags());
    let inside = format!(
        "{UNSET}curl -sS -m 20 -o got http://good.example:8446/ & until [ -s got ]; do sleep 0.02; done; touch ready\n\
         wait $!; code=$?; curl -sS -m 5 http://good.example/after; [ $code != 0 ] && [ $code != 28 ] && echo went on"
    );
    command.args(["sh", "-c", &inside]);
    let line = format!("{} & run=$!; {KILL}wait $run", program::words(&command));
    let told = internet::bare(session, &place, &line)?;
    let text = told.ran.text();
    let good =
        text.contains("went on") && text.contains("the gateway ended") && !told.log.contains("GET /after");
    told.judge(good)
}

/// Of these the supervisor hears less than half while it is stopped, as a terminal's job is that the command stops.
const FLOOD: u64 = 5000;

/// The control is the same flood with a supervisor that listens: all are counted as refused.
fn unheard(session: &Session) -> Result<Outcome, String> {
    let inside = format!(
        "python3 -c 'import socket\n\
         for i in range({FLOOD}):\n\
         \x20   s=socket.socket(); s.connect_ex((\"203.0.113.11\",81)); s.close()'"
    );
    match (refusals(session, &inside, "kill -STOP $run")?, refusals(session, &inside, ":")?) {
        ((heard, unheard), (FLOOD, 0)) if unheard > 0 && heard + unheard == FLOOD => Ok(Outcome::Passed),
        (stopped, (FLOOD, 0)) => Err(format!("of {FLOOD} refusals {stopped:?} were heard and counted")),
        (_, other) => Ok(Outcome::NotProved(format!("{other:?} of {FLOOD} with one that listens"))),
    }
}

/// The control is a question for one name, twice: that is told once.
fn every_name(session: &Session) -> Result<Outcome, String> {
    let asks = |name: &str, count: u64| {
        let line = format!(
            "python3 -c 'import socket\n\
             for i in range({count}):\n\
             \x20   try: socket.getaddrinfo({name},80,socket.AF_INET)\n\
             \x20   except OSError: pass'"
        );
        refusals(session, &line, ":")
    };
    match (asks("\"n%d.evil.example\"%i", 1500)?, asks("\"evil.example\"", 2)?) {
        ((1500, 0), (1, 0)) => Ok(Outcome::Passed),
        (all, (1, 0)) => Err(format!("of 1500 names that were refused {all:?} were told")),
        (_, twice) => Ok(Outcome::NotProved(format!("one name, asked for twice, was told as {twice:?}"))),
    }
}

/// How many refusals the summary of a run counts, and how many events that were not heard. When what runs inside is about
/// to begin, `meanwhile` is done outside.
fn refusals(session: &Session, inside: &str, meanwhile: &str) -> Result<(u64, u64), String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &[&["--json".to_owned()][..], &flags()].concat());
    let inside =
        format!("touch ready; until [ -e begun ]; do sleep 0.02; done; {inside}; touch ended; sleep 1");
    command.args(["sh", "-c", &inside]);
    let line = format!(
        "{} & run=$!; until [ -e ready ]; do sleep 0.02; done; {meanwhile}; touch begun\n\
         until [ -e ended ]; do sleep 0.02; done; kill -CONT $run; wait $run",
        program::words(&command)
    );
    let told = internet::bare(session, &place, &line)?;
    let stderr = String::from_utf8_lossy(&told.ran.stderr).into_owned();
    let summary = stderr.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let summary: serde_json::Value = summary.ok_or_else(|| told.describe())?;
    let words = summary["unrecorded"][0].as_str().unwrap_or_default();
    let unheard = words.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    Ok((summary["traffic"]["refused"].as_u64().unwrap_or_default(), unheard))
}
