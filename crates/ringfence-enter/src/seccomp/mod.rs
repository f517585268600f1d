//! The system-call filter: an allow list for each architecture, as a search tree over call numbers.
//!
//! Own assembler and not a crate: user notification, range compression and a tree are wanted together, and a linear
//! list costs three times as much to install (docs/benchmarks.md).

mod assemble;
mod gateway;
mod inspector;
mod outpost;
mod table;

pub use table::{Action, Check, Options, Rule, Sockets, rules};

/// The filter of the inspector's process.
pub(crate) fn inspector_program() -> Vec<libc::sock_filter> {
    assemble::assemble(&inspector::rules())
}

/// The filter of the gateway's process.
pub(crate) fn gateway_program() -> Vec<libc::sock_filter> {
    assemble::assemble(&gateway::rules())
}

/// The filter for this build's architecture, as instructions for seccomp(2).
pub fn program(options: &Options) -> Vec<libc::sock_filter> {
    assemble::assemble(&rules(options))
}
