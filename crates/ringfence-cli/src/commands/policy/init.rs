//! `ringfence policy init`: a commented ringfence.toml for the project found.
//! Not a grant: it says what would hold without it.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::Diagnostic;

use super::write::{self, Readers};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::{exit, flags, inside, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("init")
        .about("Write a commented ringfence.toml for the project found")
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Take the place of a ringfence.toml that is there"),
        )
        .after_help("Examples:\n  ringfence policy init\n  ringfence policy init && ringfence policy trust")
}

/// Writes it.
pub(super) fn init(matches: &ArgMatches) -> Result<u8, Failure> {
    inside::refuse("write a policy")?;
    let request = flags::surroundings(flags::current_directory()?);
    let (root, chosen) = ringfence_policy::init::project(&request)?;
    let path = root.join("ringfence.toml");
    let text = ringfence_policy::init::text(&chosen);
    // Not `exists`: a link that leads nowhere is there.
    match path.symlink_metadata() {
        Ok(_) if matches.get_flag("force") => write::replace(&path, &text)?,
        Ok(_) => {
            let title = format!("{} is there already", escape(&path.display().to_string()));
            let help = "`ringfence policy check` looks at it; --force writes a new one in its place";
            return Err(Failure::Policy(Diagnostic::error(title).help(help).into()));
        }
        Err(_) => write::create(&path, &text, Readers::All)?,
    }
    let said = format!("wrote {}\n", escape(&path.display().to_string()));
    render::print(said.as_bytes())?;
    Ok(exit::DONE)
}
