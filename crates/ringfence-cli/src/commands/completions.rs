//! `ringfence completions`: the words that a shell completes.
//! Not their installation: each shell has its own place for them.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::exit;
use crate::failure::Failure;
use crate::render;

/// Flags and help.
pub(crate) fn command() -> Command {
    Command::new("completions")
        .about("Print completions for a shell")
        .arg(Arg::new("shell").required(true).value_parser(value_parser!(Shell)).help("The shell"))
        .after_help(
            "Examples:\n  ringfence completions bash > ~/.local/share/bash-completion/completions/ringfence\n  \
             ringfence completions fish > ~/.config/fish/completions/ringfence.fish",
        )
}

/// Prints them.
pub(crate) fn completions(matches: &ArgMatches) -> Result<u8, Failure> {
    let shell: Shell = *matches.get_one("shell").expect("it is required");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut super::tree(), "ringfence", &mut text);
    render::print(&text)?;
    Ok(exit::DONE)
}
