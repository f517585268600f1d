//! The hidden verb that makes one attempt of `doctor --attack`, inside or outside a sandbox.
//! Not for people: it answers with one line that the referee reads.

use std::ffi::OsString;
use std::io::{self, Read, Write};

use crate::attempts::{self, Stage};
use crate::exit;

/// The verb.
pub(crate) const VERB: &str = "__attempt";
/// How the line begins when the attempt got through.
pub(crate) const THROUGH: &str = "through";
/// How it begins when something stopped it; the reason follows.
pub(crate) const HELD: &str = "held:";

/// Makes the attempt `NAME STAGE`, or plays one of the parts that attempts need others for.
pub(crate) fn attempt(words: &[OsString]) -> u8 {
    match words.iter().filter_map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        ["idle"] => idle(),
        ["linger", stage] => act(stage, attempts::linger),
        [name, stage] => match attempts::find(name) {
            Some(attempt) => act(stage, attempt.act),
            None => exit::FAILED,
        },
        _ => exit::FAILED,
    }
}

fn act(stage: &str, act: fn(&Stage) -> io::Result<()>) -> u8 {
    let Ok(stage) = serde_json::from_str(stage) else { return exit::FAILED };
    let (line, code) = match act(&stage) {
        Ok(()) => (THROUGH.to_owned(), exit::DONE),
        Err(error) => (format!("{HELD} {error}"), exit::NO),
    };
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => code,
        Err(_) => exit::FAILED,
    }
}

/// Lives until standard input ends, to be looked at, signalled or counted.
fn idle() -> u8 {
    let _ = io::stdin().read(&mut [0]);
    exit::DONE
}
