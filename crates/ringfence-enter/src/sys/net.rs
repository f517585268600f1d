//! A network namespace of its own (network_namespaces(7)), made beside the mounts: it takes the kernel as long as all the
//! rest of the set-up together, and a second processor is often idle.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, sched_getaffinity, sched_getcpu,
    sched_setaffinity,
};

/// A namespace that is being made by a process that shares this one's memory and descriptors.
pub(crate) struct Network {
    helper: Pid,
    shared: Box<Shared>,
}

/// What maker and user share.
struct Shared {
    /// The descriptor of the namespace, or a negated errno.
    outcome: AtomicI32,
    stack: Vec<u128>,
}

const STACK: usize = 32 * 1024;

impl Network {
    /// Starts making it. The caller must be alone in its process, with CAP_SYS_ADMIN in its user namespace.
    pub(crate) fn start() -> io::Result<Network> {
        let outcome = AtomicI32::new(-libc::EIO);
        let mut shared = Box::new(Shared { outcome, stack: Vec::with_capacity(STACK / size_of::<u128>()) });
        let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD;
        // SAFETY: the stack is ours, aligned and large enough for `make`; stack and outcome stay in place (in the box) until
        // the helper is gone, which `join` and `drop` wait for. `make` allocates nothing and takes no lock, so it may run
        // beside this thread.
        let helper = unsafe {
            let top = shared.stack.as_mut_ptr().add(STACK / size_of::<u128>());
            libc::clone(run, top.cast(), flags, (&raw const shared.outcome).cast_mut().cast())
        };
        let helper = super::check(helper.into())?;
        let helper = Pid::from_raw(helper as i32).ok_or(io::ErrorKind::InvalidData)?;
        run_elsewhere(helper);
        Ok(Network { helper, shared })
    }

    /// Waits until it is made, and moves this process into it.
    pub(crate) fn join(self) -> io::Result<()> {
        self.wait();
        match self.shared.outcome.load(Ordering::Acquire) {
            errno if errno < 0 => Err(io::Error::from_raw_os_error(-errno)),
            fd => {
                // SAFETY: the helper opened it in the shared table and left it to us.
                let namespace = unsafe { OwnedFd::from_raw_fd(fd) };
                Ok(move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )?)
            }
        }
    }

    fn wait(&self) {
        while let Err(rustix::io::Errno::INTR) = waitpid(Some(self.helper), WaitOptions::empty()) {}
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Before the stack goes. After `join` there is no such child any more, which is as well.
        self.wait();
    }
}

/// Keeps the helper off this processor, if it may use another: left to itself it often starts only when this one waits.
fn run_elsewhere(helper: Pid) {
    if let Ok(mut processors) = sched_getaffinity(None) {
        processors.unset(sched_getcpu());
        if processors.count() > 0 {
            let _ = sched_setaffinity(Some(helper), &processors);
        }
    }
}

extern "C" fn run(outcome: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is to the outcome in the box, which outlives this process.
    let outcome = unsafe { &*outcome.cast::<AtomicI32>() };
    outcome.store(make().unwrap_or_else(|errno| -errno.raw_os_error()), Ordering::Release);
    0
}

/// In the helper: by rustix, whose calls write no `errno`, which is shared.
fn make() -> rustix::io::Result<i32> {
    // SAFETY: only the network namespace of this process changes; no descriptor or memory of anybody does.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    loopback_up(&socket)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, c"/proc/thread-self/ns/net", flags, Mode::empty())?.into_raw_fd())
}

/// Brings `lo` up (netdevice(7)).
fn loopback_up(socket: &OwnedFd) -> rustix::io::Result<()> {
    // SAFETY: the request is zeroed, holds a terminated name, and outlives the call.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    };
    if result < 0 { Err(rustix::io::Errno::PERM) } else { Ok(()) }
}

/// bind(2) with an address that was copied from elsewhere, so of any family.
pub(crate) fn bind(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length of one buffer; the kernel copies and checks it.
    let result =
        unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t) };
    super::check(result.into()).map(drop)
}

/// connect(2) with an address that was copied from elsewhere, so of any family.
pub(crate) fn connect(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length of one buffer; the kernel copies and checks it.
    let result = unsafe {
        libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t)
    };
    super::check(result.into()).map(drop)
}
