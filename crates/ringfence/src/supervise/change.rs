//! What becomes of the rules of a network when its owner changes them. Pure.
//!
//! A rule that is added is what it says and what every ceiling lets, as if it had been a flag at the start. What a policy
//! denies stays denied. So only rules that allow can be taken away, and denials that came while it ran.

use std::collections::HashSet;

use ringfence_plan::{
    Change, Endpoint, HostPattern, Network, NetworkMode, NetworkRule, Origin, Ports, Protocol, Rule, RuleId,
};

use crate::live::{Bound, List, MOST_RULES, Request, Shown};

/// The rules that count now, with the texts of all.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) network: Network,
    pub(super) texts: Vec<Rule>,
    /// Denials that came while it ran.
    denied: HashSet<RuleId>,
    /// What rules for UDP named when it started: other datagrams are refused inside, before a gateway hears of them.
    datagrams: Vec<Endpoint>,
    /// The ports to which connections come to the gateway by themselves, where not all do.
    listened: Option<Vec<u16>>,
}

/// A change that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) change: Change,
    pub(super) target: String,
    pub(super) rule: RuleId,
    pub(super) text: Rule,
    pub(super) notes: Vec<String>,
}

impl Current {
    pub(super) fn new(network: Network, texts: Vec<Rule>, listened: Option<Vec<u16>>) -> Current {
        let endpoints = network.allow.iter().map(|rule| &rule.endpoint);
        let datagrams = endpoints.filter(|endpoint| endpoint.protocol == Protocol::Udp).cloned().collect();
        Current { network, texts, denied: HashSet::new(), datagrams, listened }
    }

    /// Makes the change, or says why not.
    pub(super) fn change(
        &mut self,
        change: Change,
        request: &Request,
        bounds: &[Bound],
    ) -> Result<Changed, String> {
        let Some(first) = request.endpoints.first() else { return Err("no host was named".into()) };
        let target = written(&request.endpoints);
        if change == Change::Allow && !request.endpoints.iter().all(|endpoint| self.comes_out(endpoint)) {
            return Err(format!(
                "which UDP comes to the gateway is settled when a run starts, and this is not of it; start the run with \
                 --allow-net {target}, or with a rule for any name on that port, beside which others can be added"
            ));
        }
        let rule = RuleId(self.texts.len() as u32);
        let notes = match change {
            Change::Allow => self.allow(&request.endpoints, rule, bounds)?,
            Change::Deny => {
                // Without a port it speaks of the host, whatever the port and the protocol, as in a policy.
                let whole = request.endpoints.len() > 1;
                let all = [Protocol::Tcp, Protocol::Udp].map(|protocol| Endpoint {
                    ports: Ports::ALL,
                    protocol,
                    ..first.clone()
                });
                let endpoints = if whole { all.to_vec() } else { vec![first.clone()] };
                let rule_of = |endpoint| NetworkRule { endpoint, rule };
                self.network.deny.extend(endpoints.into_iter().map(rule_of));
                self.denied.insert(rule);
                Vec::new()
            }
            Change::Remove => self.remove(&request.endpoints)?,
        };
        let word = match change {
            Change::Allow => "network.allow",
            Change::Deny => "network.deny",
            Change::Remove => "without network.allow",
        };
        let origin = Origin::Flag(request.said.clone());
        let text = Rule { text: format!("{word} = \"{target}\""), origin };
        self.texts.push(text.clone());
        Ok(Changed { change, target, rule, text, notes })
    }

    /// The first port of a rule for TCP to which nothing comes but through the proxy.
    fn unheard(&self, Endpoint { host: _, ports, protocol }: &Endpoint) -> Option<u16> {
        let listened = self.listened.as_ref().filter(|_| *protocol == Protocol::Tcp)?;
        (ports.first..=ports.last).find(|port| !listened.contains(port))
    }

    /// Whether what is sent there comes to the gateway at all. A rule for a name has opened its port to every address.
    fn comes_out(&self, endpoint: &Endpoint) -> bool {
        let covers = |opened: &Endpoint| match opened.host {
            HostPattern::Name(_) | HostPattern::Below(_) => endpoint.ports.is_within(opened.ports),
            HostPattern::Block { .. } => endpoint.is_within(opened),
        };
        endpoint.protocol == Protocol::Tcp || self.datagrams.iter().any(covers)
    }

    fn allow(
        &mut self,
        endpoints: &[Endpoint],
        rule: RuleId,
        bounds: &[Bound],
    ) -> Result<Vec<String>, String> {
        if self.network.mode == NetworkMode::Host {
            return Err(
                "this run has the host's network but for what is denied; a rule that allows adds nothing"
                    .into(),
            );
        }
        let mut within = endpoints.to_vec();
        for bound in bounds {
            within = narrow(bound, within)?;
        }
        let mut notes = Vec::new();
        if within != endpoints {
            notes.push(format!("a ceiling leaves of it {}", written(&within)));
        }
        if let Some(port) = within.iter().find_map(|endpoint| self.unheard(endpoint)) {
            notes.push(format!(
                "without nf_tables each port needs a listener from the start: {port} is reached through the proxy alone"
            ));
        }
        for denial in &self.network.deny {
            if within.iter().any(|endpoint| endpoint.intersect(&denial.endpoint).is_some()) {
                notes.push(format!("what is denied stays so: {}", self.texts[denial.rule.0 as usize]));
            }
        }
        for endpoint in within {
            match self.network.allow.iter().find(|allowed| allowed.endpoint == endpoint) {
                // Once is enough, however often it is said; the first goes on to answer for it.
                Some(same) => {
                    notes.push(format!("already allowed by {}", self.texts[same.rule.0 as usize]));
                }
                None => self.network.allow.push(NetworkRule { endpoint, rule }),
            }
        }
        notes.dedup();
        Ok(notes)
    }

    fn remove(&mut self, endpoints: &[Endpoint]) -> Result<Vec<String>, String> {
        let (denied, before) = (&self.denied, self.network.allow.len() + self.network.deny.len());
        self.network.allow.retain(|rule| !endpoints.contains(&rule.endpoint));
        let whole = endpoints.len() > 1;
        self.network.deny.retain(|rule| {
            let is_meant = endpoints.contains(&rule.endpoint)
                || whole && rule.endpoint.ports == Ports::ALL && rule.endpoint.host == endpoints[0].host;
            !(is_meant && denied.contains(&rule.rule))
        });
        if self.network.allow.len() + self.network.deny.len() == before {
            let mut why = format!("no rule that can be taken away is for {} exactly", written(endpoints));
            if self.network.deny.iter().any(|rule| endpoints.contains(&rule.endpoint)) {
                why.push_str("; what a policy denies stays denied");
            }
            return Err(why);
        }
        let wider = self
            .network
            .allow
            .iter()
            .filter(|rule| endpoints.iter().any(|endpoint| endpoint.intersect(&rule.endpoint).is_some()));
        Ok(wider
            .map(|rule| format!("still allowed by {}; `deny` would hold", self.texts[rule.rule.0 as usize]))
            .collect())
    }

    /// The rules for people, and how many are left out.
    pub(super) fn shown(&self) -> (Vec<Shown>, usize) {
        let lists = [(List::Deny, &self.network.deny), (List::Allow, &self.network.allow)];
        let all = lists.into_iter().flat_map(|(list, rules)| rules.iter().map(move |rule| (list, rule)));
        let count = self.network.deny.len() + self.network.allow.len();
        let shown = all.take(MOST_RULES).map(|(list, rule)| {
            let text = &self.texts[rule.rule.0 as usize];
            let target = rule.endpoint.to_string();
            Shown { list, target, rule: text.text.clone(), origin: text.origin.clone() }
        });
        (shown.collect(), count.saturating_sub(MOST_RULES))
    }
}

/// What a bound lets of `endpoints`.
fn narrow(bound: &Bound, endpoints: Vec<Endpoint>) -> Result<Vec<Endpoint>, String> {
    let network = &bound.plan.network;
    let refusal = |rule: RuleId| format!("{} does not let it: {}", bound.name, bound.plan.rule(rule));
    match network.mode {
        NetworkMode::Host => return Ok(endpoints),
        NetworkMode::None => return Err(refusal(network.rule)),
        // One that says that rules decide, and not which, was given those of the start for its own.
        NetworkMode::Rules if network.allow.iter().all(|rule| rule.rule == network.rule) => {
            return Ok(endpoints);
        }
        NetworkMode::Rules => {}
    }
    let mut left: Vec<Endpoint> = Vec::new();
    for endpoint in &endpoints {
        for allowed in &network.allow {
            if let Some(both) = endpoint.intersect(&allowed.endpoint)
                && !left.contains(&both)
            {
                left.push(both);
            }
        }
    }
    let last = network.allow.last().map_or(network.rule, |rule| rule.rule);
    if left.is_empty() { Err(refusal(last)) } else { Ok(left) }
}

/// As a person would write them: a host without a port means the two of the web.
fn written(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{AbsPath, Plan, Target};

    use super::*;

    fn current(allow: &[&str], deny: &[&str]) -> Current {
        let texts = |word: &str, list: &[&str]| {
            list.iter()
                .map(|text| Rule {
                    text: format!("network.{word} = \"{text}\""),
                    origin: Origin::Flag("--x".into()),
                })
                .collect::<Vec<_>>()
        };
        let rules = |from: usize, list: &[&str]| {
            let rule = |(at, text): (usize, &&str)| {
                let rule = RuleId((from + at) as u32);
                Endpoint::parse(text).unwrap().into_iter().map(move |endpoint| NetworkRule { endpoint, rule })
            };
            list.iter().enumerate().flat_map(rule).collect::<Vec<_>>()
        };
        let mut network = Plan::top(AbsPath::root()).network;
        network.mode = NetworkMode::Rules;
        network.allow = rules(0, allow);
        network.deny = rules(allow.len(), deny);
        Current::new(network, [texts("allow", allow), texts("deny", deny)].concat(), None)
    }

    fn bound(mode: NetworkMode, allow: &[&str]) -> Bound {
        let Current { mut network, texts, .. } = current(allow, &[]);
        network.mode = mode;
        network.rule = RuleId(texts.len() as u32);
        let mut plan = Plan::top(AbsPath::root());
        plan.network = network;
        plan.rules = texts;
        plan.rules.push(Rule { text: "network.mode".into(), origin: Origin::Flag("--x".into()) });
        Bound { name: "the ceiling".into(), plan }
    }

    fn request(text: &str) -> Request {
        Request { change: None, endpoints: Endpoint::parse(text).unwrap(), said: format!("said {text}") }
    }

    fn allows(current: &Current, host: &str, port: u16) -> bool {
        current.network.decide(&Target::parse(host).unwrap(), port, Protocol::Tcp).0
    }

    #[test]
    fn what_is_added_counts_and_what_is_removed_does_not() {
        let mut now = current(&["a.example:443"], &[]);
        let changed = now.change(Change::Allow, &request("b.example:443"), &[]).unwrap();
        assert_eq!((changed.rule, changed.notes.len()), (RuleId(1), 0));
        assert_eq!(now.texts[1].to_string(), "network.allow = \"b.example:443\" (said b.example:443)");
        assert!(allows(&now, "b.example", 443));
        now.change(Change::Remove, &request("b.example:443"), &[]).unwrap();
        now.change(Change::Remove, &request("a.example:443"), &[]).unwrap();
        assert!(!allows(&now, "b.example", 443) && !allows(&now, "a.example", 443));
        assert!(now.change(Change::Remove, &request("a.example:443"), &[]).is_err());
    }

    #[test]
    fn what_is_allowed_twice_is_one_rule_and_said() {
        let mut now = current(&["a.example:443"], &[]);
        let notes = now.change(Change::Allow, &request("a.example"), &[]).unwrap().notes;
        assert_eq!(notes, ["already allowed by network.allow = \"a.example:443\" (--x)"]);
        let notes = now.change(Change::Allow, &request("a.example"), &[]).unwrap().notes;
        assert_eq!((now.network.allow.len(), notes.len()), (2, 2));
        assert!(allows(&now, "a.example", 443) && allows(&now, "a.example", 80));
    }

    #[test]
    fn a_denial_of_a_policy_cannot_be_taken_away_and_one_that_came_later_can() {
        let mut now = current(&["*.example:443"], &["bad.example"]);
        let why = now.change(Change::Remove, &request("bad.example:443"), &[]).unwrap_err();
        assert!(why.contains("exactly"), "{why}");
        assert!(now.change(Change::Remove, &request("bad.example"), &[]).is_err());
        let notes = now.change(Change::Allow, &request("bad.example:443"), &[]).unwrap().notes;
        assert!(notes[0].contains("stays so: network.deny"), "{notes:?}");
        assert!(!allows(&now, "bad.example", 443));
        now.change(Change::Deny, &request("worse.example"), &[]).unwrap();
        assert_eq!(now.network.deny.last().unwrap().endpoint.protocol, Protocol::Udp);
        assert!(!allows(&now, "worse.example", 443) && !allows(&now, "worse.example", 22));
        let notes = now.change(Change::Remove, &request("worse.example"), &[]).unwrap().notes;
        assert!(now.network.deny.iter().all(|rule| rule.rule == RuleId(1)));
        assert!(allows(&now, "worse.example", 443) && notes[0].contains("still allowed by"), "{notes:?}");
    }

    #[test]
    fn a_ceiling_bounds_what_is_added() {
        let some = bound(NetworkMode::Rules, &["*.corp.example:443"]);
        let mut now = current(&["a.corp.example:443"], &[]);
        let notes =
            now.change(Change::Allow, &request("b.corp.example"), std::slice::from_ref(&some)).unwrap().notes;
        assert!(notes[0].contains("leaves of it b.corp.example:443"), "{notes:?}");
        assert!(allows(&now, "b.corp.example", 443) && !allows(&now, "b.corp.example", 80));
        let why = now.change(Change::Allow, &request("evil.example:443"), &[some]).unwrap_err();
        assert!(why.contains("the ceiling does not let it: network.allow"), "{why}");
        let none = bound(NetworkMode::None, &[]);
        assert!(now.change(Change::Allow, &request("b.corp.example:443"), &[none]).is_err());
        // `mode = "rules"` and no host: rules decide, whichever they are.
        let any = bound(NetworkMode::Rules, &[]);
        now.change(Change::Allow, &request("c.example:443"), &[any]).unwrap();
        assert!(!allows(&now, "evil.example", 443) && allows(&now, "c.example", 443));
    }

    #[test]
    fn udp_is_added_where_it_comes_to_the_gateway() {
        let start = ["udp://a.example:123", "udp://10.1.0.0/16:5000-5009", "b.example:53"];
        let add = |text: &str| current(&start, &[]).change(Change::Allow, &request(text), &[]).is_ok();
        for added in ["udp://b.example:123", "udp://192.0.2.0/24:123", "udp://10.1.2.0/24:5001-5002"] {
            assert!(add(added), "{added}");
        }
        for refused in
            ["udp://b.example:124", "udp://b.example:53", "udp://10.2.0.1:5001", "udp://b.example:5001"]
        {
            assert!(!add(refused), "{refused}");
        }
        // What was open at the start stays so.
        let mut now = current(&start, &[]);
        now.change(Change::Remove, &request("udp://a.example:123"), &[]).unwrap();
        now.change(Change::Allow, &request("udp://a.example:123"), &[]).unwrap();
    }

    #[test]
    fn a_port_that_has_no_listener_is_told() {
        let mut now = Current { listened: Some(vec![80, 443]), ..current(&["a.example"], &[]) };
        let mut notes = |text: &str| now.change(Change::Allow, &request(text), &[]).unwrap().notes;
        assert!(notes("b.example").is_empty());
        assert!(notes("b.example:440-443")[0].contains("440 is reached through the proxy alone"));
    }

    #[test]
    fn what_cannot_be_changed_is_said() {
        let mut now = current(&["a.example:443"], &[]);
        let why = now.change(Change::Allow, &request("udp://a.example:123"), &[]).unwrap_err();
        assert!(why.contains("--allow-net udp://a.example:123"), "{why}");
        let nothing = Request { endpoints: Vec::new(), ..request("a.example") };
        assert!(now.change(Change::Deny, &nothing, &[]).is_err());
        now.network.mode = NetworkMode::Host;
        assert!(now.change(Change::Allow, &request("b.example"), &[]).is_err());
        now.change(Change::Deny, &request("b.example"), &[]).unwrap();
        assert!(!allows(&now, "b.example", 22) && allows(&now, "c.example", 22));
    }
}
