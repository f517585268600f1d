//! Where no run is ever supervised, none is found.

use std::path::Path;

use super::{About, Answer, Request, Unreachable};

/// The runs of this user that are under way.
pub fn runs(_: &Path) -> Vec<About> {
    Vec::new()
}

/// Asks a run.
///
/// # Errors
/// Always.
pub fn ask(_: &Path, id: &str, _: &Request) -> Result<Answer, Unreachable> {
    Err(Unreachable::Unknown(id.into()))
}
