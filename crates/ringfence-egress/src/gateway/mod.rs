//! The gateway's process: one loop over every connection of one sandbox. It waits in epoll(7) and nowhere else.
//!
//! No thread and no runtime: a connection costs two descriptors and a few hundred bytes, and the loop is done with most
//! of them in a handful of calls.

mod arriving;
mod connection;
mod decide;
mod dialling;
mod ending;
mod flows;
mod forward;
mod gate;
mod hand_over;
mod held;
mod host;
mod inbound;
mod inspected;
mod listeners;
mod live;
mod names;
mod order;
mod packet;
mod parent;
pub(crate) mod poller;
mod proxy;
mod resolver;
mod side;
pub(crate) mod socket;
mod spend;
mod tell;

pub use self::hand_over::{HOST_PORT, SOCKET};

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ringfence_plan::{Failure, HostName};

use self::connection::{Connection, Moved, Stage, Target};
use self::gate::{Expected, Gate, Judge};
use self::poller::{Happened, Poller, Token};
use self::side::{MOST, Side};
use self::spend::Spending;
use crate::budget::Ledger;
use crate::dns::pool::Pool;
use crate::dns::resolver::Resolver;
use crate::dns::told::Told;
use crate::parent::Parent;
use crate::rules::{Owner, Rules};

/// What a gateway needs to know.
pub struct Setup {
    /// What may be reached.
    pub rules: Rules,
    /// What of it is counted.
    pub ledger: Ledger,
    /// The host's name servers.
    pub servers: Vec<SocketAddr>,
    /// What the host knows of names without asking anybody (hosts(5)).
    pub hosts: String,
    /// The proxy that connections go through.
    pub parent: Option<Parent>,
    /// Where connections go that are looked into, where there are such.
    pub inspector: Option<OwnedFd>,
    /// What nobody may send but to the inspector, in the order of the plan's placeholders.
    pub placeholders: Vec<String>,
    /// Where events go (see [`crate::report`]); when its other end is closed, the gateway ends.
    pub supervisor: OwnedFd,
    /// Where the listeners come from, one packet each (`ringfence_enter::capture`).
    pub hand_over: OwnedFd,
}

/// The gateway of one sandbox.
pub struct Gateway {
    rules: Rules,
    ledger: Ledger,
    poller: Poller,
    supervisor: OwnedFd,
    hand_over: Option<OwnedFd>,
    listeners: Vec<listeners::Listener>,
    /// On ports of the inner loopback that lead to the host's.
    host_ports: Vec<OwnedFd>,
    /// Ports of the host's loopback that lead inside.
    published: Vec<inbound::Published>,
    /// Connections, by place and generation, for which a socket of the inner network was asked for.
    calling: Vec<(usize, u32)>,
    flows: flows::Flows,
    connections: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    generations: u32,
    deadlines: BinaryHeap<Reverse<(Instant, usize, u32, u32)>>,
    /// Those that have more to do at once.
    running: Vec<usize>,
    resolver: Resolver<names::Waiter>,
    parent: Option<Parent>,
    /// Where name servers have said that it is.
    parent_seen: HashSet<IpAddr>,
    /// The names that only it resolves.
    pool: Pool,
    told: Told,
    /// Whose addresses are, and since when that is known.
    owners: HashMap<IpAddr, (Owner, Instant)>,
    has_sixth: bool,
    refused_names: tell::Once<HostName>,
    /// What failed outside and is told.
    failures: tell::Once<(Option<String>, Failure)>,
    /// Bytes that all connections hold (see `held`).
    held: usize,
    /// Whether connections wait because there was no descriptor for them.
    starved: bool,
    scratch: Vec<u8>,
    /// Events that are still to be told, and by when.
    report: Vec<u8>,
    report_due: Option<Instant>,
    /// How many these are, and how many were not taken before.
    reported: u64,
    missed: u64,
    inspected: inspected::Inspected,
}

/// How long a client of the proxy may take to say what it wants, and to read the last answer.
const GREETING: Duration = Duration::from_secs(30);
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a connection may take to come about, all its addresses together.
const DIAL: Duration = Duration::from_secs(30);
/// Most connections that are open at once; more wait until some end.
const MOST_CONNECTIONS: usize = 16_384;

impl Gateway {
    /// Opens what it needs; from then on it opens sockets alone.
    pub fn new(setup: Setup) -> io::Result<Gateway> {
        let Setup { rules, ledger, servers, hosts, parent, inspector, placeholders, supervisor, hand_over } =
            setup;
        let resolver = Resolver::new(servers, rules.network().resolver.clone(), &hosts);
        let poller = Poller::new()?;
        poller.add(&supervisor, Token::Supervisor)?;
        poller.add(&hand_over, Token::HandOver)?;
        let inspected = inspected::Inspected::new(&poller, inspector, placeholders)?;
        Ok(Gateway {
            rules,
            ledger,
            poller,
            supervisor,
            hand_over: Some(hand_over),
            listeners: Vec::new(),
            host_ports: Vec::new(),
            published: Vec::new(),
            calling: Vec::new(),
            flows: flows::Flows::new(),
            connections: Vec::new(),
            free: Vec::new(),
            generations: 0,
            deadlines: BinaryHeap::new(),
            running: Vec::new(),
            resolver,
            parent,
            parent_seen: HashSet::new(),
            pool: Pool::default(),
            told: Told::default(),
            owners: HashMap::new(),
            has_sixth: socket::has_sixth(),
            refused_names: tell::Once::new(),
            failures: tell::Once::new(),
            held: 0,
            starved: false,
            scratch: vec![0; MOST],
            report: Vec::new(),
            report_due: None,
            reported: 0,
            missed: 0,
            inspected,
        })
    }

    /// Serves until the supervisor hangs up.
    ///
    /// # Errors
    /// When it cannot wait.
    pub fn serve(mut self) -> io::Result<()> {
        let mut happened = Vec::with_capacity(256);
        self.find_parent();
        loop {
            self.tend_resolver();
            let due = if self.running.is_empty() { self.next_due() } else { Some(Instant::now()) };
            self.poller.wait(due, &mut happened)?;
            for event in &happened {
                if event.token == Token::Supervisor && self.obey() == order::Run::IsOver {
                    self.end_all();
                    return Ok(());
                }
                self.handle(*event);
            }
            for index in std::mem::take(&mut self.running) {
                self.advance(index);
                self.weigh(index);
            }
            self.do_what_is_due();
        }
    }

    fn handle(&mut self, happened: Happened) {
        match happened.token {
            Token::Supervisor => {}
            Token::Inspector => self.hear_inspector(),
            Token::HandOver => self.take_what_is_handed_over(),
            Token::Listener(place) => self.listen(place),
            Token::Client(index) => {
                if let Some(Some(connection)) = self.connections.get_mut(index) {
                    connection.client.happened(happened);
                    self.advance(index);
                    self.weigh(index);
                }
            }
            Token::Server(index) => {
                if let Some(Some(connection)) = self.connections.get_mut(index)
                    && let Some(server) = &mut connection.server
                {
                    server.happened(happened);
                    self.advance(index);
                    self.weigh(index);
                }
            }
            Token::Flow(index) => self.hear_flow(index),
            Token::Resolver => self.hear_resolver(),
            Token::Query(index) => {
                if let Some(answered) = self.resolver.ready(&self.poller, index) {
                    self.answered(answered);
                }
            }
        }
    }

    /// Gives a connection its place, and takes its first steps.
    fn open(
        &mut self,
        client: OwnedFd,
        stage: Stage,
        target: Target,
        expected: Expected,
        patience: Duration,
    ) {
        let index = self.free.pop().unwrap_or(self.connections.len());
        if index == self.connections.len() {
            self.connections.push(None);
        }
        if self.poller.add(&client, Token::Client(index)).is_err() {
            self.free.push(index);
            return;
        }
        self.generations = self.generations.wrapping_add(1);
        self.connections[index] = Some(Box::new(Connection {
            generation: self.generations,
            stages: 0,
            stage,
            client: Side::new(client, true),
            server: None,
            gate: Gate::Shut,
            expected,
            named: None,
            target,
            charges: None,
            watch: self.inspected.watch(),
            back: None,
            started: Instant::now(),
            sent: 0,
            received: 0,
            weight: 0,
        }));
        match self.connections[index].as_ref().map(|new| &new.stage) {
            Some(Stage::Dialing(_)) => self.dial(index),
            Some(Stage::Seeking(_)) => self.seek_parent(index),
            _ => self.advance(index),
        }
        self.set_deadline(index, patience);
        self.weigh(index);
    }

    /// A deadline for the stage that a connection is in, if it waits there at all.
    fn set_deadline(&mut self, index: usize, patience: Duration) {
        if let Some(Some(connection)) = self.connections.get(index)
            && !matches!(connection.stage, Stage::Relaying)
        {
            let key = (Instant::now() + patience, index, connection.generation, connection.stages);
            self.deadlines.push(Reverse(key));
        }
    }

    /// Goes as far as a connection can go now.
    fn advance(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        match &mut connection.stage {
            Stage::Names(_) => self.serve_names(index),
            Stage::Greeting(_) => self.hear_greeting(index),
            Stage::Resolving(_) | Stage::Seeking(_) => {}
            Stage::Asking(_) => self.hear_parent(index),
            Stage::Dialing(_) => self.see_dialing(index),
            Stage::Relaying => self.relay(index),
            Stage::Farewell => {
                if connection.say_farewell(&mut self.scratch) {
                    self.close(index);
                }
            }
        }
    }

    fn relay(&mut self, index: usize) {
        let Some(mut connection) = self.connections.get_mut(index).and_then(Option::take) else { return };
        let expected = std::mem::replace(&mut connection.expected, Expected::Anybody);
        let target = std::mem::take(&mut connection.target);
        let charges = connection.charges.take().unwrap_or_default();
        let judge = Judge {
            rules: &self.rules,
            expected: &expected,
            address: target.address,
            port: target.port,
            spending: Spending { ledger: &self.ledger, charges: &charges },
            named: connection.named.take().into(),
        };
        let moved = connection.relay(&judge, &mut self.scratch);
        connection.named = judge.named.take();
        connection.charges = Some(charges);
        connection.expected = expected;
        connection.target = target;
        self.connections[index] = Some(connection);
        match moved {
            Ok(Moved::Waits) => {}
            Ok(Moved::HasMore) => self.running.push(index),
            Ok(Moved::Ended) => self.close(index),
            Ok(Moved::Broken) => self.break_off(index),
            Err(stop) => self.stop(index, stop),
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let first = self.deadlines.peek().map(|Reverse((due, ..))| *due);
        [first, self.resolver.next_due(), self.report_due, self.flows.next_due()].into_iter().flatten().min()
    }

    fn do_what_is_due(&mut self) {
        if self.next_due().is_none() {
            return;
        }
        let now = Instant::now();
        if self.report_due.is_some_and(|due| due <= now) {
            self.send_report();
        }
        while let Some(Reverse((due, index, generation, stages))) = self.deadlines.peek().copied()
            && due <= now
        {
            self.deadlines.pop();
            if index == usize::MAX {
                self.listen(generation as usize);
                continue;
            }
            if let Some(Some(connection)) = self.connections.get(index)
                && (connection.generation, connection.stages) == (generation, stages)
            {
                match connection.stage {
                    Stage::Dialing(_) => self.unreachable(index),
                    Stage::Asking(_) => self.parent_failed(index, Failure::ParentSilent),
                    _ => self.break_off(index),
                }
            }
        }
        self.end_idle_flows(now);
        let given_up = self.resolver.give_up(&self.poller, now);
        self.all_answered(given_up);
    }
}
