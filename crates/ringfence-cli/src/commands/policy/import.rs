//! `ringfence policy import`: an MXC request as a commented ringfence.toml.
//! Not a run of it: that is `ringfence mxc`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use ringfence_policy::{Diagnostic, mxc};

use crate::failure::Failure;
use crate::{exit, flags, render};

/// The largest request that is read.
const LARGEST: u64 = 4 << 20;

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("import")
        .about("Write an MXC request as a commented ringfence.toml, to standard output")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The request; - is standard input"),
        )
        .after_help("Examples:\n  ringfence policy import request.json > ringfence.toml\n  ringfence policy check ringfence.toml")
}

/// Writes it.
pub(super) fn import(matches: &ArgMatches) -> Result<u8, Failure> {
    let file: &PathBuf = matches.get_one("file").expect("it is required");
    let text = text_of(file).map_err(|source| Failure::Io {
        what: format!("read {}", file.display()),
        source,
        hint: None,
    })?;
    let request = flags::surroundings(flags::current_directory()?);
    let context = mxc::Context {
        name: if is_input(file) { "standard input".into() } else { file.display().to_string() },
        file: None,
        cwd: request.cwd,
        home: request.home,
        user: request.user,
        caller_env: request.caller_env,
        places: request.places,
        parent: None,
    };
    let policy = mxc::import(&text, &context).map_err(|refusal| {
        let title = format!("{} cannot be written as a policy: {refusal}", context.name);
        Failure::Policy(Diagnostic::error(title).into())
    })?;
    render::print(policy.as_bytes())?;
    Ok(exit::DONE)
}

fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

fn text_of(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    match is_input(file) {
        true => std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)?,
        false => std::fs::File::open(file)?.take(LARGEST + 1).read_to_string(&mut text)?,
    };
    Ok(text)
}
