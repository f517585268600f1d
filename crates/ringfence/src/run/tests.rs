//! Which backend a run gets, on backends that hold what the tests say.

use std::collections::BTreeMap;

use ringfence_backend::{Command, HeldLimits, LaunchError, Refusal, Running};
use ringfence_plan::*;

use super::*;

/// A backend that holds everything but one field.
struct Fake(&'static str, Option<Field>);

struct FakeLowered(Verdicts, HeldLimits);

impl Backend for Fake {
    fn name(&self) -> &'static str {
        self.0
    }

    fn lower(&self, _: &Plan, _: &Host) -> Result<Box<dyn Lowered>, Refusal> {
        let verdict = Verdict::Unenforced { why: "a test".into() };
        let entry = |field| FieldVerdict { field, verdict: verdict.clone(), mechanism: "none".into() };
        Ok(Box::new(FakeLowered(Verdicts(self.1.map(entry).into_iter().collect()), HeldLimits::default())))
    }
}

impl Lowered for FakeLowered {
    fn verdicts(&self) -> &Verdicts {
        &self.0
    }

    fn limits(&self) -> &HeldLimits {
        &self.1
    }

    fn is_captured(&self) -> bool {
        false
    }

    fn is_gated(&self) -> bool {
        false
    }

    fn steps(&self) -> Vec<String> {
        Vec::new()
    }

    fn launch(self: Box<Self>, _: Command) -> Result<Running, LaunchError> {
        unreachable!("choosing touches nothing")
    }
}

pub(crate) fn some_run(level: Level, allow_unenforced: &[Field]) -> Run {
    let home = AbsPath::new("/home/u").unwrap();
    let grant = |path: &str, access| Grant {
        path: AbsPath::new(path).unwrap(),
        access,
        optional: false,
        rule: RuleId(0),
    };
    let files = Files {
        workspace: None,
        home,
        grants: vec![grant("/w", Access::Write), grant("/w/secret", Access::Deny)],
        deny_globs: Vec::new(),
        protect: Vec::new(),
        protect_except: Vec::new(),
    };
    let limits = Limits {
        memory: None,
        swap: None,
        processes: None,
        cpu: None,
        time: None,
        open_files: None,
        file_size: None,
        tmp: Bytes(1),
        output: None,
        rules: BTreeMap::new(),
    };
    let plan = Plan {
        files,
        environment: Environment::default(),
        network: Network::none(RuleId(0)),
        limits,
        processes: Processes { nested_namespaces: false, rule: RuleId(0) },
        containment: Containment { level, rule: RuleId(0) },
        oversight: Oversight { audit: Vec::new(), bypass: true, rule: RuleId(0) },
        rules: Vec::new(),
    };
    Run {
        plan,
        host: ringfence_backend::probe(),
        argv: vec!["x".into()],
        cwd: "/w/a".into(),
        caller_env: Vec::new(),
        terminal: false,
        allow_unenforced: allow_unenforced.to_vec(),
        record: Record::default(),
        around: None,
    }
}

const STRONG_BUT_CPU: &Fake = &Fake("namespaces", Some(Field::Cpu));
const LIGHT: &Fake = &Fake("process", None);

fn chosen(level: Level, allowed: &[Field]) -> Result<&'static str, Refused> {
    choose(&[STRONG_BUT_CPU, LIGHT], &some_run(level, allowed)).map(|chosen| chosen.backend)
}

#[test]
fn the_strongest_backend_that_holds_every_field_is_taken() {
    assert_eq!(chosen(Level::Auto, &[]).unwrap(), "process");
    assert_eq!(chosen(Level::Auto, &[Field::Cpu]).unwrap(), "namespaces");
    assert_eq!(chosen(Level::Process, &[Field::Cpu]).unwrap(), "process");
}

#[test]
fn a_named_level_is_never_stepped_down_from() {
    let refused = chosen(Level::Namespaces, &[Field::Memory]).unwrap_err();
    assert_eq!(refused.backends.len(), 1);
    assert_eq!(refused.backends[0].unheld, [Unheld { field: Some(Field::Cpu), why: "a test".into() }]);
    assert!(Error::from(refused).hints()[0].contains("--containment process"));
}

fn within(namespaces: bool, plan: Option<Plan>) -> Run {
    let mut run = some_run(Level::Namespaces, &[]);
    run.host.enclosure = Some(Enclosure { namespaces, plan: None });
    run.around = plan;
    run
}

#[test]
fn within_namespaces_the_light_backend_is_as_strong_as_was_asked_for() {
    let chosen = |run: Run| choose(&[STRONG_BUT_CPU, LIGHT], &run).map(|chosen| chosen.backend);
    assert_eq!(chosen(within(true, None)).unwrap(), "process");
    assert!(chosen(within(false, None)).is_err());
}

#[test]
fn what_is_recorded_around_is_not_recorded_again_and_only_where_there_is_something_around() {
    let record = |path: &str| Audit {
        destination: AuditDestination::File(AbsPath::new(path).unwrap()),
        rule: RuleId(0),
    };
    let mut plan = some_run(Level::Auto, &[]).plan;
    plan.oversight.audit = vec![record("/log/a")];
    let mut inner = within(true, Some(plan.clone()));
    inner.plan.oversight.audit = vec![record("/log/a"), record("/log/b")];
    let mut outside = Run { around: Some(plan), ..inner.clone() };
    outside.host.enclosure = None;
    inner.know_around();
    outside.know_around();
    assert_eq!(inner.plan.oversight.audit, [record("/log/b")]);
    assert_eq!((outside.plan.oversight.audit.len(), outside.host.enclosure), (2, None));
    assert!(inner.host.enclosure.unwrap().plan.is_some());
}

#[test]
fn doing_without_is_refused_only_where_a_rule_forbids_it_and_somebody_asks() {
    for (bypass, allowed, refused) in
        [(true, &[Field::Cpu][..], false), (false, &[], false), (false, &[Field::Cpu], true)]
    {
        let mut run = some_run(Level::Auto, allowed);
        run.plan.oversight.bypass = bypass;
        run.plan.rules = vec![Rule { text: "bypass = false".into(), origin: Origin::Flag("x".into()) }];
        assert_eq!(refuse_bypass(&run).is_err(), refused, "{bypass} {allowed:?}");
    }
}
