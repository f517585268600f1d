//! What is decided about one request, and which placeholders of credentials may stand in it: the plan's own decision, with
//! the words for who made the request.
//!
//! Not whether the host may be reached at all: that was decided before the connection came here.

use ringfence_egress::rules::Rules as Reach;
use ringfence_plan::{
    Barrier, HostName, HttpRule, Leave, Network, Placeholder, Plan, Protocol, Request, RequestPath,
    RequestRefused, Rule, RuleId, Target, Unfit,
};

/// The rules of a run, as far as they speak of requests.
#[derive(Clone, Debug)]
pub struct Rules {
    network: Network,
    reach: Reach,
    texts: Vec<Rule>,
    /// The places of the placeholders, each once.
    places: Vec<Placeholder>,
}

/// A request, as far as rules speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Everything that the host is known as.
    pub targets: &'a [Target],
    /// The port.
    pub port: u16,
    /// The method.
    pub method: &'a str,
    /// The path as it stands.
    pub path: &'a str,
    /// Bytes of the head.
    pub head: u64,
    /// Bytes of the body, where that is said.
    pub body: Option<u64>,
}

/// A request that may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What stands in the way.
    pub barrier: Barrier,
    /// Whose line it is.
    pub rule: RuleId,
    /// Why; reads after "refused …:".
    pub why: String,
    /// What would allow it; reads after "to go on:".
    pub mend: String,
}

impl Rules {
    /// The rules of a plan; `None` where they look into nothing.
    pub fn of(plan: &Plan) -> Option<Rules> {
        let network = plan.network.over_plain_http_too();
        if network.http.iter().all(Vec::is_empty) && network.credentials.is_empty() {
            return None;
        }
        let mut places: Vec<Placeholder> = Vec::new();
        for credential in &network.credentials {
            if !places.contains(&credential.placeholder) {
                places.push(credential.placeholder.clone());
            }
        }
        let reach = Reach::new(network.clone(), plan.rules.clone());
        Some(Rules { network, reach, texts: plan.rules.clone(), places })
    }

    /// Of a plan whose connections are not looked into.
    pub fn none(plan: &Plan) -> Rules {
        let network = plan.network.clone();
        let reach = Reach::new(network.clone(), plan.rules.clone());
        Rules { network, reach, texts: plan.rules.clone(), places: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn over(network: Network, reach: Reach) -> Rules {
        let places = network.credentials.iter().map(|credential| credential.placeholder.clone()).collect();
        Rules { network: network.over_plain_http_too(), reach, texts: Vec::new(), places }
    }

    /// The same for requests, and these for who may be named.
    pub fn with_reach(&self, network: Network) -> Rules {
        Rules { reach: Reach::new(network, self.texts.clone()), ..self.clone() }
    }

    /// Where the placeholders stand inside; each has its number by this order.
    pub fn places(&self) -> &[Placeholder] {
        &self.places
    }

    /// Whether connections to this host are looked into.
    pub fn inspects(&self, targets: &[Target], port: u16) -> bool {
        self.network.is_inspected(targets, port)
    }

    /// Whether a client may name this host now: no rule denies it, and where its address is not allowed for its own sake
    /// (`anybody`), one allows it.
    pub fn may_be_named(&self, name: &HostName, port: u16, anybody: bool) -> bool {
        match anybody {
            true => self.reach.not_denied(name, port).is_ok(),
            false => self.reach.by_name(name, port).is_ok(),
        }
    }

    /// Whether a greeting may say that it hides another; otherwise the rule.
    pub fn may_hide(&self) -> Result<(), RuleId> {
        self.reach.hidden_greeting().map_err(|refusal| refusal.rule)
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// When somebody who speaks of the host has no rule for it.
    pub fn judge(&self, asked: &Asked<'_>) -> Result<Leave, Box<Refused>> {
        let Asked { targets, port, method, path, head, body } = *asked;
        let Some(spoken_of) = self.speaking(asked).next().map(|rule| rule.rule) else {
            return Ok(Leave { max_body: None, rule: None });
        };
        let path = RequestPath::parse(path).map_err(|bad| {
            Box::new(Refused {
                barrier: Barrier::Malformed,
                rule: spoken_of,
                why: format!("its path {bad}"),
                mend: "send the path in its plain form".into(),
            })
        })?;
        let request = Request { targets, port, method, path: &path, header: head };
        let leave = self.network.decide_request(&request).map_err(|refused| self.refused(asked, refused))?;
        match (leave, body) {
            (Leave { max_body: Some(most), rule }, Some(length)) if length > most => {
                Err(too_large("its body", length, most, rule.unwrap_or(spoken_of)))
            }
            (leave, _) => Ok(leave),
        }
    }

    /// Decides on a request that servers may read in each of these ways: none may be refused, and the smallest body counts.
    ///
    /// # Errors
    /// When one is.
    pub fn judge_all(&self, readings: &[Asked<'_>]) -> Result<Leave, Box<Refused>> {
        let mut least = Leave { max_body: None, rule: None };
        for (index, asked) in readings.iter().enumerate() {
            let leave = self.judge(asked).map_err(|refused| match index {
                0 => refused,
                _ => {
                    let (method, path, why) = (asked.method, asked.path, &refused.why);
                    let why = format!("a field of it asks for {method} {path}, and {why}");
                    Box::new(Refused { why, ..*refused })
                }
            })?;
            let is_less = |most: u64| least.max_body.is_none_or(|least| most < least);
            if index == 0 || leave.max_body.is_some_and(is_less) {
                least = leave;
            }
        }
        Ok(least)
    }

    fn speaking(&self, asked: &Asked<'_>) -> impl Iterator<Item = &HttpRule> {
        let rules = self.network.http.iter().flatten();
        rules.filter(|rule| rule.speaks_of(asked.targets, asked.port))
    }

    /// The credential whose placeholder may stand in this field of a request, in whichever of these ways it is read.
    pub fn credential(&self, placeholder: usize, header: &str, readings: &[Asked<'_>]) -> Option<usize> {
        let mut found = readings.iter().map(|asked| self.credential_of(placeholder, header, asked));
        let first = found.next().flatten();
        first.filter(|_| found.all(|other| other == first))
    }

    fn credential_of(&self, placeholder: usize, header: &str, asked: &Asked<'_>) -> Option<usize> {
        let path = RequestPath::parse(asked.path).ok();
        self.network.credentials.iter().position(|credential| {
            let methods = &credential.methods;
            let fits = |path: &RequestPath| credential.paths.iter().any(|pattern| pattern.covers(path));
            Some(&credential.placeholder) == self.places.get(placeholder)
                && credential.header.eq_ignore_ascii_case(header)
                && covers(&credential.endpoint, asked.targets, asked.port)
                && (methods.is_empty() || methods.iter().any(|method| method == asked.method))
                && (credential.paths.is_empty() || path.as_ref().is_some_and(fits))
        })
    }

    /// The credentials that a host gets in one request or another.
    pub fn credentials_of(&self, targets: &[Target], port: u16) -> Vec<usize> {
        let credentials = self.network.credentials.iter().enumerate();
        let of = credentials.filter(|(_, credential)| covers(&credential.endpoint, targets, port));
        of.map(|(index, _)| index).collect()
    }

    /// The line of the credential with this number.
    pub fn rule_of(&self, credential: usize) -> RuleId {
        self.network.credentials.get(credential).map_or(self.network.rule, |credential| credential.rule)
    }

    /// The line of a credential of this placeholder.
    pub fn rule_of_placeholder(&self, placeholder: usize) -> RuleId {
        let place = self.places.get(placeholder);
        let mut credentials = self.network.credentials.iter();
        let found = credentials.find(|credential| Some(&credential.placeholder) == place);
        found.map_or(self.network.rule, |credential| credential.rule)
    }

    /// The line that says that rules are asked at all.
    pub fn fallback(&self) -> RuleId {
        self.network.rule
    }

    /// A rule as people read it.
    pub fn text(&self, rule: RuleId) -> String {
        self.texts.get(rule.0 as usize).map(ToString::to_string).unwrap_or_default()
    }

    fn refused(&self, asked: &Asked<'_>, refused: RequestRefused) -> Box<Refused> {
        let RequestRefused { rule, unfit } = refused;
        let known = self.network.http.iter().flatten().find(|known| known.rule == rule);
        if unfit == Unfit::Header {
            let most = known.and_then(|known| known.max_header).unwrap_or_default();
            return too_large("its head", asked.head, most, rule);
        }
        let what = if unfit == Unfit::Path { "path" } else { "method" };
        let lists: Vec<String> = self.speaking(asked).take(3).map(describe).collect();
        let host = asked.targets.first().map(|target| match target {
            Target::Name(name) => name.as_str().to_owned(),
            Target::Address(address) => address.to_string(),
        });
        let mend = format!(
            "[[network.http]] host = {:?}, methods = [{:?}], paths = [{:?}] in the policy allows it, if its owner agrees",
            host.unwrap_or_default(),
            asked.method,
            asked.path,
        );
        let why =
            format!("no HTTP rule of that host has this {what}; they let {} through", lists.join(", or "));
        Box::new(Refused { barrier: Barrier::HttpRules, rule, why, mend })
    }
}

fn covers(endpoint: &ringfence_plan::Endpoint, targets: &[Target], port: u16) -> bool {
    targets.iter().any(|target| endpoint.covers(target, port, Protocol::Tcp))
}

fn describe(rule: &HttpRule) -> String {
    let methods = if rule.methods.is_empty() { "any method".into() } else { rule.methods.join("/") };
    let paths: Vec<&str> = rule.paths.iter().take(4).map(|path| path.as_str()).collect();
    let paths = if paths.is_empty() { "any path".into() } else { paths.join(" ") };
    format!("{methods} for {paths}")
}

/// The refusal of something that is longer than a rule lets it be.
pub fn too_large(what: &str, length: u64, most: u64, rule: RuleId) -> Box<Refused> {
    let why = format!("{what} has {length} bytes or more, and the rule lets {most} through");
    let mend = "send less, or ask the owner of the rule for more".into();
    Box::new(Refused { barrier: Barrier::TooLarge, rule, why, mend })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
