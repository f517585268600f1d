//! The gateway's process, as the supervisor sees it: started beside the sandbox, heard, and ended with it. What it does
//! is `ringfence-egress`'s.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ringfence_egress::budget::Ledger;
use ringfence_egress::order::{self, Order};
use ringfence_egress::parent::Parent;
use ringfence_egress::rules::Rules;
use ringfence_egress::{Setup, dns, report};
use ringfence_enter::{capture, outpost};
use ringfence_plan::{Event, Network, Plan, Publish, Rule};
use rustix::event::Timespec;

use super::outpost::{Heard, Outpost};
use crate::outcome::EventLog;

/// A gateway that serves one sandbox. Dropping it ends it.
pub(super) struct Gateway(Outpost);

/// What it works with beside the plan.
pub(super) struct With {
    /// Made before the processes that spend from it.
    pub(super) ledger: Ledger,
    pub(super) parent: Option<Parent>,
    /// Its end of the inspector's channel, and what nobody else may be sent.
    pub(super) inspector: Option<OwnedFd>,
    pub(super) placeholders: Vec<String>,
}

// What brings listeners over says so in the same words as what takes them.
const _: () =
    assert!(capture::HOST_PORT == ringfence_egress::HOST_PORT && capture::SOCKET == ringfence_egress::SOCKET);
/// How long it may take to shut itself in.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

impl Gateway {
    /// Starts one for the listeners that come on `hand_over`. It is not waited for.
    pub(super) fn start(plan: &Plan, with: With, landlock: u32, hand_over: OwnedFd) -> io::Result<Gateway> {
        let serve = |supervisor| serve(plan, with, landlock, [supervisor, hand_over]);
        Outpost::fork(report::LONGEST, serve).map(Gateway)
    }

    /// Waits until it is locked in.
    pub(super) fn is_ready(&mut self) -> io::Result<()> {
        match self.0.first(PATIENCE) {
            Ok(packet) if packet == order::DONE => Ok(()),
            Ok(_) | Err(_) => Err(io::Error::other("the gateway could not shut itself in")),
        }
    }

    /// For poll(2).
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.fd()
    }

    /// Leads what connects to these listeners inside.
    pub(super) fn publish(&self, published: Vec<(Publish, OwnedFd)>) -> io::Result<()> {
        for (Publish { outside, inside, rule }, listener) in published {
            self.order(Order::Publish { outside, inside, rule }, Some(listener.as_fd()))?;
        }
        Ok(())
    }

    /// Gives it other rules, which count once it has answered.
    pub(super) fn change(&self, network: &Network, texts: &[Rule]) -> io::Result<()> {
        use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
        let file = memfd_create("rules", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(file);
        file.write_all(&serde_json::to_vec(&(network, texts))?)?;
        seek(&file, SeekFrom::Start(0))?;
        self.order(Order::Rules, Some(file.as_fd()))
    }

    fn order(&self, order: Order, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.0.tell(&order.encode(), descriptor)
    }

    /// Passes on what it tells; if it has ended, that too. How many changes of its rules it has taken.
    pub(super) fn hear(&mut self, log: &mut EventLog<'_>) -> usize {
        let mut taken = 0;
        self.0.hear(|heard| match heard {
            Heard::Packet(packet) if packet == order::DONE => taken += 1,
            Heard::Packet(packet) => pass_on(packet, log),
            Heard::Lost => log.network(&Event::NetworkLost),
        });
        taken
    }

    /// The run is over: hears what it has left to tell.
    pub(super) fn finish(self, log: &mut EventLog<'_>) {
        let _ = self.order(Order::End, None);
        self.0.finish(|packet| pass_on(packet, log));
    }
}

fn pass_on(packet: &[u8], log: &mut EventLog<'_>) {
    match report::is_missed(packet) {
        Some(events) => log.missed(events),
        None => report::events(packet).iter().for_each(|event| log.network(event)),
    }
}

/// In the gateway's process: from the copy of the supervisor to the end.
fn serve(plan: &Plan, with: With, landlock: u32, channels: [OwnedFd; 2]) -> io::Result<()> {
    let With { ledger, parent, inspector, placeholders } = with;
    let [supervisor, hand_over] = channels;
    let (supervisor, hand_over, inspector) = match inspector {
        None => {
            let [supervisor, hand_over] =
                outpost::detach([supervisor, hand_over]).map_err(io::Error::other)?;
            (supervisor, hand_over, None)
        }
        Some(inspector) => {
            let kept = outpost::detach([supervisor, hand_over, inspector]).map_err(io::Error::other)?;
            let [supervisor, hand_over, inspector] = kept;
            (supervisor, hand_over, Some(inspector))
        }
    };
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let rules = Rules::new(plan.network.clone(), plan.rules.clone());
    let servers = dns::servers::servers(&text);
    let ready = supervisor.try_clone()?;
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let setup =
        Setup { rules, ledger, servers, hosts, parent, inspector, placeholders, supervisor, hand_over };
    let gateway = ringfence_egress::Gateway::new(setup)?;
    outpost::lock(landlock).map_err(io::Error::other)?;
    rustix::io::write(&ready, order::DONE)?;
    drop(ready);
    gateway.serve()
}
