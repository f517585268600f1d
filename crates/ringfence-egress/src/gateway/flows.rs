//! UDP: each pair of a client's port and a port outside is a flow with a socket of its own, kept while it is used.
//!
//! What a datagram carries is not looked at: a grant for a name is one for the addresses that the name leads to.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ringfence_plan::{Barrier, Event, Protocol, RuleId, Target};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType};

use super::decide::Allowed;
use super::gate::Expected;
use super::listeners::Listener;
use super::poller::Token;
use super::tell::Once;
use super::{Gateway, packet, socket};
use crate::budget::{Charges, Ledger, Spent};
use crate::guard::canonical;
use crate::rules::{Refusal, Service};
use crate::sys::datagram::{self, Ends};

/// The flows of a sandbox.
pub(super) struct Flows {
    places: Vec<Option<Flow>>,
    by_ends: HashMap<FlowEnds, usize>,
    /// Most of them at once; then the one that was idle longest makes room, those that were never answered first.
    most: usize,
    /// Raw sockets inside, of both versions.
    raw: [Option<OwnedFd>; 2],
    /// Refused targets that were told.
    refused: Once<SocketAddr>,
    /// When the idle ones are looked for next; none while there is no flow.
    due: Option<Instant>,
    buffer: Vec<u8>,
    packet: Vec<u8>,
}

/// As they stand on the client's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FlowEnds {
    client: SocketAddr,
    target: SocketAddr,
}

struct Flow {
    ends: FlowEnds,
    /// Connected, so that nobody else's datagrams arrive at it.
    socket: OwnedFd,
    host: Option<String>,
    rule: RuleId,
    charges: Charges,
    started: Instant,
    used: Instant,
    answered: bool,
    sent: u64,
    received: u64,
}

/// Most flows, where descriptors are plenty.
const MOST: usize = 1024;
/// How long a flow is kept that is not used: before and after the first answer.
const UNANSWERED: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(120);
/// How often idle flows are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Datagrams taken at once, before others have their turn.
const BATCH: usize = 64;

impl Flows {
    pub(super) fn new() -> Flows {
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let quarter = descriptors.map_or(MOST, |most| (most / 4) as usize);
        Flows {
            places: Vec::new(),
            by_ends: HashMap::new(),
            most: quarter.clamp(1, MOST),
            raw: [const { None }; 2],
            refused: Once::new(),
            due: None,
            buffer: vec![0; 1 << 16],
            packet: Vec::new(),
        }
    }

    /// The socket by which clients are answered.
    pub(super) fn answer_by(&mut self, raw: OwnedFd, sixth: bool) {
        self.raw[usize::from(sixth)] = Some(raw);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due
    }

    /// The events of those that are open.
    pub(super) fn ended(&self) -> impl Iterator<Item = Event> + '_ {
        self.places.iter().flatten().map(Flow::event)
    }

    fn place(&mut self) -> usize {
        let free = self.places.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    fn remove(&mut self, index: usize) -> Option<Flow> {
        let flow = self.places.get_mut(index).and_then(Option::take)?;
        self.by_ends.remove(&flow.ends);
        Some(flow)
    }

    /// The one that is missed least.
    fn idlest(&self) -> Option<usize> {
        let flows = self.places.iter().enumerate().filter_map(|(index, flow)| Some((index, flow.as_ref()?)));
        flows.min_by_key(|(_, flow)| (flow.answered, flow.used)).map(|(index, _)| index)
    }

    /// Sends the client what was put into `packet`. One that does not take it has lost it, as on any network.
    fn send(&self, client: SocketAddr) {
        if let Some(raw) = &self.raw[usize::from(client.is_ipv6())] {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            // A raw socket of the sixth version takes the port for a protocol.
            let _ = rustix::net::sendto(raw, &self.packet, flags, &SocketAddr::new(client.ip(), 0));
        }
    }

    /// Tells the client that nobody receives what it sends.
    fn unreachable(&mut self, FlowEnds { client, target }: FlowEnds) {
        if packet::unreachable(target, client, &mut self.packet) {
            self.send(client);
        }
    }
}

impl Flow {
    fn event(&self) -> Event {
        let Flow { ends, host, rule, sent, received, started, .. } = self;
        Event::Connected {
            host: host.clone(),
            address: canonical(ends.target.ip()),
            port: ends.target.port(),
            protocol: Protocol::Udp,
            rule: *rule,
            sent: *sent,
            received: *received,
            millis: started.elapsed().as_millis() as u64,
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= if self.answered { ANSWERED } else { UNANSWERED }
    }

    /// Sends outside what the budgets grant.
    fn forward(&mut self, bytes: &[u8], ledger: &Ledger) -> Result<(), Unsent> {
        ledger.send_whole(&self.charges, bytes.len()).map_err(Unsent::Spent)?;
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let mut result = rustix::net::send(&self.socket, bytes, flags);
        if result == Err(Errno::CONNREFUSED) {
            // That was the answer to the one before.
            result = rustix::net::send(&self.socket, bytes, flags);
        }
        self.used = Instant::now();
        match result {
            Ok(_) => self.sent += bytes.len() as u64,
            // Lost, as it may be on any network.
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM | Errno::MSGSIZE) => {}
            Err(_) => return Err(Unsent::Unreachable),
        }
        Ok(())
    }
}

/// Why a datagram was not sent, where its client is to know.
enum Unsent {
    Spent(Spent),
    Unreachable,
}

impl Gateway {
    /// Datagrams from inside.
    pub(super) fn hear_datagrams(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.flows.buffer);
        for _ in 0..BATCH {
            let Some(Listener { socket, .. }) = self.listeners.get(index) else { break };
            match datagram::receive(socket, &mut buffer) {
                Ok((length, Ends { peer, local })) => {
                    self.carry(FlowEnds { client: peer, target: local }, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // One without both ends, which is for nobody.
                Err(_) => {}
            }
        }
        self.flows.buffer = buffer;
    }

    fn carry(&mut self, ends: FlowEnds, bytes: &[u8]) {
        let index = match self.flows.by_ends.get(&ends) {
            Some(index) => Some(*index),
            None => self.open_flow(ends),
        };
        let flow = index.and_then(|index| self.flows.places[index].as_mut());
        let Some(flow) = flow else { return self.flows.unreachable(ends) };
        match flow.forward(bytes, &self.ledger) {
            Ok(()) => {}
            Err(Unsent::Unreachable) => self.flows.unreachable(ends),
            Err(Unsent::Spent(Spent { rule, kind })) => {
                let refusal = self.rules.over_budget(rule, kind.name());
                self.flows.unreachable(ends);
                self.tell_flow_refused(ends.target, refusal);
            }
        }
    }

    /// The place of a new flow, if it may be and can be.
    fn open_flow(&mut self, ends: FlowEnds) -> Option<usize> {
        let target = SocketAddr::new(canonical(ends.target.ip()), ends.target.port());
        let service = Service { port: target.port(), protocol: Protocol::Udp };
        let judged = self.judge_flow(target, service).and_then(|allowed| {
            let charges = self.ledger.charges(self.may_be_at(target.ip()).iter());
            let spent = self.ledger.connect(&charges);
            let over = |Spent { rule, kind }: Spent| self.rules.over_budget(rule, kind.name());
            spent.map_err(over).map(|()| (allowed, charges))
        });
        let (allowed, charges) = match judged {
            Ok(judged) => judged,
            Err(refusal) => {
                self.tell_flow_refused(ends.target, refusal);
                return None;
            }
        };
        if self.flows.by_ends.len() >= self.flows.most
            && let Some(idlest) = self.flows.idlest()
        {
            self.end_flow(idlest);
        }
        let socket = socket::connected(target, SocketType::DGRAM).ok()?;
        let index = self.flows.place();
        self.poller.add_until_read(&socket, Token::Flow(index)).ok()?;
        let now = Instant::now();
        self.flows.places[index] = Some(Flow {
            ends,
            socket,
            host: allowed.host,
            rule: allowed.rule,
            charges,
            started: now,
            used: now,
            answered: false,
            sent: 0,
            received: 0,
        });
        self.flows.by_ends.insert(ends, index);
        self.flows.due.get_or_insert(now + SWEEP);
        Some(index)
    }

    /// As a connection is judged. Where that would go through another proxy, or be read, a datagram goes nowhere: it would
    /// be a way round both.
    fn judge_flow(&mut self, target: SocketAddr, service: Service) -> Result<Allowed, Refusal> {
        let (address, port) = (target.ip(), target.port());
        if self.pool.name(address).is_some() {
            return Err(self.rules.only_tcp());
        }
        let allowed = self.by_address(address, service)?;
        let was_told = !self.told.names(address).is_empty();
        let is_read = match &allowed.expected {
            Expected::OneOf(_) => self.rules.inspect(&self.may_be_at(address), port),
            Expected::Anybody | Expected::NotDenied => self.rules.inspect_on(port),
        };
        if is_read || !was_told && self.goes_through_parent(&Target::address(address)) {
            return Err(self.rules.only_tcp());
        }
        Ok(allowed)
    }

    /// Everybody whose budget an address may count for.
    fn may_be_at(&self, address: IpAddr) -> Vec<Target> {
        let names = self.told.names(address).iter().cloned().map(Target::Name);
        names.chain([Target::address(address)]).collect()
    }

    /// Answers from outside.
    pub(super) fn hear_flow(&mut self, index: usize) {
        for _ in 0..BATCH {
            let flows = &mut self.flows;
            let Some(Some(flow)) = flows.places.get_mut(index) else { return };
            let FlowEnds { client, target } = flow.ends;
            match rustix::net::recv(&flow.socket, &mut flows.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    (flow.answered, flow.used) = (true, Instant::now());
                    flow.received += length as u64;
                    if packet::datagram(target, client, &flows.buffer[..length], &mut flows.packet) {
                        flows.send(client);
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // What ICMP told of the way there.
                Err(_) => {
                    let answered = flow.answered;
                    flows.unreachable(FlowEnds { client, target });
                    if !answered {
                        return self.end_flow(index);
                    }
                }
            }
        }
    }

    /// Ends the flows that the rules of now do not allow.
    pub(super) fn judge_flows_again(&mut self) {
        self.flows.refused.clear();
        for index in 0..self.flows.places.len() {
            let Some(ends) = self.flows.places[index].as_ref().map(|flow| flow.ends) else { continue };
            let service = Service { port: ends.target.port(), protocol: Protocol::Udp };
            let target = SocketAddr::new(canonical(ends.target.ip()), ends.target.port());
            match (self.judge_flow(target, service), &mut self.flows.places[index]) {
                (Ok(allowed), Some(flow)) => flow.rule = allowed.rule,
                (Err(refusal), _) => {
                    self.end_flow(index);
                    self.flows.unreachable(ends);
                    self.tell_flow_refused(ends.target, refusal);
                }
                (Ok(_), None) => {}
            }
        }
    }

    pub(super) fn end_idle_flows(&mut self, now: Instant) {
        if self.flows.due.is_none_or(|due| due > now) {
            return;
        }
        for index in 0..self.flows.places.len() {
            if self.flows.places[index].as_ref().is_some_and(|flow| flow.is_idle(now)) {
                self.end_flow(index);
            }
        }
        self.flows.due = (!self.flows.by_ends.is_empty()).then(|| now + SWEEP);
    }

    fn end_flow(&mut self, index: usize) {
        if let Some(flow) = self.flows.remove(index) {
            self.tell(&flow.event());
        }
    }

    /// Once for each target: clients send again and again.
    fn tell_flow_refused(&mut self, target: SocketAddr, Refusal { barrier, rule, detail }: Refusal) {
        let is_news = match barrier {
            Barrier::OverBudget => self.ledger.may_tell(rule, detail),
            _ => self.flows.refused.is_news(target),
        };
        if is_news {
            let address = canonical(target.ip());
            let host = self.told.names(address).last().map(|name| name.as_str().to_owned());
            let (address, port, protocol) = (Some(address), Some(target.port()), Protocol::Udp);
            self.tell(&Event::NetworkRefused { host, address, port, protocol, barrier, rule });
        }
    }
}
