//! One run from launch to end. Decides nothing about the fence: that is lowered before it comes here.

mod audit;
mod cgroup;
mod change;
mod dispatcher;
mod flow;
mod gateway;
mod inspector;
mod journal;
mod outpost;
mod output;
mod owner;
mod parent;
mod process_table;
mod program;
mod proxy;
mod published;
mod sandbox;
mod secrets;
mod terminal;
mod time;
mod watch;

use std::ffi::{CString, OsString};
use std::time::{Duration, Instant};

use ringfence_backend::Command;
use ringfence_backend::signals::Signals;
use ringfence_egress::budget::Ledger;
use ringfence_enter::protocol::ToInit;
use ringfence_enter::{Roots, StandIn, StdioSource, capture};
use ringfence_plan::{Event, NetworkMode, Plan};

use self::cgroup::Groups;
use self::dispatcher::{Dispatcher, Due, End};
use self::gateway::{Gateway, With};
use self::inspector::Inspector;
use self::journal::Journal;
use self::output::Output;
use self::owner::Owner;
use self::sandbox::Sandbox;
use self::secrets::Taken;
use self::terminal::Terminal;
use self::watch::Watch;
use crate::error::Error;
use crate::live::About;
use crate::outcome::{EventLog, Outcome};
use crate::run::{CommandLine, Job};

/// Signals that arrive in the loop. All are for the command but SIGPIPE, which tells what the failed write tells as well
/// and must not end us.
const HEARD: [i32; 10] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGWINCH,
    libc::SIGPIPE,
];

/// Signals by which a terminal stops a job of the background: we look before we touch it.
const UNHEARD: [i32; 2] = [libc::SIGTTOU, libc::SIGTTIN];

/// Runs the job to its end, and writes down what is to be written down of it.
pub(crate) fn run(job: Job<'_>, on_event: &mut dyn FnMut(&Event)) -> Result<Outcome, Error> {
    let mut journal = Journal::begin(&job)?;
    let mut tell = |event: &Event| {
        journal.event(event);
        on_event(event);
    };
    let result = attend(job, EventLog::new(&mut tell));
    journal.end(result)
}

/// Launches the job and stays with it to its end.
fn attend<'a>(job: Job<'a>, log: EventLog<'a>) -> Result<Outcome, Error> {
    let started = Instant::now();
    let Job {
        backend,
        lowered,
        mut command,
        caller_env,
        plan,
        terminal,
        allow_unenforced,
        record,
        landlock,
        bounds,
    } = job;
    let owns_namespace = backend == "namespaces";
    let held = lowered.limits().clone();

    let signals = Signals::block(&HEARD, &UNHEARD).map_err(Error::supervise("block signals"))?;
    let mut groups = Groups::make(held.groups, allow_unenforced)?;
    let mut stdio = [StdioSource::Inherit, StdioSource::Inherit, StdioSource::Inherit];
    let terminal = if terminal { Terminal::take_over(&mut stdio) } else { None };
    let mut outputs = if plan.limits.output.is_some() { Output::relay(&mut stdio)? } else { Vec::new() };
    let program = command.argv[0].to_string_lossy().into_owned();
    // No other backend has a network of its own that could be captured.
    let captured = owns_namespace && plan.network.held_as() == NetworkMode::Rules;
    let gated = owns_namespace && plan.network.is_gated();
    // Rules of a network that is not captured cannot be changed, so that nobody has to know the run.
    let about = captured.then(|| about(&command));
    let channel = if gated {
        Some(capture::channel().map_err(Error::supervise("make the gateway's channel"))?)
    } else {
        None
    };
    let (to_gateway, hand_over) = channel.unzip();
    if let Some(asked) = &plan.network.parent {
        parent::keep_out(asked, caller_env, &mut command.env);
    }
    if captured {
        proxy::set_variables(&mut command.env, &plan.environment);
    }
    let ledger = Ledger::new(plan.network.budgets.clone()).map_err(Error::supervise("count budgets"))?;
    // Before the sandbox, which is a copy of this process: by then no value is left here.
    let introduced = match captured {
        true => {
            let wraps = parent::is_by_tls(plan, caller_env);
            introduce(plan, caller_env, (landlock, ledger.clone(), wraps), &mut command.env)?
        }
        false => Introductions::default(),
    };
    let Introductions { inspector, placeholders, roots, stand_ins } = introduced;
    let wait_for_go = terminal.is_some() || !groups.is_empty() || !outputs.is_empty() || gated;
    let command = Command {
        argv: command.argv,
        env: command.env,
        cwd: command.cwd,
        temporary: command.temporary,
        // A path that is no UTF-8 is no JSON either: the file is then empty, and whoever reads it finds no plan.
        plan: serde_json::to_vec(&*plan.inside()).unwrap_or_default(),
        stdio,
        keep_fds: Vec::new(),
        terminal: terminal.is_some(),
        wait_for_go,
        gateway: to_gateway,
        roots,
        stand_ins,
        cgroup: groups.birthplace()?,
    };
    let running = groups.launch_inside(|| {
        lowered.launch(command).map_err(|error| Error::Launch { backend, source: error.into() })
    })?;

    let sandbox = Sandbox::new(running, owns_namespace);
    // After the sandbox, which then has no descriptor of the gateway's and no secret of the proxy's, and beside its set-up.
    let proxy = if captured { parent::of(plan, caller_env)? } else { None };
    let to_inspector = inspector.as_ref().map(Inspector::connect).transpose();
    let to_inspector = to_inspector.map_err(Error::supervise("join gateway and inspector"))?;
    let with = With { ledger, parent: proxy, inspector: to_inspector, placeholders };
    let mut gateway = hand_over
        .map(|hand_over| Gateway::start(plan, with, landlock, hand_over))
        .transpose()
        .map_err(Error::supervise("start the gateway"))?;
    if let Some(gateway) = &gateway {
        // Here, so that neither the sandbox nor the gateway's other channels keep a port open that the run has given up.
        let published = published::open(plan)?;
        gateway.publish(published).map_err(Error::supervise("give the gateway its ports"))?;
    }
    // A run whose socket cannot be made runs without.
    let owner = match (bounds, &record.state, about) {
        (Some(bounds), Some(state), Some(about)) => Owner::open(state, about, plan, bounds).ok(),
        _ => None,
    };
    groups.confine(allow_unenforced)?;
    outputs.iter_mut().try_for_each(Output::open)?;
    if let Some(gateway) = &mut gateway {
        gateway.is_ready().map_err(Error::supervise("start the gateway"))?;
    }
    // With a terminal the loop says so, once the terminal is connected: its first modes must not overwrite the command's.
    if wait_for_go && terminal.is_none() {
        sandbox.send(ToInit::Go);
    }
    groups.sweep();
    let time_limit = plan.limits.time.map(|limit| started + Duration::from_millis(limit.0));
    let dispatcher = Dispatcher {
        watch: Watch::new(held.watched, sandbox.pid().as_raw_nonzero().get() as u32),
        due: Due::at(time_limit),
        output_left: plan.limits.output.map_or(u64::MAX, |limit| limit.0),
        end: End::default(),
        plan,
        terminal,
        outputs,
        sandbox,
        gateway,
        inspector,
        owner,
        groups,
        signals,
        program,
        backend,
        log,
        started,
    };
    dispatcher.run()
}

/// What an inspector brings with it.
#[derive(Default)]
struct Introductions {
    inspector: Option<Inspector>,
    placeholders: Vec<String>,
    roots: Option<Roots>,
    stand_ins: Vec<StandIn>,
}

/// Starts the inspector, if the plan asks for one, and gives the command what it is to know of it.
fn introduce(
    plan: &Plan,
    caller_env: &mut Vec<(OsString, OsString)>,
    (landlock, ledger, wraps): (u32, Ledger, bool),
    env: &mut Vec<CString>,
) -> Result<Introductions, Error> {
    let own_roots = inspector::own_roots(caller_env);
    let taken = Taken::of(&plan.network.credentials, caller_env);
    let start = inspector::Start { plan, landlock, ledger, taken, own_roots, wraps, env };
    let Some(introduced) = Inspector::start(start)? else { return Ok(Introductions::default()) };
    let inspector::Introduced { inspector, placeholders, roots } = introduced;
    let (variables, stand_ins) = inspector::shown(plan, &placeholders);
    for (name, text) in variables {
        let prefix = format!("{name}=");
        env.retain(|variable| !variable.as_bytes().starts_with(prefix.as_bytes()));
        env.extend(CString::new(prefix + &text));
    }
    Ok(Introductions { inspector: Some(inspector), placeholders, roots, stand_ins })
}

/// What a run is to be known by to its owner while it is under way; it gets its name from its socket.
fn about(command: &CommandLine) -> About {
    About {
        id: String::new(),
        time: time::now(),
        cwd: command.cwd.to_string(),
        argv: command.argv.iter().map(|argument| argument.to_string_lossy().into_owned()).collect(),
    }
}
