//! What a run came to. Not how it is told.

use std::time::Duration;

use ringfence_plan::{Bytes, Ending, Event, Limit};

/// How many refusals of one run are told one by one; the rest are counted. A workload that provokes a million of them
/// must not fill its supervisor's memory or its user's log.
pub const TOLD_EVENTS: u64 = 1000;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the main command ended.
    pub ending: Ending,
    /// From before the launch until nothing was left.
    pub wall_time: Duration,
    /// The most memory that the whole process tree used, where control groups or measuring told.
    pub peak_memory: Option<Bytes>,
    /// How many refusals there were, told to the caller or not. Where events came faster than they were heard, as
    /// [`Outcome::unrecorded`] then says, refusals of the network may be among those, and this is the least number.
    pub denied: u64,
    /// Events that were not told one by one: past the first [`TOLD_EVENTS`] of a kind, or never heard.
    pub left_out: u64,
    /// Limits that were reached, each once.
    pub limits: Vec<Limit>,
    /// What should have been written down of the run and was not, in words; the run itself is none the worse for it.
    pub unrecorded: Vec<String>,
    /// What went through the gateway.
    pub traffic: Traffic,
}

/// What went through the gateway of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    /// Connections that were allowed.
    pub connections: u64,
    /// Connections and look-ups of names that were refused; they count among [`Outcome::denied`] too.
    pub refused: u64,
    /// Connections and look-ups that were allowed and failed on the way, each host and cause once.
    pub failed: u64,
    /// Bytes from the workload.
    pub sent: u64,
    /// Bytes to the workload.
    pub received: u64,
    /// Connections from the host's loopback to what listens inside.
    pub inbound: u64,
    /// Whether the gateway ended before the run did, and the network with it.
    pub lost: bool,
    /// Requests that HTTP rules allowed.
    pub requests: u64,
    /// Requests that they refused; they count among [`Outcome::denied`] too.
    pub requests_refused: u64,
    /// How often a credential's placeholder was where it does not belong, or its value came back; among
    /// [`Outcome::denied`] too.
    pub alarms: u64,
    /// Whether the inspector ended before the run did, and the hosts that HTTP rules speak of with it.
    pub uninspected: bool,
}

/// Tells events to the caller, boundedly, and keeps the counts.
pub(crate) struct EventLog<'a> {
    on_event: &'a mut dyn FnMut(&Event),
    denied: u64,
    left_out: u64,
    /// Of these, those of which it is not known what they were.
    missed: u64,
    limits: Vec<Limit>,
    traffic: Traffic,
    /// Reports of allowed requests.
    passed: u64,
}

impl<'a> EventLog<'a> {
    pub(crate) fn new(on_event: &'a mut dyn FnMut(&Event)) -> EventLog<'a> {
        let (limits, traffic) = (Vec::new(), Traffic::default());
        EventLog { on_event, denied: 0, left_out: 0, missed: 0, limits, traffic, passed: 0 }
    }

    pub(crate) fn denied(&mut self, event: &Event) {
        self.denied += 1;
        self.tell(self.denied, event);
    }

    /// Counts refusals that this process did not hear of, since it did not keep up.
    pub(crate) fn missed_refusals(&mut self, refusals: u64) {
        self.denied = self.denied.saturating_add(refusals);
        self.missed(refusals);
    }

    /// Counts events of other processes that this one did not hear of, since it did not keep up.
    pub(crate) fn missed(&mut self, events: u64) {
        self.missed = self.missed.saturating_add(events);
        self.left_out = self.left_out.saturating_add(events);
    }

    /// Tells an event that is the `count`th of its kind.
    fn tell(&mut self, count: u64, event: &Event) {
        if count <= TOLD_EVENTS {
            (self.on_event)(event);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Tells of a connection: a refused one counts with what else was denied.
    pub(crate) fn network(&mut self, event: &Event) {
        match event {
            Event::NetworkRefused { .. } => {
                self.traffic.refused += 1;
                self.denied(event);
            }
            Event::Connected { sent, received, .. } => {
                let Traffic { connections, sent: all_sent, received: all_received, .. } = &mut self.traffic;
                *connections += 1;
                (*all_sent, *all_received) =
                    (all_sent.saturating_add(*sent), all_received.saturating_add(*received));
                self.tell(self.traffic.connections, event);
            }
            Event::NetworkFailed { .. } => {
                self.traffic.failed += 1;
                self.tell(self.traffic.failed, event);
            }
            Event::Inbound { sent, received, .. } => {
                let Traffic { inbound, sent: all_sent, received: all_received, .. } = &mut self.traffic;
                *inbound += 1;
                (*all_sent, *all_received) =
                    (all_sent.saturating_add(*sent), all_received.saturating_add(*received));
                self.tell(self.traffic.inbound, event);
            }
            Event::RuleChanged { .. } => (self.on_event)(event),
            Event::NetworkLost => {
                self.traffic.lost = true;
                (self.on_event)(event);
            }
            Event::RequestRefused { .. } => {
                self.traffic.requests_refused += 1;
                self.denied(event);
            }
            Event::RequestsAllowed { requests, .. } => {
                self.traffic.requests = self.traffic.requests.saturating_add(*requests);
                self.passed += 1;
                self.tell(self.passed, event);
            }
            Event::CredentialAlarm { .. } => {
                // Of their own account: a flood of refusals must not hide one.
                self.traffic.alarms += 1;
                self.denied += 1;
                self.tell(self.traffic.alarms, event);
            }
            Event::InspectorLost => {
                self.traffic.uninspected = true;
                (self.on_event)(event);
            }
            Event::Denied { .. } | Event::LimitReached { .. } => {}
        }
    }

    /// Tells of a limit the first time that it is reached.
    pub(crate) fn limit_reached(&mut self, limit: Limit, allowed: String) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
            (self.on_event)(&Event::LimitReached { limit, allowed });
        }
    }

    pub(crate) fn into_outcome(
        self,
        ending: Ending,
        wall_time: Duration,
        peak_memory: Option<Bytes>,
    ) -> Outcome {
        let EventLog { denied, left_out, missed, limits, traffic, .. } = self;
        let unheard =
            (missed > 0).then(|| format!("{missed} events, which came faster than they were heard"));
        let unrecorded = unheard.into_iter().collect();
        Outcome { ending, wall_time, peak_memory, denied, left_out, limits, traffic, unrecorded }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Operation, RuleId};

    use super::*;

    #[test]
    fn a_flood_is_counted_and_its_start_is_told() {
        let mut told = 0;
        let mut count = |_: &Event| told += 1;
        let mut log = EventLog::new(&mut count);
        let event = Event::Denied {
            operation: Operation::Write,
            path: "/w/.git/config".into(),
            rule: RuleId(0),
            pid: 2,
        };
        for _ in 0..1_000_000 {
            log.denied(&event);
        }
        log.limit_reached(Limit::Memory, "1 GiB".into());
        log.limit_reached(Limit::Memory, "1 GiB".into());
        log.missed_refusals(5);
        log.missed(2);
        let outcome = log.into_outcome(Ending::Exited(0), Duration::ZERO, None);
        assert_eq!((outcome.denied, outcome.limits.len(), told), (1_000_005, 1, TOLD_EVENTS + 1));
        assert_eq!(outcome.left_out, 1_000_000 - TOLD_EVENTS + 7);
        assert_eq!(outcome.unrecorded, ["7 events, which came faster than they were heard"]);
    }

    #[test]
    fn connections_past_the_first_thousand_are_left_out_and_counted() {
        let mut told = 0;
        let mut count = |_: &Event| told += 1;
        let mut log = EventLog::new(&mut count);
        let (host, address, protocol) = (None, "192.0.2.1".parse().unwrap(), ringfence_plan::Protocol::Tcp);
        let (port, rule, sent, received, millis) = (443, RuleId(0), 1, 1, 1);
        let event = Event::Connected { host, address, port, protocol, rule, sent, received, millis };
        for _ in 0..TOLD_EVENTS + 3 {
            log.network(&event);
        }
        let outcome = log.into_outcome(Ending::Exited(0), Duration::ZERO, None);
        assert_eq!((told, outcome.left_out, outcome.traffic.connections), (TOLD_EVENTS, 3, TOLD_EVENTS + 3));
    }
}
