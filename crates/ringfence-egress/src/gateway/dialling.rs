//! From an address that was judged to a connection whose bytes are carried: the addresses of a target are tried in their
//! order, and the gate is put between.
//!
//! Not the judgement, and not the carrying.

use std::net::IpAddr;
use std::sync::Arc;

use super::Gateway;
use super::connection::{Dial, Manner, Opening, Stage, Way};
use super::gate::{Gate, Judge};
use super::poller::Token;
use super::side::Side;
use super::socket;
use super::spend::Spending;
use crate::scan::Watch;

impl Gateway {
    /// Begins to connect to the first address that does not fail at once.
    pub(super) fn dial(&mut self, index: usize) {
        if !self.may_spend(index) {
            return;
        }
        loop {
            let Some(Some(connection)) = self.connections.get_mut(index) else { return };
            let Stage::Dialing(dial) = &connection.stage else { return };
            let Some(address) = dial.addresses.front().copied() else { return self.unreachable(index) };
            if let Way::In(_) = connection.target.way {
                return self.ask_for_socket(index, address);
            }
            match socket::connected(address, rustix::net::SocketType::STREAM) {
                Ok(socket) => {
                    socket::without_delay(&socket);
                    if self.poller.add(&socket, Token::Server(index)).is_err() {
                        return self.unreachable(index);
                    }
                    connection.server = Some(Side::new(socket, false));
                    return self.see_dialing(index);
                }
                Err(_) => self.next_address(index),
            }
        }
    }

    pub(super) fn next_address(&mut self, index: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(index) {
            connection.server = None;
            if let Stage::Dialing(dial) = &mut connection.stage {
                dial.addresses.pop_front();
            }
        }
    }

    pub(super) fn see_dialing(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let (Stage::Dialing(dial), Some(server)) = (&connection.stage, &connection.server) else { return };
        let Some(address) = dial.addresses.front().copied() else { return };
        match socket::is_connected(&server.fd, address) {
            Ok(false) => {}
            Ok(true) => self.dialled(index, address.ip()),
            Err(_) => {
                self.next_address(index);
                self.dial(index);
            }
        }
    }

    pub(super) fn dialled(&mut self, index: usize, address: IpAddr) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let Stage::Dialing(Dial { opening, .. }) = std::mem::replace(&mut connection.stage, Stage::Relaying)
        else {
            return;
        };
        if connection.target.via.is_some() {
            connection.target.proxy = Some(address);
            self.begin_with_parent(index, opening);
        } else {
            connection.target.address = Some(address);
            self.begin_relay(index, opening, &[]);
        }
    }

    /// Begins to carry bytes; `early` are the server's first, where the parent proxy sent them behind its answer.
    pub(super) fn begin_relay(&mut self, index: usize, opening: Opening, early: &[u8]) {
        if self.is_inspected(index) {
            return self.give_to_inspector(index, opening, early);
        }
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        connection.stage = Stage::Relaying;
        connection.stages += 1;
        let Opening { manner, first, behind, gate } = opening;
        connection.gate = gate.unwrap_or_else(|| Gate::new(&connection.expected));
        // Pages of errors show what was asked for, and by whom.
        if matches!(connection.gate, Gate::Forward(_)) {
            let credentials = self.parent.as_ref().and_then(|parent| parent.credentials.as_ref());
            let watch = credentials.map(|known| Box::new(Watch::new(Arc::new(known.needles()))));
            connection.back = watch;
        }
        match manner {
            Manner::Captured | Manner::Request => {}
            Manner::Connect => {
                connection.client.pending.extend(b"HTTP/1.1 200 Connection established\r\n\r\n")
            }
            Manner::Socks => {
                connection.client.pending.extend(crate::socks::reply(crate::socks::Code::Succeeded))
            }
        }
        connection.client.pending.extend_from_slice(early);
        connection.received += early.len() as u64;
        let mut out = first;
        let charges = connection.charges.take().unwrap_or_default();
        let judge = Judge {
            rules: &self.rules,
            expected: &connection.expected,
            address: connection.target.address,
            port: connection.target.port,
            spending: Spending { ledger: &self.ledger, charges: &charges },
            named: connection.named.take().into(),
        };
        let said = [out.as_slice(), &behind].concat();
        let fed = match connection.watch.as_mut().and_then(|watch| watch.see(&said)) {
            Some(found) => {
                out.clear();
                Err(judge.misplaced(found, (&connection.gate, &said)))
            }
            None => connection.gate.feed(&judge, &behind, &mut out),
        };
        let fed = judge.afford(&mut out, &mut connection.sent, &connection.gate).and(fed);
        connection.named = judge.named.take();
        connection.charges = Some(charges);
        if let Some(server) = &mut connection.server {
            server.pending = out;
        }
        let flushed =
            connection.client.flush().and_then(|()| connection.server.as_mut().map_or(Ok(()), Side::flush));
        match (fed, flushed) {
            (Err(stop), _) => self.stop(index, stop),
            (Ok(()), Err(_)) => self.break_off(index),
            (Ok(()), Ok(())) => self.relay(index),
        }
    }
}
