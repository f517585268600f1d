//! Plain HTTP as a parent proxy takes it: one request in absolute form (RFC 9112, section 3.2.2), written anew. Many such
//! proxies make tunnels to the port of https alone.
//!
//! It is the proxy that reads these bytes, and it would go wherever they say: nothing passes but one request that is read
//! without doubt, and no other protocol can follow.

use ringfence_plan::ProxyScheme;

use super::Gateway;
use super::connection::{Connection, Manner, Opening};
use super::gate::{Gate, Judge, Stop};
use crate::hello::{Hello, hello};
use crate::http::{self, Head, Host, Malformed};

/// A request that is not whole yet, and for whom.
#[derive(Debug)]
pub(crate) struct Forward {
    held: Vec<u8>,
    /// The host, and its port unless it is the usual one.
    authority: String,
    /// A field with the gateway's credentials.
    authorization: Secret,
}

/// A field that is not shown.
struct Secret(String);

/// The port of plain HTTP, on which a captured connection is taken for it.
const PLAIN: u16 = 80;

/// Fields that are between two neighbours, and those that are written anew.
const DROPPED: &[&str] = &[
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "keep-alive",
    "upgrade",
    "http2-settings",
    "host",
];

impl Gateway {
    /// How a connection begins that the parent proxy is asked for by its request, if it is to be asked so.
    pub(super) fn forwarding(&self, connection: &Connection, opening: &Opening) -> Option<Gate> {
        let parent = self.parent.as_ref().filter(|parent| parent.scheme != ProxyScheme::Socks5)?;
        let Some(Host::Name(name)) = &connection.target.via else { return None };
        let port = connection.target.port;
        let plain = match opening.manner {
            Manner::Request => true,
            Manner::Captured => port == PLAIN,
            Manner::Connect | Manner::Socks => false,
        };
        let authority =
            if port == PLAIN { name.as_str().to_owned() } else { format!("{}:{port}", name.as_str()) };
        let credentials = parent.credentials.as_ref().map(|known| known.basic());
        let authorization = credentials.map(|basic| format!("Proxy-Authorization: {basic}\r\n"));
        let authorization = Secret(authorization.unwrap_or_default());
        // Its requests are the inspector's to read, who speaks to a server, not to a proxy: it gets a tunnel.
        (plain && !self.inspects(connection))
            .then(|| Gate::Forward(Forward { held: Vec::new(), authority, authorization }))
    }
}

impl Forward {
    pub(super) fn holds(&self) -> usize {
        self.held.capacity()
    }

    /// Takes `bytes` of the client; gives the request on to `out` once its head is whole, with the gate of its body.
    pub(super) fn feed(
        &mut self,
        judge: &Judge<'_>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Gate>, Stop> {
        self.held.extend_from_slice(bytes);
        match hello(&self.held) {
            Hello::Unfinished => return Ok(None),
            Hello::Http => {}
            _ => {
                return Err(
                    judge.crooked("no HTTP/1 on port 80, for which the parent proxy is asked by requests")
                );
            }
        }
        let head = http::head(&self.held).map_err(|Malformed(what)| judge.malformed(what))?;
        let Some(head) = head else { return Ok(None) };
        judge.request(&head)?;
        // A proxy that answers one itself says it all back, its credentials too (RFC 9110, section 9.3.8).
        if head.method == "TRACE" && !self.authorization.0.is_empty() {
            return Err(
                judge.malformed("a TRACE, which the parent proxy would answer with all that it was told")
            );
        }
        let body = self.held.split_off(head.length);
        out.extend(self.written_anew(&head));
        let mut gate = Gate::one_request_alone(&head);
        gate.feed(judge, &body, out)?;
        Ok(Some(gate))
    }

    fn written_anew(&self, head: &Head) -> Vec<u8> {
        let (authority, Secret(authorization)) = (&self.authority, &self.authorization);
        let path = match http::absolute_form(&head.target) {
            Some((_, _, path)) => path,
            None if head.target == "*" => "",
            None => head.target.as_str(),
        };
        let slash = if path.starts_with('?') { "/" } else { "" };
        // The client's own: an answer of a later one could be more than it reads.
        let old = self
            .held
            .windows(10)
            .position(|window| window == b" HTTP/1.0\r")
            .is_some_and(|at| self.held.iter().position(|byte| *byte == b'\r') == Some(at + 9));
        let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
        let first = format!(
            "{} http://{authority}{slash}{path} {version}\r\nHost: {authority}\r\n{authorization}Connection: close\r\n",
            head.method
        );
        // The first line is taken for that of the request, which is left out.
        let fields = http::without(&self.held, DROPPED);
        let end = fields.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
        [first.as_bytes(), &fields[end..]].concat()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Barrier, HostName, Network, NetworkMode, RuleId};

    use super::*;
    use crate::budget::Ledger;
    use crate::gateway::gate::Expected;
    use crate::gateway::spend::Spending;
    use crate::rules::Rules;

    fn through(pieces: &[&[u8]]) -> Result<String, Barrier> {
        let rules = Rules::new(Network { mode: NetworkMode::Rules, ..Network::none(RuleId(0)) }, Vec::new());
        let expected = Expected::OneOf(vec![HostName::parse("a.org").unwrap()]);
        let ledger = Ledger::new(Vec::new()).unwrap();
        let spending = Spending { ledger: &ledger, charges: &Default::default() };
        let judge = Judge {
            rules: &rules,
            expected: &expected,
            address: None,
            port: 80,
            spending,
            named: Default::default(),
        };
        let authorization = Secret("Proxy-Authorization: Basic eDp5\r\n".into());
        let mut gate = Gate::Forward(Forward { held: Vec::new(), authority: "a.org".into(), authorization });
        let mut out = Vec::new();
        for piece in pieces {
            gate.feed(&judge, piece, &mut out).map_err(|stop| stop.refusal.barrier)?;
            let mut heard = Vec::new();
            gate.hear(&judge, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", &mut heard)
                .map_err(|stop| stop.refusal.barrier)?;
            gate.end(&mut heard);
            assert!(heard.is_empty());
        }
        Ok(String::from_utf8(out).unwrap())
    }

    const HEAD: &str = "\r\nHost: a.org\r\nProxy-Authorization: Basic eDp5\r\nConnection: close\r\n";

    #[test]
    fn a_request_is_written_anew_for_the_proxy() {
        for (asked, target) in
            [("/a?b", "/a?b"), ("http://a.org?b", "/?b"), ("http://a.org/c", "/c"), ("*", "")]
        {
            let method = if asked == "*" { "OPTIONS" } else { "GET" };
            let request = format!(
                "{method} {asked} HTTP/1.0\r\nHost: a.org\r\nX: y\r\nProxy-Authorization: Basic evil\r\nUpgrade: websocket\r\n\r\n"
            );
            let bytewise: Vec<&[u8]> = request.as_bytes().chunks(1).collect();
            assert_eq!(
                through(&bytewise),
                Ok(format!("{method} http://a.org{target} HTTP/1.0{HEAD}X: y\r\n\r\n"))
            );
        }
    }

    #[test]
    fn only_one_request_to_the_host_reaches_the_proxy() {
        let post = b"POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 2\r\n\r\nhi";
        let sent = format!("POST http://a.org/ HTTP/1.1{HEAD}Content-Length: 2\r\n\r\nhi");
        let evil = b"GET http://evil.org/ HTTP/1.1\r\nHost: evil.org\r\n\r\n";
        assert_eq!(through(&[&[&post[..], evil].concat(), evil]), Ok(sent));
        for (bytes, barrier) in [
            (&evil[..], Barrier::OtherName),
            (b"GET http://evil.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n", Barrier::OtherName),
            (b"CONNECT a.org:80 HTTP/1.1\r\nHost: a.org\r\n\r\n", Barrier::Malformed),
            (b"CONNECT evil.org:443 HTTP/1.1\r\nHost: a.org\r\n\r\n", Barrier::OtherName),
            (b"TRACE / HTTP/1.1\r\nHost: a.org\r\nMax-Forwards: 0\r\n\r\n", Barrier::Malformed),
            (b"SSH-2.0-x\r\n", Barrier::Malformed),
            (b"\0\x01\x02", Barrier::Malformed),
            (
                b"GET / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Barrier::Malformed,
            ),
        ] {
            assert_eq!(through(&[bytes]), Err(barrier), "{}", bytes.escape_ascii());
        }
    }
}
