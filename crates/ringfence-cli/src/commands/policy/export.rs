//! `ringfence policy export`: the policy that counts here in the words of another program, and what those cannot say.
//! Not a policy of ours: what is written is for that program.

use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::mxc::{self, Effect, Exported};

use super::stages;
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::{exit, flags, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let command = Command::new("export")
        .about("Write the policy that counts here for another program, and name what cannot be said there")
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .required(true)
                .value_parser(["mxc"])
                .action(ArgAction::Set)
                .help("The program: mxc"),
        )
        .arg(
            Arg::new("command-line")
                .long("command-line")
                .value_name("LINE")
                .default_value("true")
                .help("What the request runs, a line for a shell"),
        )
        .after_help(format!(
            "Examples:\n  ringfence policy export --format mxc --command-line 'cargo test' > request.json\n\n{}",
            crate::commands::exit_codes("policy export")
        ));
    flags::add(command)
}

/// Writes it; the exit code is 1 if the other program lets more.
pub(super) fn export(matches: &ArgMatches) -> Result<u8, Failure> {
    let composed = stages::composed(&flags::request(matches)?)?;
    let plan = ringfence_policy::compile(&composed)?;
    let line: &String = matches.get_one("command-line").expect("it has a default");
    let Exported { request, unsaid } = mxc::export(&plan, line);
    render::print(request.as_bytes())?;
    let mut text = String::new();
    for (effect, title) in [(Effect::Wider, "lets more than the policy"), (Effect::Narrower, "lets less")] {
        for unsaid in unsaid.iter().filter(|unsaid| unsaid.effect == effect) {
            text.push_str(&format!("{title}: {}: {}\n", unsaid.field, escape(&unsaid.text)));
        }
    }
    // If standard error is closed there is nobody left to tell; the exit code says it too.
    let _ = std::io::stderr().write_all(text.as_bytes());
    let wider = unsaid.iter().any(|unsaid| unsaid.effect == Effect::Wider);
    Ok(if wider { exit::NO } else { exit::DONE })
}
