//! Gathers what a run is decided by: ceilings, presets, policy files and flags, and what the machine has. All that a policy
//! needs of the disk is read here, by `discover`, `detect`, `groups` and `layers`.
//!
//! No judgement: what the statements amount to is composed from what is returned here.

use ringfence_plan::{AbsPath, Plan};

use crate::context::{Context, Request, Surroundings};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::discover;
use crate::layers::break_glass::{Allowance, Lifted};
use crate::layers::people::Account;
use crate::layers::places::Places;
use crate::layers::signature::PublicKey;
use crate::presets::Chosen;
use crate::read::{Facts, Hears};
use crate::source::{Author, Source, SourceId};
use crate::statement::{Statement, access_of};

mod account;
mod chain;
mod links;
mod named;
mod owned;
mod preset;
mod project;
mod reach;
mod registries;
mod text;

pub use project::Unsettled;

/// The name of a project's policy file.
pub(crate) const FILE_NAME: &str = "ringfence.toml";
/// The largest file that is read, in bytes: ten thousand rules are a twentieth of it.
pub(crate) const LARGEST: u64 = 16 << 20;
/// Where a caller without a HOME of use has his.
const NO_HOME: &str = "/home/agent";

/// All that was read and found; [`crate::compose()`] makes fields of it.
#[derive(Clone, Debug)]
pub struct Sources {
    pub(crate) context: Context,
    pub(crate) surroundings: Surroundings,
    pub(crate) texts: Vec<Source>,
    /// In the order of authority: what is extended, what extends it, flags.
    pub(crate) layers: Vec<Layer>,
    pub(crate) chosen: Vec<Chosen>,
    pub(crate) unsettled: Option<Unsettled>,
    pub(crate) lifted: Option<Lifted>,
    /// The plan of the sandbox around this run.
    pub(crate) parent: Option<Box<Plan>>,
}

/// Statements that stand or fall together.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) kind: LayerKind,
    pub(crate) part: Part,
    /// For people: `your policy ~/.config/ringfence/policy.toml`.
    pub(crate) name: String,
    pub(crate) statements: Vec<Statement>,
}

/// What a layer's statements do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerKind {
    /// Add up with those of other layers.
    Grants,
    /// Narrow what the others grant.
    Ceiling,
}

/// Which of the two readings a layer belongs to, where a project's policy is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Both.
    Always,
    /// As if the project had no policy.
    Without,
    /// As if its policy were the user's own.
    With,
}

/// Reads what `request` names, and what applies to everybody.
///
/// # Errors
/// A file that cannot be read, believed or understood, an `extends` that is missing or goes in a circle, a wrong flag:
/// all that is wrong with the first wrong file, or with the flags.
pub fn load(request: &Request) -> Result<Sources, Report> {
    let context = context(request)?;
    let found = discover::project(&context);
    let mut loader = Loader::new(request, &context);
    loader.project.clone_from(&found.root);
    loader.machine_ceilings()?;
    loader.user_ceiling()?;
    loader.user_policy()?;
    match request.policy_files.is_empty() && request.presets.is_empty() {
        true => loader.project_policy(found.root.as_ref())?,
        false => loader.named_policies()?,
    }
    loader.detected_presets(found.root.as_ref())?;
    loader.agent_stage_and_task()?;
    loader.named_layers()?;
    loader.refuse_what_is_the_machines()?;
    loader.flags()?;
    loader.registries()?;
    let mut surroundings =
        Surroundings { project: found.root, worktree: found.worktree, ..Surroundings::default() };
    loader.look_around(&mut surroundings);
    let Loader { texts, mut layers, chosen, unsettled, lifted, .. } = loader;
    // Presets come first, whoever asked for them: they are what people's words replace.
    let by_people =
        |layer: &Layer| layer.statements.first().is_some_and(|first| author_of(&texts, first).is_person());
    layers.sort_by_key(by_people);
    let parent = request.parent.clone().map(Box::new);
    Ok(Sources { context, surroundings, texts, layers, chosen, unsettled, lifted, parent })
}

/// Reads the ceilings alone: what bounds a plan that is not made of policies.
///
/// # Errors
/// As for [`load`].
pub(crate) fn ceilings(request: &Request) -> Result<Sources, Report> {
    let context = context(request)?;
    let mut loader = Loader::new(request, &context);
    loader.machine_ceilings()?;
    loader.user_ceiling()?;
    loader.refuse_what_is_the_machines()?;
    let mut surroundings = Surroundings::default();
    loader.look_around(&mut surroundings);
    let Loader { texts, layers, .. } = loader;
    let parent = request.parent.clone().map(Box::new);
    let (chosen, unsettled, lifted) = (Vec::new(), None, None);
    Ok(Sources { context, surroundings, texts, layers, chosen, unsettled, lifted, parent })
}

fn author_of(texts: &[Source], statement: &Statement) -> Author {
    match &statement.place {
        crate::statement::Place::BuiltIn(_) => Author::BuiltIn,
        crate::statement::Place::Written(span) => texts[span.source.0 as usize].author,
    }
}

/// The caller's places, in normal form.
pub(crate) fn context(request: &Request) -> Result<Context, Report> {
    let cwd = AbsPath::new(&request.cwd).map_err(|why| {
        Diagnostic::error(format!("the current directory {} {why}", quoted(request.cwd.display())))
    })?;
    // Service accounts have `/`, or nothing: a private HOME needs a place of its own.
    let home = AbsPath::new(&request.home).ok().filter(|home| *home != AbsPath::root());
    let home = home.or_else(|| AbsPath::new(NO_HOME).ok()).unwrap_or_else(AbsPath::root);
    let (user, agent, task) = (request.user.clone(), request.agent.clone(), request.task.clone());
    Ok(Context { cwd, home, user, agent, task })
}

/// What has been read so far.
pub(crate) struct Loader<'a> {
    request: &'a Request,
    context: &'a Context,
    project: Option<AbsPath>,
    places: Places,
    texts: Vec<Source>,
    layers: Vec<Layer>,
    chosen: Vec<Chosen>,
    unsettled: Option<Unsettled>,
    /// The machine's first ceiling, what it pins, and what it allows for.
    first_ceiling: Option<SourceId>,
    keys: Vec<PublicKey>,
    /// Who the machine says the user is, once a ceiling of its was read.
    account: Option<Account>,
    allowance: Option<Allowance>,
    lifted: Option<Lifted>,
    /// The caller's variables that moved a preset's root, and so pass.
    moved: Vec<String>,
    /// What the project's policy says under conditions that do not hold.
    dormant: Vec<Statement>,
    /// Whether a file that decides about presets says `extends`, and whether that names `default`.
    says_extends: [bool; 2],
    names_default: bool,
}

impl<'a> Loader<'a> {
    fn new(request: &'a Request, context: &'a Context) -> Loader<'a> {
        Loader {
            request,
            context,
            project: None,
            // The HOME that was told, not the name that stands in for a missing one: that may be another user's.
            places: request.places.clone().with_home(&request.home),
            texts: Vec::new(),
            layers: Vec::new(),
            chosen: Vec::new(),
            unsettled: None,
            first_ceiling: None,
            keys: Vec::new(),
            account: None,
            allowance: None,
            lifted: None,
            moved: Vec::new(),
            dormant: Vec::new(),
            says_extends: [false; 2],
            names_default: false,
        }
    }

    /// What files and presets are read against.
    fn with_facts<T>(&self, preset: bool, hears: Hears, read: impl FnOnce(&Facts<'_>) -> T) -> T {
        let search = self.request.caller_env.get("PATH").map_or("", String::as_str);
        let context = self.context;
        let host_has = |text: &str| discover::host_has(text, search, context);
        let heard = hears == Hears::Caller;
        let root = |name: &str| discover::root(name, &self.request.caller_env, context).filter(|_| heard);
        read(&Facts {
            os: std::env::consts::OS,
            stage: self.request.stage.as_deref(),
            host_has: &host_has,
            root: &root,
            hears,
            preset,
        })
    }

    /// Looks at the machine, as far as what was read makes it matter.
    fn look_around(&mut self, surroundings: &mut Surroundings) {
        let assume = self.request.assume_present;
        discover::system(surroundings, assume);
        surroundings.variables = std::mem::take(&mut self.moved);
        surroundings.variables.dedup();
        if !self.chosen.is_empty() || self.names_default {
            discover::search_path(surroundings, self.context, &self.request.caller_env);
        }
        let granted = |layer: &Layer| {
            let by_people = |statement: &Statement| {
                access_of(statement.field.key).is_some() && author_of(&self.texts, statement).is_person()
            };
            layer.kind == LayerKind::Grants && layer.statements.iter().any(by_people)
        };
        if self.layers.iter().any(granted) {
            discover::hidden(surroundings, self.context);
        }
        if !assume {
            self.follow_links(surroundings);
        }
    }
}
