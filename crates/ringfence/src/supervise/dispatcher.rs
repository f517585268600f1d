//! The one loop that owns the state of a run: everything that happens arrives here and is answered here.
//! It waits in poll(2) and nowhere else, and wakes only when something happened or is due.

mod wait;

use std::time::{Duration, Instant};

use ringfence_backend::limits::GRACE_MS;
use ringfence_backend::signals::Signals;
use ringfence_enter::protocol::{FromInit, ToInit};
use ringfence_plan::{Ending, Event, Limit, Plan};
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};

use self::wait::Source;
use super::cgroup::Groups;
use super::gateway::Gateway;
use super::inspector::Inspector;
use super::output::Output;
use super::owner::Owner;
use super::sandbox::Sandbox;
use super::terminal::Terminal;
use super::watch::Watch;
use crate::error::Error;
use crate::outcome::{EventLog, Outcome};

/// Messages of init taken at once, so that a flood of refusals does not keep a signal or a deadline waiting.
const BATCH: usize = 64;

/// After everything inside is dead, how long a descriptor that somebody still holds may stay silent.
const LINGER: Duration = Duration::from_millis(200);

/// Once the command has ended, how long init may take to follow.
const TEAR_DOWN: Duration = Duration::from_secs(5);

/// The state of one run.
///
/// The order of the fields is the order of their end: terminal first, so that whatever is said later is readable; then
/// the processes, then the groups that they were in, then this thread's signal mask.
pub(super) struct Dispatcher<'a> {
    pub(super) terminal: Option<Terminal>,
    pub(super) outputs: Vec<Output>,
    pub(super) sandbox: Sandbox,
    pub(super) gateway: Option<Gateway>,
    pub(super) inspector: Option<Inspector>,
    pub(super) owner: Option<Owner>,
    pub(super) groups: Groups,
    pub(super) signals: Signals,
    pub(super) watch: Option<Watch>,
    pub(super) plan: &'a Plan,
    pub(super) program: String,
    pub(super) backend: &'static str,
    pub(super) log: EventLog<'a>,
    pub(super) started: Instant,
    pub(super) due: Due,
    /// Bytes that may still be written.
    pub(super) output_left: u64,
    pub(super) end: End,
}

/// What is done when its time comes.
pub(super) struct Due {
    /// SIGTERM: the plan's time is up.
    time_limit: Option<Instant>,
    /// SIGKILL: the grace after that, or init's time to follow its command.
    kill: Option<Instant>,
    /// Giving up on descriptors that stay open.
    linger: Option<Instant>,
}

impl Due {
    pub(super) fn at(time_limit: Option<Instant>) -> Due {
        Due { time_limit, kill: None, linger: None }
    }
}

/// How the run ends, as far as it is known.
#[derive(Default)]
pub(super) struct End {
    /// What init said of the command.
    command: Option<Ending>,
    /// The limit for which we ended it.
    limit: Option<Limit>,
    /// Why the command was never started.
    failure: Option<Error>,
    /// Whether it was.
    started: bool,
    /// The signal that came before: it would have ended the command, and it ended the set-up.
    early_signal: Option<i32>,
    /// Init is dead, and with it everything inside.
    dead: bool,
}

impl Dispatcher<'_> {
    /// Runs until nothing is left, and says how it was.
    pub(super) fn run(mut self) -> Result<Outcome, Error> {
        while !self.is_over() {
            let woken = self.wait().map_err(Error::supervise("wait for the sandbox"))?;
            for source in woken {
                self.handle(source)?;
            }
            self.do_what_is_due();
        }
        self.finish()
    }

    fn handle(&mut self, source: Source) -> Result<(), Error> {
        match source {
            Source::Control => self.hear_init()?,
            Source::Init => self.bury(),
            Source::Signals => self.forward_signals()?,
            Source::OutOfMemory => self.stop(Limit::Memory),
            Source::Gateway => self.hear_gateway(),
            Source::Inspector => {
                if let Some(inspector) = &mut self.inspector {
                    inspector.hear(&mut self.log);
                }
            }
            Source::Owner => {
                if let (Some(owner), Some(gateway)) = (&mut self.owner, &self.gateway) {
                    owner.serve(gateway, &mut self.log);
                }
            }
            Source::Output(index) => {
                if self.outputs[index].advance(&mut self.output_left) {
                    self.stop(Limit::Output);
                }
                self.touch_linger();
            }
            Source::Keyboard | Source::InnerOutput | Source::InnerRoom | Source::Screen => {
                self.relay_terminal(source)
            }
        }
        Ok(())
    }

    fn hear_init(&mut self) -> Result<(), Error> {
        for _ in 0..BATCH {
            let message = self.sandbox.receive().map_err(Error::supervise("read from the sandbox"))?;
            let Some(message) = message else { return Ok(()) };
            match message {
                FromInit::Ready if self.terminal.is_some() => self.sandbox.send(ToInit::Go),
                FromInit::Ready => {}
                FromInit::Started { .. } => self.end.started = true,
                FromInit::Failed(error) => {
                    let rule = error.rule.map(|rule| self.plan.rule(rule).to_string());
                    let backend = self.backend;
                    self.end.failure = Some(Error::SetUp { backend, source: error.into(), rule });
                }
                FromInit::ExecFailed { errno } => {
                    let source = std::io::Error::from_raw_os_error(errno);
                    self.end.failure = Some(Error::Execute { program: self.program.clone(), source });
                }
                FromInit::Terminal(master) => {
                    if let Some(terminal) = &mut self.terminal {
                        terminal.connect(master);
                    }
                }
                FromInit::Denied { operation, path, rule, pid } => {
                    self.log.denied(&Event::Denied { operation, path, rule, pid });
                }
                FromInit::Missed { refusals } => self.log.missed_refusals(refusals),
                FromInit::Stopped { signal } => self.suspend(signal),
                FromInit::Exited { code } => self.command_ended(Ending::Exited(code)),
                FromInit::Signaled { signal } => self.command_ended(Ending::Signaled(signal)),
            }
        }
        Ok(())
    }

    fn hear_gateway(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        let taken = gateway.hear(&mut self.log);
        if let Some(owner) = &mut self.owner {
            (0..taken).for_each(|_| owner.taken());
            if gateway.fd().is_none() {
                owner.lost();
            }
        }
    }

    fn command_ended(&mut self, ending: Ending) {
        self.end.command = Some(ending);
        self.due.kill = Some(Instant::now() + TEAR_DOWN);
    }

    /// Init is dead: what it said before is still in the channel, what was written before is in the pipes.
    fn bury(&mut self) {
        self.end.dead = true;
        self.due = Due::at(None);
        self.touch_linger();
    }

    fn forward_signals(&mut self) -> Result<(), Error> {
        while let Some(number) = self.signals.next().map_err(Error::supervise("read signals"))? {
            match (number, &mut self.terminal) {
                (libc::SIGPIPE, _) => {}
                (libc::SIGWINCH, Some(terminal)) => terminal.resize(),
                (libc::SIGCONT, Some(terminal)) => {
                    terminal.enter();
                    terminal.resize();
                    self.sandbox.send(ToInit::Signal(number));
                }
                _ => {
                    if !self.end.started
                        && matches!(number, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
                    {
                        self.end.early_signal = Some(number);
                    }
                    self.sandbox.send(ToInit::Signal(number));
                }
            }
        }
        Ok(())
    }

    /// The command was stopped, so we stop as well: to the shell outside we are the job. Comes back when continued.
    /// Without a terminal nobody controls jobs and nobody may ever continue us, while other processes of the sandbox run on
    /// past every limit: then the command alone stays stopped, until the time is up.
    fn suspend(&mut self, signal: i32) {
        if !has_controlling_terminal() {
            return;
        }
        let raw = self.terminal.as_ref().is_some_and(Terminal::is_raw);
        if let Some(terminal) = &mut self.terminal {
            terminal.leave();
        }
        if raw && signal == libc::SIGTSTP {
            // The key went to the command alone; the rest of our job (a pipeline) is stopped as the key would have.
            let _ = kill_current_process_group(Signal::TSTP);
        }
        let _ = kill_process(getpid(), Signal::STOP);
        // Continued. Our own SIGTSTP and the SIGCONT are not for the command.
        while matches!(self.signals.next(), Ok(Some(libc::SIGTSTP | libc::SIGCONT))) {}
        if let Some(terminal) = &mut self.terminal {
            terminal.enter();
            terminal.resize();
        }
        self.sandbox.send(ToInit::Continue);
    }

    fn relay_terminal(&mut self, source: Source) {
        let Some(terminal) = &mut self.terminal else { return };
        match source {
            Source::Keyboard => terminal.read_keys(),
            Source::InnerRoom => terminal.write_keys(),
            Source::InnerOutput => {
                let len = terminal.read_screen() as u64;
                if len > self.output_left {
                    terminal.keep(self.output_left as usize);
                    self.output_left = 0;
                    self.stop(Limit::Output);
                } else {
                    self.output_left -= len;
                }
            }
            _ => terminal.write_screen(),
        }
        self.touch_linger();
    }

    /// Ends the run because a limit is exceeded.
    fn stop(&mut self, limit: Limit) {
        if self.end.limit.is_none() {
            self.end.limit = Some(limit);
            self.log.limit_reached(limit, allowed(self.plan, limit));
        }
        self.due.time_limit = None;
        self.sandbox.kill();
        if limit == Limit::Output {
            self.outputs.iter_mut().for_each(Output::close);
        }
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.due.time_limit) {
            self.due.time_limit = None;
            self.end.limit = Some(Limit::Time);
            self.log.limit_reached(Limit::Time, allowed(self.plan, Limit::Time));
            self.sandbox.send(ToInit::Signal(libc::SIGTERM));
            // A stopped command could not hear it.
            self.sandbox.send(ToInit::Signal(libc::SIGCONT));
            self.due.kill = Some(now + Duration::from_millis(GRACE_MS));
        }
        if is_due(self.due.kill) {
            self.due.kill = None;
            self.sandbox.kill();
        }
        if self.end.limit.is_none()
            && !self.end.dead
            && is_due(self.watch.as_ref().map(Watch::next))
            && let Some(limit) =
                self.watch.as_mut().and_then(|watch| watch.measure(|| self.sandbox.scratch_size()))
        {
            self.stop(limit);
        }
        if let Some(terminal) = self.terminal.as_mut().filter(|terminal| is_due(terminal.next())) {
            terminal.retake();
        }
        if is_due(self.due.linger) {
            self.due.linger = None;
            self.outputs.iter_mut().for_each(Output::close);
            if let Some(terminal) = &mut self.terminal {
                terminal.end();
            }
        }
    }

    /// What moved may move on: only silence ends the wait for the last bytes.
    fn touch_linger(&mut self) {
        if self.end.dead {
            self.due.linger = Some(Instant::now() + LINGER);
        }
    }

    fn is_over(&self) -> bool {
        self.end.dead
            && self.sandbox.control().is_none()
            && self.outputs.iter().all(Output::is_done)
            && self.terminal.as_ref().is_none_or(Terminal::is_done)
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        let how = self.sandbox.reap();
        if let Some(gateway) = self.gateway.take() {
            gateway.finish(&mut self.log);
        }
        // It ends when the gateway has.
        if let Some(inspector) = self.inspector.take() {
            inspector.finish(&mut self.log);
        }
        if self.groups.ran_out_of_processes() {
            self.log.limit_reached(Limit::Processes, allowed(self.plan, Limit::Processes));
        }
        if self.groups.ran_out_of_memory() {
            self.log.limit_reached(Limit::Memory, allowed(self.plan, Limit::Memory));
            if matches!(self.end.command, None | Some(Ending::Signaled(libc::SIGKILL))) {
                self.end.limit.get_or_insert(Limit::Memory);
            }
        }
        let peak = self.groups.peak_memory().or(self.watch.as_ref().and_then(Watch::peak_memory));
        let End { command, limit, failure, early_signal, .. } = self.end;
        let ending = match (limit, failure, command.or(early_signal.map(Ending::Signaled))) {
            (Some(limit), _, _) => Ending::Stopped(limit),
            (None, Some(failure), _) => return Err(failure),
            (None, None, Some(ending)) => ending,
            (None, None, None) => return Err(Error::Lost { how }),
        };
        Ok(self.log.into_outcome(ending, self.started.elapsed(), peak))
    }
}

/// The limit of the plan in words.
fn allowed(plan: &Plan, limit: Limit) -> String {
    let limits = &plan.limits;
    let words = match limit {
        Limit::Memory => limits.memory.or(limits.swap).map(|bytes| bytes.to_string()),
        Limit::Processes => limits.processes.map(|count| format!("{count} processes")),
        Limit::Time => limits.time.map(|time| time.to_string()),
        Limit::Output => limits.output.map(|bytes| bytes.to_string()),
        Limit::Tmp => Some(limits.tmp.to_string()),
    };
    words.unwrap_or_default()
}

/// Opening /dev/tty fails without one (tty(4)).
fn has_controlling_terminal() -> bool {
    use rustix::fs::{Mode, OFlags, open};
    open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).is_ok()
}
