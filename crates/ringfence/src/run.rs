//! The main path: a plan is lowered by the strongest backend that holds it, then run. Decides who runs it; the doing is
//! `supervise`.

use std::ffi::{CString, OsString};
use std::path::{Path, PathBuf};

use ringfence_backend::{ALL, Backend, Lowered};
use ringfence_plan::{AbsPath, Access, Audit, Event, Field, Files, Host, Level, Plan, Source, Verdicts};

use crate::error::{BackendRefusal, Error, Refused, Unheld};
use crate::live::Bound;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::supervise;

/// One command to run contained.
#[derive(Clone, Debug)]
pub struct Run {
    /// What to hold.
    pub plan: Plan,
    /// What this host can hold; from [`crate::probe`].
    pub host: Host,
    /// Program and arguments; the program is looked up inside.
    pub argv: Vec<OsString>,
    /// Working directory, absolute.
    pub cwd: PathBuf,
    /// The caller's environment, from which the plan lets some pass.
    pub caller_env: Vec<(OsString, OsString)>,
    /// Whether a standard descriptor that is a terminal becomes one of the sandbox's own.
    pub terminal: bool,
    /// Fields that the caller does without where they are not held.
    pub allow_unenforced: Vec<Field>,
    /// What records of the run tell of it.
    pub record: Record,
    /// The plan of the sandbox that this process says to be in. Counts for nothing where the kernel knows of none.
    pub around: Option<Plan>,
}

/// A run whose fence is decided and whose command has not started.
pub struct Prepared {
    backend: &'static str,
    passed_over: Vec<BackendRefusal>,
    lowered: Box<dyn Lowered>,
    command: CommandLine,
    caller_env: Vec<(OsString, OsString)>,
    plan: Plan,
    terminal: bool,
    allow_unenforced: Vec<Field>,
    record: Record,
    landlock: u32,
    bounds: Option<Bounds>,
}

/// What to run, in the words of execve(2).
pub(crate) struct CommandLine {
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: AbsPath,
    /// The caller's TMPDIR.
    pub(crate) temporary: Option<PathBuf>,
}

/// Everything that supervising needs to know.
pub(crate) struct Job<'a> {
    pub(crate) backend: &'static str,
    pub(crate) lowered: Box<dyn Lowered>,
    pub(crate) command: CommandLine,
    /// The caller's environment, for what the gateway does in his name.
    pub(crate) caller_env: &'a mut Vec<(OsString, OsString)>,
    pub(crate) plan: &'a Plan,
    pub(crate) terminal: bool,
    pub(crate) allow_unenforced: &'a [Field],
    pub(crate) record: &'a Record,
    /// Landlock's ABI, for the gateway's own fence.
    pub(crate) landlock: u32,
    /// What narrows rules that the owner adds while it runs; `None` where he may not.
    pub(crate) bounds: Option<Bounds>,
}

/// Words what narrows rules that are added.
pub(crate) type Bounds = Box<dyn Fn() -> Vec<Bound>>;

impl Run {
    /// Chooses the backend: the one that `containment.level` names, or the strongest that holds every field. Touches
    /// nothing.
    pub fn prepare(mut self) -> Result<Prepared, Error> {
        refuse_bypass(&self)?;
        self.know_around();
        let command = CommandLine::new(&self)?;
        let Chosen { backend, passed_over, lowered } = choose(ALL, &self)?;
        let Run { plan, host, caller_env, terminal, allow_unenforced, record, .. } = self;
        let landlock = host.landlock;
        Ok(Prepared {
            backend,
            passed_over,
            lowered,
            command,
            caller_env,
            plan,
            terminal,
            allow_unenforced,
            record,
            landlock,
            bounds: None,
        })
    }
}

impl Prepared {
    /// The backend's name.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// The stronger backends that `auto` passed over, with all that each lacks here; empty as a rule.
    pub fn passed_over(&self) -> &[BackendRefusal] {
        &self.passed_over
    }

    /// How each field is held.
    pub fn verdicts(&self) -> &Verdicts {
        self.lowered.verdicts()
    }

    /// What will be done, as a person would type it.
    pub fn steps(&self) -> Vec<String> {
        self.lowered.steps()
    }

    /// Lets whoever owns the run change the rules of its network while it is under way (see [`crate::live`]). `bounds`
    /// words the stages that only narrow, by which rules that are added are bounded; called when the first one is.
    pub fn changeable(mut self, bounds: impl Fn() -> Vec<Bound> + 'static) -> Prepared {
        self.bounds = Some(Box::new(bounds));
        self
    }

    /// Runs the command to its end. `on_event` is told of refusals and limits as they happen.
    pub fn run(self, on_event: &mut dyn FnMut(&Event)) -> Result<Outcome, Error> {
        let Prepared {
            backend,
            passed_over: _,
            lowered,
            command,
            mut caller_env,
            plan,
            terminal,
            allow_unenforced,
            record,
            landlock,
            bounds,
        } = self;
        let (plan, allow_unenforced, record) = (&plan, &allow_unenforced[..], &record);
        let caller_env = &mut caller_env;
        let job = Job {
            backend,
            lowered,
            command,
            caller_env,
            plan,
            terminal,
            allow_unenforced,
            record,
            landlock,
            bounds,
        };
        supervise::run(job, on_event)
    }
}

impl Run {
    /// Believes the word for the plan around if there is a sandbox around. Its own records tell of all inside; their
    /// places do not exist there.
    fn know_around(&mut self) {
        let around = self.around.take();
        let Some(enclosure) = &mut self.host.enclosure else { return };
        enclosure.plan = around.map(Box::new);
        if let Some(around) = &enclosure.plan {
            let recorded = |audit: &Audit| {
                around.oversight.audit.iter().any(|known| known.destination == audit.destination)
            };
            self.plan.oversight.audit.retain(|audit| !recorded(audit));
        }
    }
}

/// Whoever answers for the machine may want every field held or nothing run.
fn refuse_bypass(run: &Run) -> Result<(), Error> {
    let oversight = &run.plan.oversight;
    if oversight.bypass || run.allow_unenforced.is_empty() {
        return Ok(());
    }
    let rule = run.plan.rule(oversight.rule).to_string();
    Err(Error::Bypass { fields: run.allow_unenforced.clone(), rule })
}

/// The backend that a run gets.
struct Chosen {
    backend: &'static str,
    passed_over: Vec<BackendRefusal>,
    lowered: Box<dyn Lowered>,
}

/// The first of `backends` (strongest first) that holds the plan; otherwise all that each of them lacks.
fn choose(backends: &[&'static dyn Backend], run: &Run) -> Result<Chosen, Refused> {
    let mut refusals = Vec::new();
    let fits = |backend: &&&'static dyn Backend| fits(run, backend.name());
    for backend in backends.iter().filter(fits) {
        match lower(*backend, run) {
            Ok(lowered) => return Ok(Chosen { backend: backend.name(), passed_over: refusals, lowered }),
            Err(unheld) => refusals.push(BackendRefusal { backend: backend.name(), unheld }),
        }
    }
    let holding = backends
        .iter()
        .filter(|backend| !fits(backend))
        .find(|backend| lower(**backend, run).is_ok())
        .map(|backend| backend.name());
    Err(Refused::new(refusals, holding, &run.host))
}

fn fits(run: &Run, backend: &str) -> bool {
    match run.plan.containment.level {
        Level::Auto => true,
        Level::Process => backend == "process",
        // In namespaces already, what is light in itself is as strong as was asked for.
        Level::Namespaces => {
            backend == "namespaces" || run.host.enclosure.as_ref().is_some_and(|around| around.namespaces)
        }
    }
}

/// The lowered plan if every field that the caller insists on is held; otherwise what is not.
fn lower(backend: &dyn Backend, run: &Run) -> Result<Box<dyn Lowered>, Vec<Unheld>> {
    let lowered = backend
        .lower(&run.plan, &run.host)
        .map_err(|refusal| vec![Unheld { field: None, why: refusal.to_string() }])?;
    let unheld: Vec<Unheld> = lowered
        .verdicts()
        .unenforced()
        .filter(|entry| !run.allow_unenforced.contains(&entry.field))
        .map(|entry| match &entry.verdict {
            ringfence_plan::Verdict::Unenforced { why } => {
                Unheld { field: Some(entry.field), why: why.clone() }
            }
            _ => unreachable!("filtered by `unenforced`"),
        })
        .collect();
    if unheld.is_empty() { Ok(lowered) } else { Err(unheld) }
}

impl CommandLine {
    fn new(run: &Run) -> Result<CommandLine, Error> {
        if run.argv.is_empty() {
            return Err(Error::BadCommand { what: "is empty".into() });
        }
        let mut argv = Vec::with_capacity(run.argv.len());
        for argument in &run.argv {
            let argument = CString::new(argument.as_encoded_bytes());
            argv.push(argument.map_err(|_| Error::BadCommand { what: "contains a NUL byte".into() })?);
        }
        // What a credential comes from stays outside, whatever lets it pass.
        let is_source = |name: &OsString| {
            let mut credentials = run.plan.network.credentials.iter();
            credentials.any(
                |credential| matches!(&credential.source, Source::Env(source) if name == source.as_str()),
            )
        };
        let callers = run.caller_env.iter().filter(|(name, _)| !is_source(name)).cloned();
        let passed = run.plan.environment.apply(callers);
        let mut env = Vec::with_capacity(passed.len());
        for (name, value) in passed {
            let pair = [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat();
            env.push(CString::new(pair).map_err(|_| Error::BadCommand {
                what: format!("cannot have the variable {}: it contains a NUL byte", name.display()),
            })?);
        }
        let temporary = run.caller_env.iter().find(|(name, _)| name == "TMPDIR");
        let temporary = temporary.map(|(_, path)| PathBuf::from(path)).filter(|path| path.is_absolute());
        Ok(CommandLine { argv, env, cwd: inside(&run.cwd, &run.plan.files)?, temporary })
    }
}

/// `cwd`, if there will be such a directory inside: one that is granted or on the way to what is, HOME, /tmp or the root.
fn inside(cwd: &Path, files: &Files) -> Result<AbsPath, Error> {
    let bad = |why: String| Error::WorkingDirectory { path: cwd.into(), why };
    let path = AbsPath::new(cwd).map_err(|error| bad(error.to_string()))?;
    match files.access(&path) {
        Some((Access::Deny, _)) => Err(bad("is denied by the policy".into())),
        Some(_) => Ok(path),
        None if path == files.home || path.as_path() == Path::new("/tmp") || path == AbsPath::root() => {
            Ok(path)
        }
        None if on_the_way(&path, files) => Ok(path),
        None => Err(bad("would not exist inside: nothing grants it".into())),
    }
}

/// Mount points stand in directories that are made for them, and hold nothing else.
fn on_the_way(path: &AbsPath, files: &Files) -> bool {
    let shown = files.grants.iter().filter(|grant| grant.access != Access::Deny);
    shown.map(|grant| &grant.path).chain([&files.home]).any(|place| place.is_within(path))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
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
            Ok(Box::new(FakeLowered(
                Verdicts(self.1.map(entry).into_iter().collect()),
                HeldLimits::default(),
            )))
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

    fn some_run(level: Level, allow_unenforced: &[Field]) -> Run {
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

    #[test]
    fn the_working_directory_must_exist_inside() {
        let files = some_run(Level::Auto, &[]).plan.files;
        for good in ["/w", "/w/a/b", "/home/u", "/home", "/tmp", "/"] {
            assert!(inside(Path::new(good), &files).is_ok(), "{good}");
        }
        for bad in ["/w/secret", "/w/secret/x", "/hom", "/home/u/x", "/tmp/x", "w", "/w/../etc"] {
            assert!(matches!(inside(Path::new(bad), &files), Err(Error::WorkingDirectory { .. })), "{bad}");
        }
    }
}
