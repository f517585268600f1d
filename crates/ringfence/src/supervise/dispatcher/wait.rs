//! What the dispatcher waits for, and who woke it. Not what is done then.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Dispatcher;
use crate::supervise::gateway::Gateway;
use crate::supervise::inspector::Inspector;
use crate::supervise::output::Want;
use crate::supervise::owner::Owner;
use crate::supervise::terminal::{Terminal, Wanted};
use crate::supervise::watch::Watch;

/// Who woke us.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Control,
    Init,
    Signals,
    OutOfMemory,
    Gateway,
    Inspector,
    Owner,
    Output(usize),
    Keyboard,
    InnerOutput,
    InnerRoom,
    Screen,
}

/// What poll(2) is asked for, and whose each entry is.
struct Interests<'a> {
    sources: Vec<Source>,
    polled: Vec<PollFd<'a>>,
}

impl<'a> Interests<'a> {
    fn add(&mut self, source: Source, fd: Option<BorrowedFd<'a>>, flags: PollFlags) {
        if let Some(fd) = fd {
            self.sources.push(source);
            self.polled.push(PollFd::from_borrowed_fd(fd, flags));
        }
    }
}

impl Dispatcher<'_> {
    /// Waits until something happened or is due.
    pub(super) fn wait(&self) -> std::io::Result<Vec<Source>> {
        let Interests { sources, mut polled } = self.interests();
        let timeout = self.next_due().map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let woken = sources.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(woken.map(|(source, _)| *source).collect())
    }

    fn interests(&self) -> Interests<'_> {
        let mut list = Interests { sources: Vec::with_capacity(8), polled: Vec::with_capacity(8) };
        list.add(Source::Control, self.sandbox.control(), PollFlags::IN);
        list.add(Source::Init, (!self.end.dead).then(|| self.sandbox.pidfd()), PollFlags::IN);
        list.add(Source::Signals, Some(self.signals.as_fd()), PollFlags::IN);
        let oom = self.groups.oom_event().filter(|_| self.end.limit.is_none());
        list.add(Source::OutOfMemory, oom.map(AsFd::as_fd), PollFlags::IN);
        list.add(Source::Inspector, self.inspector.as_ref().and_then(Inspector::fd), PollFlags::IN);
        list.add(Source::Gateway, self.gateway.as_ref().and_then(Gateway::fd), PollFlags::IN);
        for fd in self.owner.iter().flat_map(Owner::fds) {
            list.add(Source::Owner, Some(fd), PollFlags::IN);
        }
        for (index, output) in self.outputs.iter().enumerate() {
            if let Some((fd, want)) = output.interest() {
                let flags = if want == Want::Input { PollFlags::IN } else { PollFlags::OUT };
                list.add(Source::Output(index), Some(fd), flags);
            }
        }
        if let Some(terminal) = &self.terminal {
            let Wanted { keyboard, inner_output, inner_room, screen } = terminal.wanted();
            list.add(Source::Keyboard, keyboard, PollFlags::IN);
            list.add(Source::InnerOutput, inner_output, PollFlags::IN);
            list.add(Source::InnerRoom, inner_room, PollFlags::OUT);
            list.add(Source::Screen, screen, PollFlags::OUT);
        }
        list
    }

    fn next_due(&self) -> Option<Instant> {
        let watch =
            self.watch.as_ref().filter(|_| !self.end.dead && self.end.limit.is_none()).map(Watch::next);
        let terminal = self.terminal.as_ref().and_then(Terminal::next);
        [self.due.time_limit, self.due.kill, self.due.linger, watch, terminal].into_iter().flatten().min()
    }
}
