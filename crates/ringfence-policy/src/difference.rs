//! What one plan lets that another did not, by what the two decide and not by their text.
//!
//! Not a comparison of files: two policies that decide alike have no difference. It errs to one side only: where it
//! cannot tell, it says that something widened.

use std::fmt;

use ringfence_plan::{AuditDestination, Level, Plan, Rule, RuleId};

use crate::diagnostic::printable;

mod cover;
mod environment;
mod files;
mod limits;
mod network;
#[cfg(test)]
mod tests;

/// How two plans differ.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Difference {
    /// What the second lets and the first does not.
    pub widened: Vec<Change>,
    /// What the first lets and the second does not.
    pub narrowed: Vec<Change>,
}

/// One thing that the plans decide differently.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    /// The part of the plan.
    pub area: Area,
    /// The path, pattern, variable, endpoint or field.
    pub subject: String,
    /// What the first plan says, in a word or two.
    pub before: String,
    /// What the second says.
    pub after: String,
    /// The first plan's rule, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_before: Option<Rule>,
    /// The second plan's rule, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_after: Option<Rule>,
}

/// A part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Files.
    Filesystem,
    /// Variables.
    Environment,
    /// Network.
    Network,
    /// Resources.
    Limits,
    /// Namespaces of the command's own.
    Processes,
    /// The least the fence is made of.
    Containment,
    /// Records, and whether a part of the fence may be done without.
    Oversight,
}

/// How `after` differs from `before`.
pub fn difference(before: &Plan, after: &Plan) -> Difference {
    let mut narrowed = wider(after, before);
    for change in &mut narrowed {
        std::mem::swap(&mut change.before, &mut change.after);
        std::mem::swap(&mut change.rule_before, &mut change.rule_after);
    }
    Difference { widened: wider(before, after), narrowed }
}

impl Difference {
    /// Whether the two plans decide alike.
    pub fn is_empty(&self) -> bool {
        self.widened.is_empty() && self.narrowed.is_empty()
    }
}

/// What `after` lets and `before` does not.
fn wider(before: &Plan, after: &Plan) -> Vec<Change> {
    let mut sides = Sides { before, after, changes: Vec::new() };
    // Taken apart, so that a new part of a plan stops the build here.
    let Plan { files: _, environment: _, network: _, limits: _, processes, containment, oversight, rules: _ } =
        after;
    files::compare(&mut sides);
    environment::compare(&mut sides);
    network::compare(&mut sides);
    limits::compare(&mut sides);
    if processes.nested_namespaces && !before.processes.nested_namespaces {
        let rules = sides.both(|plan| rule(plan, plan.processes.rule));
        sides.say(Area::Processes, "processes.nested_namespaces", ["not allowed", "allowed"], rules);
    }
    if strength(containment.level) < strength(before.containment.level) {
        let rules = sides.both(|plan| rule(plan, plan.containment.rule));
        let words = [word(before.containment.level), word(containment.level)];
        sides.say(Area::Containment, "containment.level", words, rules);
    }
    if oversight.bypass && !before.oversight.bypass {
        let rules = sides.both(|plan| rule(plan, plan.oversight.rule));
        sides.say(Area::Oversight, "oversight.bypass", ["not allowed", "allowed"], rules);
    }
    for audit in &before.oversight.audit {
        if !oversight.audit.iter().any(|kept| kept.destination == audit.destination) {
            let subject = match &audit.destination {
                AuditDestination::File(path) => format!("records to {path}"),
                AuditDestination::Socket(path) => format!("records to unix:{path}"),
            };
            sides.say(Area::Oversight, subject, ["written", "not written"], [rule(before, audit.rule), None]);
        }
    }
    sides.changes
}

/// The two plans, and what was found so far.
struct Sides<'a> {
    before: &'a Plan,
    after: &'a Plan,
    changes: Vec<Change>,
}

impl<'a> Sides<'a> {
    fn both<T>(&self, of: impl Fn(&'a Plan) -> T) -> [T; 2] {
        [of(self.before), of(self.after)]
    }

    fn say(
        &mut self,
        area: Area,
        subject: impl Into<String>,
        words: [impl Into<String>; 2],
        rules: [Option<Rule>; 2],
    ) {
        let ([before, after], [rule_before, rule_after]) = (words.map(Into::into), rules);
        self.changes.push(Change { area, subject: subject.into(), before, after, rule_before, rule_after });
    }
}

/// The rule behind `id`; a plan that was read from outside may lack it.
fn rule(plan: &Plan, id: RuleId) -> Option<Rule> {
    plan.rules.get(id.0 as usize).cloned()
}

fn strength(level: Level) -> u8 {
    match level {
        Level::Process => 0,
        Level::Auto => 1,
        Level::Namespaces => 2,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Process => "process",
        Level::Auto => "auto",
        Level::Namespaces => "namespaces",
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { area: _, subject, before, after, rule_before, rule_after } = self;
        let mut text = format!("{subject}: was {before}, now {after}");
        match (rule_after, rule_before) {
            (Some(rule), _) => text += &format!("; {rule}"),
            (None, Some(rule)) => text += &format!("; no more: {rule}"),
            (None, None) => {}
        }
        f.write_str(&text.chars().flat_map(printable).collect::<String>())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no difference\n");
        }
        for (title, changes) in [("widened", &self.widened), ("narrowed", &self.narrowed)] {
            if !changes.is_empty() {
                writeln!(f, "{title}")?;
            }
            for change in changes {
                writeln!(f, "  {change}")?;
            }
        }
        Ok(())
    }
}
