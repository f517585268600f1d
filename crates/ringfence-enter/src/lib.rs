//! Inside the fence: one process that shuts itself in, starts the command and stays as its init and broker.
//!
//! It is no supervisor: it knows nothing of policy text, terminals of the host or control groups. It runs on one
//! thread from its first line to its last, and a step that fails ends it before the command starts.
#![cfg(target_os = "linux")]

mod broker;
pub mod capture;
mod command;
mod fence;
mod inbound;
mod init;
pub mod nest;
pub mod outpost;
pub mod protocol;
pub mod seccomp;
mod set_up;
mod socket;
mod steps;
pub mod sys;

pub use fence::{
    Command, Confinement, Fence, Layer, Mount, NetworkLayout, Rlimits, RootLayout, Roots, SetUpError,
    StandIn, StdioSource, Step,
};
pub use init::enter;
pub use steps::layers::CROWD;
