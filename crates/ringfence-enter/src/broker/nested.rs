//! Sandboxes inside this one: which of them are around a caller, and the bounds that each has sent. Not the bounds'
//! meaning, which is the judge's.
//!
//! A caller is inside if the inner sandbox's init is among its ancestors: that init takes in the orphans of all below it
//! (PR_SET_CHILD_SUBREAPER), so nobody climbs out of its descent while it lives. Whoever has a filter more than this
//! sandbox's own, and so was in an inner one, but has none above him any more, is refused.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use super::caller::Caller;
use super::judge::Judge;
use crate::nest::Bounds;

/// Most inner sandboxes at once.
const MOST: usize = 64;

/// How often a parent may be gone before it was looked at.
const ATTEMPTS: usize = 64;

/// The inner sandboxes.
#[derive(Default)]
pub(super) struct Nested {
    live: RefCell<Vec<Inner>>,
    /// The number of filters over this sandbox's own command, once there was an inner one.
    own_filters: Cell<Option<u32>>,
}

struct Inner {
    init: i32,
    /// Readable once it has ended (pidfd_open(2)): its number may then be another's.
    pidfd: OwnedFd,
    judge: Rc<Judge>,
}

impl Nested {
    /// Takes the caller's process for the init of an inner sandbox.
    pub(super) fn add(&self, caller: &Caller<'_>, bounds: &[u8]) -> Result<(), Errno> {
        let bounds = Bounds::decode(bounds).ok_or(Errno::INVAL)?;
        let init = caller.process()?;
        let pidfd = pidfd_open(Pid::from_raw(init).ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
        // Asked again, which fails unless the caller still waits: the number was its own all the while.
        caller.process()?;
        let mut live = self.live.borrow_mut();
        live.retain(|inner| !has_ended(inner));
        if live.len() >= MOST {
            return Err(Errno::NOSPC);
        }
        if self.own_filters.get().is_none() {
            let own = openat(CWD, "/proc/self", DIRECTORY, Mode::empty())?;
            // This process has none of its own; its command has one more.
            self.own_filters.set(Some(number(&own, "Seccomp_filters:")? + 1));
        }
        live.push(Inner { init, pidfd, judge: Rc::new(Judge::of_inner(&bounds)) });
        Ok(())
    }

    /// The judges of the sandboxes around the caller, inside this one. As long as there never was one, nothing is asked.
    pub(super) fn around(&self, caller: &Caller<'_>) -> Result<Vec<Rc<Judge>>, Errno> {
        let Some(own_filters) = self.own_filters.get() else { return Ok(Vec::new()) };
        if caller.filters()? <= own_filters {
            return Ok(Vec::new());
        }
        self.live.borrow_mut().retain(|inner| !has_ended(inner));
        let live = self.live.borrow();
        let mut found = Vec::new();
        let mut pid = caller.process()?;
        let mut here = directory_of(pid)?;
        // The caller waits still, so what was opened is its own.
        caller.process()?;
        loop {
            found.extend(live.iter().filter(|inner| inner.init == pid).map(|inner| inner.judge.clone()));
            match parent(&here)? {
                Some(above) => (pid, here) = above,
                None => break,
            }
        }
        if found.is_empty() { Err(Errno::ACCESS) } else { Ok(found) }
    }
}

/// The process above the one of `child`, below this one.
fn parent(child: &OwnedFd) -> Result<Option<(i32, OwnedFd)>, Errno> {
    let own = getpid().as_raw_nonzero().get();
    for _ in 0..ATTEMPTS {
        let pid = number(child, "PPid:")? as i32;
        if pid <= 1 || pid == own {
            return Ok(None);
        }
        let Ok(directory) = directory_of(pid) else { continue };
        // If it is still the parent now, it was the one that was opened: a new process of the same number would not be.
        if number(child, "PPid:")? as i32 == pid {
            return Ok(Some((pid, directory)));
        }
    }
    Err(Errno::ACCESS)
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn directory_of(pid: i32) -> Result<OwnedFd, Errno> {
    openat(CWD, format!("/proc/{pid}"), DIRECTORY, Mode::empty())
}

/// A number of `status` in a process's directory (proc_pid_status(5)).
fn number(process: &OwnedFd, name: &str) -> Result<u32, Errno> {
    let file = openat(process, "status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    super::caller::number(&super::caller::read(&file)?, name)
}

fn has_ended(inner: &Inner) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // What cannot be asked counts as ended: then its descendants are refused.
    poll(&mut [PollFd::new(&inner.pidfd, PollFlags::IN)], Some(&now)).map_or(true, |ready| ready > 0)
}
