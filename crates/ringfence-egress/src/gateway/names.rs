//! Questions of names: over UDP, over TCP, and of the proxy's clients. A name that no rule could allow is not asked for
//! outside, whatever is asked of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use ringfence_plan::{Event, HostName, Protocol, Target};

use super::connection::Stage;
use super::listeners::Listener;
use super::{Gateway, socket};
use crate::dns::message::{self, Code, Kind, Question, Record, Unanswered};
use crate::dns::resolver::{Answer, Answered};
use crate::rules::{Owner, Refusal};
use crate::sys::datagram::{self, Ends};

/// Who waits for an answer.
pub(crate) enum Waiter {
    /// Who sent a datagram.
    Datagram {
        /// To the listener of this place.
        place: usize,
        ends: Ends,
        question: Question,
    },
    /// Who asked by TCP.
    Stream { index: usize, generation: u32, question: Question },
    /// A client of the proxy.
    Proxy { index: usize, generation: u32 },
    /// The gateway itself, who has to know where its parent proxy is.
    Parent,
    /// The resolver of the plan, which is to be found itself.
    Resolver,
}

/// Questions taken at once, before connections have their turn.
const BATCH: usize = 64;
/// For how long a local name is known, seconds.
const LOCAL_TTL: u32 = 3600;

impl Gateway {
    pub(super) fn hear_questions(&mut self, place: usize) {
        let mut buffer = [0; 1024];
        for _ in 0..BATCH {
            let Some(Listener { socket, .. }) = self.listeners.get(place) else { return };
            let Ok((length, ends)) = datagram::receive(socket, &mut buffer) else { return };
            match message::question(&buffer[..length]) {
                Ok(question) => {
                    let waiter = |question| Waiter::Datagram { place, ends, question };
                    if let Some(answer) = self.answer_or_ask(question, waiter) {
                        self.send_answer(place, &answer, ends);
                    }
                }
                Err(Some((id, code))) => self.send_answer(place, &message::refusal(id, code), ends),
                Err(None) => {}
            }
        }
        self.deadlines.push(std::cmp::Reverse((std::time::Instant::now(), usize::MAX, place as u32, 0)));
    }

    fn send_answer(&self, place: usize, bytes: &[u8], ends: Ends) {
        if let Some(Listener { socket, .. }) = self.listeners.get(place) {
            // A client that is gone has nobody to be told.
            let _ = datagram::send(socket, bytes, ends);
        }
    }

    /// Questions over TCP, each behind its length (RFC 1035, 4.2.2).
    pub(super) fn serve_names(&mut self, index: usize) {
        for _ in 0..BATCH {
            let Some(Some(connection)) = self.connections.get_mut(index) else { return };
            let Stage::Names(held) = &mut connection.stage else { return };
            if let [high, low, rest @ ..] = held.as_slice()
                && let Some(bytes) = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
            {
                let parsed = message::question(bytes);
                let end = 2 + bytes.len();
                held.drain(..end);
                let generation = connection.generation;
                let answer = match parsed {
                    Ok(question) => self.answer_or_ask(question, |question| Waiter::Stream {
                        index,
                        generation,
                        question,
                    }),
                    Err(Some((id, code))) => Some(message::refusal(id, code)),
                    Err(None) => return self.close(index),
                };
                if let Some(answer) = answer {
                    self.send_on_stream(index, generation, &answer);
                }
                continue;
            }
            let mut buffer = [0; 1024];
            if connection.client.flush().is_err() {
                return self.close(index);
            }
            if !connection.client.readable || connection.client.pending.len() > 65_536 {
                return;
            }
            match connection.client.read(&mut buffer) {
                Ok(None) => return,
                Ok(Some(length)) if length > 0 => held.extend_from_slice(&buffer[..length]),
                Ok(_) | Err(_) => return self.close(index),
            }
        }
        self.running.push(index);
    }

    fn send_on_stream(&mut self, index: usize, generation: u32, answer: &[u8]) {
        if let Some(Some(connection)) = self.connections.get_mut(index)
            && connection.generation == generation
            && matches!(connection.stage, Stage::Names(_))
        {
            connection.client.pending.extend((answer.len() as u16).to_be_bytes());
            connection.client.pending.extend_from_slice(answer);
            if connection.client.flush().is_err() {
                return self.close(index);
            }
            self.weigh(index);
        }
    }

    /// The answer to a question if it can be given at once; else `waiter` will have it.
    fn answer_or_ask(
        &mut self,
        question: Question,
        waiter: impl FnOnce(Question) -> Waiter,
    ) -> Option<Vec<u8>> {
        let Some(name) = question.name.clone() else { return Some(question.answer(Code::NxDomain, &[])) };
        if let Some(records) = local(&name, question.kind) {
            return Some(question.answer(Code::NoError, &records));
        }
        if let Err(refusal) = self.rules.may_be_asked(&name) {
            // Who asks for more than addresses, as for the name of an address, tries nothing yet.
            if matches!(question.kind, Kind::A | Kind::Aaaa) {
                self.tell_name_refused(&name, refusal);
            }
            return Some(question.answer(Code::NxDomain, &[]));
        }
        if self.goes_through_parent(&Target::Name(name.clone())) {
            return Some(self.stand_in(&question, &name));
        }
        match question.kind {
            Kind::Aaaa if !self.has_sixth => Some(question.answer(Code::NoError, &[])),
            Kind::A | Kind::Aaaa => {
                let kind = question.kind;
                match self.resolver.ask(&self.poller, &name, kind, waiter(question)) {
                    Ok(()) => None,
                    Err((waiter, answer)) => {
                        self.hand_out(waiter, &name, &answer);
                        None
                    }
                }
            }
            // Keys for encrypted client hellos, among others (RFC 9460): without them clients say their name openly.
            Kind::Other(_) => Some(question.answer(Code::NoError, &[])),
        }
    }

    /// Asks for the addresses of a name that is allowed, for a client of the proxy; how many answers are to come.
    pub(super) fn look_up(&mut self, index: usize, generation: u32, name: &HostName) -> Vec<Answer> {
        let kinds = if self.has_sixth { &[Kind::A, Kind::Aaaa][..] } else { &[Kind::A] };
        let mut known = Vec::new();
        for kind in kinds {
            let waiter = Waiter::Proxy { index, generation };
            if let Err((_, answer)) = self.resolver.ask(&self.poller, name, *kind, waiter) {
                known.push(answer);
            }
        }
        known
    }

    /// How many answers a look-up has.
    pub(super) fn answers_wanted(&self) -> usize {
        if self.has_sixth { 2 } else { 1 }
    }

    pub(super) fn answered(&mut self, answered: Answered<Waiter>) {
        let Answered { waiters, name, answer } = answered;
        for waiter in waiters {
            self.hand_out(waiter, &name, &answer);
        }
    }

    fn hand_out(&mut self, waiter: Waiter, name: &HostName, answer: &Answer) {
        match waiter {
            Waiter::Datagram { place, ends, question } => {
                let bytes = self.compose(&question, name, answer);
                self.send_answer(place, &bytes, ends);
            }
            Waiter::Stream { index, generation, question } => {
                let bytes = self.compose(&question, name, answer);
                self.send_on_stream(index, generation, &bytes);
            }
            Waiter::Proxy { index, generation } => self.looked_up(index, generation, answer.clone()),
            Waiter::Parent => self.parent_found(answer),
            Waiter::Resolver => self.resolver_found(answer.clone()),
        }
    }

    /// The answer for the sandbox: without addresses that the name may not lead to, and remembered.
    fn compose(&mut self, question: &Question, name: &HostName, answer: &Answer) -> Vec<u8> {
        match answer {
            Err(why) => {
                if let Unanswered::Failed(failure) = why {
                    self.tell_failed(Some(name.as_str()), None, *failure);
                }
                question.answer(why.code(), &[])
            }
            Ok(records) => {
                let may_be_told = |record: &&Record| {
                    let address = crate::guard::canonical(record.address);
                    self.rules.may_be_told(address) && socket::owner(address) == Owner::Other
                };
                let told: Vec<Record> = records.iter().filter(may_be_told).copied().collect();
                for record in &told {
                    self.told.tell(name, crate::guard::canonical(record.address));
                }
                if told.is_empty()
                    && let Some(first) = records.first()
                {
                    let address = crate::guard::canonical(first.address);
                    if let Err(refusal) = self.rules.leads_to(address, 0, socket::owner(address)) {
                        let host = Some(name.as_str().to_owned());
                        let Refusal { barrier, rule, .. } = refusal;
                        let address = Some(address);
                        let (port, protocol) = (None, Protocol::Tcp);
                        self.tell(&Event::NetworkRefused { host, address, port, protocol, barrier, rule });
                    }
                }
                question.answer(Code::NoError, &told)
            }
        }
    }

    /// Once for a name: it is asked for again and again, in two kinds.
    fn tell_name_refused(&mut self, name: &HostName, Refusal { barrier, rule, .. }: Refusal) {
        if self.refused_names.is_news(name.clone()) {
            let host = Some(name.as_str().to_owned());
            let (address, port, protocol) = (None, None, Protocol::Tcp);
            self.tell(&Event::NetworkRefused { host, address, port, protocol, barrier, rule });
        }
    }
}

/// Names of the sandbox itself, for clients that read no /etc/hosts (RFC 6761, section 6.3).
fn local(name: &HostName, kind: Kind) -> Option<Vec<Record>> {
    let name = name.as_str();
    if name != "localhost" && !name.ends_with(".localhost") {
        return None;
    }
    let address = match kind {
        Kind::A => Ipv4Addr::LOCALHOST.into(),
        Kind::Aaaa => Ipv6Addr::LOCALHOST.into(),
        Kind::Other(_) => return Some(Vec::new()),
    };
    Some(vec![Record { address, ttl: LOCAL_TTL }])
}
