//! What stands between a client's bytes and the server: first the name that they ask for, then, for HTTP, each request's.
//! A server that speaks first is let through at once; the client's own bytes are not until they are understood.

use std::cell::RefCell;
use std::net::IpAddr;

use ringfence_plan::HostName;

use super::forward::Forward;
use super::spend::Spending;
use crate::greeted::{Crooked, FirstLine, Greeted, Left};
use crate::hello::{self, ClientHello, Hello, hello};
use crate::http::{self, Change, Follow, Head, Host, Malformed};
use crate::rules::{Refusal, Rules};
use crate::scan::Found;

/// Whom the client may name.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Anybody: the address is allowed for its own sake, and nothing that a client says is denied.
    Anybody,
    /// Anybody whom no rule denies.
    NotDenied,
    /// One of those that were looked up, or asked of the proxy.
    OneOf(Vec<HostName>),
}

/// What a connection's bytes are judged by.
pub(crate) struct Judge<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) expected: &'a Expected,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) spending: Spending<'a>,
    /// Whom the client has named meanwhile.
    pub(crate) named: RefCell<Option<HostName>>,
}

/// How far the client's bytes are understood.
#[derive(Debug)]
pub(crate) enum Gate {
    /// They pass as they are.
    Open,
    /// It is not clear yet what they are.
    Hello(Vec<u8>),
    /// A greeting of TLS, which the server has not answered.
    Greeted(Greeted),
    /// A line that seems to name nobody, and has not ended.
    FirstLine(FirstLine),
    /// One request, to the parent proxy.
    Forward(Forward),
    /// Requests of HTTP/1.
    Http(Requests),
    /// A request asked for another protocol, and the server has not answered.
    Switching(Requests),
    /// Nothing passes any more.
    Shut,
}

/// A row of requests on one connection.
#[derive(Debug)]
pub(crate) struct Requests {
    held: Vec<u8>,
    follow: Follow,
    /// Whether another request may follow: through the proxy it could be for another host.
    last: bool,
    /// Whether one has passed, whose answer may be what the server says next.
    begun: bool,
}

/// Why a connection goes no further.
pub(crate) struct Stop {
    pub(crate) refusal: Refusal,
    /// Whether the client speaks HTTP, and reads an answer in it.
    pub(crate) http: bool,
}

impl Gate {
    /// The gate of a tunnel.
    pub(crate) fn new(expected: &Expected) -> Gate {
        match expected {
            Expected::Anybody => Gate::Open,
            Expected::NotDenied | Expected::OneOf(_) => Gate::Hello(Vec::new()),
        }
    }

    /// How much it holds.
    pub(crate) fn holds(&self) -> usize {
        match self {
            Gate::Open | Gate::Shut | Gate::FirstLine(_) => 0,
            Gate::Hello(held) => held.capacity(),
            Gate::Greeted(greeted) => greeted.holds(),
            Gate::Forward(forward) => forward.holds(),
            Gate::Http(requests) | Gate::Switching(requests) => requests.held.capacity(),
        }
    }

    /// The same, and no other protocol can follow.
    pub(crate) fn one_request_alone(head: &Head) -> Gate {
        Gate::Http(Requests { held: Vec::new(), follow: Follow::new(head.body), last: true, begun: true })
    }

    /// The gate of one request whose head has been judged.
    pub(crate) fn one_request(head: &Head) -> Gate {
        let requests = Requests { held: Vec::new(), follow: Follow::new(head.body), last: true, begun: true };
        if head.change == Change::Asked { Gate::Switching(requests) } else { Gate::Http(requests) }
    }

    /// Takes `bytes` of the client and gives on to `out` what may pass.
    pub(crate) fn feed(&mut self, judge: &Judge<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        match self {
            Gate::Open => out.extend_from_slice(bytes),
            Gate::Shut => {}
            Gate::Hello(held) => {
                held.extend_from_slice(bytes);
                match judge.hello(held)? {
                    None => {}
                    Some(Next::Greeted(greeting)) => {
                        let behind = held.split_off(greeting.length);
                        out.append(held);
                        *self = Gate::Greeted(Greeted::new(greeting));
                        return self.feed(judge, &behind, out);
                    }
                    Some(Next::Line) => {
                        let held = std::mem::take(held);
                        *self = Gate::FirstLine(FirstLine::default());
                        return self.feed(judge, &held, out);
                    }
                    Some(Next::Requests) => {
                        let held = std::mem::take(held);
                        *self =
                            Gate::Http(Requests { held, follow: Follow::Done, last: false, begun: false });
                        return self.advance(judge, out);
                    }
                }
            }
            Gate::Greeted(greeted) => {
                if greeted.feed(bytes, out).map_err(|why| judge.not_behind(why))? == Left::Nothing {
                    *self = Gate::Open;
                }
            }
            Gate::FirstLine(line) => {
                if line.feed(bytes, out).map_err(|why| Stop { http: true, ..judge.not_behind(why) })?
                    == Left::Nothing
                {
                    *self = Gate::Open;
                }
            }
            Gate::Forward(forward) => {
                if let Some(next) = forward.feed(judge, bytes, out)? {
                    *self = next;
                }
            }
            Gate::Http(requests) => {
                requests.held.extend_from_slice(bytes);
                return self.advance(judge, out);
            }
            Gate::Switching(requests) => {
                requests.held.extend_from_slice(bytes);
                if requests.held.len() > http::LONGEST_HEAD {
                    return Err(judge.malformed("much sent before the protocol was changed"));
                }
            }
        }
        Ok(())
    }

    /// Gives on to `out`, at the client's end, what was held in case that it became a request.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if let Gate::Hello(held) = self
            && !hello::may_name(held)
        {
            out.append(held);
            *self = Gate::Open;
        }
    }

    /// Whether what the server says decides on what passes.
    pub(crate) fn listens(&self) -> bool {
        matches!(self, Gate::Switching(_) | Gate::Greeted(_))
    }

    /// Hears what the server says first after a greeting of TLS, or a request to change the protocol.
    pub(crate) fn hear(&mut self, judge: &Judge<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        if let Gate::Greeted(greeted) = self {
            if greeted.hear(bytes, out).map_err(|why| judge.not_behind(why))? == Left::Nothing {
                *self = Gate::Open;
            }
            return Ok(());
        }
        let Gate::Switching(requests) = self else { return Ok(()) };
        // 101, and from then on it is no HTTP. A success is an answer like any other: the server has not heeded the wish
        // (RFC 9110, section 7.8), and the next bytes are the next request.
        let answer = behind_interim(bytes);
        if answer.starts_with(b"HTTP/1.1 101") && requests.follow == Follow::Done {
            out.append(&mut requests.held);
            *self = Gate::Open;
        } else if !answer.is_empty() {
            let held = std::mem::take(&mut requests.held);
            let follow = std::mem::replace(&mut requests.follow, Follow::Done);
            *self = Gate::Http(Requests { held, follow, last: requests.last, begun: true });
            return self.advance(judge, out);
        }
        Ok(())
    }

    fn advance(&mut self, judge: &Judge<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let Gate::Http(requests) = self else { return Ok(()) };
        loop {
            if requests.follow != Follow::Done {
                let taken = requests.follow.advance(&requests.held);
                let taken = taken.map_err(|Malformed(what)| judge.malformed(what))?;
                out.extend(requests.held.drain(..taken));
            }
            if requests.follow != Follow::Done || requests.held.is_empty() {
                return Ok(());
            }
            if requests.last {
                *self = Gate::Shut;
                return Ok(());
            }
            let head = http::head(&requests.held).map_err(|Malformed(what)| judge.malformed(what))?;
            let Some(head) = head else { return Ok(()) };
            judge.request(&head)?;
            if requests.begun {
                judge.further_request()?;
            }
            let text: Vec<u8> = requests.held.drain(..head.length).collect();
            // Only of the first is it clear which answer is the server's to it: a body could be made to look like one.
            let changes = head.change == Change::Asked && !requests.begun;
            if changes || head.change == Change::No {
                out.extend(text);
            } else {
                out.extend(http::without(&text, &["upgrade", "http2-settings"]));
            }
            requests.begun = true;
            requests.follow = Follow::new(head.body);
            if changes {
                let held = std::mem::take(&mut requests.held);
                *self = Gate::Switching(Requests { held, follow: Follow::Done, last: false, begun: true });
                return Ok(());
            }
        }
    }
}

/// An answer without the interim ones before it, of which only 101 is the last.
fn behind_interim(mut answer: &[u8]) -> &[u8] {
    while answer.starts_with(b"HTTP/1.1 1")
        && !answer.starts_with(b"HTTP/1.1 101")
        && let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n")
    {
        answer = &answer[end + 4..];
    }
    answer
}

/// What the first bytes turned out to be.
enum Next {
    Greeted(ClientHello),
    Line,
    Requests,
}

impl Judge<'_> {
    fn hello(&self, held: &[u8]) -> Result<Option<Next>, Stop> {
        let stop = |refusal| Stop { refusal, http: false };
        match hello(held) {
            Hello::Unfinished => Ok(None),
            Hello::Other => Ok(Some(Next::Line)),
            Hello::Tls(greeting) => {
                greeting.name.as_ref().map_or(Ok(()), |name| self.name(name)).map_err(stop)?;
                if greeting.hides {
                    self.rules.hidden_greeting().map_err(stop)?;
                }
                Ok(Some(Next::Greeted(greeting)))
            }
            Hello::Http => Ok(Some(Next::Requests)),
            Hello::PlainHttp2 => Err(self.crooked("HTTP/2 without TLS names its hosts out of sight")),
            Hello::Malformed => Err(self.crooked("the first message of TLS or HTTP is crooked")),
        }
    }

    /// The stop of a connection on which a credential's placeholder was seen.
    pub(crate) fn misplaced(&self, Found(placeholder): Found, (gate, bytes): (&Gate, &[u8])) -> Stop {
        let http = matches!(gate, Gate::Http(_) | Gate::Switching(_)) || hello(bytes) == Hello::Http;
        Stop { refusal: self.rules.misplaced(placeholder), http }
    }

    /// What is not read without doubt, and is none of HTTP's.
    pub(crate) fn crooked(&self, what: &'static str) -> Stop {
        Stop { refusal: self.rules.malformed(what), http: false }
    }

    /// What follows a greeting or begins a line, and does not pass.
    fn not_behind(&self, why: Crooked) -> Stop {
        match why {
            Crooked::OtherName => Stop { refusal: self.rules.mismatch(), http: false },
            Crooked::Malformed(what) => self.crooked(what),
        }
    }

    fn name(&self, name: &HostName) -> Result<(), Refusal> {
        match self.expected {
            Expected::Anybody => {}
            Expected::NotDenied => self.rules.not_denied(name, self.port)?,
            Expected::OneOf(names) if names.contains(name) => {}
            Expected::OneOf(_) => return Err(self.rules.mismatch()),
        }
        *self.named.borrow_mut() = Some(name.clone());
        Ok(())
    }

    fn host(&self, host: &Host) -> Result<(), Refusal> {
        match (host, self.expected) {
            (Host::Name(name), _) => self.name(name),
            (Host::Address(address), Expected::OneOf(_)) if Some(*address) != self.address => {
                Err(self.rules.mismatch())
            }
            (Host::Address(_), _) => Ok(()),
        }
    }

    /// A request on a tunnel: its Host, and the host in its target where that has one, which would be believed first.
    /// Not CONNECT: a server that is no proxy may call it a success and go on reading requests, which nobody would judge.
    pub(super) fn request(&self, head: &Head) -> Result<(), Stop> {
        let stop = |refusal| Stop { refusal, http: true };
        if let Some(host) = &head.host {
            self.host(&host.host).map_err(stop)?;
        }
        if head.target.starts_with('/') || head.target == "*" {
            return Ok(());
        }
        let named = match head.method.as_str() {
            "CONNECT" => http::authority(&head.target).map(|authority| authority.host),
            _ => http::absolute_form(&head.target).map(|(host, _, _)| host),
        };
        let host = named.ok_or_else(|| self.malformed("a target that is no path"))?;
        self.host(&host).map_err(stop)?;
        if head.method == "CONNECT" { Err(self.malformed("a CONNECT to a server")) } else { Ok(()) }
    }

    /// A request behind the one that the connection counts for.
    fn further_request(&self) -> Result<(), Stop> {
        let spent = self.spending.request();
        spent.map_err(|spent| Stop {
            refusal: self.rules.over_budget(spent.rule, spent.kind.name()),
            http: true,
        })
    }

    /// What is not read without doubt of HTTP.
    pub(crate) fn malformed(&self, what: &'static str) -> Stop {
        Stop { refusal: self.rules.malformed(what), http: true }
    }
}

#[cfg(test)]
mod greetings;
#[cfg(test)]
mod tests;
