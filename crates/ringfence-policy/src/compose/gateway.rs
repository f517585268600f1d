//! What the gateway does beside rules over hosts: requests, credentials, budgets, single ports, the way out.
//!
//! Rules over hosts are in `network`.

use ringfence_plan::{
    Access, Budget, Credential, HostPattern, HttpRule, ParentProxy, Placeholder, RuleId, Source,
};

use super::Reading;
use super::composer::Composer;
use super::fields::StatementId;
use crate::StageKind;
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::path_text::absolute;
use crate::settle::{Claim, Hide};
use crate::source::{self, Author};
use crate::statement::{Place, Said, Value};

/// What was said of it. Rules are numbered when a plan is worded.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) http: Vec<(HttpRule, StatementId)>,
    pub(crate) credentials: Vec<(Credential, StatementId)>,
    pub(crate) budgets: Vec<(Budget, StatementId)>,
    /// Ports outside and inside; `None` where nobody speaks of them.
    pub(crate) publish: Option<Vec<((u16, u16), StatementId)>>,
    /// The same of ports of the host.
    pub(crate) host: Option<Vec<(u16, StatementId)>>,
    pub(crate) parent: Option<(ParentProxy, StatementId)>,
}

/// What leads a run's traffic elsewhere or hands out secrets. Not for a file of a project, whoever trusts it: it would be
/// the project that chooses who gets what the user has.
const NOT_FOR_PROJECTS: &[(&str, &str)] = &[
    ("network.credential", "it would choose who gets a secret of yours"),
    ("network.proxy", "it would choose who carries the traffic"),
    ("network.no_proxy", "it would choose what goes round the proxy"),
    ("network.proxy_credential", "it would choose who gets a secret of yours"),
    ("network.resolver", "it would choose who says where names lead"),
];

impl Composer<'_> {
    /// Everything but what secrets mean for files, which has to be known before grants are settled.
    pub(super) fn gateway(&mut self) {
        self.requests();
        self.ports();
        self.way_out();
        self.one_secret_a_placeholder();
    }

    /// Credentials; and that the workload has none of what they come from.
    pub(super) fn secrets(&mut self) {
        for (key, why) in NOT_FOR_PROJECTS {
            for id in self.written_for(key) {
                if self.author(&self.statements[id as usize]) == Author::Project {
                    let help = "say it in ~/.config/ringfence/policy.toml, in a ceiling, or in a file given with --policy";
                    self.problem(id, "is not for a project's file", why, Some(help.into()));
                }
            }
        }
        for id in self.written_for("network.credential") {
            let Value::Credential(said) = self.statements[id as usize].value.clone() else { continue };
            let (Some(source), Some(placeholder)) = (
                self.place(id, said.source, Source::File),
                self.place(id, said.placeholder, Placeholder::File),
            ) else {
                continue;
            };
            let credential = Credential {
                endpoint: said.endpoint,
                header: said.header,
                methods: said.methods,
                paths: said.paths,
                source,
                placeholder,
                rule: RuleId(0),
            };
            self.keep_file(id, &credential.source, Some(&credential.placeholder));
            self.gateway.credentials.push((credential, id));
        }
        for id in self.written_for("network.proxy_credential") {
            let Value::Secret(said) = self.statements[id as usize].value.clone() else { continue };
            if let Some(source) = self.place(id, said, Source::File) {
                self.keep_file(id, &source, None);
            }
        }
    }

    /// Variables that hold secrets do not pass: a stand-in is put into its place behind all rules.
    pub(super) fn secret_variables(&mut self) {
        let of_parent =
            self.gateway.parent.iter().filter_map(|(parent, id)| Some((parent.credential.as_ref()?, *id)));
        let credentials = self.gateway.credentials.iter().map(|(credential, id)| (&credential.source, *id));
        let names = credentials.chain(of_parent).filter_map(|(source, id)| match source {
            Source::Env(name) => Some((name.clone(), id)),
            Source::File(_) | Source::Command(_) | Source::Secret { .. } | Source::Outside => None,
        });
        self.deny.extend(names.collect::<Vec<_>>());
    }

    /// Denies the file that a secret comes from. Not where the stand-in takes its very place.
    fn keep_file(&mut self, id: StatementId, source: &Source, placeholder: Option<&Placeholder>) {
        let Source::File(path) = source else { return };
        if placeholder == Some(&Placeholder::File(path.clone())) {
            return;
        }
        let author = self.author(&self.statements[id as usize]);
        let (path, access, hide) = (path.clone(), Access::Deny, Hide::No);
        self.claims.push(Claim { path, access, optional: true, author, hide, statement: id });
    }

    fn place<T>(
        &mut self,
        id: StatementId,
        said: Said<T>,
        file: fn(ringfence_plan::AbsPath) -> T,
    ) -> Option<T> {
        let text = match said {
            Said::Known(known) => return Some(known),
            Said::File(text) => text,
        };
        let (_, directory) = self.words_and_directory(id);
        match absolute(&text, directory, &self.names()) {
            Ok(path) => Some(file(path)),
            Err(bad) => {
                self.problem(id, "names no file", &format!("`file`: {}", bad.label), bad.help);
                None
            }
        }
    }

    /// Rules over requests, each of which lets its host be reached; and budgets.
    fn requests(&mut self) {
        // A ceiling that lists no hosts bounds none, and says of some what they may be asked.
        let lists = self.anchors.is_none() || !self.written_for("network.allow").is_empty();
        for id in self.written_for("network.http") {
            let Value::Http(rule) = &self.statements[id as usize].value else { continue };
            if lists {
                self.allow_net.push((rule.endpoint.clone(), id));
            }
            self.gateway.http.push(((**rule).clone(), id));
        }
        for id in self.written_for("network.budget") {
            let Value::Budget(budget) = &self.statements[id as usize].value else { continue };
            self.gateway.budgets.push(((**budget).clone(), id));
        }
    }

    fn ports(&mut self) {
        let published = [self.written_for("network.publish"), self.written_for("network.listen")];
        for id in published.concat() {
            let published = self.gateway.publish.get_or_insert_default();
            if let Value::Publish { outside, inside } = self.statements[id as usize].value
                && published.iter().all(|(known, _)| *known != (outside, inside))
            {
                published.push(((outside, inside), id));
            }
        }
        for id in self.written_for("network.host") {
            let ports = self.gateway.host.get_or_insert_default();
            if let Value::HostPort(port) = self.statements[id as usize].value
                && ports.iter().all(|(known, _)| *known != port)
            {
                ports.push((port, id));
            }
        }
    }

    /// The proxy, with what is said beside it.
    fn way_out(&mut self) {
        let said = |key| {
            let at = self.singles[crate::field::position(crate::field::known(key))]?;
            Some((self.statements[at as usize].value.clone(), at))
        };
        let (proxy, credential) = (said("network.proxy"), said("network.proxy_credential"));
        let no_proxy = self.written_for("network.no_proxy");
        // What stands beside no proxy waits for one, from a flag perhaps: a check tells of it.
        let Some((Value::Proxy(server), id)) = proxy else { return };
        let hosts = no_proxy.iter().filter_map(|id| match &self.statements[*id as usize].value {
            Value::Host(host) => Some(host.clone()),
            _ => None,
        });
        let no_proxy: Vec<HostPattern> = hosts.collect();
        let credential = match credential {
            // What is wrong with it has been told.
            Some((Value::Secret(Said::File(text)), at)) => {
                absolute(&text, self.words_and_directory(at).1, &self.names()).ok().map(Source::File)
            }
            Some((Value::Secret(Said::Known(source)), _)) => Some(source),
            _ => None,
        };
        self.gateway.parent = Some((ParentProxy { server, no_proxy, credential, rule: RuleId(0) }, id));
    }

    /// Refuses two secrets behind one stand-in: a command that sends it could not be told which one it means.
    fn one_secret_a_placeholder(&mut self) {
        let mut twice = Vec::new();
        for (at, (credential, id)) in self.gateway.credentials.iter().enumerate() {
            let before = self.gateway.credentials[..at].iter();
            let mut before = before.filter(|(known, _)| known.placeholder == credential.placeholder);
            if before.any(|(known, _)| known.source != credential.source) {
                twice.push((*id, format!("{} stands for another secret already", credential.placeholder)));
            }
        }
        for (id, label) in twice {
            let help = "give each secret a variable or file of its own";
            self.problem(id, "shares its stand-in", &label, Some(help.into()));
        }
    }
}

/// Refuses two ceilings that each name another proxy or resolver: neither could be right, and the order of ceilings says
/// nothing.
pub(super) fn one_way_out(texts: &[source::Source], readings: &[Reading]) -> Result<(), Report> {
    for key in ["network.proxy", "network.resolver"] {
        let ceilings = readings.iter().filter(|reading| reading.kind == StageKind::Ceiling);
        let mut said = ceilings.filter_map(|reading| Some((&reading.fields, reading.fields.single(key)?)));
        let Some((first, (value, at))) = said.next() else { continue };
        if let Some((other, (_, its))) = said.find(|(_, (its, _))| *its != value) {
            let mut diagnostic =
                Diagnostic::error(format!("two ceilings say different things of {}", quoted(key)));
            for (fields, at, label) in [(first, at, "one"), (other, its, "and another")] {
                if let Place::Written(span) = &fields.statements[at as usize].place {
                    diagnostic = diagnostic.at(texts, span, label);
                }
            }
            return Err(diagnostic.help("take one of the two out").into());
        }
    }
    Ok(())
}
