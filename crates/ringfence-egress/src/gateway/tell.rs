//! What the gateway tells its supervisor, put together into packets: a supervisor that were woken by each event would slow
//! down what it watches. The packets are [`crate::report`]'s.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use ringfence_plan::{Barrier, Event, Failure, Place, Protocol};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::Gateway;
use super::connection::{Connection, Stage, Target, Way};
use crate::report;
use crate::rules::Refusal;

/// How long an event may wait for others.
const REPORT: Duration = Duration::from_millis(20);

/// How long the inspector may take to say what came of its last connections.
const INSPECTOR: Duration = Duration::from_millis(100);

/// What was told of what comes again and again. It is bounded, and past that begins anew: then some is told twice, but
/// nothing is left out for what was told before.
#[derive(Debug)]
pub(super) struct Once<T>(HashSet<T>);

/// Most that is remembered as told.
const MOST_TOLD: usize = 1024;

impl<T: Eq + Hash> Once<T> {
    pub(super) fn new() -> Once<T> {
        Once(HashSet::new())
    }

    /// Whether it is still to be told.
    pub(super) fn is_news(&mut self, what: T) -> bool {
        if self.0.len() >= MOST_TOLD && !self.0.contains(&what) {
            self.0.clear();
        }
        self.0.insert(what)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Gateway {
    pub(super) fn tell_refused(&mut self, target: &Target, Refusal { barrier, rule, detail }: Refusal) {
        if barrier == Barrier::OverBudget && !self.ledger.may_tell(rule, detail) {
            return;
        }
        let Target { host, address, port, .. } = target.clone();
        if barrier == Barrier::Placeholder {
            let host = host.or(address.map(|address| address.to_string()));
            return self.tell(&Event::CredentialAlarm { host, port, place: Place::Connection, rule });
        }
        let protocol = Protocol::Tcp;
        self.tell(&Event::NetworkRefused { host, address, port: Some(port), protocol, barrier, rule });
    }

    /// Once for each host and cause: clients try again and again.
    pub(super) fn tell_failed(&mut self, host: Option<&str>, port: Option<u16>, failure: Failure) {
        let host = host.map(str::to_owned);
        if self.failures.is_news((host.clone(), failure)) {
            self.tell(&Event::NetworkFailed { host, port, failure });
        }
    }

    /// Puts an event aside, to be told with others.
    pub(super) fn tell(&mut self, event: &Event) {
        if self.report.is_empty() {
            self.report_due = Some(Instant::now() + REPORT);
        }
        if !report::append(&mut self.report, event) {
            self.send_report();
            report::append(&mut self.report, event);
        }
        self.reported += 1;
    }

    /// A supervisor that does not keep up misses events, and the network never waits for it. It learns how many.
    pub(super) fn send_report(&mut self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let say = |packet: &[u8]| rustix::net::send(&self.supervisor, packet, flags).is_ok();
        if self.missed > 0 && say(&report::missed(self.missed)) {
            self.missed = 0;
        }
        if !say(&self.report) {
            self.missed += self.reported;
        }
        self.report.clear();
        self.reported = 0;
        self.report_due = None;
    }

    /// The run is over: what is still open is told of.
    pub(super) fn end_all(&mut self) {
        let missed = if self.missed > 0 { report::missed(self.missed) } else { Vec::new() };
        let mut packets = vec![missed, std::mem::take(&mut self.report)];
        // The inspector's connections end with the sandbox that they came from: it is about to say so.
        let mut happened = Vec::new();
        let until = Instant::now() + INSPECTOR;
        while self.has_inspected() && Instant::now() < until {
            let _ = self.poller.wait(Some(until), &mut happened);
            self.hear_inspector();
        }
        packets.push(std::mem::take(&mut self.report));
        let inspected = self.end_inspected();
        let open = self.connections.iter().flatten().filter_map(|connection| ended(connection));
        for event in inspected.into_iter().chain(open).chain(self.flows.ended()) {
            let last = packets.len() - 1;
            if !report::append(&mut packets[last], &event) {
                packets.push(Vec::new());
                report::append(&mut packets[last + 1], &event);
            }
        }
        for packet in packets.iter().filter(|packet| !packet.is_empty()) {
            // Now the supervisor does nothing but listen, if it is not stopped: it has the last word when it hangs up.
            while rustix::net::send(&self.supervisor, packet, SendFlags::NOSIGNAL) == Err(Errno::AGAIN) {
                let _ = self.poller.wait(Some(Instant::now() + Duration::from_millis(10)), &mut happened);
            }
        }
    }
}

/// The event of a connection's end, if it had begun.
pub(super) fn ended(connection: &Connection) -> Option<Event> {
    let Target { host, address, port, rule, way, via: _, proxy } = &connection.target;
    matches!(connection.stage, Stage::Relaying).then_some(())?;
    let millis = connection.started.elapsed().as_millis() as u64;
    if let Way::In(outside) = *way {
        // Its client is outside: what that one received, the workload sent.
        let (sent, received) = (connection.received, connection.sent);
        return Some(Event::Inbound { outside, inside: *port, rule: (*rule)?, sent, received, millis });
    }
    Some(Event::Connected {
        host: host.clone(),
        address: (*proxy).or(*address)?,
        port: *port,
        protocol: Protocol::Tcp,
        rule: (*rule)?,
        sent: connection.sent,
        received: connection.received,
        millis,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_told_before_the_next_is_told() {
        let mut once = Once::new();
        let told =
            (0..3 * MOST_TOLD).filter(|number| once.is_news(*number) && !once.is_news(*number)).count();
        assert_eq!(told, 3 * MOST_TOLD);
    }
}
