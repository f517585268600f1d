//! `ringfence doctor --attack` where no backend is: there is nothing to attack.
//! Not a passed test.

use clap::ArgMatches;

use crate::failure::Failure;

/// Refuses.
pub(super) fn attack(_: &ArgMatches) -> Result<bool, Failure> {
    Err(Failure::Io {
        what: "attack a sandbox".into(),
        source: std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "there is no backend for this system yet",
        ),
        hint: None,
    })
}
