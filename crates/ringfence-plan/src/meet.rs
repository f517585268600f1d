//! The meet of two plans: what both grant, and what either refuses. Ceilings are held by it.
//!
//! Not composition: several authors' grants add up before, in the policy. Here nothing is ever added.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use crate::{
    AbsPath, Access, Audit, Bytes, Containment, EnvPattern, Environment, Field, Files, Grant, Granted, Level,
    Limits, Network, NetworkMode, Origin, Oversight, Plan, Processes, Rule, RuleId,
};

mod environment;
mod files;
mod network;

impl Plan {
    /// What both plans grant. On each point the stricter side counts, with its rule; where both are as strict, the
    /// left one's rule. As a decision it is commutative, associative and idempotent, and [`Plan::top`] is neutral.
    ///
    /// What grants nothing of the machine is the left side's: which paths must exist, the variables that are set, and
    /// HOME. So grants stand on the left, and what bounds them on the right.
    pub fn meet(&self, other: &Plan) -> Plan {
        let Plan { files, environment, network, limits, processes, containment, oversight, rules } = self;
        let right = other.clone().renumbered(rules.len() as u32);
        Plan {
            files: files::meet(files, &right.files),
            environment: environment::meet(environment, &right.environment),
            network: network::meet(network, &right.network),
            limits: limits.meet(&right.limits),
            processes: processes.meet(&right.processes),
            containment: containment.meet(&right.containment),
            oversight: oversight.meet(&right.oversight),
            rules: rules.iter().cloned().chain(right.rules).collect(),
        }
    }

    /// The plan that bounds nothing: what a ceiling holds where it is silent. Never run as it is.
    pub fn top(home: AbsPath) -> Plan {
        let rule = RuleId(0);
        let everything = Grant { path: AbsPath::root(), access: Access::Write, optional: true, rule };
        Plan {
            files: Files {
                workspace: None,
                home,
                grants: vec![everything],
                deny_globs: Vec::new(),
                protect: Vec::new(),
                protect_except: Vec::new(),
            },
            environment: Environment {
                pass: vec![EnvPattern { name: "*".into(), rule }],
                ..Environment::default()
            },
            network: Network {
                mode: NetworkMode::Host,
                publish: Granted::Any,
                host: Granted::Any,
                ..Network::none(rule)
            },
            limits: Limits {
                memory: None,
                swap: None,
                processes: None,
                cpu: None,
                time: None,
                open_files: None,
                file_size: None,
                tmp: Bytes(u64::MAX),
                output: None,
                rules: BTreeMap::new(),
            },
            processes: Processes { nested_namespaces: true, rule },
            containment: Containment { level: Level::Process, rule },
            oversight: Oversight { audit: Vec::new(), bypass: true, rule },
            rules: vec![Rule {
                text: "no bound".into(),
                origin: Origin::BuiltIn("what a ceiling does not speak of".into()),
            }],
        }
    }

    /// The same plan with every rule's number `by` higher, to stand behind the rules of another.
    fn renumbered(mut self, by: u32) -> Plan {
        // No `..`: a field that is added may have rules.
        let Plan { files, environment, network, limits, processes, containment, oversight, rules: _ } =
            &mut self;
        let Files { workspace: _, home: _, grants, deny_globs, protect, protect_except: _ } = files;
        let Environment { pass, refuse, deny, within, set } = environment;
        let patterns = [pass, refuse, deny].into_iter().chain(within).flatten();
        let all = (grants.iter_mut().map(|grant| &mut grant.rule))
            .chain(deny_globs.iter_mut().map(|glob| &mut glob.rule))
            .chain(protect.iter_mut().map(|protect| &mut protect.rule))
            .chain(patterns.map(|pattern| &mut pattern.rule))
            .chain(set.values_mut().map(|(_, rule)| rule))
            .chain(network::rules(network))
            .chain(limits.rules.values_mut())
            .chain(oversight.audit.iter_mut().map(|audit| &mut audit.rule))
            .chain([&mut processes.rule, &mut containment.rule, &mut oversight.rule]);
        all.for_each(|rule| rule.0 += by);
        self
    }
}

impl Limits {
    /// The smaller of each.
    fn meet(&self, other: &Limits) -> Limits {
        let Limits { memory, swap, processes, cpu, time, open_files, file_size, tmp, output, rules: _ } =
            self;
        let mut rules = BTreeMap::new();
        let mut of = |field: Field, side: Side| {
            let (own, its) = (self.rules.get(&field), other.rules.get(&field));
            let rule = match side {
                Side::Left => own,
                Side::Right => its,
                Side::Both => own.or(its),
            };
            rules.extend(rule.map(|rule| (field, *rule)));
        };
        Limits {
            memory: smaller(*memory, other.memory, |side| of(Field::Memory, side)),
            swap: smaller(*swap, other.swap, |side| of(Field::Swap, side)),
            processes: smaller(*processes, other.processes, |side| of(Field::Processes, side)),
            cpu: smaller(*cpu, other.cpu, |side| of(Field::Cpu, side)),
            time: smaller(*time, other.time, |side| of(Field::Time, side)),
            open_files: smaller(*open_files, other.open_files, |side| of(Field::OpenFiles, side)),
            file_size: smaller(*file_size, other.file_size, |side| of(Field::FileSize, side)),
            tmp: smaller(Some(*tmp), Some(other.tmp), |side| of(Field::Tmp, side)).unwrap_or(*tmp),
            output: smaller(*output, other.output, |side| of(Field::Output, side)),
            rules,
        }
    }
}

/// Which side decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
}

/// The smaller limit, where none is the largest; `decided` is told whose it is.
fn smaller<T: Ord>(left: Option<T>, right: Option<T>, decided: impl FnOnce(Side)) -> Option<T> {
    let key = |limit: &Option<T>| limit.is_none();
    let order = key(&left).cmp(&key(&right)).then_with(|| left.cmp(&right));
    decided(match order {
        Ordering::Less => Side::Left,
        Ordering::Equal => Side::Both,
        Ordering::Greater => Side::Right,
    });
    if order.is_gt() { right } else { left }
}

/// The smaller of two values, with its rule.
fn stricter<T: Ord>(left: (T, RuleId), right: (T, RuleId)) -> (T, RuleId) {
    if right.0 < left.0 { right } else { left }
}

impl Processes {
    /// Allowed if both allow it.
    fn meet(&self, other: &Processes) -> Processes {
        let Processes { nested_namespaces, rule } = *self;
        let (nested_namespaces, rule) =
            stricter((nested_namespaces, rule), (other.nested_namespaces, other.rule));
        Processes { nested_namespaces, rule }
    }
}

impl Containment {
    /// The stronger level.
    fn meet(&self, other: &Containment) -> Containment {
        if other.level.strength() > self.level.strength() { other.clone() } else { self.clone() }
    }
}

impl Level {
    /// How much a level asks for: `auto` takes the strongest that there is, so it is more than `process`, and takes
    /// what there is, so it is less than `namespaces`.
    fn strength(self) -> u8 {
        match self {
            Level::Process => 0,
            Level::Auto => 1,
            Level::Namespaces => 2,
        }
    }
}

impl Oversight {
    /// Told to both sides' destinations; without a part of the fence only if both allow it.
    fn meet(&self, other: &Oversight) -> Oversight {
        let Oversight { audit, bypass, rule } = self;
        let (bypass, rule) = stricter((*bypass, *rule), (other.bypass, other.rule));
        let audit = union(audit, &other.audit, |Audit { destination, rule: _ }| destination);
        Oversight { audit, bypass, rule }
    }
}

/// Both lists, left first, without what `key` says is there already.
fn union<'a, T: Clone, K: Eq + std::hash::Hash>(
    left: &'a [T],
    right: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Vec<T> {
    let mut seen = HashSet::with_capacity(left.len() + right.len());
    left.iter().chain(right).filter(|entry| seen.insert(key(entry))).cloned().collect()
}

#[cfg(test)]
mod tests;
