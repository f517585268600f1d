//! The only way out of a sandbox: connections are captured inside, decided here by name, address and port, and carried
//! by a process outside that has the listeners' descriptors and nothing else of the sandbox.
//!
//! It decides nothing that the plan does not say, and makes neither the network inside (`ringfence-enter`) nor its own
//! process (`ringfence`).
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod budget;
pub mod dns;
#[cfg(target_os = "linux")]
mod gateway;
pub mod greeted;
pub mod handed;
pub mod handshake;
pub mod hello;
pub mod http;
pub mod order;
pub mod parent;
pub mod report;
pub mod retry;
pub mod rules;
pub mod scan;
pub mod socks;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(target_os = "linux")]
pub use gateway::{Gateway, HOST_PORT, SOCKET, Setup};
pub use ringfence_plan::guard;
