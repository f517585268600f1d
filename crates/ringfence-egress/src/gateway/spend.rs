//! What a connection spends of the budgets that it falls under. What a budget is, [`crate::budget`] says.

use ringfence_plan::{Barrier, Target};

use super::Gateway;
use super::connection::{Connection, Stage, Way};
use super::gate::{Expected, Gate, Judge, Stop};
use crate::budget::{Charges, Kind, Ledger, Spent};
use crate::rules::Refusal;

/// The ledger, for one connection.
#[derive(Clone, Copy)]
pub(crate) struct Spending<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) charges: &'a Charges,
}

impl Spending<'_> {
    /// Whether nothing that the connection does is counted.
    pub(crate) fn is_free(self) -> bool {
        self.charges.are_none()
    }

    /// Spends one more request.
    pub(crate) fn request(self) -> Result<(), Spent> {
        self.ledger.request(self.charges)
    }
}

impl Judge<'_> {
    /// Cuts what is about to be sent to what the budgets grant, and counts it.
    pub(crate) fn afford(&self, out: &mut Vec<u8>, sent: &mut u64, gate: &Gate) -> Result<(), Stop> {
        let (granted, spent) = self.spending.ledger.send(self.spending.charges, out.len());
        out.truncate(granted);
        *sent += granted as u64;
        spent.map_or(Ok(()), |spent| {
            let refusal = self.rules.over_budget(spent.rule, spent.kind.name());
            Err(Stop { refusal, http: matches!(gate, Gate::Http(_) | Gate::Switching(_)) })
        })
    }
}

/// The status of HTTP by which a refusal is told: clients wait for a while by themselves when they ask too often.
pub(super) fn status(refusal: Refusal) -> &'static str {
    if refusal.barrier == Barrier::OverBudget && refusal.detail == Kind::Requests.name() {
        "429 Too Many Requests"
    } else {
        "403 Forbidden"
    }
}

impl Gateway {
    /// Spends a connection, the first time that it is dialled; one that is over a budget is refused.
    pub(super) fn may_spend(&mut self, index: usize) -> bool {
        let Some(Some(connection)) = self.connections.get(index) else { return false };
        if connection.charges.is_some() {
            return true;
        }
        // What comes from outside is its client's, and no budget speaks of that.
        let charges = match connection.target.way {
            Way::In(_) => Charges::default(),
            Way::Out | Way::ToHost => self.ledger.charges(self.may_be_to(connection).iter()),
        };
        let spent = self.ledger.connect(&charges);
        let Some(Some(connection)) = self.connections.get_mut(index) else { return false };
        connection.charges = Some(charges);
        let Err(Spent { rule, kind }) = spent else { return true };
        let Stage::Dialing(dial) = &connection.stage else { return false };
        let (manner, refusal) = (dial.opening.manner, self.rules.over_budget(rule, kind.name()));
        self.refuse(index, manner, refusal);
        false
    }

    /// Everybody to whom a connection may be, as far as that is known before a byte of it.
    fn may_be_to(&self, connection: &Connection) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        if let Expected::OneOf(names) = &connection.expected {
            targets.extend(names.iter().cloned().map(Target::Name));
        }
        if connection.target.via.is_some() {
            // Where the parent proxy leads, only it knows.
            targets.extend(connection.target.address.map(Target::address));
            return targets;
        }
        let Stage::Dialing(dial) = &connection.stage else { return targets };
        for address in dial.addresses.iter().map(std::net::SocketAddr::ip) {
            targets.extend(self.told.names(address).iter().cloned().map(Target::Name));
            targets.push(Target::address(address));
        }
        targets
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Budget, HostName, Network, RuleId};

    use super::*;
    use crate::rules::Rules;

    #[test]
    fn each_further_request_of_a_connection_is_spent_and_the_bytes_are_cut() {
        let budget =
            Budget { host: None, sent: Some(100), connections: None, requests: Some(3), rule: RuleId(7) };
        let ledger = Ledger::new(vec![budget]).unwrap();
        let name = HostName::parse("a.org").unwrap();
        let charges = ledger.charges([Target::Name(name.clone())].iter());
        let rules = Rules::new(Network::none(RuleId(0)), Vec::new());
        let expected = Expected::OneOf(vec![name]);
        let spending = Spending { ledger: &ledger, charges: &charges };
        let judge = Judge {
            rules: &rules,
            expected: &expected,
            address: None,
            port: 80,
            spending,
            named: Default::default(),
        };
        assert_eq!(ledger.connect(&charges), Ok(()));
        let request = b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n";
        let (mut gate, mut out, mut sent) = (Gate::new(&expected), Vec::new(), 0);
        for _ in 0..3 {
            assert!(gate.feed(&judge, request, &mut out).is_ok());
        }
        let over = gate.feed(&judge, request, &mut out).unwrap_err();
        assert_eq!(
            (over.refusal.rule, status(over.refusal), over.http),
            (RuleId(7), "429 Too Many Requests", true)
        );
        assert_eq!(out.len(), 3 * request.len());
        assert!(judge.afford(&mut out, &mut sent, &gate).is_ok());
        let cut = judge.afford(&mut out, &mut sent, &gate).unwrap_err();
        assert_eq!((cut.refusal.barrier, status(cut.refusal)), (Barrier::OverBudget, "403 Forbidden"));
        assert_eq!((out.len(), sent), (100 - 3 * request.len(), 100));
    }
}
