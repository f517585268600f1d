//! What is decided about one request: by host, method, path and size, and which stand-ins of credentials may stand in it.
//! A function of the plan's rules and the request, and of nothing else.

use ringfence_egress::handed::{speaks_of, speaks_of_port};
use ringfence_plan::{Barrier, Endpoint, Protocol, Rule, RuleId, Target};

use crate::path::{Ambiguous, PathPattern, RequestPath};

/// The rules of a run, as far as they speak of HTTP.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Each list comes from one stage; every list that speaks of a host has to let a request to it through.
    pub stages: Vec<Vec<HttpRule>>,
    /// Where stand-ins are exchanged for what they stand for.
    pub credentials: Vec<Credential>,
    /// All of the plan's rules, for telling which one decided.
    pub texts: Vec<Rule>,
    /// The line that says that rules are asked at all.
    pub fallback: RuleId,
}

/// Requests that may be made.
#[derive(Clone, Debug)]
pub struct HttpRule {
    /// To whom.
    pub endpoint: Endpoint,
    /// By which methods; empty: by any.
    pub methods: Vec<String>,
    /// For which paths; empty: for any.
    pub paths: Vec<PathPattern>,
    /// Most bytes of a body.
    pub max_body: Option<u64>,
    /// Most bytes of a head.
    pub max_header: Option<u64>,
    /// The line that says so.
    pub rule: RuleId,
}

/// A credential, without its value.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Who gets it.
    pub endpoint: Endpoint,
    /// In which field, in lower case.
    pub header: String,
    /// By which methods; empty: by any.
    pub methods: Vec<String>,
    /// For which paths; empty: for any.
    pub paths: Vec<PathPattern>,
    /// The place of its stand-in among those of the run.
    pub placeholder: usize,
    /// The line that says so.
    pub rule: RuleId,
}

/// A request, as far as rules speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host.
    pub target: &'a Target,
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

/// A request that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// By this rule; none where a credential alone speaks of the host.
    pub rule: Option<RuleId>,
    /// Most bytes of its body, with whose rule says so.
    pub max_body: Option<(u64, RuleId)>,
}

/// One that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What stands in the way.
    pub barrier: Barrier,
    /// Whose line it is.
    pub rule: RuleId,
    /// Why, in words that read after "refused …:".
    pub why: String,
    /// What would allow it; reads after "to go on:".
    pub mend: String,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { stages: Vec::new(), credentials: Vec::new(), texts: Vec::new(), fallback: RuleId(0) }
    }
}

impl Rules {
    /// Whether nothing is to be looked into.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty() && self.stages.iter().all(Vec::is_empty)
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let rules = self.stages.iter().flatten().map(|rule| &rule.endpoint);
        rules.chain(self.credentials.iter().map(|credential| &credential.endpoint))
    }

    /// Whether connections to this host are looked into.
    pub fn inspects(&self, target: &Target, port: u16) -> bool {
        self.endpoints().any(|endpoint| speaks_of(endpoint, target, port))
    }

    /// Whether connections to some host are, on this port.
    pub fn inspects_on(&self, port: u16) -> bool {
        self.endpoints().any(|endpoint| speaks_of_port(endpoint, port))
    }

    /// Decides on a request.
    ///
    /// # Errors
    /// When a list that speaks of the host has no rule for it.
    pub fn judge(&self, asked: &Asked<'_>) -> Result<Allowed, Box<Refused>> {
        let mut allowed = Allowed { rule: None, max_body: None };
        let path = RequestPath::read(asked.path);
        for stage in &self.stages {
            let speaks = |rule: &&HttpRule| speaks_of(&rule.endpoint, asked.target, asked.port);
            let speaking: Vec<&HttpRule> = stage.iter().filter(speaks).collect();
            if speaking.is_empty() {
                continue;
            }
            let letting: Vec<&HttpRule> =
                speaking.iter().copied().filter(|rule| rule.lets(asked, path.as_ref())).collect();
            let Some(first) = letting.first() else { return Err(self.refused(asked, &speaking, path.err())) };
            let fits = |rule: &&HttpRule| rule.max_header.is_none_or(|most| asked.head <= most);
            let letting: Vec<&HttpRule> = letting.iter().copied().filter(fits).collect();
            if letting.is_empty() {
                return Err(too_large("its head", asked.head, first.max_header, first.rule));
            }
            let body = largest(letting.iter().map(|rule| (rule.max_body, rule.rule)));
            if let (Some(length), Some((most, rule))) = (asked.body, body)
                && length > most
            {
                return Err(too_large("its body", length, Some(most), rule));
            }
            allowed.rule.get_or_insert(letting[0].rule);
            allowed.max_body = [allowed.max_body, body].into_iter().flatten().min_by_key(|(most, _)| *most);
        }
        Ok(allowed)
    }

    /// The credential whose stand-in may stand in this field of this request.
    pub fn credential(&self, placeholder: usize, header: &str, asked: &Asked<'_>) -> Option<usize> {
        let path = RequestPath::read(asked.path);
        self.credentials.iter().position(|credential| {
            credential.placeholder == placeholder
                && credential.header.eq_ignore_ascii_case(header)
                && credential.endpoint.covers(asked.target, asked.port, Protocol::Tcp)
                && fits(&credential.methods, &credential.paths, asked.method, path.as_ref())
        })
    }

    /// The credentials that a host gets in one request or another.
    pub fn credentials_of(&self, target: &Target, port: u16) -> impl Iterator<Item = usize> {
        let of = |credential: &Credential| credential.endpoint.covers(target, port, Protocol::Tcp);
        let places = self.credentials.iter().enumerate().filter(move |(_, one)| of(one)).map(|(at, _)| at);
        places.collect::<Vec<_>>().into_iter()
    }

    /// The line of a credential of this stand-in.
    pub fn rule_of_placeholder(&self, placeholder: usize) -> RuleId {
        let found = self.credentials.iter().find(|credential| credential.placeholder == placeholder);
        found.map_or(self.fallback, |credential| credential.rule)
    }

    /// A rule as people read it.
    pub fn text(&self, rule: RuleId) -> String {
        self.texts.get(rule.0 as usize).map(ToString::to_string).unwrap_or_default()
    }

    fn refused(
        &self,
        asked: &Asked<'_>,
        speaking: &[&HttpRule],
        ambiguous: Option<Ambiguous>,
    ) -> Box<Refused> {
        let rule = speaking[0].rule;
        if let Some(Ambiguous(what)) = ambiguous
            && speaking.iter().any(|rule| rule.allows_method(asked.method))
        {
            let why = format!("servers read its path in more ways than one: it has {what}");
            let mend = "send the path in its plain form".into();
            return Box::new(Refused { barrier: Barrier::Malformed, rule, why, mend });
        }
        let host = match asked.target {
            Target::Name(name) => name.as_str().to_owned(),
            Target::Address(address) => address.to_string(),
        };
        let lists: Vec<String> = speaking.iter().take(4).map(|rule| rule.describe()).collect();
        let why = format!("the HTTP rules of that host let {} through", lists.join(", or "));
        let mend = format!(
            "[[network.http]] host = \"{host}\", methods = [{:?}], paths = [{:?}] in the policy allows it, if its owner \
             agrees",
            asked.method, asked.path
        );
        Box::new(Refused { barrier: Barrier::HttpRules, rule, why, mend })
    }
}

impl HttpRule {
    fn allows_method(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|own| own == method)
    }

    fn lets(&self, asked: &Asked<'_>, path: Result<&RequestPath, &Ambiguous>) -> bool {
        fits(&self.methods, &self.paths, asked.method, path)
    }

    fn describe(&self) -> String {
        let methods = if self.methods.is_empty() { "any method".into() } else { self.methods.join("/") };
        let paths: Vec<String> = self.paths.iter().take(4).map(ToString::to_string).collect();
        let paths = if paths.is_empty() { "any path".into() } else { paths.join(" ") };
        format!("{methods} for {paths}")
    }
}

fn fits(
    methods: &[String],
    paths: &[PathPattern],
    method: &str,
    path: Result<&RequestPath, &Ambiguous>,
) -> bool {
    (methods.is_empty() || methods.iter().any(|own| own == method))
        && (paths.is_empty() || path.is_ok_and(|path| paths.iter().any(|pattern| pattern.matches(path))))
}

/// The widest of some limits: any one of the rules lets a request through.
fn largest(limits: impl Iterator<Item = (Option<u64>, RuleId)>) -> Option<(u64, RuleId)> {
    let mut widest = None;
    for (limit, rule) in limits {
        let limit = limit?;
        if widest.is_none_or(|(most, _)| limit > most) {
            widest = Some((limit, rule));
        }
    }
    widest
}

/// The refusal of something that is longer than a rule lets it be.
pub fn too_large(what: &str, length: u64, most: Option<u64>, rule: RuleId) -> Box<Refused> {
    let most = most.unwrap_or_default();
    let why = format!("{what} has {length} bytes or more, and the rule lets {most} through");
    Box::new(Refused {
        barrier: Barrier::TooLarge,
        rule,
        why,
        mend: "send less, or have the rule changed".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(at: u32, host: &str, methods: &[&str], paths: &[&str], max_body: Option<u64>) -> HttpRule {
        HttpRule {
            endpoint: host.parse().unwrap(),
            methods: methods.iter().map(ToString::to_string).collect(),
            paths: paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect(),
            max_body,
            max_header: Some(1000),
            rule: RuleId(at),
        }
    }

    fn judge(rules: &Rules, method: &str, path: &str, body: u64) -> Result<u32, Barrier> {
        let target = Target::parse("a.org").unwrap();
        let asked = Asked { target: &target, port: 443, method, path, head: 100, body: Some(body) };
        rules.judge(&asked).map(|allowed| allowed.rule.map_or(99, |rule| rule.0)).map_err(|no| no.barrier)
    }

    #[test]
    fn any_rule_of_every_list_that_speaks_of_the_host_has_to_let_it_through() {
        let grants = vec![
            rule(0, "a.org:443", &["GET"], &["/x/**"], None),
            rule(1, "a.org:443", &["POST"], &["/x/y"], Some(10)),
            rule(2, "a.org:443", &["POST"], &["/x/**"], Some(5)),
        ];
        let ceiling = vec![rule(3, "*.org:443", &[], &["/x/y", "/x/z"], Some(8))];
        let elsewhere = vec![rule(4, "b.org:443", &["DELETE"], &[], None)];
        let rules = Rules { stages: vec![grants, ceiling, elsewhere], ..Rules::default() };
        assert_eq!(judge(&rules, "GET", "/x/y", 0), Ok(0));
        assert_eq!(judge(&rules, "GET", "/x/w", 0), Err(Barrier::HttpRules));
        assert_eq!(judge(&rules, "get", "/x/y", 0), Err(Barrier::HttpRules));
        assert_eq!(judge(&rules, "GET", "/x/../x/y", 0), Err(Barrier::Malformed));
        assert_eq!(judge(&rules, "PUT", "/x/../x/y", 0), Err(Barrier::HttpRules));
        assert_eq!(judge(&rules, "POST", "/x/y", 8), Ok(1));
        assert_eq!(judge(&rules, "POST", "/x/y", 9), Err(Barrier::TooLarge));
        assert_eq!(judge(&rules, "POST", "/x/z", 6), Err(Barrier::TooLarge));
        let target = Target::parse("a.org").unwrap();
        let asked =
            Asked { target: &target, port: 443, method: "POST", path: "/x/y", head: 1001, body: None };
        assert_eq!(rules.judge(&asked).unwrap_err().barrier, Barrier::TooLarge);
        let allowed = rules.judge(&Asked { head: 0, ..asked }).unwrap();
        assert_eq!(allowed.max_body, Some((8, RuleId(3))));
    }

    #[test]
    fn a_stand_in_counts_in_its_field_for_its_host_path_and_method_alone() {
        let credential = Credential {
            endpoint: "a.org:443".parse().unwrap(),
            header: "authorization".into(),
            methods: vec!["GET".into()],
            paths: vec![PathPattern::parse("/api/**").unwrap()],
            placeholder: 0,
            rule: RuleId(7),
        };
        let rules = Rules { credentials: vec![credential], ..Rules::default() };
        let (host, other) = (Target::parse("a.org").unwrap(), Target::parse("b.org").unwrap());
        let asked = Asked { target: &host, port: 443, method: "GET", path: "/api/x", head: 0, body: None };
        assert_eq!(rules.credential(0, "Authorization", &asked), Some(0));
        for (placeholder, header, asked) in [
            (1, "authorization", asked),
            (0, "cookie", asked),
            (0, "authorization", Asked { target: &other, ..asked }),
            (0, "authorization", Asked { port: 80, ..asked }),
            (0, "authorization", Asked { method: "POST", ..asked }),
            (0, "authorization", Asked { path: "/other", ..asked }),
            (0, "authorization", Asked { path: "/api/%2e%2e/other", ..asked }),
        ] {
            assert_eq!(rules.credential(placeholder, header, &asked), None, "{header} {asked:?}");
        }
        assert_eq!(rules.judge(&asked).unwrap(), Allowed { rule: None, max_body: None });
        assert!(rules.inspects(&host, 443) && rules.inspects(&host, 80) && !rules.inspects(&other, 443));
    }
}
