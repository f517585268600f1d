//! Raw system calls that attempts are made of, because no safe library offers them.
//! Nothing here belongs on the way of a real run; each call acts on its own process alone.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// io_uring_setup(2) with one entry.
pub(super) fn io_uring_setup() -> io::Result<()> {
    // `struct io_uring_params` is 120 bytes in every version; zeros ask for the defaults.
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel reads and writes 120 bytes at `parameters`, which is that large and lives through the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    close(fd)
}

/// bpf(2): creates an array map of one element.
pub(super) fn bpf_map_create() -> io::Result<()> {
    // map_type = BPF_MAP_TYPE_ARRAY (2), key_size, value_size, max_entries, map_flags, and what newer kernels add.
    let mut attributes = [0_u32; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    let size = size_of_val(&attributes);
    // SAFETY: BPF_MAP_CREATE (0) reads `size` bytes at `attributes`; trailing zeros are accepted by every version.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, 0, attributes.as_mut_ptr(), size) };
    close(fd)
}

/// perf_event_open(2): counts this process's own page faults, user space only.
pub(super) fn perf_event_open() -> io::Result<()> {
    let mut attributes = [0_u32; 16];
    attributes[0] = 1; // PERF_TYPE_SOFTWARE
    attributes[1] = 64; // PERF_ATTR_SIZE_VER0
    attributes[2] = 2; // PERF_COUNT_SW_PAGE_FAULTS
    attributes[10] = 0b110_0000; // exclude_kernel, exclude_hv
    // SAFETY: the kernel reads the 64 bytes that the size field announces; the other arguments are plain numbers.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) };
    close(fd)
}

/// userfaultfd(2), in the mode that needs no privilege.
pub(super) fn userfaultfd() -> io::Result<()> {
    const USER_MODE_ONLY: i32 = 1;
    // SAFETY: the call takes a number and returns a descriptor.
    close(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY) })
}

/// keyctl(2): the number of this process's session keyring.
pub(super) fn keyctl_session() -> io::Result<()> {
    const GET_KEYRING_ID: libc::c_long = 0;
    const SESSION_KEYRING: libc::c_long = -3;
    // SAFETY: this operation takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 0) })
}

/// unshare(2) into a new user namespace.
pub(super) fn unshare_user() -> io::Result<()> {
    // SAFETY: this process has one thread and uses nothing that the namespace changes.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())
}

/// mount(2): a tmpfs, in a new user and mount namespace so that an unfenced attempt leaves the host's mounts alone.
pub(super) fn mount_in_new_namespace(target: &Path) -> io::Result<()> {
    // SAFETY: as in `unshare_user`; the mount namespace goes with this process.
    let separate = check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) }.into());
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the strings end in NUL and live through the call; a null pointer means no data.
    let mounted = check(
        unsafe {
            libc::mount(c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), libc::MS_NOSUID, ptr::null())
        }
        .into(),
    );
    mounted.and(separate)
}

/// ioctl_tty(2) TIOCSTI: one letter into the terminal at standard input.
pub(super) fn type_into_terminal() -> io::Result<()> {
    // TIOCSTI asks for the controlling terminal. These may fail: in the fence both are settled already.
    let _ = rustix::process::setsid();
    let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
    // SAFETY: TIOCSTI reads one byte at the pointer.
    check(unsafe { libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()) }.into())
}

/// ptrace(2) PTRACE_SEIZE, which does not stop the process; it is let go when this one ends.
pub(super) fn ptrace_seize(pid: i32) -> io::Result<()> {
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_SEIZE takes no address and options of zero.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, nothing, nothing) })
}

/// process_vm_readv(2) at an address that nothing is mapped at: a process that may be read answers EFAULT.
pub(super) fn process_vm_readv(pid: i32) -> io::Result<()> {
    let mut byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(1), iov_len: 1 };
    // SAFETY: the kernel writes at most one byte to `local`; `remote` is read in the other process, never here.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    match check(read as libc::c_long) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        other => other,
    }
}

fn check(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn close(fd: libc::c_long) -> io::Result<()> {
    check(fd)?;
    // SAFETY: the call above has just returned this descriptor, and nothing else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?) });
    Ok(())
}
