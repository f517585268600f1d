//! Budgets of the network: how many bytes, connections and requests may still go out. The counts lie in memory that is
//! shared with every process forked later, so that all who carry connections of one run spend the same budget.
//!
//! What it means:
//! - A byte is spent when it is about to be handed to a server's socket, and never given back: no more leave than were
//!   granted. What a parent proxy is told is not the workload's and is not counted.
//! - A connection is spent when it is about to be dialled, and is one request. Each further request on it that is
//!   understood is one more: the first is the connection's own.
//! - A second is one of the clock that began with the ledger. From the middle of one to that of the next, up to twice as
//!   many requests may pass.
//! - All budgets that a connection falls under have to grant what it spends; one that does not names its rule.
//!
//! Not what may be reached, and no event: who is not granted something tells, if [`Ledger::may_tell`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ringfence_plan::{Budget, RuleId, Target};

use crate::sys::counts;

/// The budgets of a run, and what is spent of them.
#[derive(Clone, Debug)]
pub struct Ledger {
    budgets: Arc<[Budget]>,
    /// [`PLACES`] for each budget.
    counts: &'static [AtomicU64],
    begun: Instant,
}

/// The budgets that a connection falls under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charges(Box<[u32]>);

/// What a budget has no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Sent,
    /// Connections.
    Connections,
    /// Requests in this second.
    Requests,
}

/// A budget that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose line says so.
    pub rule: RuleId,
    /// Of what there is no more.
    pub kind: Kind,
}

/// Places of one budget's counts.
const SENT: usize = 0;
const CONNECTIONS: usize = 1;
/// The number of a second, and in the lower half the requests in it.
const REQUESTS: usize = 2;
/// A bit for each kind that was told.
const TOLD: usize = 3;
const PLACES: usize = 4;

impl Ledger {
    /// The ledger of a run, to be made before the processes that spend from it.
    ///
    /// # Errors
    /// When there is no memory to share.
    pub fn new(budgets: Vec<Budget>) -> io::Result<Ledger> {
        let counts = counts::shared(budgets.len() * PLACES)?;
        Ok(Ledger { budgets: budgets.into(), counts, begun: Instant::now() })
    }

    /// The budgets that a connection falls under that may be to any of these. Too many rather than too few: who it is
    /// really to may never be known.
    pub fn charges<'a>(&self, targets: impl Iterator<Item = &'a Target> + Clone) -> Charges {
        let falls_under = |budget: &Budget| match &budget.host {
            None => true,
            Some(host) => targets.clone().any(|target| host.covers(target)),
        };
        let budgets = (0_u32..).zip(self.budgets.iter());
        Charges(budgets.filter(|(_, budget)| falls_under(budget)).map(|(index, _)| index).collect())
    }

    /// Spends a connection, its first request included.
    ///
    /// # Errors
    /// When a budget has no more; then nothing is spent.
    pub fn connect(&self, charges: &Charges) -> Result<(), Spent> {
        for (nth, (budget, counts)) in self.charged(charges).enumerate() {
            let Some(most) = budget.connections else { continue };
            let more = |spent: u64| (spent < most).then(|| spent + 1);
            if counts[CONNECTIONS].fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
                self.return_connections(charges, nth);
                return Err(Spent { rule: budget.rule, kind: Kind::Connections });
            }
        }
        self.request(charges).inspect_err(|_| self.return_connections(charges, usize::MAX))
    }

    /// Spends a request beside the one that its connection is.
    ///
    /// # Errors
    /// When a budget has no more in this second. Those asked before it have spent theirs: a client that is refused has
    /// asked as well.
    pub fn request(&self, charges: &Charges) -> Result<(), Spent> {
        let second = self.begun.elapsed().as_secs() << 32;
        for (budget, counts) in self.charged(charges) {
            let Some(most) = budget.requests else { continue };
            let more = |spent: u64| {
                let this_second = if spent >> 32 == second >> 32 { spent } else { second };
                (this_second & u64::from(u32::MAX) < u64::from(most)).then(|| this_second + 1)
            };
            if counts[REQUESTS].fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
                return Err(Spent { rule: budget.rule, kind: Kind::Requests });
            }
        }
        Ok(())
    }

    /// Spends up to `wanted` bytes: how many may be sent, and, where those are fewer, which budget is spent.
    pub fn send(&self, charges: &Charges, wanted: usize) -> (usize, Option<Spent>) {
        let (mut granted, mut spent) = (wanted as u64, None);
        for (nth, (budget, counts)) in self.charged(charges).enumerate() {
            let Some(most) = budget.sent else { continue };
            let take = |sent: u64| Some(sent + most.saturating_sub(sent).min(granted));
            let before =
                counts[SENT].fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or(most);
            let left = most.saturating_sub(before).min(granted);
            if left < granted {
                self.return_bytes(charges, nth, granted - left);
                (granted, spent) = (left, Some(Spent { rule: budget.rule, kind: Kind::Sent }));
            }
        }
        // No more than was wanted, which was a usize.
        (granted as usize, spent)
    }

    /// The same for what cannot be cut, as a datagram. An empty one is as much as a byte: to which port it goes, and when,
    /// can spell out anything.
    ///
    /// # Errors
    /// When a budget has not that many bytes left; then none are spent.
    pub fn send_whole(&self, charges: &Charges, wanted: usize) -> Result<(), Spent> {
        match self.send(charges, wanted.max(1)) {
            (_, None) => Ok(()),
            (granted, Some(spent)) => {
                self.return_bytes(charges, usize::MAX, granted as u64);
                Err(spent)
            }
        }
    }

    /// Whether it has not been told yet that this rule's budget of a kind ([`Kind::name`]) is spent. Once for all processes.
    pub fn may_tell(&self, rule: RuleId, kind: &str) -> bool {
        let bit = 1 << Kind::ALL.iter().position(|known| known.name() == kind).unwrap_or(0);
        let mut counts = self.budgets.iter().zip(self.counts.chunks_exact(PLACES));
        let told = counts.find(|(budget, _)| budget.rule == rule).map(|(_, counts)| &counts[TOLD]);
        told.is_some_and(|told| told.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    fn charged<'a>(&'a self, charges: &'a Charges) -> impl Iterator<Item = (&'a Budget, &'a [AtomicU64])> {
        charges.0.iter().filter_map(|index| {
            let index = *index as usize;
            Some((self.budgets.get(index)?, self.counts.get(index * PLACES..(index + 1) * PLACES)?))
        })
    }

    /// Takes a connection back from the first so many charges.
    fn return_connections(&self, charges: &Charges, first: usize) {
        for (budget, counts) in self.charged(charges).take(first) {
            if budget.connections.is_some() {
                counts[CONNECTIONS].fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn return_bytes(&self, charges: &Charges, first: usize, bytes: u64) {
        for (budget, counts) in self.charged(charges).take(first) {
            if budget.sent.is_some() {
                counts[SENT].fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }
}

impl Charges {
    /// Whether no budget speaks of the connection.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Sent, Kind::Connections, Kind::Requests];

    /// In words, as in "no more …".
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sent => "bytes to be sent",
            Kind::Connections => "connections",
            Kind::Requests => "requests in this second",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(host: Option<&str>, rule: u32) -> Budget {
        let host = host.map(|host| format!("{host}:1").parse::<ringfence_plan::Endpoint>().unwrap().host);
        Budget { host, sent: None, connections: None, requests: None, rule: RuleId(rule) }
    }

    fn charges(ledger: &Ledger, host: &str) -> Charges {
        ledger.charges([Target::parse(host).unwrap()].iter())
    }

    #[test]
    fn bytes_are_granted_to_the_last_and_no_further() {
        let ledger = Ledger::new(vec![
            Budget { sent: Some(100), ..budget(None, 1) },
            Budget { sent: Some(30), ..budget(Some("*.example"), 2) },
        ])
        .unwrap();
        let (inner, other) = (charges(&ledger, "a.example"), charges(&ledger, "b.test"));
        assert_eq!(ledger.send(&inner, 20), (20, None));
        let spent = |rule, kind| Spent { rule: RuleId(rule), kind };
        assert_eq!(ledger.send(&inner, 20), (10, Some(spent(2, Kind::Sent))));
        assert_eq!(ledger.send(&inner, 1), (0, Some(spent(2, Kind::Sent))));
        // What the narrower one did not grant is not spent of the wider.
        assert_eq!(ledger.send_whole(&other, 71), Err(spent(1, Kind::Sent)));
        assert_eq!(ledger.send(&other, 69), (69, None));
        // Nothing at all says something too, by where it goes.
        assert_eq!(ledger.send_whole(&other, 0), Ok(()));
        assert_eq!(ledger.send_whole(&other, 0), Err(spent(1, Kind::Sent)));
        assert_eq!(ledger.send(&other, 1), (0, Some(spent(1, Kind::Sent))));
    }

    #[test]
    fn connections_are_spent_by_all_whom_they_may_be_to() {
        let ledger = Ledger::new(vec![
            Budget { connections: Some(3), ..budget(None, 1) },
            Budget { connections: Some(1), ..budget(Some("a.example"), 2) },
        ])
        .unwrap();
        let either =
            ledger.charges([Target::parse("b.test"), Target::parse("a.example")].map(Result::unwrap).iter());
        assert_eq!(ledger.connect(&either), Ok(()));
        assert_eq!(ledger.connect(&either).unwrap_err().rule, RuleId(2));
        let other = charges(&ledger, "b.test");
        assert_eq!((ledger.connect(&other), ledger.connect(&other)), (Ok(()), Ok(())));
        assert_eq!(ledger.connect(&other).unwrap_err(), Spent { rule: RuleId(1), kind: Kind::Connections });
        assert_eq!(ledger.send(&other, 5), (5, None));
    }

    #[test]
    fn a_second_has_so_many_requests_and_the_next_has_them_anew() {
        let mut ledger = Ledger::new(vec![Budget { requests: Some(2), ..budget(None, 1) }]).unwrap();
        let all = charges(&ledger, "a.example");
        assert_eq!((ledger.connect(&all), ledger.request(&all)), (Ok(()), Ok(())));
        assert_eq!(ledger.request(&all), Err(Spent { rule: RuleId(1), kind: Kind::Requests }));
        ledger.begun -= std::time::Duration::from_secs(1);
        assert_eq!(ledger.request(&all), Ok(()));
    }

    #[test]
    fn a_spent_budget_is_told_once_of_each_kind() {
        let ledger = Ledger::new(vec![budget(None, 1), budget(None, 2)]).unwrap();
        let may_tell = |rule, kind: Kind| ledger.clone().may_tell(RuleId(rule), kind.name());
        assert!(may_tell(1, Kind::Sent));
        assert!(!may_tell(1, Kind::Sent));
        assert!(may_tell(1, Kind::Requests));
        assert!(may_tell(2, Kind::Sent));
    }

    #[test]
    fn what_no_budget_speaks_of_is_granted() {
        let ledger = Ledger::new(vec![Budget { sent: Some(0), ..budget(Some("a.example"), 1) }]).unwrap();
        let none = charges(&ledger, "b.test");
        assert!(none.are_none());
        assert_eq!(ledger.send(&none, usize::MAX), (usize::MAX, None));
        assert!(Ledger::new(Vec::new()).unwrap().charges([].iter()).are_none());
    }
}
