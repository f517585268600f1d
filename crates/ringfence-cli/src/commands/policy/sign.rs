//! `ringfence policy sign`: a signature beside a policy file.
//! Not a judgement of what the file says.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use ringfence_policy::layers::signature::{self, NotSigned, SUFFIX};

use super::password::{self, Ask};
use super::{text_of, write};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let path = |name: &'static str| Arg::new(name).required(true).value_parser(value_parser!(PathBuf));
    Command::new("sign")
        .about("Sign a policy file; the signature is FILE.minisig")
        .arg(path("file").value_name("FILE").help("The file"))
        .arg(
            path("key")
                .long("key")
                .value_name("KEYFILE")
                .help("The secret key, of minisign or `policy keygen`"),
        )
        .arg(password::flag())
        .after_help("Examples:\n  ringfence policy sign network.toml --key ~/keys/ceilings")
}

/// Signs it.
pub(super) fn sign(matches: &ArgMatches) -> Result<u8, Failure> {
    let file: &PathBuf = matches.get_one("file").expect("it is required");
    let key: &PathBuf = matches.get_one("key").expect("it is required");
    let (text, key) = (text_of(file)?, text_of(key)?);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // A file that no ringfence could read would stop every run on every machine that gets it.
    ringfence_policy::format::format(&name, &text)?;
    let password = password::given(matches)?;
    let signature = match signature::sign(text.as_bytes(), &name, &key, password.as_deref()) {
        // Asked for only now: an unlocked key needs none.
        Err(NotSigned::Locked) if password.is_none() => {
            let password = password::of(matches, Ask::Once)?;
            signature::sign(text.as_bytes(), &name, &key, Some(&password))
        }
        other => other,
    };
    let signature = signature.map_err(|error| super::failed("sign", &error))?;
    let beside = beside(file);
    write::replace(&beside, &signature)?;
    render::print(format!("wrote {}\n", escape(&beside.display().to_string())).as_bytes())?;
    Ok(exit::DONE)
}

/// Where the signature of `file` is.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}
