//! What can keep a verb from doing its work, and how that is told: what happened, why, what mends it.
//! Not refusals during a run: those are the command's own business and a summary's.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::ArgMatches;
use serde_json::json;

use crate::exit;
use crate::render::escape::escape;
use crate::render::style::{Colours, Meaning, Stream, Style};

/// A verb that did not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line does not say what to do. Also asking for help, which fails at nothing.
    Usage(clap::Error),
    /// The policy is not one.
    Policy(ringfence_policy::Report),
    /// The library refused or failed.
    Run(ringfence::Error),
    /// `plan`: the answer is no.
    NotHeld(ringfence::Error),
    /// `plan`: a granted path is not there.
    Absent {
        /// The path.
        path: String,
        /// The rule that grants it, with its place.
        rule: String,
    },
    /// The system refused something.
    Io {
        /// Completes "failed to".
        what: String,
        /// Why.
        source: io::Error,
        /// What mends it.
        hint: Option<String>,
    },
}

/// Whom a failure is told to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs: one JSON object.
    Json,
}

impl Format {
    /// What the flags of a verb ask for.
    pub(crate) fn of(matches: &ArgMatches) -> Format {
        match matches.try_get_one("json") {
            Ok(Some(true)) => Format::Json,
            _ => Format::Text,
        }
    }

    /// What `--json` among words asks for that may be wrong otherwise.
    pub(crate) fn asked(words: &[OsString]) -> Format {
        match words.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
            true => Format::Json,
            false => Format::Text,
        }
    }
}

impl From<ringfence_policy::Report> for Failure {
    fn from(report: ringfence_policy::Report) -> Failure {
        Failure::Policy(report)
    }
}

impl From<ringfence::Error> for Failure {
    fn from(error: ringfence::Error) -> Failure {
        Failure::Run(error)
    }
}

impl Failure {
    /// Writes it to standard error and gives the exit code.
    pub(crate) fn tell(&self, format: Format) -> u8 {
        match self {
            // Help and version are no failure and go to standard output; if that is closed nobody is left to tell.
            Failure::Usage(error) if !error.use_stderr() || format == Format::Text => {
                let _ = error.print();
                return if error.use_stderr() { exit::FAILED } else { exit::DONE };
            }
            _ => {}
        }
        let text = match format {
            Format::Json => format!("{}\n", self.as_json()),
            Format::Text => self.as_text(Style::of(Stream::Error)),
        };
        let _ = io::stderr().write_all(text.as_bytes());
        self.exit_code()
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::Run(error) => error.exit_code(),
            Failure::NotHeld(_) | Failure::Absent { .. } => exit::NO,
            Failure::Usage(_) | Failure::Policy(_) | Failure::Io { .. } => exit::FAILED,
        }
    }

    /// For people.
    pub(crate) fn as_text(&self, style: Style) -> String {
        let (message, hints) = match self {
            Failure::Policy(report) => return report.render(style.colours == Colours::On),
            Failure::Usage(error) => return error.to_string(),
            Failure::Run(error) | Failure::NotHeld(error) => (escape_lines(&chain(error)), error.hints()),
            Failure::Absent { path, rule } => (
                format!("{} does not exist, so that `run` would stop: {}", escape(path), escape(rule)),
                vec!["create it, take the rule out, or say { path = \"…\", optional = true } in ringfence.toml".into()],
            ),
            Failure::Io { what, source, hint } => {
                (format!("failed to {}: {source}", escape(what)), hint.iter().cloned().collect())
            }
        };
        let mut text = format!("{} {message}\n", style.paint(Meaning::Bad, "ringfence:"));
        for hint in hints {
            text.push_str(&format!("  {} {}\n", style.paint(Meaning::Title, "help:"), escape(&hint)));
        }
        text
    }

    /// For programs.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let (kind, message, rest) = match self {
            Failure::Usage(error) => ("usage", error.to_string(), json!([])),
            Failure::Policy(report) => ("policy", titles(report), json!(report)),
            Failure::Run(error @ ringfence::Error::Refused(_)) | Failure::NotHeld(error) => {
                ("refused", chain(error), json!(error.hints()))
            }
            Failure::Run(error) => ("run", chain(error), json!(error.hints())),
            Failure::Absent { path, rule } => ("absent", path.clone(), json!([rule])),
            Failure::Io { what, source, hint } => {
                ("system", format!("failed to {what}: {source}"), json!(hint))
            }
        };
        let details = if kind == "policy" { "diagnostics" } else { "hints" };
        json!({ "error": { "kind": kind, "message": message, details: rest }, "exit_code": self.exit_code() })
    }
}

/// An error with all that it stands on, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        // Some messages already say their source.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}

/// Lines stay lines; all else that is not text is spelled out, since paths and names may be of others' choosing.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn titles(report: &ringfence_policy::Report) -> String {
    report.0.iter().map(|diagnostic| diagnostic.title.as_str()).collect::<Vec<_>>().join("; ")
}
