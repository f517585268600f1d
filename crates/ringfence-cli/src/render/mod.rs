//! What people and programs are shown: text and JSON of the same values.
//! Nothing here decides anything.

pub(crate) mod escape;
pub(crate) mod style;
pub(crate) mod table;
