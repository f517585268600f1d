//! Looks into the connections of those hosts that HTTP rules or credentials speak of: ends their TLS, judges every request,
//! and puts credentials in, in a process that has nothing but the connections it is handed. What the gateway says to a parent
//! proxy or a resolver it wraps in TLS.
//!
//! It opens no connection (`ringfence-egress` does), makes no process (`ringfence`), and leaves every other host alone.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod engine;
#[cfg(target_os = "linux")]
pub mod java;
#[cfg(target_os = "linux")]
pub mod keystore;
pub mod roots;
pub mod rules;
pub mod secret;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
pub use engine::{Engine, Setup};
