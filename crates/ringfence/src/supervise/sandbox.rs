//! The sandbox's first process, as the supervisor sees it: to be ended and reaped whatever happens.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ringfence_backend::{Running, Scratch};
use ringfence_enter::protocol::{Control, FromInit, ToInit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, pidfd_send_signal, waitid};

use super::process_table::ProcessTree;

/// How long init may take to end everything once its supervisor has hung up.
const PATIENCE: Duration = Duration::from_millis(500);

/// Init and everything below it. Dropping it leaves nothing.
pub(super) struct Sandbox {
    pid: Pid,
    pidfd: OwnedFd,
    /// `None` once either side has hung up.
    control: Option<Control>,
    /// Whether init's death is everybody's: it is the first process of a pid namespace.
    owns_namespace: bool,
    reaped: bool,
    /// The process backend's private directory: removed once nobody is left to use it.
    scratch: Option<Scratch>,
}

impl Sandbox {
    pub(super) fn new(running: Running, owns_namespace: bool) -> Sandbox {
        let Running { pid, pidfd, control, scratch } = running;
        Sandbox { pid, pidfd, control: Some(control), owns_namespace, reaped: false, scratch }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Readable once init is dead (pidfd_open(2)).
    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// What the run's own directory for temporary files takes up, bytes, where it has one.
    pub(super) fn scratch_size(&self) -> Option<u64> {
        self.scratch.as_ref().map(Scratch::size)
    }

    pub(super) fn control(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(Control::fd)
    }

    /// The next message, if one is there.
    pub(super) fn receive(&mut self) -> io::Result<Option<FromInit>> {
        let Some(control) = &mut self.control else { return Ok(None) };
        let answer = match control.receive() {
            // An init that ended with an order unread has reset the connection (ECONNRESET), and the kernel says so before
            // it hands out what init had said. A second look has its last words, or the end again.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => control.receive(),
            answer => answer,
        };
        match answer {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.control = None;
                Ok(None)
            }
            answer => answer,
        }
    }

    /// Tells init something; that it is gone already is for its descriptor to say.
    pub(super) fn send(&self, message: ToInit) {
        if let Some(control) = &self.control {
            let _ = control.send(message);
        }
    }

    /// Ends everything inside, now.
    pub(super) fn kill(&mut self) {
        if self.owns_namespace {
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            return;
        }
        // Without a namespace only init can tell its descendants from others' for sure: hanging up is the order.
        self.control = None;
        if !self.is_dead_within(PATIENCE) {
            self.kill_tree();
        }
    }

    /// How init ended. Only after its descriptor has said that it did.
    pub(super) fn reap(&mut self) -> String {
        self.reaped = true;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("its first process exited with code {code}"),
                (_, Some(signal)) => format!("signal {signal} ended its first process"),
                _ => "its first process is gone".into(),
            },
            Ok(None) => "its first process is gone".into(),
            Err(error) => format!("its first process cannot be waited for: {error}"),
        }
    }

    fn is_dead_within(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&timeout)) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// For an init that does not obey: stops every process first, so that none forks on while others are killed.
    fn kill_tree(&self) {
        let mut tree = ProcessTree::default();
        for signal in [Signal::STOP, Signal::STOP, Signal::KILL] {
            tree.measure(self.pid.as_raw_nonzero().get() as u32);
            for pid in tree.pids.iter().filter_map(|pid| Pid::from_raw(*pid as i32)) {
                let _ = kill_process(pid, signal);
            }
        }
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.reap();
        }
    }
}
