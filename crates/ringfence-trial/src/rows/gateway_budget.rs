//! Budgets: what is over one does not leave, counted by the servers. The control of each row is the same line without it.

use super::gateway::{UNSET, flags};
use crate::internet::line::{allowing, policy};
use crate::internet::{self, Told};
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A line and how much of it may arrive.
struct Case {
    name: &'static str,
    /// What comes behind `[[network.budget]]`.
    budget: &'static str,
    line: &'static str,
    /// What is counted in the servers' log.
    count: Counted,
    /// How much of that arrives with the budget, and without.
    with: std::ops::RangeInclusive<usize>,
    without: usize,
}

/// What is counted.
#[derive(Clone, Copy)]
enum Counted {
    /// Letters x in what was sent.
    Bytes,
    /// Lines that begin so.
    Lines(&'static str),
}

/// Five thousand letters to one server, in pieces.
pub(super) const SEND: &str = "python3 -c 'import socket,time\n\
                    s=socket.create_connection((\"good.example\",8080),5)\n\
                    try:\n\
                    \x20for i in range(50): s.sendall((b\"\\x00\" if i==0 else b\"\")+b\"x\"*100); time.sleep(0.002)\n\
                    except OSError as e: print(e)'; sleep 0.3";
/// Ten datagrams of thirty letters.
const DATAGRAMS: &str = "python3 -c 'import socket,time\n\
                         s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
                         for i in range(10): s.sendto(b\"x\"*30,(\"203.0.113.10\",9999)); time.sleep(0.01)'; sleep 0.3";
/// As many to each of two.
const SEND_TO_TWO: &str = "python3 -c 'import socket,time\n\
                    for host in (\"good.example\",\"evil.example\"):\n\
                    \x20s=socket.create_connection((host,80),5)\n\
                    \x20try:\n\
                    \x20\x20for i in range(50): s.sendall(b\"\\x00\"+b\"x\"*100); time.sleep(0.002)\n\
                    \x20except OSError as e: print(e)'; sleep 0.3";
const CONNECT: &str = "python3 -c 'import socket\n\
                       for i in range(10):\n\
                       \x20try: s=socket.create_connection((\"good.example\",80),5); s.sendall(b\"GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\"); s.recv(99)\n\
                       \x20except OSError as e: print(e)'; sleep 0.3";
/// A hundred requests on one connection, each after the answer to the one before.
const ASK: &str = "python3 -c 'import socket\n\
                   s=socket.create_connection((\"good.example\",80),5)\n\
                   try:\n\
                   \x20for i in range(100):\n\
                   \x20\x20s.sendall(b\"GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\")\n\
                   \x20\x20if not s.recv(999): break\n\
                   except OSError as e: print(e)'; sleep 0.3";

const CASES: &[Case] = &[
    Case {
        name: "bytes_beyond_that_of_the_run",
        budget: "sent = 1031",
        line: SEND,
        count: Counted::Bytes,
        with: 1030..=1030,
        without: 5000,
    },
    Case {
        name: "bytes_beyond_that_of_a_host",
        budget: "host = \"good.example\"\nsent = 202",
        line: SEND_TO_TWO,
        count: Counted::Bytes,
        // Two hundred to the one, all to the other.
        with: 5200..=5200,
        without: 10_000,
    },
    Case {
        name: "bytes_beyond_that_of_the_run_over_two_hosts",
        budget: "sent = 6060",
        line: SEND_TO_TWO,
        count: Counted::Bytes,
        with: 6000..=6000,
        without: 10_000,
    },
    Case {
        name: "datagrams_beyond_it",
        budget: "sent = 100",
        line: DATAGRAMS,
        count: Counted::Lines("udp xxx"),
        with: 3..=3,
        without: 10,
    },
    Case {
        name: "connections_beyond_it",
        budget: "host = \"*.example\"\nconnections = 3",
        line: CONNECT,
        count: Counted::Lines("tcp 203.0.113.10 80"),
        with: 3..=3,
        without: 10,
    },
    Case {
        name: "requests_beyond_those_of_a_second",
        budget: "requests = 5",
        line: ASK,
        count: Counted::Lines("data 203.0.113.10 80 GET"),
        // The second may turn while they are made.
        with: 5..=10,
        without: 100,
    },
    Case {
        name: "connections_beyond_those_of_a_second",
        budget: "requests = 2",
        line: CONNECT,
        count: Counted::Lines("tcp 203.0.113.10 80"),
        with: 2..=4,
        without: 10,
    },
];

pub(super) fn rows() -> Vec<Row> {
    let cases = CASES.iter().map(|case| {
        internet::row(format!("gateway: budget: {}", case.name), &[50], &[], move |session| {
            judge(session, case)
        })
    });
    let told =
        internet::row("gateway: a spent budget is told once with its line, and over http", &[50], &[], told);
    cases.chain([told]).collect()
}

fn run(session: &Session, budget: &str, more: &[&str], line: &str) -> Result<Told, String> {
    let place = session.place()?;
    let table = if budget.is_empty() { "" } else { "[[network.budget]]" };
    let mut flags = flags();
    flags.extend(allowing(&["good.example:8080", "evil.example", "udp://203.0.113.10:9999"]));
    flags.extend(policy(&place, &format!("version = 1\n{table}\n{budget}\n"))?);
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    internet::fenced(session, &place, &flags, &format!("{UNSET}{line}"))
}

fn counted(told: &Told, count: Counted) -> usize {
    match count {
        Counted::Bytes => {
            let data = told.log.lines().filter(|line| line.starts_with("data "));
            // A nought is spelled `\x00`.
            data.map(|line| line.replace("\\x00", "").matches('x').count()).sum()
        }
        Counted::Lines(beginning) => told.log.lines().filter(|line| line.starts_with(beginning)).count(),
    }
}

fn judge(session: &Session, case: &Case) -> Result<Outcome, String> {
    let with = run(session, case.budget, &[], case.line)?;
    let arrived = counted(&with, case.count);
    let summary = with.ran.err();
    if !case.with.contains(&arrived) || !summary.contains("refused what was over") {
        return Err(format!("{arrived} arrived, not {:?}: {}\n{}", case.with, with.ran.describe(), with.log));
    }
    let without = run(session, "", &[], case.line)?;
    match counted(&without, case.count) {
        all if all == case.without => Ok(Outcome::Passed),
        other => Ok(Outcome::NotProved(format!("{other} arrived without it: {}", without.ran.describe()))),
    }
}

fn told(session: &Session) -> Result<Outcome, String> {
    let line =
        "for i in 1 2 3 4 5 6; do curl -s -m 5 -x http://127.0.0.1:1023 http://good.example/; done; true";
    let told = run(session, "connections = 1", &["--json"], line)?;
    let events = told.ran.err().matches("\"over_budget\"").count();
    let answered = told.ran.out().matches("no more connections").count();
    let asked = counted(&told, Counted::Lines("tcp 203.0.113.10 80"));
    match (events, answered, asked, told.ran.code) {
        (1, 5, 1, 0) => Ok(Outcome::Passed),
        other => Err(format!("{other:?}: {}\n{}", told.ran.describe(), told.log)),
    }
}
