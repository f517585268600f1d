//! The policy language: text and flags in, a [`Plan`](ringfence_plan::Plan) out, in three calls.
//!
//! Not here: how a plan is held (backend), and anything that prints. Only [`load()`] with what it calls, [`layers`],
//! [`check_links`] and, for requests of MXC, [`mxc`] touch the disk.
//!
//! ```text
//! load     ceilings, presets, policies and flags are read, the machine is looked at     (the only I/O)
//! compose  statements that grant become one stage, each ceiling one of its own          (pure)
//! compile  each stage becomes a plan; what all of them let is the plan of the run       (pure, deterministic)
//! ```
//!
//! # Who may say what
//!
//! | author | what counts |
//! |---|---|
//! | the base, built in | always there: system directories, protected names, hidden places, environment, limits |
//! | presets | those that a policy extends, or else those that the project's files call for; they add up |
//! | the user: standing files, `--policy`, `--layer`, flags | adds grants, replaces single values, may lift a hidden place by naming it exactly; flags come last |
//! | a `ringfence.toml` found in the project | the same once the user has trusted its content; until then it only narrows |
//! | ceilings: the machine's, the user's, any file that says `kind = "ceiling"` | only narrow |
//! | the sandbox around this run | only narrows |
//!
//! A file that says `read = ["./data"]` therefore still runs `cargo build`, and one that says `extends = []` is the
//! whole truth on top of the base. Lists add up, single values are replaced by the later author, and where the same
//! path stands in several lists of the user's the stricter wins. A deny wins over everything at and below its path.
#![forbid(unsafe_code)]

pub mod assertions;
mod builtin;
pub mod check;
mod compile;
mod compose;
mod context;
mod detect;
mod diagnostic;
pub mod difference;
mod discover;
pub mod explain;
mod field;
mod flag;
pub mod format;
mod groups;
pub mod init;
pub mod layers;
mod links;
mod load;
pub mod mxc;
mod nearest;
mod path_text;
pub mod presets;
mod quantity;
mod read;
mod render;
mod schema;
mod settle;
mod source;
mod statement;

pub use compile::compile;
pub use compose::{Composed, Stage, StageKind, Void, compose};
pub use context::{Context, Flag, Request, Surroundings};
pub use diagnostic::{Diagnostic, Label, Report, Severity, Snippet};
pub use discover::{Found, Link, Worktree};
pub use field::{FIELDS, FieldSpec, Kind};
pub use layers::places::Places;
pub use links::check_links;
pub use load::{Sources, Unsettled, load};
pub use schema::schema;
