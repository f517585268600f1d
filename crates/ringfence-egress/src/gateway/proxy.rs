//! Clients of the proxy on the sandbox's loopback: CONNECT and absolute-form requests of HTTP, and SOCKS. The same
//! decision as on a captured connection; only how it is told differs.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ringfence_plan::Failure;

use super::connection::{Dial, Lookup, Manner, Opening, Stage};
use super::decide::Allowed;
use super::ending::display;
use super::gate::Gate;
use super::{DIAL, Gateway};
use crate::dns::message::Unanswered;
use crate::dns::resolver::Answer;
use crate::http::{self, Change, Head, Host, Malformed};
use crate::rules::Refusal;
use crate::socks::{self, Request};

/// What a client of the proxy asked for.
struct Asked {
    host: Host,
    port: u16,
    opening: Opening,
}

impl Gateway {
    pub(super) fn hear_greeting(&mut self, index: usize) {
        loop {
            let Some(Some(connection)) = self.connections.get_mut(index) else { return };
            let Stage::Greeting(greeting) = &mut connection.stage else { return };
            let mut buffer = [0; 4096];
            if !connection.client.readable {
                return;
            }
            let new = match connection.client.read(&mut buffer) {
                Ok(None) => return,
                Ok(Some(length)) if length > 0 => &buffer[..length],
                Ok(_) | Err(_) => return self.close(index),
            };
            greeting.held.extend_from_slice(new);
            // Only then it is worth looking for the end of a head.
            let ends_line = new.contains(&b'\n') || greeting.held.len() >= http::LONGEST_HEAD;
            match greeting.held.first() {
                Some(5) => self.hear_socks(index),
                Some(byte) if http::is_token(*byte) && !ends_line => {}
                Some(byte) if http::is_token(*byte) => self.hear_http(index),
                // SOCKS 4 or TLS, say: who waits for an end of its head keeps the client waiting.
                Some(_) => self.misunderstand(index, "a first byte of neither"),
                None => {}
            }
        }
    }

    fn hear_socks(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let Stage::Greeting(greeting) = &mut connection.stage else { return };
        if !greeting.agreed {
            let Some((length, acceptable)) = socks::greeting(&greeting.held) else { return };
            if !acceptable {
                return self.answer(index, socks::method(false).to_vec());
            }
            greeting.held.drain(..length);
            greeting.agreed = true;
            connection.client.pending.extend(socks::method(true));
            if connection.client.flush().is_err() {
                return self.close(index);
            }
        }
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let Stage::Greeting(greeting) = &mut connection.stage else { return };
        match socks::request(&greeting.held) {
            Request::Unfinished => {}
            Request::Refused(code) => self.answer(index, socks::reply(code).to_vec()),
            Request::Connect { host, port, length } => {
                let behind = greeting.held.split_off(length);
                let opening = Opening { manner: Manner::Socks, first: Vec::new(), behind, gate: None };
                self.asked(index, Asked { host, port, opening });
            }
        }
    }

    fn hear_http(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let Stage::Greeting(greeting) = &mut connection.stage else { return };
        if let Some(placeholder) = self.inspected.placeholder(&greeting.held) {
            return self.refuse(index, Manner::Connect, self.rules.misplaced(placeholder));
        }
        let asked = match http::head(&greeting.held) {
            Ok(None) => return,
            Ok(Some(head)) => {
                let behind = greeting.held.split_off(head.length);
                read_request(&head, &greeting.held, behind)
            }
            Err(malformed) => Err(malformed),
        };
        match asked {
            Ok(asked) => self.asked(index, asked),
            Err(Malformed(what)) => self.misunderstand(index, what),
        }
    }

    fn misunderstand(&mut self, index: usize, what: &str) {
        let text = format!(
            "This is ringfence's proxy. It takes CONNECT, requests in absolute form, and SOCKS 5; this was none that it \
             could read ({what}).\n"
        );
        self.answer(index, http::answer("400 Bad Request", &text));
    }

    /// The decision, and the first step after it.
    fn asked(&mut self, index: usize, asked: Asked) {
        let Asked { host, port, opening } = asked;
        if let Some(addresses) = self.lead_to_host_by_proxy(index, &host, port) {
            if let Some(Some(connection)) = self.connections.get_mut(index) {
                connection.stage = Stage::Dialing(Dial { addresses, opening });
            }
            self.set_deadline(index, DIAL);
            return self.dial(index);
        }
        let decided = self.decide(&host, port);
        let missing = self.answers_wanted();
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        connection.target.port = port;
        match &host {
            Host::Name(name) => connection.target.host = Some(name.as_str().into()),
            Host::Address(address) => connection.target.address = Some(*address),
        }
        let (Allowed { rule, host: known_as, expected }, via) = match decided {
            Ok(allowed) => allowed,
            Err(refusal) => return self.refuse(index, opening.manner, refusal),
        };
        connection.expected = expected;
        connection.target.rule = Some(rule);
        connection.target.host = known_as;
        connection.stages += 1;
        let generation = connection.generation;
        if via.is_some() {
            connection.target.go_via(via);
            connection.stage = Stage::Seeking(opening);
            self.set_deadline(index, DIAL);
            return self.seek_parent(index);
        }
        match host {
            Host::Address(address) => {
                let addresses = [SocketAddr::new(address, port)].into();
                connection.stage = Stage::Dialing(Dial { addresses, opening });
                self.set_deadline(index, DIAL);
                self.dial(index);
            }
            Host::Name(name) => {
                connection.stage = Stage::Resolving(Lookup { answers: Vec::new(), missing, opening });
                self.set_deadline(index, DIAL);
                for answer in self.look_up(index, generation, &name) {
                    self.looked_up(index, generation, answer);
                }
            }
        }
    }

    /// An answer of a look-up; the last begins to dial.
    pub(super) fn looked_up(&mut self, index: usize, generation: u32, answer: Answer) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        if connection.generation != generation {
            return;
        }
        let Stage::Resolving(lookup) = &mut connection.stage else { return };
        lookup.answers.push(answer);
        if lookup.answers.len() < lookup.missing {
            return;
        }
        let port = connection.target.port;
        let Stage::Resolving(Lookup { mut answers, opening, .. }) =
            std::mem::replace(&mut connection.stage, Stage::Farewell)
        else {
            return;
        };
        connection.stages += 1;
        let manner = opening.manner;
        answers.sort_by_key(|answer| {
            answer.as_ref().is_ok_and(|records| records.iter().any(|record| record.address.is_ipv6()))
        });
        let records: Vec<_> = answers.iter().flatten().flatten().copied().collect();
        let reachable = match connection.target.via {
            Some(_) => Ok(self.parent_at(&records)),
            None => self.reachable(&records, port),
        };
        match reachable {
            Err(refusal) => {
                if let Some(Some(connection)) = self.connections.get_mut(index) {
                    connection.target.address = records.first().map(|record| record.address);
                }
                self.refuse(index, manner, refusal);
            }
            Ok(addresses) => {
                if addresses.is_empty() {
                    return self.has_no_address(index, manner, &answers);
                }
                let Some(Some(connection)) = self.connections.get_mut(index) else { return };
                connection.stage = Stage::Dialing(Dial { addresses: VecDeque::from(addresses), opening });
                self.set_deadline(index, DIAL);
                self.dial(index);
            }
        }
    }

    /// A name without addresses: there are none, or nobody would say.
    fn has_no_address(&mut self, index: usize, manner: Manner, answers: &[Answer]) {
        let why = answers.iter().filter_map(|answer| answer.as_ref().err());
        let failed = why.clone().find(|why| matches!(why, Unanswered::Failed(_) | Unanswered::Busy));
        let via = self
            .connections
            .get(index)
            .and_then(Option::as_ref)
            .is_some_and(|this| this.target.via.is_some());
        match failed {
            None if via => self.fail_by(index, manner, Failure::ParentUnreachable),
            Some(Unanswered::Failed(failure)) => self.fail_by(index, manner, *failure),
            Some(_) => self.fail(index, manner, "too many names are being asked for at once"),
            None if why.count() == answers.len() => self.fail(index, manner, "there is no such name"),
            None => self.fail(index, manner, "it has no address"),
        }
    }

    /// What is allowed and failed outside: the client and the supervisor are told how.
    pub(super) fn fail_by(&mut self, index: usize, manner: Manner, failure: Failure) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        let target = connection.target.clone();
        self.tell_failed(target.host.as_deref(), Some(target.port), failure);
        let status = if failure.is_silence() { "504 Gateway Timeout" } else { "502 Bad Gateway" };
        match manner {
            Manner::Captured => self.break_off(index),
            Manner::Connect | Manner::Request => {
                let text = format!("ringfence allows {}, but {failure}.\n", display(&target));
                self.answer(index, http::answer(status, &text));
            }
            Manner::Socks => self.answer(index, socks::reply(socks::Code::HostUnreachable).to_vec()),
        }
    }

    /// None of its addresses took the connection.
    pub(super) fn unreachable(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        let Stage::Dialing(dial) = &connection.stage else { return };
        if connection.target.via.is_some() {
            return self.fail_by(index, dial.opening.manner, Failure::ParentUnreachable);
        }
        self.fail(index, dial.opening.manner, "it did not take the connection");
    }

    fn fail(&mut self, index: usize, manner: Manner, why: &str) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        let text = format!("ringfence allows {}, but {why}.\n", display(&connection.target));
        match manner {
            Manner::Captured => self.break_off(index),
            Manner::Connect | Manner::Request => self.answer(index, http::answer("502 Bad Gateway", &text)),
            Manner::Socks => self.answer(index, socks::reply(socks::Code::HostUnreachable).to_vec()),
        }
    }

    pub(super) fn refuse(&mut self, index: usize, manner: Manner, refusal: Refusal) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        let target = connection.target.clone();
        self.tell_refused(&target, refusal);
        match manner {
            Manner::Captured => self.break_off(index),
            Manner::Connect | Manner::Request => {
                let text = self.rules.explain(refusal, &display(&target));
                self.answer(index, http::answer(super::spend::status(refusal), &text));
            }
            Manner::Socks => self.answer(index, socks::reply(socks::Code::NotAllowed).to_vec()),
        }
    }
}

/// Fields between client and proxy alone (RFC 9110, section 7.6.1; RFC 9112, appendix C.2.2).
const OWN_FIELDS: &[&str] = &["connection", "proxy-connection", "proxy-authorization", "keep-alive"];

/// What a request to the proxy asks for: a tunnel, or one request to be carried on.
fn read_request(head: &Head, text: &[u8], behind: Vec<u8>) -> Result<Asked, Malformed> {
    if head.method == "CONNECT" {
        let authority = http::authority(&head.target).ok_or(Malformed("a CONNECT without a host"))?;
        let port = authority.port.ok_or(Malformed("a CONNECT without a port"))?;
        if head.host.as_ref().is_some_and(|host| host.host != authority.host) {
            return Err(Malformed("a CONNECT to another host than its Host"));
        }
        if head.body != http::Body::Length(0) {
            return Err(Malformed("a CONNECT with a body"));
        }
        let opening = Opening { manner: Manner::Connect, first: Vec::new(), behind, gate: None };
        return Ok(Asked { host: authority.host, port, opening });
    }
    let (host, port, path) =
        http::absolute_form(&head.target).ok_or(Malformed("a target that is no http:// URL"))?;
    if head.host.as_ref().is_some_and(|named| named.host != host) {
        return Err(Malformed("a target with another host than its Host"));
    }
    let line_end = text.windows(2).position(|pair| pair == b"\r\n").unwrap_or(0) + 2;
    let version = text[..line_end].rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let target = match path {
        "" if head.method == "OPTIONS" => "*".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    let mut first = [head.method.as_bytes(), b" ", target.as_bytes(), b" ", version].concat();
    // One request and no more: the next could be for another host.
    let manner_of_end: &[u8] =
        if head.change == Change::Asked { b"Connection: upgrade\r\n" } else { b"Connection: close\r\n" };
    first.extend_from_slice(manner_of_end);
    let mut dropped = OWN_FIELDS.to_vec();
    if head.change == Change::ToNames {
        dropped.extend(["upgrade", "http2-settings"]);
    }
    let rest = [b"\r\n", &text[line_end..]].concat();
    // The empty line in front stands for the request line, which is not looked at.
    first.extend_from_slice(&http::without(&rest, &dropped)[2..]);
    let gate = Some(Gate::one_request(head));
    Ok(Asked { host, port, opening: Opening { manner: Manner::Request, first, behind, gate } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, Malformed> {
        let head = http::head(text.as_bytes()).unwrap().unwrap();
        read_request(&head, &text.as_bytes()[..head.length], text.as_bytes()[head.length..].to_vec())
    }

    #[test]
    fn an_absolute_request_is_carried_on_in_origin_form_and_is_the_last() {
        let text = "GET http://a.org:81?x HTTP/1.1\r\nHost: a.org:81\r\nProxy-Connection: keep-alive\r\nX: y\r\n\r\nbehind";
        let asked = read(text).unwrap();
        assert_eq!(
            String::from_utf8(asked.opening.first).unwrap(),
            "GET /?x HTTP/1.1\r\nConnection: close\r\nHost: a.org:81\r\nX: y\r\n\r\n"
        );
        assert_eq!((asked.port, asked.opening.behind.as_slice()), (81, &b"behind"[..]));
    }

    #[test]
    fn what_names_two_hosts_is_refused() {
        assert!(read("GET http://a.org/ HTTP/1.1\r\nHost: b.org\r\n\r\n").is_err());
        assert!(read("CONNECT a.org:443 HTTP/1.1\r\nHost: b.org:443\r\n\r\n").is_err());
        assert!(read("CONNECT a.org HTTP/1.1\r\nHost: a.org\r\n\r\n").is_err());
        assert!(read("GET / HTTP/1.1\r\nHost: a.org\r\n\r\n").is_err());
        assert!(read("CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n\r\n").is_ok());
    }
}
