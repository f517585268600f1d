//! The entry point on Linux with glibc: what the standard library does before `main`, without what costs there.
//! Not for other systems: elsewhere arguments come to the standard library by its own entry point only.
//!
//! Its entry point reads /proc/self/maps to find the stack's guard page, and makes a second stack on which to say
//! that the first has overflowed: 60 µs of some 2,500 for a whole run. Without it an overflow is a plain SIGSEGV.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The words of the command line, where the kernel put them; they end with a null pointer.
static WORDS: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());

/// Called by the C library.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, words: *mut *mut c_char) -> c_int {
    WORDS.store(words, Ordering::Relaxed);
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

/// Overwrites `secret` in the words of the command line, which every local user can read in /proc/PID/cmdline for as long
/// as we run. They were readable until now: this makes the time short, not none.
pub(crate) fn blot_out(secret: &str) {
    let words = WORDS.load(Ordering::Relaxed);
    if words.is_null() || secret.is_empty() {
        return;
    }
    for number in 0.. {
        // SAFETY: `words` is what the C library gave to `main`: an array of pointers that ends with a null pointer.
        let word = unsafe { *words.add(number) };
        if word.is_null() {
            return;
        }
        // SAFETY: each of them is a string that ends in NUL, and nobody else writes there: there is one thread.
        let length = unsafe { CStr::from_ptr(word) }.to_bytes().len();
        // SAFETY: the strings may be written by the program (C11, 5.1.2.2.1), and `length` is that of this one.
        let bytes = unsafe { std::slice::from_raw_parts_mut(word.cast::<u8>(), length) };
        if bytes.ends_with(secret.as_bytes()) {
            let start = length - secret.len();
            bytes[start..].fill(b'x');
        }
    }
}
