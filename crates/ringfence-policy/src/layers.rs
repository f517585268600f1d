//! The files that layers come from: where they are, who may have written them, what the user has trusted and who signed.
//!
//! Not what they say: that is read as any other policy. Nothing here prints, asks, or looks at the environment.

pub mod break_glass;
pub mod guarded;
pub(crate) mod people;
pub mod places;
pub mod signature;
pub mod trust;
