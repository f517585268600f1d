//! The built-in policy, as data with the reason beside each line.
//!
//! No decisions: `compose` treats these lines as it treats a file's.

pub(crate) mod environment;
pub(crate) mod hidden;
pub(crate) mod limits;
pub(crate) mod protect;
pub(crate) mod system;
