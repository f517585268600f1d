//! `ringfence policy fmt`: a policy file in its canonical form.
//! Not a change of what it says, nor of its comments.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::format;

use super::text_of;
use crate::failure::Failure;
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("fmt")
        .about("Put policy files into canonical form: order, spacing, one entry a line where long")
        .arg(super::files("The files; - is standard input, to standard output [default: ringfence.toml]"))
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Change nothing; exit code 1 if a file is in another form"),
        )
        .after_help(
            "Examples:\n  ringfence policy fmt\n  ringfence policy fmt --check ringfence.toml team.toml",
        )
}

/// Formats them; with --check only says whether it would change them.
pub(super) fn fmt(matches: &ArgMatches) -> Result<u8, Failure> {
    let mut code = exit::DONE;
    for file in super::files_of(matches) {
        if file.as_os_str() == "-" {
            let text = std::io::read_to_string(std::io::stdin()).map_err(|source| Failure::Io {
                what: "read standard input".into(),
                source,
                hint: None,
            })?;
            render::print(format::format("standard input", &text)?.as_bytes())?;
            continue;
        }
        let before = text_of(&file)?;
        let after = format::format(&file.display().to_string(), &before)?;
        if before == after {
            continue;
        }
        if matches.get_flag("check") {
            let name = render::escape::escape(&file.display().to_string()).into_owned();
            render::print(
                format!("{name} is not in canonical form: ringfence policy fmt {name}\n").as_bytes(),
            )?;
            code = exit::NO;
        } else {
            // A link stays one. What it leads to was read as a policy, so that no other file is written.
            let target = file.canonicalize().unwrap_or(file);
            super::write::replace(&target, &after)?;
        }
    }
    Ok(code)
}
