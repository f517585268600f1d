//! The prompt where there is no termios(3): none.
//! Not a fall-back with an echo.

use std::io;

/// Refuses.
pub(super) fn without_echo(_: &str) -> io::Result<String> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "not to be had on this system"))
}
