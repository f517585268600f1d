//! What came of a line in the small internet, and what a row makes of that. Not what is asked there.

use crate::program::Ran;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

use super::TOOLS;

/// What came of a line, and what reached the world meanwhile.
#[derive(Debug)]
pub(crate) struct Told {
    /// The line's end.
    pub(crate) ran: Ran,
    /// What the servers wrote, one line for whatever reached them: `dns NAME`, `tcp ADDRESS PORT`, `data ADDRESS PORT
    /// BYTES`, `udp BYTES`.
    pub(crate) log: String,
}

/// A row that takes a small internet, and these tools beside those that make one.
pub(crate) fn row(
    name: impl Into<String>,
    threats: &'static [u8],
    tools: &[&'static str],
    judge: impl Fn(&Session) -> Result<Outcome, String> + Send + Sync + 'static,
) -> Row {
    let tools = [TOOLS, tools].concat();
    let check = move |session: &Session| match tools.iter().find(|tool| !Session::has(tool)) {
        Some(tool) => Outcome::Skipped(format!("this host has no {tool}")),
        None => judge(session).unwrap_or_else(Outcome::Failed),
    };
    let only = Scope::Namespaces("only a network namespace of its own can be captured");
    Row::new(name, threats, check).only(only)
}

impl Told {
    /// Whether the servers wrote a line that begins so.
    pub(crate) fn has(&self, beginning: &str) -> bool {
        self.log.lines().any(|line| line.starts_with(beginning))
    }

    /// All of it, for who looks for the cause.
    pub(crate) fn describe(&self) -> String {
        format!("{}\n{}", self.ran.describe(), self.log)
    }

    /// The verdict on a row that this alone decides.
    pub(crate) fn judge(&self, good: bool) -> Result<Outcome, String> {
        if good { Ok(Outcome::Passed) } else { Err(self.describe()) }
    }

    /// A fenced line that must not reach something has asked for `alive` first, or ended by 99: a network that is simply
    /// dead would hold everything.
    pub(crate) fn holds(&self, alive: &str, reached: bool) -> Result<(), String> {
        let why = match self.ran.code == 99 || !self.log.contains(alive) {
            true => "what is allowed does not work",
            false if reached => "it got out",
            false if self.ran.timed_out => "it hung",
            false => return Ok(()),
        };
        Err(format!("{why}: {}", self.describe()))
    }

    /// The control of what was held or works: without what is on trial, it must be seen here.
    pub(crate) fn proves(&self, shown: bool) -> Outcome {
        match shown {
            true => Outcome::Passed,
            false => Outcome::NotProved(format!("the control does not show it: {}", self.describe())),
        }
    }

    /// A fenced line does as it does without a fence.
    pub(crate) fn does_as(&self, bare: &Told) -> Result<Outcome, String> {
        match self.ran.code == 0 && self.ran.stdout == bare.ran.stdout {
            true => Ok(Outcome::Passed),
            false => Err(format!(
                "inside: {}\noutside: {}\n{}",
                self.ran.describe(),
                bare.ran.describe(),
                self.log
            )),
        }
    }
}
