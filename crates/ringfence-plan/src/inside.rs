//! The plan as the sandbox may read it: what holds there, without where secrets come from and which way leads out.
//!
//! Not a weaker plan: a run inside that takes it for its bound is bound by all that the sandbox around it is.

use std::borrow::Cow;

use crate::{Origin, Plan, Rule, Source};

/// Fields whose words are no business of the workload.
const OUTSIDE: [&str; 5] = [
    "network.credential",
    "network.proxy",
    "network.no_proxy",
    "network.proxy_credential",
    "network.resolver",
];

impl Plan {
    /// The same plan for whoever is inside. Stand-ins stay, since a command has to find them; so do requests' rules and
    /// budgets. The proxy and the resolver are not reached from there, and a run inside that tried would fail.
    #[must_use]
    pub fn inside(&self) -> Cow<'_, Plan> {
        let network = &self.network;
        let has_none =
            network.parent.is_none() && network.resolver.is_none() && network.credentials.is_empty();
        if has_none && !self.rules.iter().any(|rule| kept_back(rule).is_some()) {
            return Cow::Borrowed(self);
        }
        let mut plan = self.clone();
        plan.network.parent = None;
        plan.network.resolver = None;
        for credential in &mut plan.network.credentials {
            credential.source = Source::Outside;
        }
        for rule in &mut plan.rules {
            let Some(key) = kept_back(rule) else { continue };
            rule.text = format!("{key}, whose words stay outside");
            // A flag repeats them; a remark beside a line may.
            match &mut rule.origin {
                Origin::Flag(typed) => typed.truncate(typed.find([' ', '=']).unwrap_or(typed.len())),
                Origin::File { why, .. } => *why = None,
                Origin::BuiltIn(_) | Origin::Preset { .. } => {}
            }
        }
        Cow::Owned(plan)
    }
}

/// The field of a rule whose words stay outside.
fn kept_back(rule: &Rule) -> Option<&'static str> {
    let said = |key: &&str| rule.text.strip_prefix(*key).is_some_and(|rest| rest.starts_with(' '));
    OUTSIDE.into_iter().find(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AbsPath, Credential, HostPattern, ParentProxy, Placeholder, ProxyScheme, ProxyServer, RuleId, Target,
        Upstream, UpstreamScheme,
    };

    #[test]
    fn no_source_and_no_way_out_is_told_inside_and_nothing_else_is_lost() {
        let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
        let host = Target::parse("hush.example").unwrap();
        plan.network.credentials = vec![Credential {
            endpoint: "api.example:443".parse().unwrap(),
            header: "Authorization".into(),
            methods: Vec::new(),
            paths: Vec::new(),
            source: Source::Command(vec!["hush".into()]),
            placeholder: Placeholder::Env("TOKEN".into()),
            rule: RuleId(1),
        }];
        let server = ProxyServer::Named { scheme: ProxyScheme::Http, host: host.clone(), port: 3128 };
        let no_proxy = vec![HostPattern::Name(crate::HostName::parse("hush.example").unwrap())];
        let credential = Some(Source::Env("HUSH".into()));
        plan.network.parent = Some(ParentProxy { server, no_proxy, credential, rule: RuleId(2) });
        plan.network.resolver =
            Some(Upstream { scheme: UpstreamScheme::Tls, host, port: 853, rule: RuleId(3) });
        let file = Origin::File { path: "p".into(), line: 1, column: 1, why: Some("hush".into()) };
        let flag = || Origin::Flag("--network-proxy http://hush.example:3128".into());
        for (text, origin) in [
            ("network.credential = { source = \"hush\" }", file),
            ("network.proxy = \"http://hush.example:3128\"", flag()),
            ("network.resolver = \"tls://hush.example\"", flag()),
            ("network.proxy_credential = \"hush\"", flag()),
            ("network.no_proxy = \"hush.example\"", flag()),
            ("network.allow = \"api.example\"", Origin::Flag("--allow-net api.example".into())),
        ] {
            plan.rules.push(Rule { text: text.into(), origin });
        }
        let inside = plan.inside();
        let text = format!("{inside:?}");
        assert!(!text.to_lowercase().contains("hush"), "{text}");
        assert!(text.contains("--network-proxy") && text.contains("TOKEN"), "{text}");
        assert_eq!((inside.rules.len(), inside.rules.last()), (plan.rules.len(), plan.rules.last()));
        // Where nothing is kept back, nothing changes.
        let top = Plan::top(AbsPath::new("/home/u").unwrap());
        assert!(matches!(top.inside(), Cow::Borrowed(same) if *same == top));
    }
}
