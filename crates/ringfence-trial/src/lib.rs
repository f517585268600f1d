//! The promises of ringfence as a table: what is tried inside a sandbox, and what must come of it. Every attempt is
//! also made without a fence and must succeed there, so that a row cannot pass because the attempt itself is broken.
//!
//! No part of what ships, and no user of its code: a row knows the `ringfence` program and the host, nothing else.
#![cfg(target_os = "linux")]

mod attack;
pub mod attempts;
mod internet;
mod matrix;
pub mod model;
mod options;
mod place;
mod program;
mod report;
mod row;
mod rows;
mod session;
mod tree;
mod user;
mod work;

pub use internet::main as serve_internet;
pub use matrix::{run, sessions};
pub use options::{Backends, Options, Users, parse};
pub use report::Totals;
pub use row::{Outcome, Row};
pub use rows::all as rows;
pub use session::Session;
