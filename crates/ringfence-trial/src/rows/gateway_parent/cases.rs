//! What is tried with parent proxies of the small internet, as tables. Not how it is judged.

use super::{GET, OPEN, SECRET};
use crate::internet::line::Escape;

/// A line that works through a proxy.
pub(super) struct Through {
    pub(super) name: &'static str,
    /// Of the table `network` in the policy.
    pub(super) policy: &'static str,
    /// The caller's variables.
    pub(super) variables: &'static [(&'static str, &'static str)],
    pub(super) line: &'static str,
    /// A line in the proxies' log.
    pub(super) asks: &'static str,
}

/// A proxy that does not connect, and what of it is told.
pub(super) struct Bad {
    pub(super) name: &'static str,
    pub(super) policy: &'static str,
    pub(super) says: &'static str,
}

pub(super) const THROUGH: &[Through] = &[
    Through { name: "http", policy: OPEN, variables: &[], line: GET, asks: "parent 3128 good.example:80" },
    Through {
        name: "http that makes tunnels to https alone",
        policy: "proxy = \"http://127.0.0.1:3133\"",
        variables: &[],
        line: GET,
        asks: "parent 3133 good.example:80",
    },
    Through {
        name: "a request to the sandbox's proxy",
        policy: "proxy = \"http://127.0.0.1:3133\"",
        variables: &[],
        // Without a fence there is none, and curl goes on without.
        line: "export http_proxy=http://127.0.0.1:1023; curl --noproxy '*' -s -m 5 -o /dev/null http://127.0.0.1:1023/ || unset http_proxy; curl -sS -m 5 http://good.example/",
        asks: "parent 3133 good.example:80",
    },
    Through {
        name: "a tunnel",
        policy: OPEN,
        variables: &[],
        line: "curl -sS -m 5 http://good.example:8080/",
        asks: "parent 3128 good.example:8080",
    },
    Through {
        name: "http by the name of the proxy",
        policy: "proxy = \"http://localhost:3128\"",
        variables: &[],
        line: GET,
        asks: "parent 3128 good.example:80",
    },
    Through {
        name: "http with credentials of a variable",
        policy: "proxy = \"http://127.0.0.1:3129\"\nproxy_credential = { env = \"CORP_LOGIN\" }",
        variables: &[("CORP_LOGIN", SECRET)],
        line: GET,
        asks: "parent 3129 good.example:80",
    },
    Through {
        name: "http with credentials of the caller's own variable",
        policy: "proxy = \"environment\"",
        variables: &[("HTTPS_PROXY", "http://user:pass%20word@127.0.0.1:3129")],
        line: GET,
        asks: "parent 3129 good.example:80",
    },
    Through {
        name: "socks",
        policy: "proxy = \"socks5://127.0.0.1:1080\"",
        variables: &[],
        line: GET,
        asks: "parent 1080 good.example:80",
    },
    Through {
        name: "socks with credentials",
        policy: "proxy = \"socks5h://127.0.0.1:1081\"\nproxy_credential = { env = \"CORP_LOGIN\" }",
        variables: &[("CORP_LOGIN", SECRET)],
        line: GET,
        asks: "parent 1081 good.example:80",
    },
    Through {
        name: "a protocol in which the server speaks first",
        policy: OPEN,
        variables: &[],
        line: "python3 -c 'import socket; print(socket.create_connection((\"good.example\",22),5).recv(99))'",
        asks: "parent 3128 good.example:22",
    },
    Through {
        name: "an address that a rule names",
        policy: OPEN,
        variables: &[],
        line: "curl -sS -m 5 http://203.0.113.11/",
        asks: "parent 3128 203.0.113.11:80",
    },
];

pub(super) const ESCAPES: &[Escape] = &[
    Escape {
        name: "name_that_no_rule_names",
        threats: &[43, 45],
        line: "curl -s -m 5 http://evil.example/; curl -s -m 5 $PROXY http://evil.example/; curl -s -m 5 $PROXY -p http://evil.example/",
        reaches: "tcp 203.0.113.11 80",
    },
    Escape {
        name: "query_for_any_name",
        threats: &[45],
        line: "getent ahosts good.example; getent ahosts nonce.evil.example; true",
        reaches: "dns ",
    },
    Escape {
        name: "the_proxy_itself",
        threats: &[53],
        line: "curl -s -m 5 -x http://203.0.113.1:3128 -p http://evil.example/; curl -s -m 5 -x http://198.51.100.7:3128 -p http://evil.example/",
        reaches: "to-parent 203.0.113.1",
    },
    Escape {
        name: "the_proxy_at_its_loopback",
        threats: &[53],
        line: "curl -s -m 5 -x http://127.0.0.1:3128 -p http://evil.example/; curl -s -m 5 $PROXY -p http://127.0.0.1:3128/",
        reaches: "parent 3128 evil.example:80",
    },
    Escape {
        name: "address_that_stands_for_no_name",
        threats: &[44],
        line: "curl -s -m 5 -H 'Host: good.example' http://203.0.113.10/; curl -s -m 1 http://198.18.0.200/; \
               curl -s -m 5 --connect-to ::203.0.113.10:80 http://evil.example/hidden",
        reaches: "data 203.0.113.10 80 GET /hidden",
    },
];

pub(super) const BAD: &[Bad] = &[
    Bad { name: "that is not there", policy: "proxy = \"http://127.0.0.1:9\"", says: "takes no connection" },
    Bad {
        name: "that wants credentials",
        policy: "proxy = \"http://127.0.0.1:3129\"",
        says: "does not take these credentials",
    },
    Bad {
        name: "by socks that wants credentials",
        policy: "proxy = \"socks5://127.0.0.1:1081\"",
        says: "does not take these credentials",
    },
    Bad { name: "that refuses", policy: "proxy = \"http://127.0.0.1:3132\"", says: "refused it" },
    Bad { name: "that babbles", policy: "proxy = \"http://127.0.0.1:3130\"", says: "cannot be read" },
    Bad { name: "without an end", policy: "proxy = \"http://127.0.0.1:3131\"", says: "cannot be read" },
];
