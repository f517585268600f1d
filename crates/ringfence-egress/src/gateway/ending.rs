//! How a connection ends: with a last answer, broken off, or because both sides have.
//!
//! Not why.

use std::net::SocketAddr;

use super::connection::{Stage, Target};
use super::gate::Stop;
use super::{FAREWELL, Gateway, socket, spend, tell};
use crate::http;

impl Gateway {
    /// A connection that may not go on: over HTTP it is told why, unless the server has been heard already.
    pub(super) fn stop(&mut self, index: usize, Stop { refusal, http }: Stop) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let target = connection.target.clone();
        let tells = http && connection.received == 0;
        self.tell_refused(&target, refusal);
        if tells {
            let text = self.rules.explain(refusal, &display(&target));
            self.answer(index, http::answer(spend::status(refusal), &text));
        } else {
            self.break_off(index);
        }
    }

    /// The last that a client hears.
    pub(super) fn answer(&mut self, index: usize, bytes: Vec<u8>) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        if let Some(server) = connection.server.take() {
            socket::reset_when_closed(&server.fd);
        }
        connection.client.pending.extend(bytes);
        connection.stage = Stage::Farewell;
        connection.stages += 1;
        self.set_deadline(index, FAREWELL);
        self.advance(index);
    }

    pub(super) fn break_off(&mut self, index: usize) {
        if let Some(Some(connection)) = self.connections.get(index) {
            connection.reset();
        }
        self.close(index);
    }

    pub(super) fn close(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::take) else { return };
        self.free.push(index);
        self.held -= connection.weight;
        if let Some(event) = tell::ended(&connection) {
            self.tell(&event);
        }
        drop(connection);
        if std::mem::take(&mut self.starved) {
            self.accept_again();
        }
    }
}

/// A target as it stands in a rule.
pub(super) fn display(target: &Target) -> String {
    let Target { host, address, port, .. } = target;
    match (host, address) {
        (Some(host), _) => format!("{host}:{port}"),
        (None, Some(address)) => SocketAddr::new(*address, *port).to_string(),
        (None, None) => format!("port {port}"),
    }
}
