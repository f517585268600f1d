//! UDP through the gateway: what a rule names works as it does without a fence, to the port that the answer comes from; all
//! else is refused at once, and nothing of it gets out.

use crate::internet::line::{self, Escape};
use crate::internet::{self, Told};
use crate::row::{Outcome, Row};
use crate::session::Session;

/// Everything that the rows may reach; the gateway has to judge other addresses of these ports itself.
const ALLOW: &[&str] = &[
    "good.example",
    "udp://203.0.113.10:7",
    "udp://[2001:db8:1::10]:7",
    "udp://10.9.9.0/24:9",
    "udp://good.example:123",
    "udp://good.example:7000-7999",
    "udp://private.example:7",
    "udp://host.example:7",
    "udp://loopback.example:7",
    "udp://198.51.100.0/24:7",
    "udp://203.0.113.77:443",
];

/// `ask` prints what is answered, by whom, or that it was refused; `silent` is for what nobody answers.
const ASK: &str = r#"
import socket, sys, time
def ask(host, port, what=b"hello", connect=True, source=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(3)
    try:
        if source: s.bind(source)
    except OSError: pass
    try:
        if connect: s.connect((host, port)); s.send(what)
        else: s.sendto(what, (host, port))
        answer, peer = s.recvfrom(70000)
        print(len(answer), answer[:60], peer[:2])
    except TimeoutError: print("silent")
    except OSError as error: print("refused")
    return s
"#;

struct Works {
    name: &'static str,
    line: &'static str,
}

const WORKS: &[Works] = &[
    Works { name: "an address", line: r#"ask("203.0.113.10", 7)"# },
    Works { name: "without a connection of its own", line: r#"ask("203.0.113.10", 7, connect=False)"# },
    Works {
        name: "an address of ipv6",
        line: r#"ask("2001:db8:1::10", 7); ask("2001:db8:1::10", 7, connect=False)"#,
    },
    Works { name: "a block of addresses", line: r#"ask("10.9.9.9", 9)"# },
    Works { name: "a range of ports", line: r#"ask("good.example", 7000); ask("good.example", 7999)"# },
    Works { name: "nothing at all", line: r#"ask("203.0.113.10", 7, b"")"# },
    Works {
        name: "as much as a first packet of quic, and as much as fits",
        line: r#"ask("203.0.113.10", 7, b"q" * 1200); ask("203.0.113.10", 7, b"q" * 65400); ask("2001:db8:1::10", 7, b"q" * 65400)"#,
    },
    Works {
        name: "a client of ntp",
        line: r#"
address = socket.getaddrinfo("good.example", 123, type=socket.SOCK_DGRAM)[0][4][0]
ask(address, 123, bytes([0x23]) + bytes(47), source=("0.0.0.0", 5123))"#,
    },
    Works {
        name: "many at once, each answered to its own port",
        line: r#"
own = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(100)]
for index, s in enumerate(own): s.settimeout(5); s.connect(("203.0.113.10", 7)); s.send(b"%d" % index)
print(all(s.recv(99).endswith(b" %d" % index) for index, s in enumerate(own)))"#,
    },
    Works {
        name: "a flood of flows, and one more",
        line: r#"
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); own.settimeout(5)
for index in range(5000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("203.0.113.10", 7)); s.close()
time.sleep(0.5)
ask("203.0.113.10", 7)"#,
    },
    Works { name: "nobody there", line: r#"ask("good.example", 7500)"# },
];

/// Each must be refused at once.
const ESCAPES: &[Escape] = &[
    Escape {
        name: "address_that_no_rule_names",
        threats: &[44],
        line: r#"ask("203.0.113.11", 7)"#,
        reaches: "datagram 203.0.113.11 7",
    },
    Escape {
        name: "port_that_no_rule_names",
        threats: &[47],
        line: r#"ask("203.0.113.10", 8001)"#,
        reaches: "datagram 203.0.113.10 8001",
    },
    Escape {
        name: "another_address_at_a_port_of_a_name",
        threats: &[44],
        line: r#"ask("203.0.113.11", 7001)"#,
        reaches: "datagram 203.0.113.11 7001",
    },
    Escape {
        name: "address_of_a_name_that_was_never_looked_up",
        threats: &[44],
        line: r#"ask("203.0.113.10", 7000)"#,
        reaches: "datagram 203.0.113.10 7000",
    },
    Escape {
        name: "rule_for_tcp",
        threats: &[47],
        line: r#"ask("good.example", 443)"#,
        reaches: "datagram 203.0.113.10 443",
    },
    Escape {
        name: "name_that_leads_to_a_private_address",
        threats: &[46],
        line: r#"ask("10.9.9.9", 7)"#,
        reaches: "datagram 10.9.9.9 7",
    },
    Escape {
        name: "name_that_leads_to_the_host",
        threats: &[46, 53],
        line: r#"ask("203.0.113.1", 7)"#,
        reaches: "datagram 203.0.113.1 7",
    },
    Escape {
        name: "address_of_the_host_in_a_block",
        threats: &[53],
        line: r#"ask("198.51.100.7", 7)"#,
        reaches: "datagram 198.51.100.7 7",
    },
    Escape {
        name: "loopback_of_the_host",
        threats: &[53],
        line: r#"ask("127.0.0.1", 7)"#,
        reaches: "datagram 127.0.0.1 7",
    },
    Escape {
        name: "source_that_is_made_up",
        threats: &[44],
        line: r#"ask("203.0.113.11", 7, source=("203.0.113.10", 7)); ask("203.0.113.11", 7001, source=("203.0.113.10", 7001))"#,
        reaches: "datagram 203.0.113.11 7",
    },
];

/// Policies whose own words are carried for TCP alone: UDP to the same place would be a way round them.
const WAYS_ROUND: &[(&str, &str, &str)] = &[
    (
        "way_round_the_parent_proxy",
        "203.0.113.11",
        r#"version = 1
[network]
mode = "rules"
allow = ["good.example", "udp://203.0.113.11:7"]
proxy = "http://203.0.113.11:3128"
no_proxy = ["good.example"]
"#,
    ),
    (
        "way_round_rules_of_http",
        "203.0.113.10",
        r#"version = 1
[network]
mode = "rules"
allow = ["good.example", "udp://203.0.113.10:7", "udp://good.example:7"]
[[network.http]]
host = "good.example:7"
"#,
    ),
];

pub(super) fn rows() -> Vec<Row> {
    let escapes = line::escapes("gateway: udp", ESCAPES, &[], judge_escape);
    let works = WORKS.iter().map(|work| {
        internet::row(format!("works: udp through the gateway: {}", work.name), &[], &[], move |session| {
            judge_works(session, work)
        })
    });
    let rounds = WAYS_ROUND.iter().map(|(name, host, policy)| {
        internet::row(format!("gateway: udp: {name}"), &[44], &[], move |session| {
            judge_way_round(session, host, policy)
        })
    });
    let told = internet::row(
        "gateway: udp: what was refused is told once, as a rule would say it",
        &[],
        &[],
        told_once,
    );
    escapes.chain(works).chain(rounds).chain([told]).collect()
}

fn program(line: &str) -> String {
    format!("python3 - <<'E'\n{ASK}\n{line}\nE\n")
}

fn judge_escape(session: &Session, escape: &Escape) -> Result<Outcome, String> {
    // Names are looked up first, so that the gateway has told their addresses; and something allowed works.
    let line = format!(
        "getent ahosts private.example; getent ahosts host.example; getent ahosts loopback.example\n{}",
        program(&format!("ask(\"203.0.113.10\", 7, b\"alive\")\nprint(\"then\")\n{}", escape.line))
    );
    let fenced = internet::fenced(session, &session.place()?, &line::rules(ALLOW), &line)?;
    let text = fenced.ran.out();
    let Some((alive, then)) = text.split_once("then\n") else { return Err(fenced.ran.describe()) };
    if !alive.contains("alive") {
        return Err(format!("what is allowed does not work: {}", fenced.describe()));
    }
    if fenced.has(escape.reaches) {
        return Err(format!("it got out: {}", fenced.describe()));
    }
    if then.lines().any(|line| line != "refused") {
        return Err(format!("it was not refused at once: {}", fenced.describe()));
    }
    let bare = internet::bare(session, &session.place()?, &program(escape.line))?;
    Ok(bare.proves(bare.has(escape.reaches)))
}

fn judge_works(session: &Session, work: &Works) -> Result<Outcome, String> {
    let bare = internet::bare(session, &session.place()?, &program(work.line))?;
    if bare.ran.code != 0 || bare.ran.out().contains("silent") {
        return Ok(bare.proves(false));
    }
    let fenced = internet::fenced(session, &session.place()?, &line::rules(ALLOW), &program(work.line))?;
    fenced.does_as(&bare)
}

fn judge_way_round(session: &Session, host: &str, policy: &str) -> Result<Outcome, String> {
    let asks =
        "curl -sS -m 5 --noproxy '*' http://good.example/alive || exit 99\ngetent ahosts good.example\n";
    let asks = format!("{asks}{}", program(&format!("print('then'); ask('{host}', 7)")));
    let run = |policy: &str| {
        let place = session.place()?;
        internet::fenced(session, &place, &line::policy(&place, policy)?, &asks)
    };
    let fenced = run(policy)?;
    let reached = |told: &Told| told.log.contains(&format!("datagram {host} 7"));
    if reached(&fenced) || !fenced.ran.out().ends_with("then\nrefused\n") || fenced.ran.code == 99 {
        return Err(fenced.describe());
    }
    // The same rule alone lets it through.
    let rule = format!("udp://{host}:7");
    let alone =
        run(&format!("version = 1\n[network]\nmode = \"rules\"\nallow = [\"good.example\", \"{rule}\"]\n"))?;
    Ok(alone.proves(reached(&alone)))
}

fn told_once(session: &Session) -> Result<Outcome, String> {
    let line = program(r#"[ask("203.0.113.11", 7001) for _ in range(20)]"#);
    let fenced = internet::fenced(session, &session.place()?, &line::rules(ALLOW), &line)?;
    let summary = fenced.ran.err();
    let good = summary.contains("refused 1 connection: udp://203.0.113.11:7001 (no rule allows it");
    fenced.judge(good)
}
