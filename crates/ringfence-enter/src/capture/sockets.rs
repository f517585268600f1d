//! The sockets by which the gateway hears and answers what is sent inside: which there are, and how they come to it.
//!
//! They are made in the new network namespace (`sys::net`), and stay in it wherever their descriptors go.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{DNS_PORT, HOST_PORT, LAST, Means, PORT};
use crate::socket;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    /// Of the sixth version of the protocol; such a one may be missing.
    pub(crate) sixth: bool,
    pub(crate) port: u16,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections arrive there.
    Streams,
    /// Questions of names arrive there, by UDP.
    Questions,
    /// Datagrams arrive there that are for others.
    Datagrams,
    /// Connections to one port of the loopback arrive there, and lead to the host's.
    HostPort,
    /// Answers to datagrams leave there, with whatever addresses and ports are written on them (raw(7)).
    Raw,
}

/// Those of a network that is captured by `means`, or of none, with these ports of its loopback leading to the host's.
pub(crate) fn wanted(means: Option<&Means>, host_ports: &[u16]) -> Vec<Wanted> {
    let mut sockets: Vec<(Kind, u16)> = host_ports.iter().map(|port| (Kind::HostPort, *port)).collect();
    match means {
        None => {}
        Some(Means::Tables(openings)) => {
            sockets.extend([(Kind::Streams, PORT), (Kind::Questions, DNS_PORT)]);
            if !openings.is_empty() {
                sockets.extend([(Kind::Datagrams, PORT), (Kind::Raw, 0)]);
            }
        }
        Some(Means::Listeners { tcp, udp }) => {
            sockets.extend([(Kind::Streams, PORT), (Kind::Streams, DNS_PORT), (Kind::Questions, DNS_PORT)]);
            let free = |port: &&u16| !matches!(**port, PORT | DNS_PORT) && !host_ports.contains(port);
            sockets.extend(tcp.iter().filter(free).map(|port| (Kind::Streams, *port)));
            let free = |port: &&u16| **port != DNS_PORT;
            sockets.extend(udp.iter().filter(free).map(|port| (Kind::Datagrams, *port)));
            if !udp.is_empty() {
                sockets.push((Kind::Raw, 0));
            }
        }
    }
    let both = |(kind, port)| [false, true].map(|sixth| Wanted { kind, sixth, port });
    sockets.into_iter().flat_map(both).collect()
}

impl Wanted {
    /// What the gateway is told of it; `ringfence-egress` has the same numbers.
    fn place(self) -> u8 {
        let kind = match self.kind {
            Kind::HostPort => return HOST_PORT,
            Kind::Streams => 0,
            Kind::Questions => 1,
            Kind::Datagrams => 2,
            Kind::Raw => 3,
        };
        kind << 1 | u8::from(self.sixth)
    }
}

/// Gives the sockets away, each in a packet whose only byte says which it is; then one that says [`LAST`].
pub(crate) fn hand_over(sockets: Vec<(Wanted, OwnedFd)>, gateway: &OwnedFd) -> io::Result<()> {
    for (wanted, socket) in &sockets {
        send(gateway, wanted.place(), Some(socket.as_fd()))?;
    }
    send(gateway, LAST, None)
}

/// Waits for the gateway where it has not yet taken what came before.
fn send(gateway: &OwnedFd, place: u8, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
    const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
    loop {
        match socket::send(gateway.as_fd(), &[place], socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
        if poll(&mut [PollFd::new(gateway, PollFlags::OUT)], Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
