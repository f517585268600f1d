//! One run from launch to end. Decides nothing about the fence: that is lowered before it comes here.

mod audit;
mod cgroup;
mod change;
mod dispatcher;
mod flow;
mod gateway;
mod inspector;
mod journal;
mod network;
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
mod trust;
mod watch;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use ringfence_backend::Command;
use ringfence_backend::limits::Group;
use ringfence_backend::signals::Signals;
use ringfence_enter::StdioSource;
use ringfence_enter::protocol::ToInit;
use ringfence_plan::Event;

use self::cgroup::Groups;
use self::change::Current;
use self::dispatcher::{Dispatcher, Due, End};
use self::journal::Journal;
use self::network::Network;
use self::output::Output;
use self::owner::Owner;
use self::sandbox::Sandbox;
use self::terminal::Terminal;
use self::watch::Watch;
use crate::command_line::CommandLine;
use crate::error::Error;
use crate::live::About;
use crate::outcome::{EventLog, Outcome};
use crate::run::Job;

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
fn attend<'a>(mut job: Job<'a>, log: EventLog<'a>) -> Result<Outcome, Error> {
    let started = Instant::now();
    let Job { backend, plan, allow_unenforced, record, .. } = job;
    let bounds = job.bounds.take();
    let program = job.command.argv[0].to_string_lossy().into_owned();
    let held = job.lowered.limits().clone();
    // Rules of a network that is not captured cannot be changed, so that nobody has to know the run.
    let about = job.lowered.is_captured().then(|| about(&job.command));
    let listened = job.lowered.listened().map(<[u16]>::to_vec);

    let signals = Signals::block(&HEARD, &UNHEARD).map_err(Error::supervise("block signals"))?;
    let launched = launch(job, held.groups)?;
    let Launched { mut groups, terminal, mut outputs, network, sandbox, waits, caller_env } = launched;
    let (mut gateway, inspector) = network.serve(plan, caller_env)?;
    // A run whose socket cannot be made runs without.
    let owner = match (bounds, &record.state, about) {
        (Some(bounds), Some(state), Some(about)) => {
            let rules = Current::new(plan.network.clone(), plan.rules.clone(), listened);
            Owner::open(state, about, rules, bounds).ok()
        }
        _ => None,
    };
    groups.confine(allow_unenforced)?;
    outputs.iter_mut().try_for_each(Output::open)?;
    if let Some(gateway) = &mut gateway {
        gateway.is_ready().map_err(Error::supervise("start the gateway"))?;
    }
    // With a terminal the loop says so, once the terminal is connected: its first modes must not overwrite the command's.
    if waits && terminal.is_none() {
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

/// A sandbox that is being set up, with what was made for it.
struct Launched<'a> {
    groups: Groups,
    terminal: Option<Terminal>,
    outputs: Vec<Output>,
    network: Network,
    sandbox: Sandbox,
    /// Whether the command waits for word from here.
    waits: bool,
    caller_env: &'a [(OsString, OsString)],
}

/// Makes what the sandbox is to find, and the sandbox.
fn launch(mut job: Job<'_>, groups: Vec<Group>) -> Result<Launched<'_>, Error> {
    let groups = Groups::make(groups, job.allow_unenforced)?;
    let mut stdio = [StdioSource::Inherit, StdioSource::Inherit, StdioSource::Inherit];
    let terminal = if job.terminal { Terminal::take_over(&mut stdio) } else { None };
    let outputs = if job.plan.limits.output.is_some() { Output::relay(&mut stdio)? } else { Vec::new() };
    let (network, inside) = Network::prepare(&mut job)?;
    let waits = terminal.is_some() || !groups.is_empty() || !outputs.is_empty() || network.is_gated();
    let Job { backend, lowered, command, caller_env, plan, .. } = job;
    let CommandLine { argv, env, cwd, temporary } = command;
    let command = Command {
        argv,
        env,
        cwd,
        temporary,
        // A path that is no UTF-8 is no JSON either: the file is then empty, and whoever reads it finds no plan.
        plan: serde_json::to_vec(&*plan.inside()).unwrap_or_default(),
        stdio,
        keep_fds: Vec::new(),
        terminal: terminal.is_some(),
        wait_for_go: waits,
        gateway: inside.gateway,
        roots: inside.roots,
        stand_ins: inside.stand_ins,
        cgroup: groups.birthplace()?,
    };
    let running = groups.launch_inside(|| {
        lowered.launch(command).map_err(|error| Error::Launch { backend, source: error.into() })
    })?;
    let sandbox = Sandbox::new(running, backend == "namespaces");
    Ok(Launched { groups, terminal, outputs, network, sandbox, waits, caller_env })
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
