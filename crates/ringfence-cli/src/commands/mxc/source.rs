//! Where the text of a request comes from: a file, standard input, or the command line in Base64.
//! Not its meaning.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::ArgMatches;

use super::base64;

/// The longest request that is read, in bytes; MXC's own are some hundreds.
const LONGEST: u64 = 8 << 20;

/// A request as it came.
pub(super) struct Source {
    pub(super) text: String,
    /// What people call it.
    pub(super) name: String,
    /// The file, as it was named.
    pub(super) file: Option<PathBuf>,
}

/// The request that the words name, or why there is none.
pub(super) fn find(matches: &ArgMatches) -> Result<Source, String> {
    let named = |name: &str| matches.get_one::<String>(name);
    let (bytes, name, file) = if let Some(text) = named("config-base64") {
        let bytes = base64::decode(text);
        #[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
        crate::sys::blot_out(text);
        (
            bytes.ok_or("the value of --config-base64 is no Base64 (RFC 4648, section 4)")?,
            "--config-base64",
            None,
        )
    } else if let Some(path) = named("config").or(named("path")) {
        match path.as_str() {
            "-" => (bounded(io::stdin().lock(), "standard input")?, "standard input", None),
            path => (read(path)?, path, Some(path.into())),
        }
    } else {
        return Err("no request: name a file, --config, --config-base64, or - for standard input".into());
    };
    let text = String::from_utf8(bytes).map_err(|error| format!("the request is no UTF-8: {error}"))?;
    Ok(Source { text, name: name.into(), file })
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| format!("failed to open the request {path}: {error}"))?;
    bounded(file, path)
}

fn bounded(source: impl Read, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = source.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("failed to read the request from {name}: {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the request in {name} is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}
