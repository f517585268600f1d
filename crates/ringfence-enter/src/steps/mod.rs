//! The set-up, one kernel step a function, each with its own error. The order is `init.rs`'s business.

pub(crate) mod denied;
pub(crate) mod dev;
pub(crate) mod etc;
pub(crate) mod holds;
pub(crate) mod identity;
pub(crate) mod landlock;
pub(crate) mod layers;
pub(crate) mod resolve;
pub(crate) mod root;
pub(crate) mod shown;
pub(crate) mod ways;

use crate::fence::{SetUpError, Step};

/// Puts a step's name to an error of the system.
pub(crate) trait During<T> {
    /// The error as a failure of `step`.
    fn during(self, step: Step) -> Result<T, SetUpError>;
    /// The error as a failure of `step` on `operand`.
    fn during_on(self, step: Step, operand: impl std::fmt::Display) -> Result<T, SetUpError>;
}

impl<T, E: Into<std::io::Error>> During<T> for Result<T, E> {
    fn during(self, step: Step) -> Result<T, SetUpError> {
        self.map_err(|error| SetUpError::new(step, error.into().raw_os_error().unwrap_or(libc::EIO)))
    }

    fn during_on(self, step: Step, operand: impl std::fmt::Display) -> Result<T, SetUpError> {
        self.during(step).map_err(|error| error.on(operand))
    }
}
