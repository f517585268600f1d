//! A process outside that serves one sandbox, as the supervisor sees it: forked, heard, and ended with the run. For the
//! gateway and the inspector, whose words it does not know.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ringfence_enter::capture;
use ringfence_enter::sys::clone::{Side, exit_now, fork_into};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

/// Dropping it ends the process.
pub(super) struct Outpost {
    pidfd: OwnedFd,
    /// `None` once it has hung up.
    channel: Option<OwnedFd>,
    /// Where its packets are read to.
    packet: Box<[u8]>,
}

/// What is heard of one.
pub(super) enum Heard<'a> {
    Packet(&'a [u8]),
    /// It has ended, and tells nothing more.
    Lost,
}

/// Packets taken at once.
const BATCH: usize = 64;
/// How long it may take to tell the last and end.
const END: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

impl Outpost {
    /// Forks one, whose packets are no longer than `longest`. `serve` gets its end of the channel there, and here it is
    /// dropped with all that it was given.
    pub(super) fn fork(longest: usize, serve: impl FnOnce(OwnedFd) -> io::Result<()>) -> io::Result<Outpost> {
        let (ours, theirs) = capture::channel()?;
        match fork_into(0, None)? {
            Side::Parent { pidfd, .. } => {
                Ok(Outpost { pidfd, channel: Some(ours), packet: vec![0; longest].into() })
            }
            Side::Child => {
                drop(ours);
                exit_now(if serve(theirs).is_ok() { 0 } else { 125 })
            }
        }
    }

    /// Waits for the first that it says.
    ///
    /// # Errors
    /// `TimedOut` when it says nothing, `UnexpectedEof` when it has ended.
    pub(super) fn first(&mut self, patience: Timespec) -> io::Result<&[u8]> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?;
        loop {
            match poll(&mut [PollFd::new(channel, PollFlags::IN)], Some(&patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            match rustix::io::read(channel, &mut *self.packet) {
                Ok(length) if length > 0 => return Ok(&self.packet[..length]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(_) | Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// For poll(2).
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    /// Tells it something, and gives it a descriptor with that.
    pub(super) fn tell(&self, packet: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptor) = &descriptor {
            control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        }
        sendmsg(channel, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// What it has told by now; its end is heard once.
    pub(super) fn hear(&mut self, mut take: impl FnMut(Heard<'_>)) {
        for _ in 0..BATCH {
            let Some(channel) = &self.channel else { return };
            match rustix::io::read(channel, &mut *self.packet) {
                Ok(length) if length > 0 => take(Heard::Packet(&self.packet[..length])),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Ok(_) | Err(_) => {
                    self.channel = None;
                    take(Heard::Lost);
                }
            }
        }
    }

    /// The run is over: what it has left to tell.
    pub(super) fn finish(mut self, mut take: impl FnMut(&[u8])) {
        while let Some(channel) = &self.channel {
            let ready = poll(&mut [PollFd::new(channel, PollFlags::IN)], Some(&END));
            if !ready.is_ok_and(|ready| ready > 0) {
                return;
            }
            match rustix::io::read(channel, &mut *self.packet) {
                Ok(length) if length > 0 => take(&self.packet[..length]),
                _ => self.channel = None,
            }
        }
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}
