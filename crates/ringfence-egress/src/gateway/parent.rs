//! Connections through the parent proxy: which ones, to which of its addresses, and until it says that it is connected. The
//! decision is made before, here as without one; the proxy is asked for the name, which it resolves.
//!
//! Not its protocols: [`crate::handshake`].

use std::net::{IpAddr, SocketAddr};

use ringfence_plan::{Failure, ProxyScheme, Target as Named};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::connection::{Asking, Dial, Lookup, Manner, Opening, Stage, Target};
use super::decide::Allowed;
use super::names::Waiter;
use super::poller::Token;
use super::side::Side;
use super::{DIAL, Gateway};
use crate::dns::message::{Code, Kind, Question, Record};
use crate::dns::resolver::Answer;
use crate::guard::canonical;
use crate::handshake::{Handshake, Step};
use crate::http::Host;
use crate::parent::Parent;
use crate::rules::{Refusal, Service};

/// For how long an address stands for a name, seconds: for the whole run, but clients need not know.
const STAND_IN_TTL: u32 = 300;

impl Target {
    /// Goes through the parent proxy, which is asked for this. What a name leads to is then nobody's to say here.
    pub(super) fn go_via(&mut self, via: Option<Host>) {
        if let Some(Host::Name(_)) = via {
            self.address = None;
        }
        self.via = via;
    }
}

impl Gateway {
    /// Whether a target may be connected to, and what the parent proxy is asked for if it goes through that.
    pub(super) fn decide(&mut self, host: &Host, port: u16) -> Result<(Allowed, Option<Host>), Refusal> {
        let name = match host {
            Host::Name(name) => Some(name.clone()),
            Host::Address(address) => self.pool.name(*address).cloned(),
        };
        if let Some(name) = name {
            let allowed = self.by_name(&name, port)?;
            let through = self.goes_through_parent(&Named::Name(name.clone()));
            // Asked for itself, it would take the next words for those of a client.
            if through && self.parent.as_ref().is_some_and(|parent| parent.is_named(&name, port)) {
                return Err(self.rules.parent_proxy());
            }
            return Ok((allowed, through.then_some(Host::Name(name))));
        }
        let Host::Address(address) = *host else { return Err(self.rules.nothing_allows()) };
        let allowed = self.by_address(address, port)?;
        // Of a name that was told its address, the exceptions have spoken already.
        let was_told = !self.told.names(address).is_empty();
        let through = !was_told && self.goes_through_parent(&Named::address(address));
        Ok((allowed, through.then_some(Host::Address(address))))
    }

    pub(super) fn goes_through_parent(&self, target: &Named) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.serves(target))
    }

    /// Whether the parent proxy may be there. By whichever protocol: one behind TLS may take the other as well (RFC 9298).
    pub(super) fn may_be_parent(&self, address: IpAddr, service: Service) -> bool {
        let parent = self.parent.as_ref().filter(|parent| parent.port == service.port);
        parent.is_some_and(|parent| parent.may_be_at(address, &self.parent_seen))
    }

    /// Asks where the parent proxy is, before anybody goes through it.
    pub(super) fn find_parent(&mut self) {
        let Some(Parent { host: Named::Name(name), addresses, .. }) = &self.parent else { return };
        if !addresses.is_empty() {
            return;
        }
        let name = name.clone();
        for kind in [Kind::A, Kind::Aaaa] {
            if let Err((_, answer)) = self.resolver.ask(&self.poller, &name, kind, Waiter::Parent) {
                self.parent_found(&answer);
            }
        }
    }

    pub(super) fn parent_found(&mut self, answer: &Answer) {
        self.parent_seen.extend(answer.iter().flatten().map(|record| record.address));
    }

    /// The answer for a name that only the parent proxy resolves: an address that stands for it.
    pub(super) fn stand_in(&mut self, question: &Question, name: &ringfence_plan::HostName) -> Vec<u8> {
        if question.kind != Kind::A {
            return question.answer(Code::NoError, &[]);
        }
        match self.pool.address(name) {
            Some(address) => question.answer(Code::NoError, &[Record { address, ttl: STAND_IN_TTL }]),
            None => question.answer(Code::ServFail, &[]),
        }
    }

    /// Finds the parent proxy's addresses, and begins to dial them.
    pub(super) fn seek_parent(&mut self, index: usize) {
        let missing = self.answers_wanted();
        let (Some(Some(connection)), Some(parent)) = (self.connections.get_mut(index), &self.parent) else {
            return;
        };
        let Stage::Seeking(opening) = std::mem::replace(&mut connection.stage, Stage::Farewell) else {
            return;
        };
        let addresses = parent.addresses.iter().map(|address| SocketAddr::new(*address, parent.port));
        match &parent.host {
            Named::Name(name) if parent.addresses.is_empty() => {
                let (name, generation) = (name.clone(), connection.generation);
                connection.stage = Stage::Resolving(Lookup { answers: Vec::new(), missing, opening });
                for answer in self.look_up(index, generation, &name) {
                    self.looked_up(index, generation, answer);
                }
            }
            _ => {
                connection.stage = Stage::Dialing(Dial { addresses: addresses.collect(), opening });
                self.dial(index);
            }
        }
    }

    /// Where the parent proxy is, by these addresses of its name. Its owner has said so: nothing is special about them.
    pub(super) fn parent_at(&mut self, records: &[Record]) -> Vec<SocketAddr> {
        self.parent_seen.extend(records.iter().map(|record| record.address));
        let port = self.parent.as_ref().map_or(0, |parent| parent.port);
        records.iter().map(|record| SocketAddr::new(canonical(record.address), port)).collect()
    }

    /// The parent proxy is dialled: it gets the request itself, or is asked for a connection.
    pub(super) fn begin_with_parent(&mut self, index: usize, mut opening: Opening) {
        if self.speak_tls(index).is_none() {
            return self.fail_by(index, opening.manner, Failure::ParentTls);
        }
        let Some(Some(connection)) = self.connections.get(index) else { return };
        // An inspector reads what the client says, and needs the server itself.
        let inspected = self.is_inspected(index);
        match self.forwarding(connection, &opening) {
            Some(gate) if !inspected => {
                // What was written for the server itself is written once more.
                opening.behind = [std::mem::take(&mut opening.first), opening.behind].concat();
                opening.gate = Some(gate);
                self.begin_relay(index, opening, &[]);
            }
            _ => self.ask_parent(index, opening),
        }
    }

    /// Puts the inspector, who alone speaks TLS here, between this end and a proxy that is spoken to by it.
    fn speak_tls(&mut self, index: usize) -> Option<()> {
        let parent = self.parent.as_ref()?;
        if parent.scheme != ProxyScheme::Https {
            return Some(());
        }
        let name = match &parent.host {
            Named::Name(name) => name.as_str().to_owned(),
            Named::Address(address) => address.to_string(),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        let connection = self.connections.get_mut(index)?.as_mut()?;
        let Side { fd: server, .. } = connection.server.take()?;
        let _ = self.poller.remove(&server);
        self.poller.add(&ours, Token::Server(index)).ok()?;
        connection.server = Some(Side::new(ours, false));
        self.inspected.wrap(crate::handed::wrap(&name), [theirs, server]).then_some(())
    }

    fn ask_parent(&mut self, index: usize, opening: Opening) {
        let (Some(Some(connection)), Some(parent)) = (self.connections.get_mut(index), &self.parent) else {
            return;
        };
        let (Some(host), Some(server)) = (connection.target.via.clone(), &mut connection.server) else {
            return;
        };
        let (handshake, first) = Handshake::start(parent, host, connection.target.port);
        server.pending.extend(first);
        connection.stage = Stage::Asking(Box::new(Asking { handshake, opening }));
        connection.stages += 1;
        self.set_deadline(index, DIAL);
        self.hear_parent(index);
    }

    /// Goes as far with the parent proxy as its words lead.
    pub(super) fn hear_parent(&mut self, index: usize) {
        let mut buffer = [0; 4096];
        loop {
            let Some(Some(connection)) = self.connections.get_mut(index) else { return };
            let (Stage::Asking(asking), Some(server)) = (&mut connection.stage, &mut connection.server)
            else {
                return;
            };
            if server.flush().is_err() {
                return self.parent_failed(index, Failure::ParentUnreachable);
            }
            if !server.readable {
                return;
            }
            let step = match server.read(&mut buffer) {
                Ok(None) => return,
                Ok(Some(length)) if length > 0 => asking.handshake.hear(&buffer[..length]),
                // It hung up instead of an answer.
                Ok(_) | Err(_) => Step::Failed(match self.parent.as_ref().map(|parent| parent.scheme) {
                    Some(ProxyScheme::Https) => Failure::ParentTls,
                    _ => Failure::ParentUnreachable,
                }),
            };
            match step {
                Step::Wait => {}
                Step::Say(words) => server.pending.extend(words),
                Step::Failed(failure) => return self.parent_failed(index, failure),
                Step::Connected(early) => {
                    let Stage::Asking(asking) = std::mem::replace(&mut connection.stage, Stage::Relaying)
                    else {
                        return;
                    };
                    return self.begin_relay(index, asking.opening, &early);
                }
            }
        }
    }

    /// The parent proxy did not make the connection.
    pub(super) fn parent_failed(&mut self, index: usize, failure: Failure) {
        let Some(Some(connection)) = self.connections.get(index) else { return };
        let manner = match &connection.stage {
            Stage::Asking(asking) => asking.opening.manner,
            _ => Manner::Captured,
        };
        self.fail_by(index, manner, failure);
    }
}
