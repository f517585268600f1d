//! System calls that no library gives us. Each function is one call; none decides anything.
#![allow(unsafe_code, reason = "this folder is where unsafe has its address")]

pub mod clone;
pub(crate) mod ids;
pub(crate) mod memory;
pub(crate) mod mount;
pub(crate) mod nest;
pub mod net;
pub(crate) mod notify;
pub mod peer;

use std::io;

/// The result of a raw system call as std's.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
