//! `ringfence policy verify`: whether a policy file's signature is one of the keys'.
//! Not whether the key is the right one: that is what a machine ceiling pins.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_policy::Diagnostic;
use ringfence_policy::layers::signature::{self, PublicKey};

use super::sign::beside;
use super::text_of;
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("verify")
        .about("Say whether FILE.minisig is a signature of FILE by one of the keys")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The file"),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("PUB")
                .required(true)
                .action(ArgAction::Append)
                .help("A public key: its file, or its line (RW…); repeatable"),
        )
        .after_help("Examples:\n  ringfence policy verify network.toml --key ~/keys/ceilings.pub")
}

/// Says it; the exit code is 1 if the signature does not count.
pub(super) fn verify(matches: &ArgMatches) -> Result<u8, Failure> {
    let file: &PathBuf = matches.get_one("file").expect("it is required");
    let keys = matches.get_many::<String>("key").into_iter().flatten();
    let keys = keys.map(|key| self::key(key)).collect::<Result<Vec<_>, _>>()?;
    let name = file.display().to_string();
    let name = escape(&name);
    let (text, signature) = (text_of(file)?, text_of(&beside(file))?);
    let (said, code) = match signature::verify(text.as_bytes(), &signature, &keys) {
        Ok(signed) => {
            (format!("{name} is signed by {} ({})", signed.key, escape(&signed.comment)), exit::DONE)
        }
        Err(why) => (format!("the signature of {name} {why}"), exit::NO),
    };
    render::print(format!("{said}\n").as_bytes())?;
    Ok(code)
}

fn key(text: &str) -> Result<PublicKey, Failure> {
    let bad = |name: &str, why: &str| {
        let title = format!("the key `{}` {why}", escape(name));
        let help = "write --key FILE.pub, or --key and the second line of that file";
        Failure::Policy(Diagnostic::error(title).help(help).into())
    };
    if let Ok(key) = PublicKey::parse(text) {
        return Ok(key);
    }
    let file = text_of(Path::new(text))?;
    PublicKey::parse(&file).map_err(|why| bad(text, why))
}
