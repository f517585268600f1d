//! The entry point on Linux with glibc: what the standard library does before `main`, without what costs there.
//! Not for other systems: elsewhere arguments come to the standard library by its own entry point only.
//!
//! Its entry point reads /proc/self/maps to find the stack's guard page, and makes a second stack on which to say
//! that the first has overflowed: 60 µs of some 2,500 for a whole run. Without it an overflow is a plain SIGSEGV.

use std::ffi::{c_char, c_int};

/// Called by the C library.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    open_standard_descriptors();
    // SAFETY: ignoring a signal runs no code of ours. A reader that has gone away is an error to handle, not our end.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // Not returned: `exit` flushes what standard output still holds.
    std::process::exit(super::enter().into())
}

/// Puts /dev/null where 0, 1 or 2 are closed: the next file opened would take that number, and be taken for it.
fn open_standard_descriptors() {
    for number in 0..=2 {
        // SAFETY: F_GETFD takes a number and changes nothing.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            // SAFETY: the path ends in NUL. The lowest free number is `number`, since those below are open by now.
            let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
            if opened != number {
                std::process::abort();
            }
        }
    }
}
