//! One end of a connection, and bytes that move from one end to the other, as many as the other takes.
//!
//! Not what may move, which whoever moves them looks at.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::gate::Stop;
use super::poller::Happened;

/// One end.
pub(crate) struct Side {
    pub(crate) fd: OwnedFd,
    /// Whether a read, or a write, is worth trying.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other end sends no more: reads go on until they say so.
    hung_up: bool,
    pub(crate) read_ended: bool,
    write_ended: bool,
    /// Bytes that it would not take yet.
    pub(crate) pending: Vec<u8>,
    /// How much is read for it at once.
    appetite: usize,
}

/// Between these lies what is read at once: the less a side takes, the less is held for it.
pub(crate) const MOST: usize = 256 * 1024;
const LEAST: usize = 8 * 1024;
const FIRST: usize = 32 * 1024;

impl Side {
    /// A side that may have something to be read, or will say so.
    pub(crate) fn new(fd: OwnedFd, readable: bool) -> Side {
        Side {
            fd,
            readable,
            writable: true,
            hung_up: false,
            read_ended: false,
            write_ended: false,
            pending: Vec::new(),
            appetite: FIRST,
        }
    }

    pub(crate) fn happened(&mut self, happened: Happened) {
        self.readable |= happened.readable;
        self.writable |= happened.writable;
        self.hung_up |= happened.hung_up;
    }

    /// Reads once; `None` when there is nothing now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => {
                self.read_ended = true;
                Ok(Some(0))
            }
            Ok((length, _)) => {
                // A short read has emptied it, and the next byte makes an event; but an end that was told already does not.
                self.readable = length == buffer.len() || self.hung_up;
                Ok(Some(length))
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                Ok(None)
            }
            Err(Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what is pending.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        let mut start = 0;
        while self.writable && start < self.pending.len() {
            start += self.write(start)?;
        }
        if start == self.pending.len() {
            // Its memory is for the next connection that needs some.
            self.pending = Vec::new();
        } else {
            self.pending.drain(..start);
        }
        Ok(())
    }

    fn write(&mut self, start: usize) -> Result<usize, Errno> {
        match rustix::net::send(&self.fd, &self.pending[start..], SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN) => {
                self.writable = false;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes `bytes`, and keeps what it does not take. Nothing may be pending.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let mut sent = 0;
        while sent < bytes.len() {
            match rustix::net::send(&self.fd, &bytes[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::AGAIN) => {
                    self.writable = false;
                    self.pending.extend_from_slice(&bytes[sent..]);
                    self.appetite = LEAST;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if bytes.len() == self.appetite {
            self.appetite = (self.appetite * 2).min(MOST);
        }
        Ok(())
    }

    /// Tells the other end that no more will come.
    pub(crate) fn end_writing(&mut self) {
        if !self.write_ended {
            self.write_ended = true;
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
        }
    }

    /// Everything that it was to be told is told, and it will say no more.
    pub(super) fn is_over(&self) -> bool {
        self.read_ended && self.write_ended
    }
}

/// Reads of one direction before others have their turn.
pub(super) const TURN: usize = 16;

/// What becomes of bytes that were looked at.
pub(super) enum Passing {
    /// They go on.
    AsTheyAre,
    /// What of them goes on was put aside.
    Judged,
}

pub(super) enum Break {
    Stopped(Stop),
    Failed,
}

/// Moves bytes one way; true if there may be more at once. The end is looked at as no bytes.
pub(super) fn pump(
    from: &mut Side,
    to: &mut Side,
    scratch: &mut [u8],
    mut look: impl FnMut(&[u8], &mut Vec<u8>) -> Result<Passing, Stop>,
) -> Result<bool, Break> {
    for _ in 0..TURN {
        if !to.pending.is_empty() {
            to.flush().map_err(|_| Break::Failed)?;
            if !to.pending.is_empty() {
                return Ok(false);
            }
        }
        if from.read_ended {
            to.end_writing();
            return Ok(false);
        }
        if !from.readable {
            return Ok(false);
        }
        let room = &mut scratch[..to.appetite];
        match from.read(room).map_err(|_| Break::Failed)? {
            None => {}
            Some(length) => match look(&room[..length], &mut to.pending).map_err(Break::Stopped)? {
                Passing::AsTheyAre => to.take(&room[..length]).map_err(|_| Break::Failed)?,
                Passing::Judged => {}
            },
        }
    }
    Ok(true)
}
