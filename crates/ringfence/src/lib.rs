//! The library people embed: [`Run`] is one command, contained from its plan to its [`Outcome`].
//!
//! It never prints, reads no policy text and looks at no environment but the one it is given. It starts no thread, and
//! must be called from a process that has none: the sandbox is cloned from it.
//!
//! ```no_run
//! # fn example(plan: ringfence::Plan) -> Result<(), ringfence::Error> {
//! let run = ringfence::Run {
//!     plan,
//!     host: ringfence::probe(),
//!     argv: vec!["cargo".into(), "test".into()],
//!     cwd: std::env::current_dir().unwrap(),
//!     caller_env: std::env::vars_os().collect(),
//!     terminal: true,
//!     allow_unenforced: Vec::new(),
//! };
//! let outcome = run.prepare()?.run(&mut |event| eprintln!("{event:?}"))?;
//! println!("{:?} after {:?}", outcome.ending, outcome.wall_time);
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "without a backend no run is ever supervised")
)]

mod error;
mod outcome;
mod run;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(not(target_os = "linux"))]
#[path = "supervise_elsewhere.rs"]
mod supervise;

pub use error::{BackendRefusal, Error, Refused, Unheld};
pub use outcome::{Outcome, TOLD_EVENTS};
pub use ringfence_backend::{probe, probe_deeply};
pub use ringfence_plan::*;
pub use run::{Prepared, Run};
