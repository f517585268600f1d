//! Grants that a deny, a ceiling or another line makes void.
//!
//! Those that lose among the grants themselves the composing tells of.

use std::collections::HashMap;

use ringfence_plan::{AbsPath, Access, Endpoint, Field, Files, Grant, NetworkMode, Passage, Plan, RuleId};

use super::Checker;
use crate::Stage;
use crate::compose::StatementId;
use crate::diagnostic::quoted;
use crate::statement::Value;

impl Checker<'_> {
    /// What would be void among the grants if the project's policy were trusted.
    pub(super) fn void_when_trusted(&mut self) {
        for (claim, by) in &self.fields.void {
            let deciding = self.statement(by.statement);
            let help = format!("{} {} counts", quoted(deciding.field.key), quoted(&deciding.words));
            self.warn(claim.statement, "has no effect", "not granted", help);
        }
    }

    /// Paths that a ceiling, or the sandbox around this one, does not include.
    pub(super) fn void_by_bounds(&mut self, bounds: &[&Stage]) {
        for stage in bounds {
            let lookup = Lookup::new(&stage.plan.files);
            for claim in self.fields.grants.iter().filter(|claim| claim.access != Access::Deny) {
                let (granted, rule) = lookup.access(&claim.path);
                if granted < claim.access {
                    let what = if granted == Access::Deny { "has no effect" } else { "is narrowed" };
                    let label = match granted {
                        Access::Deny => "not granted",
                        Access::Read => "readable only",
                        Access::Private | Access::Write => "writable in a copy only",
                    };
                    self.warn(claim.statement, what, label, bounded_by(stage, rule));
                }
            }
        }
    }

    /// Single values that a bound does not let be.
    pub(super) fn bounded_singles(&mut self, bounds: &[&Stage]) {
        for stage in bounds {
            let plan = &stage.plan;
            let limit = |field: Field| plan.limits.rules.get(&field).copied();
            let bounds: [(&str, Value, Option<RuleId>); 7] = [
                ("network.mode", Value::Network(plan.network.mode), Some(plan.network.rule)),
                ("limits.memory", Value::Size(plan.limits.memory), limit(Field::Memory)),
                ("limits.processes", Value::Count(plan.limits.processes), limit(Field::Processes)),
                ("limits.cpu", Value::Processors(plan.limits.cpu), limit(Field::Cpu)),
                ("limits.time", Value::Duration(plan.limits.time), limit(Field::Time)),
                (
                    "processes.nested_namespaces",
                    Value::Switch(plan.processes.nested_namespaces),
                    Some(plan.processes.rule),
                ),
                ("containment.level", Value::Level(plan.containment.level), Some(plan.containment.rule)),
            ];
            for (key, bound, rule) in bounds {
                if let Some((value, id)) = self.fields.single(key)
                    && value.lets_more_than(&bound)
                {
                    self.warn(id, "is narrowed", "more than the bound", bounded_by(stage, rule));
                }
            }
        }
    }

    /// Variables that a deny or a bound keeps away.
    pub(super) fn void_variables(&mut self, bounds: &[&Stage]) {
        for (name, id) in self.fields.pass.iter().filter(|(name, _)| !name.contains('*')) {
            let denied = self.fields.deny.iter().find(|(pattern, _)| matches(pattern, name));
            if let Some((_, by)) = denied {
                let help =
                    format!("`environment.deny` {} counts: a deny wins", quoted(&self.statement(*by).words));
                self.warn(*id, "has no effect", "denied", help);
            }
            for stage in bounds {
                let (passage, rule) = stage.plan.environment.decide(name.as_ref());
                if !matches!(passage, Passage::Passes | Passage::Set) {
                    self.warn(*id, "has no effect", "not passed", bounded_by(stage, rule));
                }
            }
        }
    }

    /// Hosts that a deny, a bound or the mode keeps away, and such as the mode lets anyway.
    pub(super) fn void_endpoints(&mut self, bounds: &[&Stage]) {
        let (mode, says) = match self.fields.single("network.mode") {
            Some((Value::Network(mode), id)) => (*mode, format!("{} decides; ", self.rule(id))),
            _ => (NetworkMode::None, String::new()),
        };
        let mut last: Option<StatementId> = None;
        for (endpoint, id) in &self.fields.allow_net {
            // A host without a port is two endpoints of one line.
            if last.replace(*id) == Some(*id) {
                continue;
            }
            match mode {
                NetworkMode::None => {
                    let help = format!("{says}with mode = \"rules\", or `--network rules`, such lines count");
                    self.warn(*id, "has no effect", "there is no network", help);
                }
                NetworkMode::Host => {
                    let help = format!("{says}with mode = \"rules\" only these lines let anything");
                    self.warn(*id, "has no effect", "mode = \"host\" allows everything", help);
                }
                NetworkMode::Rules => self.void_endpoint(endpoint, *id, bounds),
            }
        }
    }

    fn void_endpoint(&mut self, endpoint: &Endpoint, id: StatementId, bounds: &[&Stage]) {
        let denied = self.fields.deny_net.iter().find(|(denied, _)| endpoint.is_within(denied));
        if let Some((_, by)) = denied {
            let help = format!("`network.deny` {} counts: a deny wins", quoted(&self.statement(*by).words));
            self.warn(id, "has no effect", "denied", help);
        }
        for stage in bounds {
            if let Some(rule) = refuses(&stage.plan, endpoint) {
                self.warn(id, "has no effect", "not allowed", bounded_by(stage, Some(rule)));
            }
        }
    }
}

/// The rule by which a plan refuses all of `endpoint`, if it does.
fn refuses(plan: &Plan, endpoint: &Endpoint) -> Option<RuleId> {
    let network = &plan.network;
    let denied = network.deny.iter().find(|rule| endpoint.is_within(&rule.endpoint)).map(|rule| rule.rule);
    let allowed = || network.allow.iter().any(|rule| rule.endpoint.intersect(endpoint).is_some());
    match network.mode {
        NetworkMode::None => Some(network.rule),
        NetworkMode::Rules if !allowed() => Some(network.rule),
        NetworkMode::Rules | NetworkMode::Host => denied,
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    ringfence_plan::EnvPattern { name: pattern.to_owned(), rule: RuleId(0) }.matches(name.as_ref())
}

pub(super) fn bounded_by(stage: &Stage, rule: Option<RuleId>) -> String {
    let rule = rule.and_then(|id| stage.plan.rules.get(id.0 as usize));
    match rule {
        Some(rule) => format!("{} bounds it: {rule}", stage.name),
        None => format!("{} does not include it", stage.name),
    }
}

/// Grants by their path: a path is looked up with its ancestors, however many grants there are.
struct Lookup<'a> {
    files: &'a Files,
    grants: HashMap<&'a AbsPath, &'a Grant>,
}

impl<'a> Lookup<'a> {
    fn new(files: &'a Files) -> Lookup<'a> {
        Lookup { files, grants: files.grants.iter().map(|grant| (&grant.path, grant)).collect() }
    }

    /// What is granted; nothing is as good as denied.
    fn access(&self, path: &AbsPath) -> (Access, Option<RuleId>) {
        let mut found: Option<&Grant> = None;
        let mut next = Some(path.clone());
        while let Some(path) = next {
            match self.grants.get(&path) {
                Some(grant) if grant.access == Access::Deny => return (Access::Deny, Some(grant.rule)),
                Some(grant) => found = found.or(Some(grant)),
                None => {}
            }
            next = path.parent();
        }
        if let Some(glob) = self.files.deny_globs.iter().find(|glob| glob.pattern.covers(path)) {
            return (Access::Deny, Some(glob.rule));
        }
        found.map_or((Access::Deny, None), |grant| (grant.access, Some(grant.rule)))
    }
}
