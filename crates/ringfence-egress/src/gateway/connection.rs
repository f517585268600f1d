//! One connection: a side towards the sandbox, a side towards the world, and how far it has come. The bytes in between
//! are moved here; what is decided about them is decided elsewhere.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ringfence_plan::{HostName, RuleId};

use super::gate::{Expected, Gate, Judge, Stop};
use super::side::{Break, Passing, Side, TURN, pump};
use super::socket;
use crate::budget::Charges;
use crate::dns::resolver::Answer;
use crate::handshake::Handshake;
use crate::http::Host;
use crate::scan::Watch;

/// A connection of the sandbox.
pub(crate) struct Connection {
    /// Tells it from others that had its place before.
    pub(crate) generation: u32,
    /// How many stages it has gone through: a deadline is for one of them.
    pub(crate) stages: u32,
    pub(crate) stage: Stage,
    pub(crate) client: Side,
    pub(crate) server: Option<Side>,
    pub(crate) gate: Gate,
    pub(crate) expected: Expected,
    /// Whom its client named last.
    pub(crate) named: Option<HostName>,
    pub(crate) target: Target,
    /// The budgets that it spends; `None` until it is dialled.
    pub(crate) charges: Option<Charges>,
    /// What its client must not send, where there is such.
    pub(crate) watch: Option<Box<Watch>>,
    /// What must not come back to it, where there is such.
    pub(crate) back: Option<Box<Watch>>,
    pub(crate) started: Instant,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// What it held when that was counted last.
    pub(crate) weight: usize,
}

/// Where it goes, as far as that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) host: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    /// The rule that allowed it.
    pub(crate) rule: Option<RuleId>,
    /// Where it goes through the parent proxy: what that one is asked for.
    pub(crate) via: Option<Host>,
    /// The address that was dialled, if it is not that of the target.
    pub(crate) proxy: Option<IpAddr>,
    pub(crate) way: Way,
}

/// From where to where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the sandbox to the world.
    #[default]
    Out,
    /// From the sandbox to a port of the host's loopback.
    ToHost,
    /// From this port of the host's loopback to the sandbox's.
    In(u16),
}

/// How far a connection has come.
pub(crate) enum Stage {
    /// It asks for names, as over UDP.
    Names(Vec<u8>),
    /// A client of the proxy, which has not said what it wants.
    Greeting(Greeting),
    /// It asked for a name, whose addresses are being asked for.
    Resolving(Lookup),
    /// The parent proxy's own address is to be found.
    Seeking(Opening),
    /// It is being connected, to the first of these.
    Dialing(Dial),
    /// The parent proxy is being asked for the connection.
    Asking(Box<Asking>),
    /// Bytes go to and fro.
    Relaying,
    /// The last answer is on its way.
    Farewell,
}

/// What a client of the proxy has said so far.
#[derive(Default)]
pub(crate) struct Greeting {
    pub(crate) held: Vec<u8>,
    /// SOCKS: the method is agreed upon.
    pub(crate) agreed: bool,
}

/// A name that is looked up for the proxy.
pub(crate) struct Lookup {
    pub(crate) answers: Vec<Answer>,
    /// How many are still to come.
    pub(crate) missing: usize,
    pub(crate) opening: Opening,
}

/// Addresses to be tried.
pub(crate) struct Dial {
    pub(crate) addresses: VecDeque<SocketAddr>,
    pub(crate) opening: Opening,
}

/// What the parent proxy is being asked.
pub(crate) struct Asking {
    pub(crate) handshake: Handshake,
    pub(crate) opening: Opening,
}

/// How it begins once it is connected, and how a failure is told.
pub(crate) struct Opening {
    pub(crate) manner: Manner,
    /// The first bytes for the server, already judged.
    pub(crate) first: Vec<u8>,
    /// The client's bytes behind its request, not judged.
    pub(crate) behind: Vec<u8>,
    /// What judges the bytes that follow; `None` for that of a tunnel.
    pub(crate) gate: Option<Gate>,
}

impl Opening {
    /// Bytes that it holds.
    pub(crate) fn holds(&self) -> usize {
        self.first.capacity() + self.behind.capacity()
    }
}

/// By which protocol the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By the connection itself.
    Captured,
    /// CONNECT.
    Connect,
    /// A request in absolute form.
    Request,
    /// SOCKS.
    Socks,
}

/// What is left to do.
pub(crate) enum Moved {
    /// To wait.
    Waits,
    /// More at once, after others had their turn.
    HasMore,
    /// Nothing: both sides have ended.
    Ended,
    /// It broke off: the other side is reset.
    Broken,
}

impl Connection {
    /// Moves bytes both ways until there are none, or it is others' turn.
    pub(crate) fn relay(&mut self, judge: &Judge<'_>, scratch: &mut [u8]) -> Result<Moved, Stop> {
        let Some(server) = &mut self.server else { return Ok(Moved::Ended) };
        let client = &mut self.client;
        let up = pump(client, server, scratch, |bytes, out| {
            if let Some(found) = self.watch.as_mut().and_then(|watch| watch.see(bytes)) {
                return Err(judge.misplaced(found, (&self.gate, bytes)));
            }
            let judged = match &mut self.gate {
                Gate::Open if judge.spending.is_free() => {
                    self.sent += bytes.len() as u64;
                    return Ok(Passing::AsTheyAre);
                }
                Gate::Open => {
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                gate if bytes.is_empty() => {
                    gate.end(out);
                    Ok(())
                }
                gate => gate.feed(judge, bytes, out),
            };
            // What was judged before the stop has passed.
            judge.afford(out, &mut self.sent, &self.gate)?;
            judged.map(|()| Passing::Judged)
        });
        let up = match up {
            Ok(more) => more,
            Err(Break::Stopped(stop)) => {
                // As far as the budget goes.
                let _ = server.flush();
                return Err(stop);
            }
            Err(Break::Failed) => return Ok(Moved::Broken),
        };
        let mut heard = Vec::new();
        let down = pump(server, client, scratch, |bytes, _| {
            if self.back.as_mut().and_then(|watch| watch.see(bytes)).is_some() {
                return Err(judge.crooked("the parent proxy said back what it was told of who asks"));
            }
            self.received += bytes.len() as u64;
            match &mut self.gate {
                gate if gate.listens() && !bytes.is_empty() => {
                    gate.hear(judge, bytes, &mut heard).map(|()| Passing::AsTheyAre)
                }
                _ => Ok(Passing::AsTheyAre),
            }
        });
        let down = match down {
            Ok(more) => more,
            Err(Break::Stopped(stop)) => return Err(stop),
            Err(Break::Failed) => return Ok(Moved::Broken),
        };
        if !heard.is_empty() {
            let afforded = judge.afford(&mut heard, &mut self.sent, &self.gate);
            server.pending.extend(heard);
            if server.flush().is_err() {
                return Ok(Moved::Broken);
            }
            afforded?;
        }
        Ok(match (client.is_over() && server.is_over(), up || down) {
            (true, _) => Moved::Ended,
            (false, true) => Moved::HasMore,
            (false, false) => Moved::Waits,
        })
    }

    /// Sends the last answer; true when that is done, and the client has heard it or gone.
    pub(crate) fn say_farewell(&mut self, scratch: &mut [u8]) -> bool {
        if self.client.flush().is_err() {
            return true;
        }
        if self.client.pending.is_empty() {
            self.client.end_writing();
        }
        // What is still on its way would reset the connection, and the answer with it, if it were not read. But who goes on
        // sending reads no answer.
        for _ in 0..TURN {
            if !self.client.readable || self.client.read_ended {
                return self.client.is_over();
            }
            if self.client.read(scratch).is_err() {
                return true;
            }
        }
        true
    }

    /// Ends it so that both sides notice.
    pub(crate) fn reset(&self) {
        socket::reset_when_closed(&self.client.fd);
        if let Some(server) = &self.server {
            socket::reset_when_closed(&server.fd);
        }
    }
}
