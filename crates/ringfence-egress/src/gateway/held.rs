//! How much connections hold between them: bytes that are not understood yet, and bytes that a side does not take. Past a
//! bound those that hold most are broken off, so that whoever opens many cannot end the gateway, nor shut out others that
//! hold little.
//!
//! Not what the kernel holds for their sockets.

use ringfence_plan::Failure;

use super::Gateway;
use super::connection::{Connection, Stage};

/// Bytes that all may hold; less than half of what the process may have (`ringfence_enter::outpost`), since buffers grow by
/// being copied.
const MOST: usize = 192 << 20;

impl Connection {
    /// Bytes that it holds.
    fn holds(&self) -> usize {
        let of_stage = match &self.stage {
            Stage::Names(held) => held.capacity(),
            Stage::Greeting(greeting) => greeting.held.capacity(),
            Stage::Resolving(lookup) => lookup.opening.holds(),
            Stage::Seeking(opening) => opening.holds(),
            Stage::Dialing(dial) => dial.opening.holds(),
            Stage::Asking(asking) => asking.opening.holds() + asking.handshake.holds(),
            Stage::Relaying | Stage::Farewell => 0,
        };
        let unsent = self.server.as_ref().map_or(0, |server| server.pending.capacity());
        of_stage + self.gate.holds() + self.client.pending.capacity() + unsent
    }
}

impl Gateway {
    /// Counts anew what a connection holds.
    pub(super) fn weigh(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        let holds = connection.holds();
        self.held = self.held - connection.weight + holds;
        connection.weight = holds;
        while self.held > MOST {
            let weights = self.connections.iter().enumerate();
            let heaviest = weights.max_by_key(|(_, one)| one.as_ref().map_or(0, |one| one.weight));
            let Some((index, Some(connection))) = heaviest else { return };
            let (target, port) = (&connection.target, connection.target.port);
            // A client of the proxy that has asked for nobody is at the sandbox's own end.
            let address = || target.address.map_or("localhost".into(), |address| address.to_string());
            let host = target.host.clone().unwrap_or_else(address);
            self.tell_failed(Some(&host), Some(port), Failure::HeldTooMuch);
            self.break_off(index);
        }
    }
}
