//! The policy language: text and flags in, a [`Plan`](ringfence_plan::Plan) out, in three calls.
//!
//! Not here: how a plan is held (backend), and anything that prints. Only [`load()`] touches the disk.
//!
//! ```text
//! load     files and flags are read, what this machine has is looked up     (the only I/O)
//! compose  statements of all authors become one set of fields, with origin  (pure)
//! compile  fields become a plan                                             (pure, deterministic)
//! ```
//!
//! # Who may say what
//!
//! | author | what counts |
//! |---|---|
//! | the base, built in | always there: system directories, protected names, hidden places, environment, limits |
//! | the tool-chains found on this machine | there unless a policy says `extends`; `extends = ["default"]` names them |
//! | a `ringfence.toml` found in the project | adds grants, replaces single values; makes no hole: no network, no writing outside of the project, nothing hidden, no credential, no weaker fence, because whoever wrote the project wrote it |
//! | a file named with `--policy` | adds grants, replaces single values, and may lift a hidden place by naming it exactly |
//! | flags | the same; they come last |
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
pub mod init;
pub mod layers;
mod links;
mod load;
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
