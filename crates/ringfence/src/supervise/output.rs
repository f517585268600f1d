//! Counts and carries standard output and error, where a limit is set on them. Without a limit the command has the
//! caller's descriptors and nothing stands between.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ringfence_enter::StdioSource;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{stderr, stdout};

use super::flow::{Flow, Read};
use crate::error::Error;

/// One pipe from the sandbox and where its bytes go.
pub(super) struct Output {
    /// Our end; before [`Output::open`] the sandbox's, and `None` once it has ended.
    source: Option<OwnedFd>,
    sink: BorrowedFd<'static>,
    flow: Flow,
}

/// What an output waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Bytes of the command.
    Input,
    /// Room for them.
    Room,
}

impl Output {
    /// Replaces those of `stdio` that are `Inherit` by pipes. Where both go to the same place they share one pipe, so that
    /// their order stays.
    pub(super) fn relay(stdio: &mut [StdioSource; 3]) -> Result<Vec<Output>, Error> {
        let mut outputs: Vec<Output> = Vec::new();
        let failed = |error: rustix::io::Errno| Error::supervise("make a pipe for the output")(error.into());
        let mut shared: Option<OwnedFd> = None;
        for (number, sink) in [(1, stdout()), (2, stderr())] {
            if !matches!(stdio[number], StdioSource::Inherit) {
                continue;
            }
            if let Some(first) = shared.take_if(|_| is_same(stdout(), sink)) {
                stdio[number] = StdioSource::Fd(first);
                continue;
            }
            let (_, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            let copy = || theirs.try_clone().map_err(Error::supervise("copy the output's descriptor"));
            outputs.push(Output { source: Some(copy()?), sink, flow: Flow::default() });
            shared = Some(copy()?);
            stdio[number] = StdioSource::Fd(theirs);
        }
        Ok(outputs)
    }

    /// Opens the reading end. After the launch and before the command starts: the sandbox's init has a copy of every
    /// descriptor that was open at the launch, and with a reading end there a command would not be told that nobody
    /// reads any more.
    pub(super) fn open(&mut self) -> Result<(), Error> {
        let Some(theirs) = self.source.take() else { return Ok(()) };
        let path = format!("/proc/self/fd/{}", theirs.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |error: rustix::io::Errno| Error::supervise("open the pipe of the output")(error.into());
        self.source = Some(open(path, flags, Mode::empty()).map_err(failed)?);
        Ok(())
    }

    /// What to poll, and for what.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, Want)> {
        if !self.flow.is_empty() {
            return Some((self.sink, Want::Room));
        }
        self.source.as_ref().map(|source| (source.as_fd(), Want::Input))
    }

    /// Whether everything has been carried.
    pub(super) fn is_done(&self) -> bool {
        self.source.is_none() && self.flow.is_empty()
    }

    /// Does one step. `left` is how much may still be written in all; returns whether more was wanted.
    pub(super) fn advance(&mut self, left: &mut u64) -> bool {
        if self.flow.is_empty() {
            let Some(source) = &self.source else { return false };
            match self.flow.read(source.as_fd()) {
                Read::Some(len) if len as u64 > *left => {
                    self.flow.keep(*left as usize);
                    *left = 0;
                    return true;
                }
                Read::Some(len) => *left -= len as u64,
                Read::Nothing => return false,
                Read::End => self.source = None,
            }
        }
        if !self.flow.is_empty() && is_ready(self.sink) && self.flow.write(self.sink).is_err() {
            // Nobody reads: closing our end tells the command, as its own pipe would.
            self.flow.clear();
            self.source = None;
        }
        false
    }

    /// Takes no more, but delivers what was read.
    pub(super) fn close(&mut self) {
        self.source = None;
    }
}

fn is_ready(fd: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&now)).is_ok_and(|ready| ready > 0)
}

fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}
