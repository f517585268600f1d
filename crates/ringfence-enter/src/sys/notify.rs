//! seccomp(2): installing a filter and answering its notifications (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Names this notification.
    pub(crate) id: u64,
    /// The calling thread, as numbered in the listener's pid namespace.
    pub(crate) pid: i32,
    /// System-call number.
    pub(crate) number: i32,
    /// Arguments, as the registers hold them.
    pub(crate) args: [u64; 6],
}

/// Installs `program` on this thread; with `listener`, returns the descriptor on which notifications arrive.
pub(crate) fn install(program: &[libc::sock_filter], listener: bool) -> io::Result<Option<OwnedFd>> {
    // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, kernel 5.19: a call being carried out is not interrupted half-way, so
    // that a restart never repeats it.
    const WAIT_KILLABLE: libc::c_ulong = 1 << 5;
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let install = |flags: libc::c_ulong| {
        // SAFETY: the program outlives the call, which copies it.
        super::check(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter)
        })
    };
    if !listener {
        install(0)?;
        return Ok(None);
    }
    let fd = match install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?
        }
        other => other?,
    };
    // SAFETY: the call returned a new descriptor. (Also named `listener` by the sharer of this descriptor table.)
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
}

/// Asks the kernel to run the answered thread on this processor (kernel 6.6); older ones do without.
pub(crate) fn prefer_same_processor(listener: BorrowedFd<'_>) {
    // SECCOMP_IOCTL_NOTIF_SET_FLAGS = _IOW('!', 4, __u64), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1.
    // SAFETY: takes the flags by value.
    unsafe { libc::ioctl(listener.as_raw_fd(), 0x4008_2104, 1_u64) };
}

/// The next notification; an error of ENOENT when its thread is gone meanwhile.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> io::Result<Call> {
    // SECCOMP_IOCTL_NOTIF_RECV = _IOWR('!', 0, struct seccomp_notif)
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    // SAFETY: the structure is zeroed, as the call demands, has its size in the request, and outlives the call.
    unsafe {
        let mut notification: libc::seccomp_notif = std::mem::zeroed();
        super::check(libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut notification).into())?;
        Ok(Call {
            id: notification.id,
            pid: notification.pid as i32,
            number: notification.data.nr,
            args: notification.data.args,
        })
    }
}

/// Whether the thread of `id` still waits: a number read from /proc before this answer was its own.
pub(crate) fn is_waiting(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SECCOMP_IOCTL_NOTIF_ID_VALID = _IOW('!', 2, __u64)
    // SAFETY: the number outlives the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), 0x4008_2102, &raw const id) == 0 }
}

/// Answers: the call returns `value`, or fails with `errno` if that is not 0.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, value: i64, errno: i32) -> io::Result<()> {
    // SECCOMP_IOCTL_NOTIF_SEND = _IOWR('!', 1, struct seccomp_notif_resp)
    let response = libc::seccomp_notif_resp { id, val: value, error: -errno, flags: 0 };
    // SAFETY: the structure outlives the call.
    super::check(unsafe { libc::ioctl(listener.as_raw_fd(), 0xc018_2101, &raw const response) }.into())
        .map(drop)
}

/// Answers with a descriptor: the caller gets a duplicate of `fd` as the result of its call, in one step
/// (SECCOMP_ADDFD_FLAG_SEND, kernel 5.14).
pub(crate) fn answer_with(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    cloexec: bool,
) -> io::Result<()> {
    // SECCOMP_IOCTL_NOTIF_ADDFD = _IOW('!', 3, struct seccomp_notif_addfd)
    const SEND: u32 = 2;
    let request = libc::seccomp_notif_addfd {
        id,
        flags: SEND,
        srcfd: fd.as_raw_fd() as u32,
        newfd: 0,
        newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    // SAFETY: the structure outlives the call.
    super::check(unsafe { libc::ioctl(listener.as_raw_fd(), 0x4018_2103, &raw const request) }.into())
        .map(drop)
}

/// A duplicate of descriptor `number` of the process `pid` (pidfd_getfd(2)).
pub(crate) fn take_descriptor(pid: i32, number: i32) -> io::Result<OwnedFd> {
    // PIDFD_THREAD, kernel 6.9: the caller may be any thread, with a descriptor table of its own.
    const PIDFD_THREAD: libc::c_int = libc::O_EXCL;
    // SAFETY: both calls take numbers and return new descriptors.
    unsafe {
        let open = |flags: libc::c_int| super::check(libc::syscall(libc::SYS_pidfd_open, pid, flags));
        let pidfd = open(PIDFD_THREAD).or_else(|_| open(0))?;
        let pidfd = OwnedFd::from_raw_fd(pidfd as i32);
        let fd = super::check(libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}
