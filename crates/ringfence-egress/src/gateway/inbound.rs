//! Connections from the host's loopback to what listens inside. The listeners are the supervisor's, opened before the
//! command starts; a socket that reaches the inner loopback is made by the sandbox's init, for each connection anew.
//!
//! Who connects is not looked at: whoever may connect to a port of the host's loopback may come in.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use ringfence_plan::RuleId;
use rustix::net::{SendFlags, send};

use super::connection::{Dial, Manner, Opening, Stage, Target, Way};
use super::gate::Expected;
use super::poller::Token;
use super::side::Side;
use super::{DIAL, Gateway, host, socket};

/// Where the places of its listeners begin.
pub(super) const PLACES: usize = 2 << 16;

/// Requests that may be open before it is looked which of them are still waited for.
const MOST_CALLING: usize = 256;

/// A port of the host's loopback that leads inside.
pub(super) struct Published {
    pub(super) listener: OwnedFd,
    pub(super) outside: u16,
    pub(super) inside: u16,
    pub(super) rule: RuleId,
}

impl Gateway {
    pub(super) fn publish(&mut self, published: Published) {
        let place = PLACES + self.published.len();
        if self.poller.add(&published.listener, Token::Listener(place)).is_ok() {
            self.published.push(published);
        }
    }

    /// A connection from outside.
    pub(super) fn inwards(&mut self, client: OwnedFd, place: usize) {
        let Some(Published { outside, inside, rule, .. }) = self.published.get(place - PLACES) else {
            return;
        };
        let target = Target {
            address: Some(Ipv4Addr::LOCALHOST.into()),
            port: *inside,
            rule: Some(*rule),
            way: Way::In(*outside),
            ..Target::default()
        };
        socket::without_delay(&client);
        let opening = Opening { manner: Manner::Captured, first: Vec::new(), behind: Vec::new(), gate: None };
        let stage = Stage::Dialing(Dial { addresses: host::addresses(*inside), opening });
        self.open(client, stage, target, Expected::Anybody, DIAL);
    }

    /// Asks init for a socket with which to try `address`.
    pub(super) fn ask_for_socket(&mut self, index: usize, address: SocketAddr) {
        if self.calling.len() >= MOST_CALLING {
            // Init had no room for the answers, or their clients are gone.
            let connections = &self.connections;
            self.calling.retain(|(index, generation)| {
                let connection = connections.get(*index).and_then(Option::as_ref);
                connection.is_some_and(|one| one.generation == *generation)
            });
        }
        let generation = self.connections.get(index).and_then(Option::as_ref).map(|one| one.generation);
        let version: u8 = if address.is_ipv4() { 4 } else { 6 };
        let asked = match (&self.hand_over, generation) {
            (Some(channel), Some(generation)) => {
                let [a, b, c, d] = generation.to_ne_bytes();
                send(channel, &[version, a, b, c, d], SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
            }
            _ => false,
        };
        if asked { self.calling.push((index, generation.unwrap_or_default())) } else { self.break_off(index) }
    }

    /// A socket came, or word that there is none; whose it is stands in the request that it answers.
    pub(super) fn take_socket(&mut self, of: [u8; 4], socket: Option<OwnedFd>) {
        let of = u32::from_ne_bytes(of);
        let Some(at) = self.calling.iter().position(|(_, generation)| *generation == of) else { return };
        let (index, generation) = self.calling.swap_remove(at);
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        if connection.generation != generation {
            return;
        }
        let Stage::Dialing(dial) = &connection.stage else { return };
        let Some(address) = dial.addresses.front().copied() else { return };
        let called = socket.and_then(|socket| socket::begin_to_connect(socket, address).ok());
        let added = called.filter(|socket| self.poller.add(socket, Token::Server(index)).is_ok());
        match added {
            Some(socket) => {
                socket::without_delay(&socket);
                connection.server = Some(Side::new(socket, false));
                self.see_dialing(index);
            }
            None => {
                self.next_address(index);
                self.dial(index);
            }
        }
    }
}
