//! The main path: a plan is lowered by the strongest backend that holds it, then run. Decides who runs it; the doing is
//! `supervise`.

use std::ffi::OsString;
use std::path::PathBuf;

use ringfence_backend::{ALL, Backend, Lowered};
use ringfence_plan::{Audit, Event, Field, Host, Level, Plan, Verdicts};

use crate::command_line::CommandLine;
use crate::error::Error;
use crate::live::Bound;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::refused::{BackendRefusal, Refused, Unheld};
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
    Err(Refused::new(refusals, holding, &run.host).of(&run.plan))
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

#[cfg(all(test, target_os = "linux"))]
pub(crate) mod tests;
