//! System calls as the kernel takes them, by number, and nothing between: what an attacker would use. Not bindings:
//! where rustix has the call and the detour does not matter, the attempts use rustix.
#![expect(unsafe_code, reason = "an attack is made of calls that no safe library offers")]

mod filter;
#[cfg(target_arch = "x86_64")]
mod foreign;
mod memory;

pub(super) use filter::forget_netfilter;
#[cfg(target_arch = "x86_64")]
pub(super) use foreign::{int80, x32};
pub(super) use memory::{SharedText, map_low};

use super::Failed;

/// One system call. Arguments are numbers, or addresses of memory of the caller's that outlives the call (see
/// [`address`]).
pub(super) fn call(number: i64, arguments: &[usize]) -> Result<i64, Failed> {
    let mut all = [0_usize; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the callers in `attempts` pass numbers and addresses of live buffers of the size the call wants; the
    // process exists for this attempt alone and shares no state with anything that relies on Rust's guarantees.
    let result = unsafe { libc::syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]) };
    if result == -1 { Err(std::io::Error::last_os_error().into()) } else { Ok(result) }
}

/// The address of `value`, for [`call`].
pub(super) fn address<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>().addr()
}

/// The address of `value`, for a call that writes to it.
pub(super) fn address_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>().expose_provenance()
}

/// Runs `body` in a child and says how that ended: its exit code, or the signal that ended it. The child is gone after
/// `seconds` at the latest.
pub(super) fn in_child(seconds: u32, body: impl FnOnce() -> u8) -> Result<u8, Failed> {
    // SAFETY: the attempts call this from their only thread, so the child may go on as an ordinary process.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().into()),
        0 => {
            // SAFETY: `alarm` only sets a timer; `_exit` ends the child without running what the parent will run.
            unsafe {
                libc::alarm(seconds);
                libc::_exit(i32::from(body()))
            }
        }
        child => wait_for(child),
    }
}

fn wait_for(child: i32) -> Result<u8, Failed> {
    let mut status = 0;
    // SAFETY: `status` is a live integer and `child` our own child.
    if unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) } == -1 {
        return Err(std::io::Error::last_os_error().into());
    }
    if libc::WIFSIGNALED(status) {
        Err(Failed::Killed(libc::WTERMSIG(status)))
    } else {
        Ok(libc::WEXITSTATUS(status).try_into().unwrap_or(u8::MAX))
    }
}
