//! Composed fields, worded as a plan. Pure and deterministic.
//!
//! Decides nothing any more.

use std::collections::BTreeMap;

use ringfence_plan::{
    Audit, Bytes, Containment, DenyGlob, EnvPattern, Environment, Field, Files, Grant, Level, Limits,
    Millicpus, Millis, Origin, Oversight, Plan, Processes, Protect, Rule, RuleId,
};

use crate::builtin::limits::TMP;
use crate::compose::{Composed, Fields, StatementId};
use crate::diagnostic::{Diagnostic, Report};
use crate::source::{Author, Positions, Source};
use crate::statement::{Place, Statement, Value};

mod network;

/// The plan of `composed`: what every stage lets.
///
/// # Errors
/// None today: what cannot be meant is told when it is composed.
pub fn compile(composed: &Composed) -> Result<Plan, Report> {
    let mut stages = composed.readings.iter().map(|reading| plan(&composed.texts, &reading.fields));
    let Some(grants) = stages.next() else {
        return Err(Diagnostic::error("there is nothing that grants").into());
    };
    let narrowed = stages.fold(grants, |plan, stage| plan.meet(&stage));
    Ok(match &composed.parent {
        Some(parent) => narrowed.meet(parent),
        None => narrowed,
    })
}

/// One stage's fields, worded as a plan.
pub(crate) fn plan(texts: &[Source], composed: &Fields) -> Plan {
    let mut rules = Rules::new(texts, composed);
    let files = files(composed, &mut rules);
    let environment = environment(composed, &mut rules);
    let network = network::network(composed, &mut rules);
    let limits = limits(composed, &mut rules);
    let processes = processes(composed, &mut rules);
    let containment = containment(composed, &mut rules);
    let oversight = oversight(composed, &mut rules);
    Plan { files, environment, network, limits, processes, containment, oversight, rules: rules.rules }
}

fn files(composed: &Fields, rules: &mut Rules<'_>) -> Files {
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

fn environment(composed: &Fields, rules: &mut Rules<'_>) -> Environment {
    let mut patterns = |names: &[(String, StatementId)]| -> Vec<EnvPattern> {
        names.iter().map(|(name, at)| EnvPattern { name: name.clone(), rule: rules.id(*at) }).collect()
    };
    let (said, deny) = (patterns(&composed.pass), patterns(&composed.deny));
    let (pass, within) = match (composed.is_ceiling, said.is_empty()) {
        (false, _) => (said, Vec::new()),
        (true, true) => (vec![EnvPattern { name: "*".into(), rule: rules.none() }], Vec::new()),
        (true, false) => (vec![EnvPattern { name: "*".into(), rule: rules.none() }], vec![said]),
    };
    let refuse = composed.refuse.iter();
    let refuse =
        refuse.map(|(name, at)| EnvPattern { name: (*name).to_owned(), rule: rules.id(*at) }).collect();
    let set = composed.set.iter();
    let set = set.map(|(name, (value, at))| (name.clone(), (value.clone(), rules.id(*at)))).collect();
    Environment { pass, refuse, set, deny, within }
}

fn processes(composed: &Fields, rules: &mut Rules<'_>) -> Processes {
    match composed.single("processes.nested_namespaces") {
        Some((value, at)) => {
            Processes { nested_namespaces: *value == Value::Switch(true), rule: rules.id(at) }
        }
        None => Processes { nested_namespaces: composed.is_ceiling, rule: rules.none() },
    }
}

fn containment(composed: &Fields, rules: &mut Rules<'_>) -> Containment {
    match composed.single("containment.level") {
        Some((Value::Level(level), at)) => Containment { level: *level, rule: rules.id(at) },
        // The weakest one bounds nothing.
        _ if composed.is_ceiling => Containment { level: Level::Process, rule: rules.none() },
        _ => Containment { level: Level::Auto, rule: rules.none() },
    }
}

fn oversight(composed: &Fields, rules: &mut Rules<'_>) -> Oversight {
    let audit = composed.audit.iter();
    let audit =
        audit.map(|(destination, at)| Audit { destination: destination.clone(), rule: rules.id(*at) });
    let audit = audit.collect();
    match (composed.single("oversight.bypass"), composed.standing) {
        (Some((value, at)), _) => {
            Oversight { audit, bypass: *value == Value::Switch(true), rule: rules.id(at) }
        }
        // What a ceiling bounds and this host cannot hold would be lifted by doing without.
        (None, Some(at)) => Oversight { audit, bypass: false, rule: rules.id(at) },
        (None, None) => Oversight { audit, bypass: true, rule: rules.none() },
    }
}

fn limits(composed: &Fields, rules: &mut Rules<'_>) -> Limits {
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
        tmp: size(value(Field::Tmp)).unwrap_or(if composed.is_ceiling {
            Bytes(u64::MAX)
        } else {
            Bytes(TMP)
        }),
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
    texts: &'a [Source],
    statements: &'a [Statement],
    ids: Vec<Option<RuleId>>,
    positions: Vec<Option<Positions<'a>>>,
    rules: Vec<Rule>,
}

impl<'a> Rules<'a> {
    fn new(texts: &'a [Source], composed: &'a Fields) -> Rules<'a> {
        let positions = texts.iter().map(|_| None).collect();
        let statements = &composed.statements[..];
        let most = statements.len();
        Rules { texts, statements, ids: vec![None; most], positions, rules: Vec::with_capacity(most) }
    }

    fn id(&mut self, at: StatementId) -> RuleId {
        let at = at as usize;
        if let Some(id) = self.ids[at] {
            return id;
        }
        let statement = &self.statements[at];
        let origin = self.origin(statement);
        let id = self.push(Rule { text: statement.text(), origin });
        self.ids[at] = Some(id);
        id
    }

    fn none(&mut self) -> RuleId {
        self.push(Rule { text: "default".into(), origin: Origin::BuiltIn("nobody says otherwise".into()) })
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
        let source: &'a Source = &self.texts[at];
        let positions = self.positions[at].get_or_insert_with(|| Positions::new(&source.text));
        worded(source, positions.of(span.bytes().start), statement)
    }
}

/// Where `statement` stands.
pub(crate) fn origin(texts: &[Source], statement: &Statement) -> Origin {
    match &statement.place {
        Place::BuiltIn(why) => Origin::BuiltIn((*why).to_owned()),
        Place::Written(span) => {
            let source = &texts[span.source.0 as usize];
            worded(source, Positions::new(&source.text).of(span.bytes().start), statement)
        }
    }
}

fn worded(source: &Source, (line, column): (u32, u32), statement: &Statement) -> Origin {
    let why = statement.why.as_deref();
    match source.author {
        Author::Flag => Origin::Flag(source.text.to_string()),
        Author::Preset => {
            let name = source.name.to_string();
            Origin::Preset { name, line, column, why: why.unwrap_or("part of it").to_owned() }
        }
        _ => Origin::File { path: source.name.to_string(), line, column, why: why.map(str::to_owned) },
    }
}
