//! `ringfence policy keygen`: a pair of keys with which ceilings are signed.
//! Not a store of keys: two files, in minisign's format.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_policy::layers::signature;

use super::password::{self, Ask};
use super::write::{self, Readers};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let key = Arg::new("key").long("key").value_name("KEYFILE").required(true);
    Command::new("keygen")
        .about("Make a pair of keys for signing policies")
        .arg(
            key.value_parser(value_parser!(PathBuf))
                .help("The secret key's file, which must not be there yet; the public key is KEYFILE.pub"),
        )
        .arg(password::flag())
        .arg(
            Arg::new("no-password")
                .long("no-password")
                .action(ArgAction::SetTrue)
                .conflicts_with("password-file")
                .help("Leave the secret key unlocked: whoever reads the file can sign"),
        )
        .after_help(
            "Examples:\n  ringfence policy keygen --key ~/keys/ceilings\n  \
             ringfence policy keygen --key ci.key --no-password",
        )
}

/// Makes them.
pub(super) fn keygen(matches: &ArgMatches) -> Result<u8, Failure> {
    let secret: &PathBuf = matches.get_one("key").expect("it is required");
    let public = PathBuf::from({
        let mut name = secret.clone().into_os_string();
        name.push(".pub");
        name
    });
    let password = match matches.get_flag("no-password") {
        true => None,
        false => Some(password::of(matches, Ask::Twice)?),
    };
    let pair =
        signature::generate(password.as_deref()).map_err(|error| super::failed("make a key", &error))?;
    write::create(secret, &pair.secret, Readers::Owner)?;
    write::create(&public, &pair.public, Readers::All)?;
    let line = pair.public.lines().nth(1).unwrap_or_default();
    let (secret, public) = (secret.display().to_string(), public.display().to_string());
    render::print(
        format!(
            "wrote {} (keep it secret) and {}\nin /etc/ringfence/ceiling.toml: [signing] keys = [{line:?}]\n",
            escape(&secret),
            escape(&public)
        )
        .as_bytes(),
    )?;
    Ok(exit::DONE)
}
