//! The flags that say policy: one for each field of the language, from the same rows as its parser.
//! Not the meaning of a value: the policy crate reads flags as it reads files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_plan::{Field, Plan};
use ringfence_policy::{Composed, FIELDS, FieldSpec, Flag, Kind, Places, Request};

use crate::failure::Failure;
use crate::inside;

/// `command` with a flag for each field, and those about policy as a whole.
pub(crate) fn add(command: Command) -> Command {
    let policy = Arg::new(POLICY)
        .long(POLICY)
        .value_name("FILE")
        .action(ArgAction::Append)
        .value_parser(value_parser!(PathBuf))
        .help("Policy file; repeatable [default: ringfence.toml here or above, else the built-in policy]");
    command.arg(policy.help_heading(HEADING)).args(layers()).args(FIELDS.iter().filter_map(flag))
}

/// What names further layers, each the user's own file or a preset.
fn layers() -> [Arg; 4] {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).help_heading(LAYERS)
    };
    [
        text(LAYER, "FILE", "One more policy that adds, or ceiling that narrows; repeatable")
            .action(ArgAction::Append)
            .value_parser(value_parser!(PathBuf)),
        text(
            "agent",
            "NAME",
            "The agent: ~/.config/ringfence/agents/NAME.toml, else the preset; sets $AGENT",
        ),
        text("task", "ID", "The task: ~/.config/ringfence/tasks/ID.toml if it is there; sets $TASK"),
        text(
            "stage",
            "NAME",
            "The stage: ~/.config/ringfence/stages/NAME.toml, else the preset; decides `when.stage`",
        ),
    ]
}

/// `--break-glass`, for what starts a command.
pub(crate) fn add_break_glass(command: Command) -> Command {
    let glass = Arg::new(GLASS)
        .long(GLASS)
        .value_name("REASON")
        .help("Lift what the machine ceiling lets you lift, for this run; the reason is recorded")
        .help_heading(LAYERS);
    command.arg(glass)
}

/// `--cwd` and `--allow-unenforced`, which are about the run and not about the policy.
pub(crate) fn add_run(command: Command) -> Command {
    let cwd = Arg::new(CWD)
        .long(CWD)
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("Start the command there; grants nothing [default: the current directory]");
    add_allow(command.arg(cwd))
}

/// `--allow-unenforced` alone.
pub(crate) fn add_allow(command: Command) -> Command {
    let allow = Arg::new(ALLOW)
        .long(ALLOW)
        .value_name("FIELD")
        .action(ArgAction::Append)
        .value_parser(fields())
        .hide_possible_values(true)
        .help("Run even though this host cannot hold the field; repeatable");
    command.arg(allow)
}

/// The plan that files and flags make, and what it was compiled from.
pub(crate) fn plan(matches: &ArgMatches) -> Result<(Plan, Composed), Failure> {
    let sources = ringfence_policy::load(&request(matches)?)?;
    let composed = ringfence_policy::compose(sources)?;
    let plan = ringfence_policy::compile(&composed)?;
    ringfence_policy::check_links(&composed, &plan)?;
    Ok((plan, composed))
}

/// Where the command starts.
pub(crate) fn working_directory(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    let here = current_directory()?;
    match matches.get_one::<PathBuf>(CWD) {
        // Resolved once, here: grants are compared with the real path.
        Some(there) => here.join(there).canonicalize().map_err(|source| Failure::Io {
            what: format!("start in {}", there.display()),
            source,
            hint: Some("--cwd takes a directory that exists and that the policy grants".into()),
        }),
        None => Ok(here),
    }
}

/// The fields that `--allow-unenforced` names.
pub(crate) fn allowed(matches: &ArgMatches) -> Vec<Field> {
    matches.get_many(ALLOW).into_iter().flatten().copied().collect()
}

/// The request for the policy of the current directory.
pub(crate) fn request(matches: &ArgMatches) -> Result<Request, Failure> {
    let mut request = surroundings(current_directory()?);
    request.policy_files = matches.get_many(POLICY).into_iter().flatten().cloned().collect();
    request.layers = matches.get_many(LAYER).into_iter().flatten().cloned().collect();
    let named = |name: &str| matches.get_one::<String>(name).cloned();
    (request.agent, request.task, request.stage) = (named("agent"), named("task"), named("stage"));
    request.break_glass = matches.try_get_one::<String>(GLASS).ok().flatten().cloned();
    request.flags = typed(matches);
    request.parent = inside::plan()?;
    Ok(request)
}

/// The request of this user in `cwd`, without files and flags.
pub(crate) fn surroundings(cwd: PathBuf) -> Request {
    let caller_env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // What to make of a HOME that is missing or no path is the policy crate's decision.
    let home = caller_env.get("HOME").map(PathBuf::from).unwrap_or_default();
    let user = caller_env.get("USER").or(caller_env.get("LOGNAME")).cloned().unwrap_or_default();
    Request { cwd, home, user, caller_env, ..Request::default() }
}

/// Where this user's records are.
pub(crate) fn state() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    Places::of_home(&home).state()
}

const POLICY: &str = "policy";
const CWD: &str = "cwd";
const ALLOW: &str = "allow-unenforced";
const LAYER: &str = "layer";
const GLASS: &str = "break-glass";
const HEADING: &str = "Policy, each as in ringfence.toml";
const LAYERS: &str = "Further layers of policy";

pub(crate) fn current_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|source| Failure::Io {
        what: "find the current directory".into(),
        source,
        hint: Some("cd to a directory that exists".into()),
    })
}

fn flag(spec: &'static FieldSpec) -> Option<Arg> {
    let long = spec.flag?.strip_prefix("--")?;
    let arg = Arg::new(spec.key)
        .long(long)
        .value_name(value_name(spec.kind))
        .help(help(spec))
        .help_heading(HEADING)
        .value_parser(StringValueParser::new());
    // Repeated single values go to the policy crate too: the last one counts there, as between files.
    let arg = arg.action(ArgAction::Append).allow_hyphen_values(false);
    Some(match spec.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Network => arg.value_parser(["none", "rules", "host"]).hide_possible_values(true),
        Kind::Level => arg.value_parser(["auto", "process", "namespaces"]).hide_possible_values(true),
        _ => arg,
    })
}

fn help(spec: &FieldSpec) -> String {
    let mut letters = spec.help.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let repeatable = if spec.repeatable { "; repeatable" } else { "" };
    format!("{first}{}{repeatable}", letters.as_str())
}

/// What stands for the value in help.
pub(crate) fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Workspace => "DIR",
        Kind::Path => "PATH",
        Kind::PathPattern => "PATTERN",
        Kind::Variable | Kind::Variables => "NAME[=VALUE]",
        Kind::Network => "none|rules|host",
        Kind::Endpoint => "HOST[:PORT]",
        Kind::Host => "HOST",
        Kind::Publish => "[OUTSIDE:]INSIDE",
        Kind::Listen | Kind::HostPort => "PORT",
        Kind::Proxy | Kind::Resolver => "URL",
        Kind::Http | Kind::Credential | Kind::Budget | Kind::Secret => "TABLE",
        Kind::EncryptedHello => "allow|refuse",
        Kind::Audit => "DESTINATION",
        Kind::Key => "KEY",
        Kind::User => "USER",
        Kind::FieldName => "FIELD",
        Kind::Size => "SIZE",
        Kind::Count | Kind::Processors => "NUMBER",
        Kind::Duration => "DURATION",
        Kind::Switch => "BOOL",
        Kind::Level => "LEVEL",
    }
}

/// The flags as typed, for the policy crate to read.
fn typed(matches: &ArgMatches) -> Vec<Flag> {
    let mut flags = Vec::new();
    for spec in FIELDS {
        let Some(long) = spec.flag else { continue };
        for value in matches.get_many::<String>(spec.key).into_iter().flatten() {
            flags.push(Flag { key: spec.key, value: value.clone(), typed: format!("{long} {value}") });
        }
    }
    flags
}

fn fields() -> impl TypedValueParser<Value = Field> {
    clap::builder::PossibleValuesParser::new(Field::ALL.iter().map(|field| PossibleValue::new(field.name())))
        .try_map(|name| name.parse::<Field>())
}

/// The trailing command of a verb.
pub(crate) fn trailing(help: &'static str) -> Arg {
    Arg::new("command")
        .value_name("COMMAND")
        .num_args(1..)
        .trailing_var_arg(true)
        .value_parser(OsStringValueParser::new())
        .help(help)
}
