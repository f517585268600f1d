//! A descriptor that the caller named by its number, as one of our own.
//! Nothing else: what is written there is `status`'s business.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, RawFd};

/// A second descriptor for what `number` is open on, which no program that we start inherits.
pub(super) fn duplicate(number: RawFd) -> io::Result<File> {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers and touches no memory; a number that is not open is an error.
    let duplicate = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fcntl has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { File::from_raw_fd(duplicate) })
}
