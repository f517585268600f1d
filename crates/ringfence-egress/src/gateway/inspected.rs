//! Connections that are looked into: dialled here like all others, then handed over to the inspector, both ends at once.
//! What it tells of them is all that is known here from then on.
//!
//! Not what is done with them there.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use ringfence_plan::{Event, HostName, Protocol, Target};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::Gateway;
use super::connection::{Connection, Manner, Opening, Way};
use super::gate::Expected;
use super::poller::{Poller, Token};
use super::side::Side;
use crate::handed::{self, Handed, NO_CONNECTION, Progress};
use crate::scan::{Found, Needles, Watch};

/// The inspector, and what it has.
pub(super) struct Inspected {
    /// `None` where there is none, or it is gone.
    channel: Option<OwnedFd>,
    /// What nobody else is to be sent.
    placeholders: Arc<Needles>,
    next: u32,
    given: HashMap<u32, Given>,
    /// What it did not take yet.
    waiting: VecDeque<(Vec<u8>, Option<[OwnedFd; 2]>)>,
}

/// A connection that it has.
struct Given {
    target: super::connection::Target,
    names: Option<Vec<HostName>>,
    started: Instant,
    sent: u64,
    received: u64,
}

/// Most connections that it has at once: each costs it some hundred kilobytes at worst.
const MOST: usize = 1000;

impl Inspected {
    pub(super) fn new(
        poller: &Poller,
        channel: Option<OwnedFd>,
        placeholders: Vec<String>,
    ) -> io::Result<Inspected> {
        if let Some(channel) = &channel {
            poller.add(channel, Token::Inspector)?;
        }
        let texts = placeholders.into_iter().map(String::into_bytes);
        let placeholders = Arc::new(Needles::new(texts));
        Ok(Inspected { channel, placeholders, next: 0, given: HashMap::new(), waiting: VecDeque::new() })
    }

    /// What a connection's bytes are watched for, if anything.
    pub(super) fn watch(&self) -> Option<Box<Watch>> {
        (!self.placeholders.is_empty()).then(|| Box::new(Watch::new(self.placeholders.clone())))
    }

    /// The placeholder in these bytes.
    pub(super) fn placeholder(&self, bytes: &[u8]) -> Option<usize> {
        self.placeholders.find(bytes).map(|Found(at)| at)
    }

    /// Sends what waits, as far as it is taken.
    fn flush(&mut self) {
        while let (Some(channel), Some((packet, descriptors))) = (&self.channel, self.waiting.front()) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors: Vec<_> = descriptors.iter().flatten().map(AsFd::as_fd).collect();
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&descriptors));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(channel, &[io::IoSlice::new(packet)], &mut control, flags) {
                Ok(_) => drop(self.waiting.pop_front()),
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.channel = None;
                    self.waiting.clear();
                }
            }
        }
    }

    /// Has it carry by TLS, as the packet says, what is said on the other end of the first to the second; false if it is gone.
    pub(super) fn wrap(&mut self, packet: Vec<u8>, ends: [OwnedFd; 2]) -> bool {
        if self.channel.is_some() {
            self.waiting.push_back((packet, Some(ends)));
            self.flush();
        }
        self.channel.is_some()
    }

    fn say(&mut self, packet: Vec<u8>) {
        if self.channel.is_some() {
            self.waiting.push_back((packet, None));
            self.flush();
        }
    }
}

impl Gateway {
    /// Whether a connection may be to somebody whose requests are looked into.
    pub(super) fn is_inspected(&self, index: usize) -> bool {
        self.connections
            .get(index)
            .and_then(Option::as_ref)
            .is_some_and(|connection| self.inspects(connection))
    }

    /// The same of one that is at hand.
    pub(super) fn inspects(&self, connection: &Connection) -> bool {
        let port = connection.target.port;
        if connection.target.way != Way::Out || !self.rules.inspect_on(port) {
            return false;
        }
        match &connection.expected {
            Expected::OneOf(names) => {
                let names = names.iter().cloned().map(Target::Name);
                let known_as: Vec<_> = names.chain(connection.target.address.map(Target::address)).collect();
                self.rules.inspect(&known_as, port)
            }
            // Whom it names, it has not said yet.
            Expected::Anybody | Expected::NotDenied => true,
        }
    }

    /// Gives a connection that is dialled away; `early` are bytes of the server that came before it was.
    pub(super) fn give_to_inspector(&mut self, index: usize, opening: Opening, early: &[u8]) {
        if self.inspected.channel.is_none() {
            return self.refuse(index, opening.manner, self.rules.uninspected());
        }
        let Some(connection) = self.connections.get_mut(index).and_then(Option::take) else { return };
        self.free.push(index);
        self.held -= connection.weight;
        self.hand(connection, opening, early);
        if std::mem::take(&mut self.starved) {
            self.accept_again();
        }
    }

    fn hand(&mut self, mut connection: Box<Connection>, opening: Opening, early: &[u8]) {
        let Some(Side { fd: server, .. }) = connection.server.take() else { return };
        let _ = (self.poller.remove(&connection.client.fd), self.poller.remove(&server));
        match opening.manner {
            Manner::Captured | Manner::Request => {}
            Manner::Connect => {
                connection.client.pending.extend(b"HTTP/1.1 200 Connection established\r\n\r\n")
            }
            Manner::Socks => {
                connection.client.pending.extend(crate::socks::reply(crate::socks::Code::Succeeded))
            }
        }
        let told = connection.client.flush().is_ok() && connection.client.pending.is_empty();
        let packed = told.then(|| self.pack(&connection, opening)).flatten();
        // A server that speaks before it is asked is none of those that are looked into.
        let (Some((id, packet)), true, true) = (packed, early.is_empty(), self.inspected.given.len() < MOST)
        else {
            super::socket::reset_when_closed(&connection.client.fd);
            super::socket::reset_when_closed(&server);
            return;
        };
        let names = match &connection.expected {
            Expected::OneOf(names) => Some(names.clone()),
            Expected::Anybody | Expected::NotDenied => None,
        };
        let (target, started) = (connection.target.clone(), connection.started);
        self.inspected.given.insert(id, Given { target, names, started, sent: 0, received: 0 });
        self.inspected.waiting.push_back((packet, Some([connection.client.fd, server])));
        self.inspected.flush();
    }

    fn pack(&mut self, connection: &Connection, opening: Opening) -> Option<(u32, Vec<u8>)> {
        let address = connection.target.address.or(connection.target.proxy)?;
        let (names, anybody) = match &connection.expected {
            Expected::OneOf(names) => (names.clone(), false),
            Expected::Anybody | Expected::NotDenied => (self.told.names(address).to_vec(), true),
        };
        let id = self.inspected.next;
        self.inspected.next = (id + 1) % NO_CONNECTION;
        let first = [opening.first, opening.behind].concat();
        let address = SocketAddr::new(address, connection.target.port);
        let handed = Handed { id, address, rule: connection.target.rule?, names, anybody, first };
        if self.inspected.given.contains_key(&id) { None } else { Some((id, handed.pack()?)) }
    }

    /// Hears the inspector.
    pub(super) fn hear_inspector(&mut self) {
        self.inspected.flush();
        while let Some(channel) = &self.inspected.channel {
            let mut packet = [0; 64];
            match rustix::net::recv(channel, &mut packet[..], rustix::net::RecvFlags::DONTWAIT) {
                Ok((length, _)) if length > 0 => {
                    if let Some(progress) = Progress::unpack(&packet[..length]) {
                        self.take_progress(progress);
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Ok(_) | Err(_) => {
                    self.inspected.channel = None;
                    self.inspected.waiting.clear();
                }
            }
        }
        for event in self.end_inspected() {
            self.tell(&event);
        }
    }

    fn take_progress(&mut self, progress: Progress) {
        let Some(given) = self.inspected.given.get_mut(&progress.id) else { return };
        (given.sent, given.received) = (given.sent.max(progress.sent), given.received.max(progress.received));
        if progress.ended
            && let Some(event) = self.inspected.given.remove(&progress.id).and_then(|given| ended(&given))
        {
            self.tell(&event);
        }
    }

    /// Everything that the inspector has is over: the events of it.
    pub(super) fn end_inspected(&mut self) -> Vec<Event> {
        self.inspected.given.drain().filter_map(|(_, given)| ended(&given)).collect()
    }

    /// Whether it has anything.
    pub(super) fn has_inspected(&self) -> bool {
        !self.inspected.given.is_empty()
    }

    /// Ends what the rules, which have changed, no longer allow.
    pub(super) fn judge_inspected_again(&mut self) {
        if self.inspected.channel.is_none() {
            return;
        }
        match handed::rules(self.rules.network()) {
            Some(packet) => self.inspected.say(packet),
            // With rules that it does not know it carries nothing.
            None => self.inspected.channel = None,
        }
        let allowed = |gateway: &mut Gateway, given: &Given| {
            let port = given.target.port;
            match (&given.names, given.target.address) {
                (Some(names), address) => {
                    // The parent proxy's own address is nobody's to allow.
                    let leads = address.filter(|_| given.target.via.is_none()).is_none_or(|address| {
                        let owner = gateway.owner(address, port);
                        gateway.rules.leads_to(address, port, owner).is_ok()
                    });
                    leads && names.iter().any(|name| gateway.rules.by_name(name, port).is_ok())
                }
                (None, Some(address)) => {
                    let known = given.target.host.as_deref().and_then(|host| HostName::parse(host).ok());
                    let owner = gateway.owner(address, port);
                    gateway.rules.by_address(address, port, owner).is_ok()
                        && known.is_none_or(|name| gateway.rules.not_denied(&name, port).is_ok())
                }
                (None, None) => false,
            }
        };
        let given = std::mem::take(&mut self.inspected.given);
        for (id, given) in &given {
            if !allowed(self, given) {
                self.inspected.say(handed::cut(*id));
            }
        }
        self.inspected.given = given;
    }
}

/// The event of a connection's end.
fn ended(given: &Given) -> Option<Event> {
    Some(Event::Connected {
        host: given.target.host.clone(),
        address: given.target.proxy.or(given.target.address)?,
        port: given.target.port,
        protocol: Protocol::Tcp,
        rule: given.target.rule?,
        sent: given.sent,
        received: given.received,
        millis: given.started.elapsed().as_millis() as u64,
    })
}
