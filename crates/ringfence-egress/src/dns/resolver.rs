//! Asks the host's name servers, one socket a question, so that the port as well as the identity has to be guessed by who
//! would forge an answer (RFC 5452). Where the plan names a resolver behind TLS, that one is asked instead, and never they.

mod secure;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ringfence_plan::{Failure, HostName, Upstream};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType};

use self::secure::Secure;
pub(crate) use self::secure::Wish;
use super::message::{Kind, Record, Reply, Unanswered, query, reply};
use crate::gateway::poller::{Poller, Token};
use crate::gateway::socket;

/// Addresses, perhaps none; or why there is no answer.
pub(crate) type Answer = Result<Vec<Record>, Unanswered>;

/// A question that was answered, and who waited for it.
pub(crate) struct Answered<W> {
    pub(crate) waiters: Vec<W>,
    pub(crate) name: HostName,
    pub(crate) answer: Answer,
}

/// Most questions under way at once; more are answered by a failure.
const MOST: usize = 256;
/// Most who wait for them; more are answered by a failure, too.
const MOST_WAITING: usize = 16_384;
/// Most answers that are remembered, and addresses in each: more than an answer to the sandbox has room for.
const MOST_KNOWN: usize = 4096;
const MOST_ADDRESSES: usize = 64;
/// How long a server may take, and how often the list of them is gone through.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// The same of a resolver behind TLS, which may have to be dialled first.
const PATIENCE_SECURE: Duration = Duration::from_secs(5);
/// More questions than that may be under way for where that resolver itself is: the others wait for these.
const FOR_ITSELF: usize = 2;
/// How long it is remembered that a name does not exist.
const ABSENT: Duration = Duration::from_secs(5);

pub(crate) struct Resolver<W> {
    servers: Vec<SocketAddr>,
    secure: Option<Secure>,
    known: HashMap<(HostName, Kind, Route), (Answer, Instant)>,
    queries: Vec<Option<Query<W>>>,
}

/// Who is asked. What one of them says is not believed for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Route {
    /// The host's servers.
    Host,
    /// The resolver of the plan.
    Secure,
}

struct Query<W> {
    name: HostName,
    kind: Kind,
    route: Route,
    id: u16,
    via: Via,
    tries: usize,
    due: Instant,
    /// What the servers that were asked have come to.
    failure: Failure,
    waiters: Vec<W>,
}

enum Via {
    /// On the one stream to the resolver, once its turn has come.
    Secure(Turn),
    Datagram(OwnedFd),
    /// After an answer that did not fit.
    Stream {
        socket: OwnedFd,
        unsent: Vec<u8>,
        received: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has still to be sent.
    ToCome,
    /// It was sent then.
    Since(Instant),
}

impl Route {
    fn patience(self) -> Duration {
        match self {
            Route::Host => PATIENCE,
            Route::Secure => PATIENCE_SECURE,
        }
    }

    /// What a question comes to if nothing else is told of it.
    fn unreachable(self) -> Failure {
        match self {
            Route::Host => Failure::NamesUnreachable,
            Route::Secure => Failure::ResolverUnreachable,
        }
    }

    fn silent(self) -> Failure {
        match self {
            Route::Host => Failure::NamesSilent,
            Route::Secure => Failure::ResolverSilent,
        }
    }
}

impl<W> Resolver<W> {
    /// With a resolver of the plan's, the host's servers are asked for where that one is and for nothing else; `hosts` is the
    /// host's own list of names.
    pub(crate) fn new(servers: Vec<SocketAddr>, upstream: Option<Upstream>, hosts: &str) -> Resolver<W> {
        let secure = upstream.map(|upstream| Secure::new(upstream, hosts));
        Resolver { servers, secure, known: HashMap::new(), queries: Vec::new() }
    }

    /// The answer, if it is known; otherwise `waiter` is told of when it comes.
    pub(crate) fn ask(
        &mut self,
        poller: &Poller,
        name: &HostName,
        kind: Kind,
        waiter: W,
    ) -> Result<(), (W, Answer)> {
        let route = if self.secure.is_some() { Route::Secure } else { Route::Host };
        self.ask_by(poller, (name, kind, route), waiter)
    }

    fn ask_by(
        &mut self,
        poller: &Poller,
        (name, kind, route): (&HostName, Kind, Route),
        waiter: W,
    ) -> Result<(), (W, Answer)> {
        if let Some((answer, until)) = self.known.get(&(name.clone(), kind, route))
            && *until > Instant::now()
        {
            return Err((waiter, answer.clone()));
        }
        let most = if self.is_for_itself(route) { MOST + FOR_ITSELF } else { MOST };
        if most == MOST
            && self.queries.iter().flatten().map(|query| query.waiters.len()).sum::<usize>() >= MOST_WAITING
        {
            return Err((waiter, Err(Unanswered::Busy)));
        }
        let mut running = self.queries.iter_mut().flatten();
        let same = |query: &&mut Query<W>| (&query.name, query.kind, query.route) == (name, kind, route);
        if let Some(query) = running.find(same) {
            query.waiters.push(waiter);
            return Ok(());
        }
        let Some(index) = self.free_place(most) else { return Err((waiter, Err(Unanswered::Busy))) };
        match self.start(poller, index, (name, kind, route), 0) {
            Ok((id, via, tries)) => {
                let due = Instant::now() + route.patience();
                let (name, failure, waiters) = (name.clone(), route.unreachable(), vec![waiter]);
                self.queries[index] =
                    Some(Query { name, kind, route, id, via, tries, due, failure, waiters });
                Ok(())
            }
            Err(_) => Err((waiter, Err(Unanswered::Failed(route.unreachable())))),
        }
    }

    /// Whether what is asked by this route is where the resolver of the plan is.
    fn is_for_itself(&self, route: Route) -> bool {
        self.secure.is_some() && route == Route::Host
    }

    /// Something happened on a question's socket.
    pub(crate) fn ready(&mut self, poller: &Poller, index: usize) -> Option<Answered<W>> {
        let query = self.queries.get_mut(index)?.as_mut()?;
        let reply = match &mut query.via {
            Via::Secure(_) => return None,
            Via::Datagram(socket) => hear_datagram(socket, query.id, &query.name, query.kind),
            Via::Stream { socket, unsent, received } => {
                let message = hear_stream(socket, unsent, received);
                message
                    .map(|message| message.and_then(|bytes| reply(&bytes, query.id, &query.name, query.kind)))
            }
        };
        match reply {
            Ok(None) => None,
            Ok(Some(Reply::Records(records))) => Some(self.end(index, Ok(records))),
            Ok(Some(Reply::NxDomain)) => Some(self.end(index, Err(Unanswered::NxDomain))),
            Ok(Some(Reply::Truncated)) if matches!(query.via, Via::Datagram(_)) => {
                match self.change_to_stream(poller, index) {
                    Ok(()) => None,
                    Err(_) => self.try_again(poller, index, Failure::NamesUnreachable),
                }
            }
            Ok(Some(Reply::Truncated)) => self.try_again(poller, index, Failure::NamesFailed),
            Ok(Some(Reply::Failed(failure))) => self.try_again(poller, index, failure),
            Err(_) => self.try_again(poller, index, Failure::NamesUnreachable),
        }
    }

    /// Gives up on servers that are silent.
    pub(crate) fn give_up(&mut self, poller: &Poller, now: Instant) -> Vec<Answered<W>> {
        let late = |query: &Option<Query<W>>| query.as_ref().is_some_and(|query| query.due <= now);
        let late: Vec<usize> = (0..self.queries.len()).filter(|index| late(&self.queries[*index])).collect();
        let mut answered = Vec::new();
        for index in late {
            let Some(Some(query)) = self.queries.get(index) else { continue };
            // Another one's end may have brought it onto another way.
            if query.due <= now {
                let failure = query.route.silent();
                answered.extend(self.no_longer_waits(poller, index));
                answered.extend(self.try_again(poller, index, failure));
            }
        }
        answered.extend(self.give_up_link(poller, now));
        answered
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let questions = self.queries.iter().flatten().map(|query| query.due);
        questions.chain(self.secure.as_ref().and_then(Secure::next_due)).min()
    }

    fn free_place(&mut self, most: usize) -> Option<usize> {
        if let Some(index) = self.queries.iter().position(Option::is_none) {
            return Some(index);
        }
        (self.queries.len() < most).then(|| {
            self.queries.push(None);
            self.queries.len() - 1
        })
    }

    /// Sends the question to the next server that can be sent to, from try number `tries` on.
    fn start(
        &self,
        poller: &Poller,
        index: usize,
        (name, kind, route): (&HostName, Kind, Route),
        mut tries: usize,
    ) -> io::Result<(u16, Via, usize)> {
        let id = random()?;
        if route == Route::Secure && tries < ROUNDS {
            return Ok((id, Via::Secure(Turn::ToCome), tries + 1));
        }
        if route == Route::Secure {
            return Err(io::ErrorKind::TimedOut.into());
        }
        while tries < self.servers.len() * ROUNDS {
            let server = self.servers[tries % self.servers.len()];
            tries += 1;
            let Ok(socket) = socket::connected(server, SocketType::DGRAM) else { continue };
            if rustix::net::send(&socket, &query(id, name, kind), SendFlags::NOSIGNAL).is_ok() {
                poller.add(&socket, Token::Query(index))?;
                return Ok((id, Via::Datagram(socket), tries));
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Asks the next server, since this one came to `failure`; after the last the most telling failure is the answer.
    fn try_again(&mut self, poller: &Poller, index: usize, failure: Failure) -> Option<Answered<W>> {
        let query = self.queries[index].as_mut()?;
        query.failure = more_telling(query.failure, failure);
        let query = self.queries[index].as_ref()?;
        match self.start(poller, index, (&query.name, query.kind, query.route), query.tries) {
            Ok((id, via, tries)) => {
                let due = Instant::now() + query.route.patience();
                let query = self.queries[index].as_mut()?;
                (query.id, query.via, query.tries, query.due) = (id, via, tries, due);
                None
            }
            Err(_) => {
                let failure = query.failure;
                Some(self.end(index, Err(Unanswered::Failed(failure))))
            }
        }
    }

    fn change_to_stream(&mut self, poller: &Poller, index: usize) -> io::Result<()> {
        let Some(query) = self.queries[index].as_mut() else { return Ok(()) };
        let server = self.servers[(query.tries + self.servers.len() - 1) % self.servers.len()];
        let socket = socket::connected(server, SocketType::STREAM)?;
        let question = self::query(query.id, &query.name, query.kind);
        let unsent = [&(question.len() as u16).to_be_bytes(), question.as_slice()].concat();
        poller.add(&socket, Token::Query(index))?;
        query.via = Via::Stream { socket, unsent, received: Vec::new() };
        query.due = Instant::now() + PATIENCE;
        Ok(())
    }

    fn end(&mut self, index: usize, mut answer: Answer) -> Answered<W> {
        if let Ok(records) = &mut answer {
            records.truncate(MOST_ADDRESSES);
            records.shrink_to_fit();
        }
        let Some(Query { name, kind, route, waiters, .. }) = self.queries[index].take() else {
            unreachable!("ended by who looked it up")
        };
        let lifetime = match &answer {
            Ok(records) => {
                records.iter().map(|record| Duration::from_secs(record.ttl.into())).min().unwrap_or(ABSENT)
            }
            Err(Unanswered::NxDomain) => ABSENT,
            Err(_) => Duration::ZERO,
        };
        if self.known.len() >= MOST_KNOWN {
            let now = Instant::now();
            self.known.retain(|_, (_, until)| *until > now);
        }
        if self.known.len() < MOST_KNOWN {
            self.known.insert((name.clone(), kind, route), (answer.clone(), Instant::now() + lifetime));
        }
        Answered { waiters, name, answer }
    }
}

/// A server that said something tells more than one that was silent, and that one more than none.
fn more_telling(known: Failure, new: Failure) -> Failure {
    let tells = |failure| match failure {
        Failure::NamesUnreachable | Failure::ResolverUnreachable => 0,
        Failure::NamesSilent | Failure::ResolverSilent => 1,
        _ => 2,
    };
    if tells(new) > tells(known) { new } else { known }
}

fn hear_datagram(socket: &OwnedFd, id: u16, name: &HostName, kind: Kind) -> Result<Option<Reply>, Errno> {
    let mut buffer = [0; 2048];
    // What is no answer to the question is passed over: somebody guesses.
    for _ in 0..64 {
        match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => {
                if let Some(reply) = reply(&buffer[..length], id, name, kind) {
                    return Ok(Some(reply));
                }
            }
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::BADMSG)
}

/// Sends what is unsent, and gives the answer once it is whole.
fn hear_stream(
    socket: &OwnedFd,
    unsent: &mut Vec<u8>,
    received: &mut Vec<u8>,
) -> Result<Option<Vec<u8>>, Errno> {
    while !unsent.is_empty() {
        match rustix::net::send(socket.as_fd(), unsent, SendFlags::NOSIGNAL) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(Errno::AGAIN | Errno::NOTCONN) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut buffer = [0; 4096];
    loop {
        if let [high, low, rest @ ..] = received.as_slice()
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
        {
            return Ok(Some(message.to_vec()));
        }
        match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => return Err(Errno::CONNRESET),
            Ok((length, _)) => received.extend_from_slice(&buffer[..length]),
            Err(Errno::AGAIN | Errno::NOTCONN) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn random() -> io::Result<u16> {
    let mut bytes = [0; 2];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// What the resolver makes of a server that answers with this outcome, or not at all.
    fn comes_to(rcode: Option<u8>) -> Answer {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let poller = Poller::new().unwrap();
        let mut resolver = Resolver::new(vec![server.local_addr().unwrap()], None, "");
        let name = HostName::parse("a.example").unwrap();
        assert!(resolver.ask(&poller, &name, Kind::A, ()).is_ok());
        let mut happened = Vec::new();
        for _ in 0..ROUNDS {
            let mut question = [0; 512];
            let (length, peer) = server.recv_from(&mut question).unwrap();
            let answered = match rcode {
                None => resolver.give_up(&poller, Instant::now() + PATIENCE).pop(),
                Some(rcode) => {
                    (question[2], question[3]) = (0x81, 0x80 | rcode);
                    server.send_to(&question[..length], peer).unwrap();
                    let due = Some(Instant::now() + PATIENCE);
                    loop {
                        poller.wait(due, &mut happened).unwrap();
                        if happened.iter().any(|happened| happened.readable) {
                            break resolver.ready(&poller, 0);
                        }
                    }
                }
            };
            if let Some(answered) = answered {
                return answered.answer;
            }
        }
        panic!("no answer after the last round");
    }

    #[test]
    fn servers_that_fail_refuse_and_keep_silent_are_told_apart() {
        let failed = |failure| Err(Unanswered::Failed(failure));
        assert_eq!(comes_to(Some(0)), Ok(Vec::new()));
        assert_eq!(comes_to(Some(3)), Err(Unanswered::NxDomain));
        assert_eq!(comes_to(Some(2)), failed(Failure::NamesFailed));
        assert_eq!(comes_to(Some(5)), failed(Failure::NamesRefused));
        assert_eq!(comes_to(None), failed(Failure::NamesSilent));
    }

    #[test]
    fn a_server_that_spoke_tells_more_than_a_silent_one() {
        use Failure::{NamesFailed, NamesRefused, NamesSilent, NamesUnreachable};
        assert_eq!(more_telling(NamesUnreachable, NamesSilent), NamesSilent);
        assert_eq!(more_telling(NamesSilent, NamesUnreachable), NamesSilent);
        assert_eq!(more_telling(NamesSilent, NamesFailed), NamesFailed);
        assert_eq!(more_telling(NamesRefused, NamesSilent), NamesRefused);
        assert_eq!(more_telling(Failure::ResolverSilent, Failure::ResolverTls), Failure::ResolverTls);
    }
}
