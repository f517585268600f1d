//! Names: questions of the sandbox are answered here, and only those about names that a rule could allow are asked of
//! the host's servers, or of a resolver that the plan names.

pub mod conversation;
pub mod hosts;
pub mod message;
#[cfg(target_os = "linux")]
pub(crate) mod pool;
#[cfg(target_os = "linux")]
pub(crate) mod resolver;
pub mod servers;
#[cfg(target_os = "linux")]
pub(crate) mod told;
