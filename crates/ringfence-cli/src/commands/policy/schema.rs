//! `ringfence policy schema`: the JSON Schema of policy files.
//! Not a check: `policy check` knows what a schema cannot.

use clap::{ArgMatches, Command};

use crate::failure::Failure;
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("schema")
        .about("Print the JSON Schema of policy files, from which editors complete")
        .after_help("Examples:\n  ringfence policy schema > ringfence.schema.json")
}

/// Prints it.
pub(super) fn schema(_: &ArgMatches) -> Result<u8, Failure> {
    render::print(format!("{:#}\n", ringfence_policy::schema()).as_bytes())?;
    Ok(exit::DONE)
}
