//! Starting processes: clone3(2) for the sandbox, clone(2) like vfork for its command.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Side {
    /// The caller's, with the child's number and a descriptor for it.
    Parent {
        /// The child.
        pid: Pid,
        /// Refers to it for as long as it is open (pidfd_open(2)).
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// `struct clone_args` of linux/sched.h, in the size of Linux 5.7 (CLONE_ARGS_SIZE_VER2).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// CLONE_INTO_CGROUP of linux/sched.h.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// The namespaces of a sandbox (namespaces(7)); the network's comes later, beside the mounts. Time is left out: it would cost a clone for nothing that tells.
pub const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Clones this process into new namespaces (`flags`, CLONE_NEW*), and into the control group whose directory is
/// `cgroup`. The child has a copy of this memory.
///
/// # Errors
/// EPERM and ENOSPC where the host refuses user namespaces (clone(2)).
///
/// # Panics
/// If this process has other threads: the child would inherit their locks.
pub fn fork_into(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    assert!(is_single_threaded(), "a sandbox is cloned before any thread is started");
    let mut pidfd: libc::c_int = -1;
    // A cgroup namespace begins at its creator's group: it has to be made from inside, or `/proc/self/cgroup` would show
    // the way from the supervisor's.
    let late = if cgroup.is_some() { flags & libc::CLONE_NEWCGROUP } else { 0 };
    let mut arguments = CloneArgs {
        flags: (flags & !late) as u64 | libc::CLONE_PIDFD as u64 | cgroup.map_or(0, |_| INTO_CGROUP),
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.map_or(0, |directory| directory.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    // SAFETY: the arguments live across the call and have the size given; no CLONE_VM, so the child runs on a copy of
    // this stack. The process is single-threaded (asserted), so no lock is held by a thread that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArgs>()) };
    let pid = match super::check(pid) {
        // A sandbox around this process does not let clone3 through; plain processes can be had otherwise.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) && flags == 0 && cgroup.is_none() => {
            return fork_plainly();
        }
        other => other?,
    };
    match pid {
        0 => {
            // SAFETY: concerns the new process only, which has one thread.
            if late != 0 && super::check(unsafe { libc::unshare(late) }.into()).is_err() {
                exit_now(125);
            }
            Ok(Side::Child)
        }
        pid => {
            let pid = Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidData)?;
            // SAFETY: CLONE_PIDFD stored a new descriptor that nobody else owns.
            Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
        }
    }
}

/// fork(2) and pidfd_open(2).
fn fork_plainly() -> io::Result<Side> {
    // SAFETY: as above.
    match super::check(unsafe { libc::fork() }.into())? {
        0 => Ok(Side::Child),
        pid => {
            let pid = Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidData)?;
            // The child is not waited for before, so the number is its own.
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
            Ok(Side::Parent { pid, pidfd })
        }
    }
}

fn is_single_threaded() -> bool {
    // One link for the directory, one for its parent, one for each thread.
    rustix::fs::stat("/proc/self/task").map_or(true, |stat| stat.st_nlink <= 3)
}

/// Runs `child` in a new process that shares memory and descriptors with this one, which waits until the child has
/// executed a program or exited. Much cheaper than a copy, and the child's seccomp listener needs no passing on.
///
/// `child` gets the result when `execve` failed; what it returns is the exit status.
pub(crate) fn vfork_with(child: &mut dyn FnMut() -> i32) -> io::Result<Pid> {
    extern "C" fn run(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer is to the reference below, which lives until the child is gone from this memory.
        let child = unsafe { &mut *argument.cast::<&mut dyn FnMut() -> i32>() };
        child()
    }
    const STACK: usize = 128 * 1024;
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    let mut child = child;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: the stack is ours, aligned and large enough for `child`; CLONE_VFORK suspends this thread until the child
    // has left this memory, so stack, closure and everything it borrows outlive it.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(STACK / size_of::<u128>());
        libc::clone(run, top.cast(), flags, (&raw mut child).cast())
    };
    let pid = super::check(pid.into())?;
    Pid::from_raw(pid as i32).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Runs `child` in a copy of this process, without waiting. For the rare call that may block.
pub(crate) fn fork_with(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: a copy of a single-threaded process (init never starts a thread).
    match super::check(unsafe { libc::fork() }.into())? {
        0 => exit_now(child()),
        pid => Pid::from_raw(pid as i32).ok_or_else(|| io::ErrorKind::InvalidData.into()),
    }
}

/// Ends this process at once, without running exit handlers that belong to the supervisor's copy.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes any code and does not return.
    unsafe { libc::_exit(code) }
}

/// Puts `sources` on the descriptors from 3 on, and closes everything behind them (close_range(2)). For a process that is
/// not to have what its parent had: whoever owned the rest in this copy of its memory must never be dropped here.
pub(crate) fn take_over_table<const N: usize>(sources: &[i32; N]) -> io::Result<[OwnedFd; N]> {
    for (index, source) in sources.iter().enumerate() {
        // SAFETY: takes numbers. What stood at that place belongs to the parent's copy, see above.
        super::check(unsafe { libc::dup3(*source, 3 + index as i32, libc::O_CLOEXEC) }.into())?;
    }
    // SAFETY: takes numbers; as above.
    super::check(unsafe { libc::syscall(libc::SYS_close_range, 3 + N, libc::c_uint::MAX, 0) })?;
    // SAFETY: just put there, for nobody else.
    Ok(std::array::from_fn(|index| unsafe { OwnedFd::from_raw_fd(3 + index as i32) }))
}

/// execve(2); returns only the error.
pub(crate) fn execute(program: &std::ffi::CStr, argv: &Pointers, env: &Pointers) -> io::Error {
    // SAFETY: both arrays end with a null pointer and their strings are alive (see `Pointers`).
    unsafe { libc::execve(program.as_ptr(), argv.0.as_ptr(), env.0.as_ptr()) };
    io::Error::last_os_error()
}

/// The array of pointers that execve takes, ready before the clone so that the child allocates nothing for it.
pub(crate) struct Pointers<'a>(Vec<*const libc::c_char>, std::marker::PhantomData<&'a std::ffi::CString>);

impl<'a> Pointers<'a> {
    pub(crate) fn new(strings: &'a [std::ffi::CString]) -> Pointers<'a> {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Pointers(pointers, std::marker::PhantomData)
    }
}

/// Unblocks every signal, and no longer ignores SIGPIPE. Handlers end with execve(2), but what is ignored stays so: that
/// SIGPIPE is, is the supervisor's choice; what else is, the caller's (nohup(1), a shell's background jobs).
pub(crate) fn restore_signals() {
    // SAFETY: the default disposition runs no code of ours; the set is initialised before use.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Blocks one signal for this thread and what it starts.
pub(crate) fn block_signal(signal: i32) {
    // SAFETY: the set is initialised before use.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Blocks `signals` and returns a descriptor on which they arrive (signalfd(2)).
pub(crate) fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before use; the descriptor is new.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        super::check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()).into())?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        Ok(OwnedFd::from_raw_fd(super::check(fd.into())? as i32))
    }
}
