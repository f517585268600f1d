//! One file a verb.
//! x

pub(crate) mod attempt;
