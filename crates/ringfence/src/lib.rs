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
//!     record: ringfence::Record::default(),
//!     around: None,
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

mod command_line;
mod error;
mod last_run;
pub mod live;
mod outcome;
mod record;
mod refused;
mod run;
mod run_log;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(not(target_os = "linux"))]
#[path = "supervise_elsewhere.rs"]
mod supervise;

pub use error::Error;
pub use last_run::{LastRun, MOST as MOST_REFUSALS, Refusal, RefusedConnection};
pub use outcome::{Outcome, TOLD_EVENTS, Traffic};
pub use record::{Record, Text};
pub use refused::{BackendRefusal, Refused, Unheld};
pub use ringfence_backend::{probe, probe_deeply};
pub use ringfence_plan::*;
pub use run::{Prepared, Run};
pub use run_log::{Entry, KEPT_RUNS, RunLog};
