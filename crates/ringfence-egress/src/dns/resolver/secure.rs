//! The way to a resolver behind TLS: it is found, dialled and asked on one stream, for all questions (RFC 7858, 3.4). TLS is
//! the inspector's, which gets the connection and gives a plain stream back; so is HTTP (RFC 8484), so that both kinds of
//! resolver are the same here.
//!
//! Not which names are asked for, and no way on where this one ends: a name that has no answer here has none.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ringfence_plan::{Failure, HostName, Target, Upstream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType};

use super::{Answer, Answered, Query, Resolver, Route, Turn, Via, more_telling, random};
use crate::dns::conversation::{self, Conversation};
use crate::dns::message::{Kind, Record, Reply, Unanswered};
use crate::gateway::poller::{Poller, Token};
use crate::gateway::socket;
use crate::handed::Agreement;

/// How long one address may take until questions can be asked there: shorter than a question waits, so that another
/// address has its turn.
const AGREE: Duration = Duration::from_secs(3);
/// How long a stream is kept that nothing is asked on. What drops it without a word on the way would cost a question.
const IDLE: Duration = Duration::from_secs(15);
/// How long it is left alone after a stream was lost: who asks for many names would have it dialled as often as that.
const PAUSE: Duration = Duration::from_millis(100);
/// Most addresses of its name that are tried.
const MOST_ADDRESSES: usize = 8;

/// What the resolver needs of the gateway.
pub(crate) enum Wish<W> {
    /// These addresses, of the host's servers ([`Resolver::find`]).
    Find(HostName),
    /// This connection to be wrapped in TLS, and its plain end ([`Resolver::agree`]).
    Wrap(OwnedFd, Upstream),
    /// These to be told.
    Tell(Vec<Answered<W>>),
}

/// The resolver of the plan.
pub(super) struct Secure {
    upstream: Upstream,
    addresses: Vec<IpAddr>,
    /// Whether they are known without asking name servers.
    is_listed: bool,
    /// Where in them it is dialled next: behind the one that failed last.
    at: usize,
    /// How many have failed since a question could be asked.
    failed: usize,
    failure: Failure,
    /// Not to be dialled before.
    left_until: Instant,
    link: Link,
}

enum Link {
    Down,
    /// Its name is asked for: so many answers are to come.
    Sought {
        missing: usize,
        found: Vec<Record>,
    },
    Dialled {
        socket: OwnedFd,
        address: SocketAddr,
        due: Instant,
    },
    /// Connected, and to be wrapped.
    Bare(OwnedFd),
    Up(Stream),
}

struct Stream {
    socket: OwnedFd,
    unsent: Vec<u8>,
    said: Conversation,
    /// Whether TLS stands; until then, by when it has to.
    agreed: Result<(), Instant>,
    /// When it last did something.
    heard: Instant,
}

impl Secure {
    pub(super) fn new(upstream: Upstream, hosts: &str) -> Secure {
        let addresses = match &upstream.host {
            Target::Address(address) => vec![*address],
            Target::Name(name) => crate::dns::hosts::addresses(hosts, name),
        };
        let failure = Failure::ResolverUnreachable;
        let is_listed = !addresses.is_empty();
        let left_until = Instant::now();
        Secure { upstream, addresses, is_listed, at: 0, failed: 0, failure, left_until, link: Link::Down }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        match &self.link {
            Link::Dialled { due, .. } => Some(*due),
            Link::Up(Stream { agreed: Err(due), .. }) => Some(*due),
            Link::Up(stream) if stream.said.is_idle() => Some(stream.heard + IDLE),
            Link::Down => Some(self.left_until).filter(|until| *until > Instant::now()),
            Link::Sought { .. } | Link::Bare(_) | Link::Up(_) => None,
        }
    }

    /// Begins to connect to the next address; false where none is left that has not failed.
    fn dial(&mut self, poller: &Poller) -> bool {
        while self.failed < self.addresses.len() {
            let address = self.addresses[self.at % self.addresses.len()];
            let address = SocketAddr::new(address, self.upstream.port);
            let socket = socket::connected(address, SocketType::STREAM);
            if let Ok(socket) = socket
                && poller.add(&socket, Token::Resolver).is_ok()
            {
                socket::without_delay(&socket);
                self.link = Link::Dialled { socket, address, due: Instant::now() + AGREE };
                return true;
            }
            self.pass_over();
        }
        false
    }

    /// After a stream was lost: what stood for it may be known otherwise by now.
    fn begin_anew(&mut self) {
        self.at = self.at.wrapping_add(1);
        (self.failed, self.failure) = (0, Failure::ResolverUnreachable);
        self.left_until = Instant::now() + PAUSE;
        if !self.is_listed {
            self.addresses.clear();
        }
    }

    fn pass_over(&mut self) {
        self.at = self.at.wrapping_add(1);
        self.failed += 1;
    }
}

impl<W> Resolver<W> {
    /// The next thing that it needs to get on.
    pub(crate) fn wish(&mut self, poller: &Poller) -> Option<Wish<W>> {
        let waits = |query: &Query<W>| matches!(query.via, Via::Secure(Turn::ToCome));
        let waits = self.queries.iter().flatten().any(waits);
        let secure = self.secure.as_mut()?;
        match std::mem::replace(&mut secure.link, Link::Down) {
            Link::Bare(socket) => Some(Wish::Wrap(socket, secure.upstream.clone())),
            Link::Down if waits && secure.left_until <= Instant::now() => {
                match secure.upstream.host.clone() {
                    Target::Name(name) if secure.addresses.is_empty() => Some(Wish::Find(name)),
                    _ if secure.dial(poller) => None,
                    _ => Some(Wish::Tell(self.link_lost(poller, Failure::ResolverUnreachable))),
                }
            }
            Link::Up(stream) if waits && stream.agreed.is_ok() => {
                secure.link = Link::Up(stream);
                let lost = self.say().err().map(|_| self.link_lost(poller, Failure::ResolverFailed));
                lost.filter(|answered| !answered.is_empty()).map(Wish::Tell)
            }
            link => {
                secure.link = link;
                None
            }
        }
    }

    /// Asks the host's servers where the resolver is: the one question that leaves in clear. Each answer is for
    /// [`Resolver::found`], at once or when it comes.
    pub(crate) fn find(
        &mut self,
        poller: &Poller,
        name: &HostName,
        kinds: &[Kind],
        waiter: impl Fn() -> W,
    ) -> Vec<Answered<W>> {
        if let Some(secure) = &mut self.secure {
            secure.link = Link::Sought { missing: kinds.len(), found: Vec::new() };
        }
        let mut answered = Vec::new();
        for kind in kinds {
            if let Err((_, answer)) = self.ask_by(poller, (name, *kind, Route::Host), waiter()) {
                answered.extend(self.found(poller, answer));
            }
        }
        answered
    }

    /// Learns where the resolver is. Its owner has named it, so nothing is special about its addresses.
    pub(crate) fn found(&mut self, poller: &Poller, answer: Answer) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        let Link::Sought { missing, found } = &mut secure.link else { return Vec::new() };
        found.extend(answer.into_iter().flatten());
        *missing -= 1;
        if *missing > 0 {
            return Vec::new();
        }
        let mut found: Vec<IpAddr> =
            found.iter().map(|record| crate::guard::canonical(record.address)).collect();
        found.sort_by_key(IpAddr::is_ipv6);
        found.truncate(MOST_ADDRESSES);
        (secure.addresses, secure.link) = (found, Link::Down);
        if secure.dial(poller) { Vec::new() } else { self.link_lost(poller, Failure::ResolverUnreachable) }
    }

    /// The plain end of the wrapped connection; `None` where nobody wraps it.
    pub(crate) fn agree(&mut self, poller: &Poller, plain: Option<OwnedFd>) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        let added = plain.filter(|socket| poller.add(socket, Token::Resolver).is_ok());
        let Some(socket) = added else { return self.link_failed(poller, Failure::ResolverTls) };
        let (said, now) = (Conversation::default(), Instant::now());
        let agreed = Err(now + AGREE);
        secure.link = Link::Up(Stream { socket, unsent: Vec::new(), said, agreed, heard: now });
        Vec::new()
    }

    /// Something happened on the way to the resolver.
    pub(crate) fn link_ready(&mut self, poller: &Poller) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        match &mut secure.link {
            Link::Dialled { socket, address, .. } => match socket::is_connected(socket, *address) {
                Ok(false) => Vec::new(),
                Ok(true) => {
                    let Link::Dialled { socket, .. } = std::mem::replace(&mut secure.link, Link::Down) else {
                        return Vec::new();
                    };
                    // From here on the inspector has it, too.
                    let _ = poller.remove(&socket);
                    secure.link = Link::Bare(socket);
                    Vec::new()
                }
                Err(_) => self.link_failed(poller, Failure::ResolverUnreachable),
            },
            Link::Up(_) => self.hear(poller),
            Link::Down | Link::Sought { .. } | Link::Bare(_) => Vec::new(),
        }
    }

    /// Sends what waits for its turn.
    fn say(&mut self) -> io::Result<()> {
        let Some(Secure { link: Link::Up(stream), .. }) = &mut self.secure else { return Ok(()) };
        for (place, query) in self.queries.iter_mut().enumerate() {
            let Some(query) = query.as_mut().filter(|query| matches!(query.via, Via::Secure(Turn::ToCome)))
            else {
                continue;
            };
            let Some(question) = stream.said.ask(place, &query.name, query.kind, random()?) else { break };
            stream.unsent.extend(question);
            query.via = Via::Secure(Turn::Since(Instant::now()));
        }
        Ok(stream.flush()?)
    }

    fn hear(&mut self, poller: &Poller) -> Vec<Answered<W>> {
        let mut answered = Vec::new();
        while let Some(Secure { link: Link::Up(stream), failed, .. }) = &mut self.secure {
            match stream.flush().and_then(|()| stream.read()) {
                Ok(Heard::Nothing) => break,
                // Every address has its turn again.
                Ok(Heard::Something) => *failed = 0,
                Ok(Heard::No(failure)) => {
                    answered.extend(self.link_failed(poller, failure));
                    break;
                }
                Err(_) => {
                    answered.extend(self.link_lost(poller, Failure::ResolverFailed));
                    break;
                }
            }
            answered.extend(self.take_answers(poller));
        }
        answered
    }

    fn take_answers(&mut self, poller: &Poller) -> Vec<Answered<W>> {
        let mut answered = Vec::new();
        while let Some(Secure { link: Link::Up(stream), .. }) = &mut self.secure {
            match stream.said.next_answer() {
                Ok(None) => break,
                Ok(Some(conversation::Answer { place, reply })) => {
                    let came = match reply {
                        Reply::Records(records) => Some(self.end(place, Ok(records))),
                        Reply::NxDomain => Some(self.end(place, Err(Unanswered::NxDomain))),
                        Reply::Failed(failure) => self.try_again(poller, place, failure),
                        Reply::Truncated => self.try_again(poller, place, Failure::ResolverFailed),
                    };
                    answered.extend(came);
                }
                Err(conversation::Broken) => {
                    answered.extend(self.link_lost(poller, Failure::ResolverFailed));
                }
            }
        }
        answered
    }

    /// A question is given up; with it the stream, if that said nothing since it was asked, or does so too often.
    pub(super) fn no_longer_waits(&mut self, poller: &Poller, place: usize) -> Vec<Answered<W>> {
        let Some(Some(Query { via: Via::Secure(Turn::Since(asked)), .. })) = self.queries.get(place) else {
            return Vec::new();
        };
        let Some(Secure { link: Link::Up(stream), .. }) = &mut self.secure else { return Vec::new() };
        let is_of_use = stream.said.give_up(place) && stream.heard > *asked;
        if is_of_use { Vec::new() } else { self.link_lost(poller, Failure::ResolverSilent) }
    }

    /// Gives up on what the stream itself waits for.
    pub(super) fn give_up_link(&mut self, poller: &Poller, now: Instant) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        if secure.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        match &secure.link {
            Link::Down => Vec::new(),
            Link::Up(Stream { agreed: Ok(()), .. }) => {
                secure.link = Link::Down;
                Vec::new()
            }
            _ => self.link_failed(poller, Failure::ResolverSilent),
        }
    }

    /// At this address no question can be asked: the next has its turn, and after the last all questions have failed.
    fn link_failed(&mut self, poller: &Poller, failure: Failure) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        secure.failure = more_telling(secure.failure, failure);
        secure.link = Link::Down;
        secure.pass_over();
        if secure.dial(poller) {
            return Vec::new();
        }
        let failure = secure.failure;
        self.link_lost(poller, failure)
    }

    /// There is no stream any more: what was asked on it, or waited for it to come about, is tried again.
    fn link_lost(&mut self, poller: &Poller, failure: Failure) -> Vec<Answered<W>> {
        let Some(secure) = &mut self.secure else { return Vec::new() };
        let lost: Vec<usize> = match std::mem::replace(&mut secure.link, Link::Down) {
            Link::Up(stream) if stream.agreed.is_ok() => stream.said.places().collect(),
            _ => {
                let is_lost =
                    |query: &Option<Query<W>>| matches!(query, Some(Query { via: Via::Secure(_), .. }));
                (0..self.queries.len()).filter(|place| is_lost(&self.queries[*place])).collect()
            }
        };
        if !lost.is_empty() {
            secure.begin_anew();
        }
        lost.into_iter().filter_map(|place| self.try_again(poller, place, failure)).collect()
    }
}

enum Heard {
    Nothing,
    Something,
    /// TLS does not stand.
    No(Failure),
}

impl Stream {
    fn flush(&mut self) -> Result<(), Errno> {
        while !self.unsent.is_empty() {
            match rustix::net::send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Heard, Errno> {
        let mut buffer = [0; 4096];
        let length = match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => return Ok(Heard::Nothing),
            Err(error) => return Err(error),
        };
        self.heard = Instant::now();
        let mut bytes = &buffer[..length];
        if self.agreed.is_err() {
            let Some((first, behind)) = bytes.split_first() else {
                return Ok(Heard::No(Failure::ResolverTls));
            };
            match Agreement::unpack(*first) {
                Agreement::Reached => self.agreed = Ok(()),
                Agreement::Untrusted => return Ok(Heard::No(Failure::ResolverUntrusted)),
                Agreement::Failed => return Ok(Heard::No(Failure::ResolverTls)),
            }
            bytes = behind;
        } else if bytes.is_empty() {
            return Err(Errno::CONNRESET);
        }
        self.said.hear(bytes);
        Ok(Heard::Something)
    }
}

#[cfg(test)]
mod tests;
