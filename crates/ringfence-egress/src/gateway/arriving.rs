//! A connection that arrives from inside: by the address that it was meant for it is a question of names, a client of the
//! proxy, or captured on its way to somebody.
//!
//! Not whether it may go there.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::connection::{Dial, Greeting, Manner, Opening, Stage, Target};
use super::gate::Expected;
use super::{DIAL, GREETING, Gateway, socket};
use crate::guard::canonical;
use crate::http::Host;

/// The port by which a connection is a question of names.
const NAMES: u16 = 53;
/// The port of the loopback on which the proxy is.
const PROXY: u16 = 1023;

impl Gateway {
    /// A new connection: its own address tells what it is.
    pub(super) fn begin(&mut self, client: OwnedFd) {
        let Ok(local) = socket::local(&client) else { return };
        let (address, port) = (canonical(local.ip()), local.port());
        let target = Target { address: Some(address), port, ..Target::default() };
        if address.is_loopback() && port != PROXY {
            // Where each port has a listener, its own loopback arrives there as well.
            socket::reset_when_closed(&client);
        } else if address.is_loopback() {
            let target = Target { address: None, ..target };
            self.open(client, Stage::Greeting(Greeting::default()), target, Expected::Anybody, GREETING);
        } else if port == NAMES {
            self.open(client, Stage::Names(Vec::new()), target, Expected::Anybody, GREETING);
        } else {
            self.captured(client, target);
        }
    }

    fn captured(&mut self, client: OwnedFd, mut target: Target) {
        let (Some(address), port) = (target.address, target.port) else { return };
        match self.decide(&Host::Address(address), port) {
            Ok((allowed, via)) => {
                target.host = allowed.host;
                target.rule = Some(allowed.rule);
                let opening =
                    Opening { manner: Manner::Captured, first: Vec::new(), behind: Vec::new(), gate: None };
                let addresses = [SocketAddr::new(address, port)].into();
                let stage = match via {
                    Some(_) => Stage::Seeking(opening),
                    None => Stage::Dialing(Dial { addresses, opening }),
                };
                target.go_via(via);
                self.open(client, stage, target, allowed.expected, DIAL);
            }
            Err(refusal) => {
                let name = self.pool.name(address).or(self.told.names(address).last());
                target.host = name.map(|name| name.as_str().into());
                self.tell_refused(&target, refusal);
                socket::reset_when_closed(&client);
            }
        }
    }
}
