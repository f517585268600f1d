//! Carries out, on the workload's behalf, the calls that change the filesystem by name or attribute, after looking
//! whether the name is protected. Reads never come here.
//!
//! The caller's call never continues: its path lies in memory that another thread can change. The path is copied once,
//! walked to a descriptor, and the descriptor's real path is judged; then the call is made on that descriptor, by this
//! process, which has the same mounts and the same Landlock domain and so can do nothing that the workload could not.
//! One thread serves all: between judgement and call no other call of this sandbox changes a name.

mod attributes;
mod caller;
mod calls;
mod judge;
mod names;
mod nested;
mod open;
mod place;
mod repository;
mod socket;
mod worktree;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ringfence_plan::{Operation, Protect, RuleId};
use rustix::io::Errno;

use crate::fence::{Confinement, Fence};
use crate::protocol::{Control, FromInit};
use crate::sys::notify::{self, Call};
use caller::Caller;
use judge::Judge;
use nested::Nested;

/// What a call comes to.
enum Answer {
    /// It returns this.
    Value(i64),
    /// It returns a new descriptor.
    Descriptor { fd: OwnedFd, cloexec: bool },
    /// A helper process will answer.
    Later,
}

/// Why a call fails.
#[derive(Debug)]
enum Failure {
    /// The kernel's answer to the same call.
    Kernel(Errno),
    /// A rule's.
    Protected { operation: Operation, path: Vec<u8>, rule: RuleId },
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Kernel(errno)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Kernel(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

type Outcome = Result<Answer, Failure>;

/// The broker of one sandbox.
pub(crate) struct Broker {
    listener: OwnedFd,
    judge: Judge,
    /// RLIMIT_FSIZE of the workload, which the kernel would not apply to a call of ours.
    file_size: u64,
    /// The unix sockets that were bound here, by device and inode: the only ones that may be connected to. Each is held
    /// open, since a number that is free again may become a service's of the host.
    bound: RefCell<HashMap<(u64, u64), OwnedFd>>,
    /// Whether callers may have a root of their own (after chroot in a nested user namespace).
    rooted: bool,
    in_namespaces: bool,
    /// The sandboxes inside this one.
    nested: Nested,
}

impl Broker {
    pub(crate) fn new(fence: &Fence, linked: &[Protect], listener: OwnedFd) -> Broker {
        notify::prefer_same_processor(listener.as_fd());
        let in_namespaces = matches!(fence.confinement, Confinement::Namespaces(_));
        Broker {
            listener,
            judge: Judge::new(fence, linked),
            file_size: fence.rlimits.file_size.unwrap_or(u64::MAX),
            bound: RefCell::default(),
            rooted: fence.filter.nested_namespaces && in_namespaces,
            in_namespaces,
            nested: Nested::default(),
        }
    }

    /// For poll(2).
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Serves one waiting call.
    pub(crate) fn serve(&mut self, control: &Control) {
        // An error means that the caller is gone, or was killed while it waited.
        let Ok(call) = notify::receive(self.listener.as_fd()) else { return };
        let answered = match self.carry_out(&call) {
            Ok(Answer::Value(value)) => notify::answer(self.listener.as_fd(), call.id, value, 0),
            Ok(Answer::Descriptor { fd, cloexec }) => {
                notify::answer_with(self.listener.as_fd(), call.id, fd.as_fd(), cloexec)
            }
            Ok(Answer::Later) => Ok(()),
            Err(Failure::Kernel(errno)) => {
                notify::answer(self.listener.as_fd(), call.id, 0, errno.raw_os_error())
            }
            Err(Failure::Protected { operation, path, rule }) => {
                let path = String::from_utf8_lossy(&path).into_owned();
                let pid = call.pid as u32;
                let _ = control.report(&FromInit::Denied { operation, path, rule, pid });
                notify::answer(self.listener.as_fd(), call.id, 0, libc::EACCES)
            }
        };
        // ENOENT: the caller is gone. Anything else (its descriptor table is full) is its answer.
        if let Err(error) = answered {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let _ = notify::answer(self.listener.as_fd(), call.id, 0, errno);
        }
    }

    fn carry_out(&self, call: &Call) -> Outcome {
        let caller = Caller::new(call, self.listener.as_fd());
        if self.rooted && !caller.shares_our_root()? {
            return Err(Errno::PERM.into());
        }
        self.judge.hear(self.nested.around(&caller)?);
        calls::dispatch(self, &caller, call)
    }
}
