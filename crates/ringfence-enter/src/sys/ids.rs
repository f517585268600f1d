//! Identity and privilege of this process: capabilities, securebits, keyring, host name.

use std::io;

/// CAP_SYS_PTRACE (capabilities(7)): what the broker needs to look at a process that made itself undumpable.
pub(crate) const CAP_SYS_PTRACE: u32 = 19;

/// Empties the bounding and ambient sets and locks the bits that could bring capabilities back.
pub(crate) fn forbid_capabilities() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: PR_CAPBSET_DROP takes a number.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            let error = io::Error::last_os_error();
            // The first number that this kernel does not know ends the list.
            if error.raw_os_error() == Some(libc::EINVAL) { break } else { return Err(error) }
        }
    }
    // SAFETY: both take numbers. SECBIT_NOROOT, KEEP_CAPS off, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, all locked.
    unsafe {
        super::check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).into())?;
        let bits = libc::SECBIT_NOROOT
            | libc::SECBIT_NOROOT_LOCKED
            | libc::SECBIT_KEEP_CAPS_LOCKED
            | libc::SECBIT_NO_SETUID_FIXUP
            | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
            | libc::SECBIT_NO_CAP_AMBIENT_RAISE
            | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        super::check(libc::prctl(libc::PR_SET_SECUREBITS, bits, 0, 0, 0).into())?;
    }
    Ok(())
}

/// Keeps exactly the capabilities of `mask` (bit n = capability n) effective and permitted, none inheritable.
pub(crate) fn keep_capabilities(mask: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // _LINUX_CAPABILITY_VERSION_3, linux/capability.h.
    let header = Header { version: 0x2008_0522, pid: 0 };
    let half = |bits: u64| Data { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let data = [half(mask & 0xffff_ffff), half(mask >> 32)];
    // SAFETY: header and data have the layout of version 3 and outlive the call.
    super::check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    Ok(())
}

/// Replaces the session keyring by a new, anonymous one (keyctl(2)). ENOSYS where the kernel has no keyrings.
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    super::check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) }).map(drop)
}

/// no_new_privs (prctl(2)).
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes numbers.
    super::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}

/// Makes this process unreadable to others of its user: no core dump, no /proc/<pid>/mem, no ptrace.
pub(crate) fn undumpable() -> io::Result<()> {
    // SAFETY: takes numbers.
    super::check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

/// Asks for `signal` when the parent dies, and tells whether it is already gone.
pub(crate) fn die_with_parent(signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers.
    super::check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }.into()).map(drop)
}

/// Makes orphans of the tree children of this process (PR_SET_CHILD_SUBREAPER).
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // SAFETY: takes numbers.
    super::check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }.into()).map(drop)
}

/// sethostname(2) in this UTS namespace.
pub(crate) fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length of one string.
    super::check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// Overwrites this process's argument and environment strings: /proc/<pid>/cmdline would show the supervisor's flags to
/// the workload, and what of the environment was withheld is nothing to keep here.
pub(crate) fn hide_arguments() {
    unsafe extern "C" {
        /// The C library's pointer to the first argument (program_invocation_name(3)).
        static program_invocation_name: *mut libc::c_char;
        /// Ends with a null pointer (environ(7)).
        static environ: *mut *mut libc::c_char;
    }
    let length: usize = std::env::args_os().map(|argument| argument.len() + 1).sum();
    // SAFETY: the kernel lays the arguments out one behind the other, each with its terminator (execve(2)), in memory
    // that this process, a copy of the supervisor, may write. They were copied above. Of the variables,
    // each a terminated string in writable memory, only what `Command` holds is used later.
    unsafe {
        if !program_invocation_name.is_null() {
            std::ptr::write_bytes(program_invocation_name, 0, length);
        }
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            std::ptr::write_bytes(*variable, 0, libc::strlen(*variable));
            variable = variable.add(1);
        }
    }
}

/// Overwrites the value of a variable in place.
pub(crate) fn forget_variable(name: &str) {
    unsafe extern "C" {
        /// Ends with a null pointer (environ(7)).
        static environ: *mut *mut libc::c_char;
    }
    // SAFETY: each variable is a terminated string in memory that this process may write; this process has one thread.
    unsafe {
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            let text = std::ffi::CStr::from_ptr(*variable).to_bytes();
            let (length, is_it) =
                (text.len(), text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")));
            if is_it {
                std::ptr::write_bytes((*variable).add(name.len() + 1), 0, length - name.len() - 1);
            }
            variable = variable.add(1);
        }
    }
}

/// setrlimit(2), both values.
pub(crate) fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the structure outlives the call.
    super::check(unsafe { libc::setrlimit(resource, &raw const limit) }.into()).map(drop)
}

/// The hard value of a limit.
pub(crate) fn hard_limit(resource: libc::__rlimit_resource_t) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives the call.
    super::check(unsafe { libc::getrlimit(resource, &raw mut limit) }.into())?;
    Ok(limit.rlim_max)
}

/// Marks every descriptor from `first` up as closed on exec (close_range(2)); open ones beyond the limit included.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: takes numbers; marking is not closing, so no owner is surprised.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    super::check(result).map(drop)
}
