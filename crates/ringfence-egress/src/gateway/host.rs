//! Connections to the host's loopback: to the ports that rules name, and to no other. They arrive at listeners that exist
//! for those ports alone; what is decided about addresses elsewhere never leads to a loopback.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use super::connection::{Dial, Manner, Opening, Stage, Target, Way};
use super::gate::Expected;
use super::{DIAL, Gateway, socket};
use crate::http::Host;

/// Where the places of its listeners begin.
pub(super) const PLACES: usize = 1 << 16;

/// What the host's loopback is called inside.
const NAME: &str = "localhost";

impl Gateway {
    /// A connection to a port that leads to the host's.
    pub(super) fn lead_to_host(&mut self, client: OwnedFd) {
        let Ok(local) = socket::local(&client) else { return };
        let mut target = target(local.port());
        match self.rules.host_port(local.port()) {
            Ok(rule) => {
                target.rule = Some(rule);
                let addresses = addresses(local.port());
                let opening =
                    Opening { manner: Manner::Captured, first: Vec::new(), behind: Vec::new(), gate: None };
                let stage = Stage::Dialing(Dial { addresses, opening });
                self.open(client, stage, target, Expected::Anybody, DIAL);
            }
            Err(refusal) => {
                self.tell_refused(&target, refusal);
                socket::reset_when_closed(&client);
            }
        }
    }

    /// The same for a client of the proxy; the opening comes back if it asked for something else.
    pub(super) fn lead_to_host_by_proxy(
        &mut self,
        index: usize,
        host: &Host,
        port: u16,
    ) -> Option<VecDeque<SocketAddr>> {
        let is_loopback = match host {
            Host::Name(name) => name.as_str() == NAME,
            Host::Address(address) => loopback().contains(address),
        };
        let rule = is_loopback.then(|| self.rules.host_port(port).ok())??;
        let connection = self.connections.get_mut(index)?.as_mut()?;
        connection.target = Target { rule: Some(rule), ..target(port) };
        connection.expected = Expected::Anybody;
        connection.stages += 1;
        Some(addresses(port))
    }
}

fn loopback() -> [IpAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

/// As they are tried, on the host or inside.
pub(super) fn addresses(port: u16) -> VecDeque<SocketAddr> {
    loopback().map(|address| SocketAddr::new(address, port)).into()
}

fn target(port: u16) -> Target {
    Target {
        host: Some(NAME.into()),
        address: Some(Ipv4Addr::LOCALHOST.into()),
        port,
        way: Way::ToHost,
        ..Target::default()
    }
}
