//! Composed fields, worded as a plan. Pure and deterministic.
//!
//! Decides nothing any more.

use std::collections::BTreeMap;

use ringfence_plan::{
    Bytes, Containment, DenyGlob, EnvPattern, Environment, Field, Files, Grant, Level, Limits, Millicpus,
    Millis, Network, NetworkMode, Origin, Oversight, Plan, Processes, Protect, Rule, RuleId,
};

use crate::builtin::limits::TMP;
use crate::compose::{Composed, StatementId};
use crate::diagnostic::Report;
use crate::source::{Author, Positions, Source};
use crate::statement::{Place, Statement, Value};

/// The plan of `composed`.
///
/// # Errors
/// None today; ceilings that a policy oversteps will be.
pub fn compile(composed: &Composed) -> Result<Plan, Report> {
    let mut rules = Rules::new(composed);
    let files = files(composed, &mut rules);
    let environment = environment(composed, &mut rules);
    let network = network(composed, &mut rules);
    let limits = limits(composed, &mut rules);
    let processes = processes(composed, &mut rules);
    let containment = containment(composed, &mut rules);
    let oversight = Oversight { audit: Vec::new(), bypass: true, rule: rules.none() };
    Ok(Plan { files, environment, network, limits, processes, containment, oversight, rules: rules.rules })
}

fn files(composed: &Composed, rules: &mut Rules<'_>) -> Files {
    let grant = |claim: &crate::settle::Claim, rules: &mut Rules<'_>| Grant {
        path: claim.path.clone(),
        access: claim.access,
        optional: claim.optional,
        rule: rules.id(claim.statement),
    };
    Files {
        workspace: composed.workspace.clone(),
        home: composed.home.clone(),
        grants: composed.grants.iter().map(|claim| grant(claim, rules)).collect(),
        deny_globs: composed
            .deny_globs
            .iter()
            .map(|(pattern, statement)| DenyGlob { pattern: pattern.clone(), rule: rules.id(*statement) })
            .collect(),
        protect: composed
            .protect
            .iter()
            .map(|(pattern, statement)| Protect { pattern: pattern.clone(), rule: rules.id(*statement) })
            .collect(),
        protect_except: composed.protect_except.clone(),
    }
}

fn environment(composed: &Composed, rules: &mut Rules<'_>) -> Environment {
    let pass = composed.pass.iter();
    let refuse = composed.refuse.iter();
    let set = composed.set.iter();
    Environment {
        pass: pass.map(|(name, at)| EnvPattern { name: name.clone(), rule: rules.id(*at) }).collect(),
        refuse: refuse
            .map(|(name, at)| EnvPattern { name: (*name).to_owned(), rule: rules.id(*at) })
            .collect(),
        set: set.map(|(name, (value, at))| (name.clone(), (value.clone(), rules.id(*at)))).collect(),
        deny: Vec::new(),
        within: Vec::new(),
    }
}

fn network(composed: &Composed, rules: &mut Rules<'_>) -> Network {
    let (mode, rule) = match composed.single("network.mode") {
        Some((Value::Network(mode), at)) => (*mode, rules.id(at)),
        _ => (NetworkMode::None, rules.none()),
    };
    Network { mode, allow: Vec::new(), deny: Vec::new(), rule }
}

fn processes(composed: &Composed, rules: &mut Rules<'_>) -> Processes {
    match composed.single("processes.nested_namespaces") {
        Some((value, at)) => {
            Processes { nested_namespaces: *value == Value::Switch(true), rule: rules.id(at) }
        }
        None => Processes { nested_namespaces: false, rule: rules.none() },
    }
}

fn containment(composed: &Composed, rules: &mut Rules<'_>) -> Containment {
    match composed.single("containment.level") {
        Some((Value::Level(level), at)) => Containment { level: *level, rule: rules.id(at) },
        _ => Containment { level: Level::Auto, rule: rules.none() },
    }
}

fn limits(composed: &Composed, rules: &mut Rules<'_>) -> Limits {
    let mut said = BTreeMap::new();
    let mut value = |field: Field| {
        composed.single(field.name()).map(|(value, at)| {
            said.insert(field, rules.id(at));
            value
        })
    };
    Limits {
        memory: size(value(Field::Memory)),
        swap: size(value(Field::Swap)),
        processes: count(value(Field::Processes)),
        cpu: processors(value(Field::Cpu)),
        time: duration(value(Field::Time)),
        open_files: count(value(Field::OpenFiles)),
        file_size: size(value(Field::FileSize)),
        tmp: size(value(Field::Tmp)).unwrap_or(Bytes(TMP)),
        output: size(value(Field::Output)),
        rules: said,
    }
}

fn size(value: Option<&Value>) -> Option<Bytes> {
    if let Some(Value::Size(bytes)) = value { *bytes } else { None }
}

fn count(value: Option<&Value>) -> Option<u32> {
    if let Some(Value::Count(count)) = value { *count } else { None }
}

fn processors(value: Option<&Value>) -> Option<Millicpus> {
    if let Some(Value::Processors(processors)) = value { *processors } else { None }
}

fn duration(value: Option<&Value>) -> Option<Millis> {
    if let Some(Value::Duration(duration)) = value { *duration } else { None }
}

/// The rules of the plan: one a statement that has an effect, in the order in which the plan speaks of them.
struct Rules<'a> {
    composed: &'a Composed,
    ids: Vec<Option<RuleId>>,
    positions: Vec<Option<Positions<'a>>>,
    rules: Vec<Rule>,
}

impl<'a> Rules<'a> {
    fn new(composed: &'a Composed) -> Rules<'a> {
        let positions = composed.texts.iter().map(|_| None).collect();
        let most = composed.statements.len();
        Rules { composed, ids: vec![None; most], positions, rules: Vec::with_capacity(most) }
    }

    fn id(&mut self, at: StatementId) -> RuleId {
        let at = at as usize;
        if let Some(id) = self.ids[at] {
            return id;
        }
        let statement = &self.composed.statements[at];
        let origin = self.origin(statement);
        let id = self.push(Rule { text: statement.text(), origin });
        self.ids[at] = Some(id);
        id
    }

    fn none(&mut self) -> RuleId {
        self.push(Rule { text: "default".into(), origin: Origin::BuiltIn("the safe choice".into()) })
    }

    fn push(&mut self, rule: Rule) -> RuleId {
        self.rules.push(rule);
        RuleId(self.rules.len() as u32 - 1)
    }

    fn origin(&mut self, statement: &Statement) -> Origin {
        let span = match &statement.place {
            Place::BuiltIn(why) => return Origin::BuiltIn((*why).to_owned()),
            Place::Written(span) => span,
        };
        let at = span.source.0 as usize;
        let source: &'a Source = &self.composed.texts[at];
        if source.author == Author::Flag {
            return Origin::Flag(source.text.to_string());
        }
        let positions = self.positions[at].get_or_insert_with(|| Positions::new(&source.text));
        let (line, column) = positions.of(span.bytes().start);
        Origin::File { path: source.name.to_string(), line, column, why: None }
    }
}
