//! What people and programs are shown: text and JSON of the same values.
//! Nothing here decides anything.

pub(crate) mod answer;
pub(crate) mod apparmor;
#[cfg(target_os = "linux")]
pub(crate) mod attack;
pub(crate) mod difference;
pub(crate) mod escape;
pub(crate) mod host;
pub(crate) mod log;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod words;

mod inspected;
mod traffic;

use std::io::{self, Write};

use crate::failure::Failure;

/// Writes to standard output. A reader that has gone away is no failure: it has what it wanted.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Io { what: "write to standard output".into(), source: error, hint: None })
        }
        _ => Ok(()),
    }
}
