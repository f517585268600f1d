//! The process inside the fence from its first line on: has itself shut in, starts the command, reaps, forwards, brokers, and
//! takes everything down when the command ends. What shuts it in is in `set_up`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::broker::Broker;
use crate::command::{self, NotStarted, Started};
use crate::fence::{Command, Confinement, Fence, SetUpError, Step};
use crate::inbound::Inbound;
use crate::protocol::{Control, FromInit, ToInit};
use crate::set_up::{Ready, set_up};
use crate::steps::During;
use crate::sys::clone::{exit_now, signal_descriptor};

/// Shuts this process in, runs the command, and ends. `ids` are the caller's user and group on the host.
///
/// To be called in a process of its own: cloned into [`crate::sys::clone::NAMESPACES`], or plainly for the `process`
/// confinement.
pub fn enter(fence: &Fence, mut command: Command, control: Control, caller: (u32, u32)) -> ! {
    let outcome = set_up(fence, &mut command, &control, caller).and_then(|ready| {
        if command.wait_for_go {
            control.report(&FromInit::Ready).during(Step::Control)?;
            wait_for_go(&control)?;
        }
        Ok(ready)
    });
    let ready = match outcome {
        Ok(ready) => ready,
        Err(error) => fail(&control, FromInit::Failed(error)),
    };
    match command::start(fence, &command, ready.terminal) {
        Ok(started) => {
            drop(command);
            Init::new(fence, ready, control, started).run()
        }
        Err(NotStarted::SetUp(error)) => fail(&control, FromInit::Failed(error)),
        Err(NotStarted::Exec(errno)) => fail(&control, FromInit::ExecFailed { errno }),
    }
}

fn fail(control: &Control, message: FromInit) -> ! {
    // Nobody to tell means nobody to tell it to.
    let _ = control.report(&message);
    exit_now(125)
}

fn wait_for_go(control: &Control) -> Result<(), SetUpError> {
    loop {
        poll(&mut [PollFd::new(&control.fd(), PollFlags::IN)], None).during(Step::Control)?;
        match control.receive_order().during(Step::Control)? {
            Some(ToInit::Go) => return Ok(()),
            // A signal that came before the command: it would have ended it.
            Some(ToInit::Signal(_)) => exit_now(125),
            Some(ToInit::Continue) | None => {}
        }
    }
}

/// Init while the command runs.
struct Init {
    control: Control,
    command: Pid,
    broker: Option<Broker>,
    /// Makes sockets for the gateway.
    inbound: Option<Inbound>,
    /// Whether what is left has to be hunted down, because no pid namespace ends with this process.
    hunts: bool,
}

impl Init {
    fn new(fence: &Fence, ready: Ready, control: Control, started: Started) -> Init {
        let broker = started.listener.map(|listener| Broker::new(fence, &ready.linked, listener));
        let hunts = matches!(fence.confinement, Confinement::Process);
        Init { control, command: started.pid, broker, inbound: ready.inbound, hunts }
    }

    fn run(mut self) -> ! {
        let pid = self.command.as_raw_nonzero().get() as u32;
        let _ = self.control.report(&FromInit::Started { pid });
        release_stdio();
        let _ = rustix::process::chdir("/");
        let children = match signal_descriptor(&[libc::SIGCHLD]) {
            Ok(descriptor) => descriptor,
            Err(_) => self.end(FromInit::Signaled { signal: libc::SIGKILL }),
        };
        // A child that ended before the signal was blocked has left no trace on the descriptor.
        self.reap();
        loop {
            let Some(ready) = self.wait(&children) else { continue };
            if !ready[1].is_empty() {
                self.obey();
            }
            match ready[2] {
                flags if flags.contains(PollFlags::IN) => {
                    self.broker.iter_mut().for_each(|broker| broker.serve(&self.control));
                }
                // Nobody is left who could call: without this, the hang-up would be reported for ever.
                flags if !flags.is_empty() => self.broker = None,
                _ => {}
            }
            if !ready[3].is_empty() && self.inbound.as_ref().is_some_and(|inbound| inbound.serve().is_err()) {
                self.inbound = None;
            }
            if !ready[0].is_empty() {
                let _ = rustix::io::read(&children, &mut [0_u8; 128 * 8]);
                self.reap();
            }
        }
    }

    /// What happened to whom: children, control, the broker's listener, the gateway's channel.
    fn wait(&self, children: &OwnedFd) -> Option<[PollFlags; 4]> {
        let descriptors = [
            Some(children.as_fd()),
            Some(self.control.fd()),
            self.broker.as_ref().map(Broker::fd),
            self.inbound.as_ref().map(Inbound::fd),
        ];
        let watch = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut watched: Vec<PollFd<'_>> = descriptors.iter().flatten().copied().map(watch).collect();
        poll(&mut watched, None).ok()?;
        let mut happened = watched.iter().map(PollFd::revents);
        Some(descriptors.map(|fd| fd.and_then(|_| happened.next()).unwrap_or(PollFlags::empty())))
    }

    fn obey(&mut self) {
        match self.control.receive_order() {
            Ok(Some(ToInit::Signal(number))) => self.signal(number),
            Ok(Some(ToInit::Continue)) => {
                let _ = rustix::process::kill_process_group(self.command, Signal::CONT);
            }
            Ok(Some(ToInit::Go) | None) => {}
            // The supervisor is gone: so is its sandbox.
            Err(_) => self.end(FromInit::Signaled { signal: libc::SIGKILL }),
        }
    }

    fn signal(&self, number: i32) {
        if let Some(signal) = Signal::from_named_raw(number) {
            let _ = rustix::process::kill_process_group(self.command, signal);
        }
    }

    fn reap(&mut self) {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        while let Ok(Some((pid, status))) = rustix::process::wait(options) {
            if pid == self.command {
                self.tell(status);
            }
        }
    }

    fn tell(&mut self, status: WaitStatus) {
        if let Some(signal) = status.stopping_signal() {
            let _ = self.control.report(&FromInit::Stopped { signal });
        } else if let Some(code) = status.exit_status() {
            self.end(FromInit::Exited { code: code as u8 });
        } else if let Some(signal) = status.terminating_signal() {
            self.end(FromInit::Signaled { signal });
        }
    }

    fn end(&mut self, message: FromInit) -> ! {
        if self.hunts {
            end_all_children();
        }
        let _ = self.control.report(&message);
        exit_now(0)
    }
}

/// Init keeps none of the command's streams open: their readers wait for the end of file.
fn release_stdio() {
    // For reading only, which no broker has to be asked for; nothing is written here.
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Kills until nothing is left: what a killed parent leaves behind becomes a child of this process.
fn end_all_children() {
    loop {
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}
