//! The gateway's process, as the supervisor sees it: started beside the sandbox, heard, and ended with it. What it does
//! is `ringfence-egress`'s.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ringfence_egress::budget::Ledger;
use ringfence_egress::rules::Rules;
use ringfence_egress::{Setup, dns, report};
use ringfence_enter::sys::clone::{Side, exit_now, fork_into};
use ringfence_enter::{capture, outpost};
use ringfence_plan::{Event, Plan};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::outcome::EventLog;

/// A gateway that serves one sandbox. Dropping it ends it.
pub(super) struct Gateway {
    pidfd: OwnedFd,
    /// `None` once it has hung up.
    channel: Option<OwnedFd>,
}

/// Packets taken at once.
const BATCH: usize = 64;
/// What says that it is locked in and serves.
const READY: &[u8] = b"\0";
/// How long it may take to say so, and to end.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

impl Gateway {
    /// Starts one for the listeners that come on `hand_over`. It is not waited for.
    pub(super) fn start(plan: &Plan, landlock: u32, hand_over: OwnedFd) -> io::Result<Gateway> {
        let (ours, theirs) = capture::channel()?;
        // Before the fork: whoever else carries connections of this run spends from the same.
        let ledger = Ledger::new(plan.network.budgets.clone())?;
        match fork_into(0, None)? {
            Side::Parent { pidfd, .. } => Ok(Gateway { pidfd, channel: Some(ours) }),
            Side::Child => {
                drop(ours);
                exit_now(if serve(plan, ledger, landlock, [theirs, hand_over]).is_ok() { 0 } else { 125 })
            }
        }
    }

    /// Waits until it is locked in.
    pub(super) fn is_ready(&self) -> io::Result<()> {
        let gone = || io::Error::other("the gateway could not shut itself in");
        let channel = self.channel.as_ref().ok_or_else(gone)?;
        poll(&mut [PollFd::new(channel, PollFlags::IN)], Some(&PATIENCE))?;
        let mut packet = [0; report::LONGEST];
        match rustix::io::read(channel, &mut packet) {
            Ok(length) if &packet[..length] == READY => Ok(()),
            Ok(_) | Err(_) => Err(gone()),
        }
    }

    /// For poll(2).
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    /// Passes on what it tells; if it has ended, that too.
    pub(super) fn hear(&mut self, log: &mut EventLog<'_>) {
        let mut packet = [0; report::LONGEST];
        for _ in 0..BATCH {
            let Some(channel) = &self.channel else { return };
            match rustix::io::read(channel, &mut packet) {
                Ok(length) if length > 0 => {
                    report::events(&packet[..length]).iter().for_each(|event| log.network(event));
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
                Ok(_) | Err(_) => {
                    self.channel = None;
                    log.network(&Event::NetworkLost);
                }
            }
        }
    }

    /// The run is over: hears what it has left to tell.
    pub(super) fn finish(mut self, log: &mut EventLog<'_>) {
        let mut packet = [0; report::LONGEST];
        if let Some(channel) = &self.channel {
            let _ = rustix::io::write(channel, READY);
        }
        while let Some(channel) = &self.channel {
            let ready = poll(&mut [PollFd::new(channel, PollFlags::IN)], Some(&PATIENCE));
            if !ready.is_ok_and(|ready| ready > 0) {
                return;
            }
            match rustix::io::read(channel, &mut packet) {
                Ok(length) if length > 0 => {
                    report::events(&packet[..length]).iter().for_each(|event| log.network(event));
                }
                _ => self.channel = None,
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

/// In the gateway's process: from the copy of the supervisor to the end.
fn serve(plan: &Plan, ledger: Ledger, landlock: u32, channels: [OwnedFd; 2]) -> io::Result<()> {
    let [supervisor, hand_over] = outpost::detach(channels).map_err(io::Error::other)?;
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let rules = Rules::new(plan.network.clone(), plan.rules.clone());
    let servers = dns::servers::servers(&text);
    let ready = supervisor.try_clone()?;
    let setup = Setup { rules, ledger, servers, supervisor, hand_over };
    let gateway = ringfence_egress::Gateway::new(setup)?;
    outpost::lock(landlock).map_err(io::Error::other)?;
    rustix::io::write(&ready, READY)?;
    drop(ready);
    gateway.serve()
}
