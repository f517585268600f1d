//! The sockets inside the sandbox, by which the gateway hears and answers what is sent there. What is heard is others'.
//! How they come, `hand_over` says.

use std::cmp::Reverse;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::poller::Token;
use super::{Gateway, MOST_CONNECTIONS, host, inbound};

/// One of them.
pub(super) struct Listener {
    pub(super) kind: Kind,
    pub(super) socket: OwnedFd,
}

/// What arrives at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Connections.
    Streams,
    /// Questions of names, by UDP.
    Questions,
    /// Datagrams that are for others.
    Datagrams,
    /// Nothing: answers to datagrams leave there. Of the fourth version, or of the sixth.
    Raw { sixth: bool },
}

impl Kind {
    /// By the place that `ringfence_enter::capture` gives to a socket; none for what is none of them.
    pub(super) fn of(place: u8) -> Option<Kind> {
        Some(match place {
            0 | 1 => Kind::Streams,
            2 | 3 => Kind::Questions,
            4 | 5 => Kind::Datagrams,
            6 | 7 => Kind::Raw { sixth: place == 7 },
            _ => return None,
        })
    }
}

/// Connections taken at once, before those that are open have their turn.
const BATCH: usize = 128;

impl Gateway {
    pub(super) fn take_listener(&mut self, listener: Listener) {
        let token = Token::Listener(self.listeners.len());
        let added = match listener.kind {
            Kind::Streams | Kind::Questions => self.poller.add(&listener.socket, token),
            Kind::Datagrams => self.poller.add_until_read(&listener.socket, token),
            Kind::Raw { sixth } => return self.flows.answer_by(listener.socket, sixth),
        };
        if added.is_ok() {
            self.listeners.push(listener);
        }
    }

    pub(super) fn listen(&mut self, index: usize) {
        match self.listeners.get(index).map(|listener| listener.kind) {
            // Those with numbers of their own take connections as well.
            Some(Kind::Streams) | None => self.accept(index),
            Some(Kind::Questions) => self.hear_questions(index),
            Some(Kind::Datagrams) => self.hear_datagrams(index),
            Some(Kind::Raw { .. }) => {}
        }
    }

    /// The listener of a place, if it takes connections.
    fn acceptor(&self, place: usize) -> Option<&OwnedFd> {
        match place {
            host::PLACES..inbound::PLACES => self.host_ports.get(place - host::PLACES),
            inbound::PLACES.. => self.published.get(place - inbound::PLACES).map(|port| &port.listener),
            _ => self.listeners.get(place).map(|listener| &listener.socket),
        }
    }

    fn accept(&mut self, place: usize) {
        for _ in 0..BATCH {
            if self.connections.len() - self.free.len() >= MOST_CONNECTIONS {
                self.starved = true;
                return;
            }
            let Some(listener) = self.acceptor(place) else { return };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::accept_with(listener, flags) {
                Ok(client) => match place {
                    host::PLACES..inbound::PLACES => self.lead_to_host(client),
                    inbound::PLACES.. => self.inwards(client, place),
                    _ => self.begin(client),
                },
                Err(Errno::AGAIN) => return,
                // Without descriptors for more, those that are open have to end first: each end tries again.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.starved = true;
                    return;
                }
                Err(_) => {}
            }
        }
        // Others have their turn; the edge will not come again.
        self.deadlines.push(Reverse((Instant::now(), usize::MAX, place as u32, 0)));
    }

    /// There is room again for connections that waited.
    pub(super) fn accept_again(&mut self) {
        let streams = |index: &usize| self.listeners[*index].kind == Kind::Streams;
        let captured = (0..self.listeners.len()).filter(streams);
        let of_host = host::PLACES..host::PLACES + self.host_ports.len();
        let inwards = inbound::PLACES..inbound::PLACES + self.published.len();
        let now = Instant::now();
        let again = captured.chain(of_host).chain(inwards);
        self.deadlines.extend(again.map(|place| Reverse((now, usize::MAX, place as u32, 0))));
    }
}
