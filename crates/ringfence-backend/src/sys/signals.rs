//! Signals as descriptors for one loop that owns the state; the caller's mask comes back when it is done.
//! No handlers: a handler would be the process's, a mask is the thread's.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// Blocked signals of the calling thread that arrive on a descriptor (signalfd(2)).
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    before: libc::sigset_t,
    // The mask belongs to the thread that set it.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Signals {
    /// Blocks `reported` and `ignored` until this value is dropped; of both, only `reported` are read.
    pub fn block(reported: &[i32], ignored: &[i32]) -> io::Result<Signals> {
        let (seen, mut blocked) = (set_of(reported), set_of(reported));
        let mut before = set_of(&[]);
        // SAFETY: all sets are initialised and live across the calls; the descriptor is new and nobody else's.
        unsafe {
            for signal in ignored {
                libc::sigaddset(&raw mut blocked, *signal);
            }
            let fd = libc::signalfd(-1, &raw const seen, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            let fd = OwnedFd::from_raw_fd(check(fd.into())? as i32);
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before) {
                0 => Ok(Signals { fd, before, _thread: std::marker::PhantomData }),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    /// The number of a signal that has arrived, if one has, without waiting.
    pub fn next(&self) -> io::Result<Option<i32>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has the size given; the kernel writes whole records or nothing.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        match check(read as libc::c_long) {
            // SAFETY: zeroed before and filled by the kernel; every bit pattern is a value of its integers.
            Ok(len) if len as usize == size => Ok(Some(unsafe { info.assume_init() }.ssi_signo as i32)),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What came too late to be forwarded must not strike the caller once the mask is gone: it was meant for the
        // command.
        while matches!(self.next(), Ok(Some(_))) {}
        // SAFETY: the set is the one that pthread_sigmask gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset initialises the set before anything reads it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_and_the_mask_comes_back() {
        let signals = Signals::block(&[libc::SIGUSR1], &[libc::SIGTTOU]).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        // SAFETY: sends a signal that this thread blocks to this thread.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR1) };
        assert_eq!(signals.next().unwrap(), Some(libc::SIGUSR1));
        drop(signals);
        let mut now = set_of(&[]);
        // SAFETY: reads the mask into an initialised set.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut now) };
        // SAFETY: an initialised set and a valid number.
        assert_eq!(unsafe { libc::sigismember(&raw const now, libc::SIGUSR1) }, 0);
    }
}
