//! Outside the fence: what this host can hold, a plan in its mechanisms' words, and the launch.
//! No policy text comes here, and no backend knows another.

#[cfg(target_os = "linux")]
mod answer;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod fence;
#[cfg(target_os = "linux")]
mod gateway;
#[cfg(target_os = "linux")]
mod launch;
pub mod limits;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod scratch;
#[cfg(target_os = "linux")]
mod sys;

use ringfence_plan::{Host, Plan, Verdicts};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    ALL, Command, LaunchError, Running, is_enclosed, probe, probe_capture, probe_deeply, probe_for,
};
#[cfg(target_os = "linux")]
pub use launch::{LaunchError, Running};
pub use limits::HeldLimits;
#[cfg(target_os = "linux")]
pub use probe::{is_enclosed, probe, probe_capture, probe_deeply, probe_for};
#[cfg(target_os = "linux")]
pub use ringfence_enter::protocol::{Control, FromInit, ToInit};
#[cfg(target_os = "linux")]
pub use ringfence_enter::{Command, SetUpError, StdioSource, Step};
#[cfg(target_os = "linux")]
pub use scratch::Scratch;
#[cfg(target_os = "linux")]
pub use sys::signals;

/// A mechanism, or a set of them, that can hold plans on this system.
pub trait Backend: Send + Sync {
    /// Its name in policies and reports.
    fn name(&self) -> &'static str;

    /// The plan in this mechanism's own words. Pure: no files, no clock.
    ///
    /// # Errors
    /// When the host lacks what the whole mechanism stands on.
    fn lower(&self, plan: &Plan, host: &Host) -> Result<Box<dyn Lowered>, Refusal>;
}

/// A plan in a mechanism's words.
pub trait Lowered: Send {
    /// One verdict for each field that the plan uses.
    fn verdicts(&self) -> &Verdicts;

    /// The limits, of which the supervisor holds a part.
    fn limits(&self) -> &HeldLimits;

    /// Whether its network is captured: everything that is sent inside comes to a gateway.
    fn is_captured(&self) -> bool;

    /// The ports to which connections come to it, where each takes a listener that is made at the start; `None` for every
    /// one.
    fn listened(&self) -> Option<&[u16]> {
        None
    }

    /// Whether a gateway stands between the run and whatever it reaches or is reached by.
    fn is_gated(&self) -> bool;

    /// What will be done, as a person would say it, in order.
    fn steps(&self) -> Vec<String>;

    /// Does the steps up to the command's start: the only call that touches the machine.
    ///
    /// # Errors
    /// When no process could be made. What fails inside the fence is told on [`Running::control`].
    fn launch(self: Box<Self>, command: Command) -> Result<Running, LaunchError>;
}

/// Why a backend cannot be used on this host at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {backend} backend cannot be used here: {why}")]
pub struct Refusal {
    /// Which backend.
    pub backend: &'static str,
    /// What is missing.
    pub why: String,
    /// What would bring it.
    pub mend: String,
}

/// Every backend of this system, strongest first.
#[cfg(target_os = "linux")]
pub const ALL: &[&dyn Backend] = &[&namespaces::Namespaces, &process::Process];
