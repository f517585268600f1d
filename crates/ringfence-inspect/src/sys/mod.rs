//! What has to be promised to the runtime. Each function is one call; none decides anything.
#![allow(unsafe_code, reason = "this folder is where unsafe has its address")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that the runtime waits for.
pub(crate) fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays the one it is, open, until the `AsyncFd` that owns it is dropped; nobody here takes a
    // mutable reference to it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
