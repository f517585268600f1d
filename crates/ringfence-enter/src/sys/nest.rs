//! The call by which a sandbox speaks to the broker of the one around it.

use std::ffi::CStr;
use std::io;

/// No descriptor: the kernel answers EBADF, so that where no broker listens nothing happens.
pub(crate) const TARGET: i32 = -0x52_464e;

/// fsetxattr(2) on [`TARGET`]: what the broker around this process answers to `name` with `value`.
pub(crate) fn ask(name: &CStr, value: &[u8]) -> io::Result<i32> {
    // SAFETY: a terminated string, and a buffer of the length given; both outlive the call.
    let answer = unsafe { libc::fsetxattr(TARGET, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    super::check(answer.into()).map(|answer| answer as i32)
}
