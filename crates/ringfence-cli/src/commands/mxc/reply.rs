//! What a request came to when its command did not simply end: one of MXC's twelve codes, an exit code, and how it is told.
//! Not the outcome of a command that ran: that is its own exit code and nothing more.

use ringfence::Error;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::style::{Colours, Style};

pub(super) use ringfence_policy::mxc::Code;

/// Where a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is no request.
    Request,
    /// It is one, and is refused.
    Policy,
    /// The sandbox could not be set up; the command did not start.
    SetUp,
    /// The command ran for longer than it may.
    TimeOut,
}

/// A value as one line of ASCII: what a command chose (paths, names) must not drive a terminal on which it is read.
pub(super) fn line(value: &Value) -> String {
    let mut line = String::new();
    for letter in value.to_string().chars() {
        if (' '..='~').contains(&letter) {
            line.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            line.push_str(&format!("\\u{unit:04x}"));
        }
    }
    line.push('\n');
    line
}

/// A request that did not come to the end of its command.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) phase: Phase,
    pub(super) code: Code,
    pub(super) message: String,
    /// The member of the request, where one is to blame.
    pub(super) field: Option<String>,
}

impl Reply {
    /// A text that is no request.
    pub(super) fn malformed(message: impl Into<String>) -> Reply {
        let code = Code::MalformedRequest;
        Reply { phase: Phase::Request, code, message: message.into(), field: None }
    }

    /// A request that is not granted.
    pub(super) fn refused(code: Code, message: impl Into<String>) -> Reply {
        Reply { phase: Phase::Policy, code, message: message.into(), field: None }
    }

    /// The time is up.
    pub(super) fn timed_out(milliseconds: u64) -> Reply {
        let message = format!("script timed out after {milliseconds}ms");
        Reply { phase: Phase::TimeOut, code: Code::BackendError, message, field: None }
    }

    /// The surroundings cannot be known.
    pub(super) fn set_up(failure: &Failure) -> Reply {
        let message = failure.as_text(Style { colours: Colours::Off, width: None }).trim_end().to_owned();
        Reply { phase: Phase::SetUp, code: Code::BackendError, message, field: None }
    }

    /// What the library did not do.
    pub(super) fn of(error: &Error) -> Reply {
        let (phase, code) = match error {
            Error::Refused(refused) => {
                let whole = refused.backends.iter().flat_map(|backend| &backend.unheld);
                // A backend that cannot work here at all names no field.
                let available =
                    whole.clone().count() > 0 && whole.clone().any(|unheld| unheld.field.is_some());
                (Phase::Policy, if available { Code::PolicyValidation } else { Code::BackendUnavailable })
            }
            Error::Bypass { .. } | Error::WorkingDirectory { .. } => (Phase::Policy, Code::PolicyValidation),
            Error::BadCommand { .. } => (Phase::Policy, Code::MalformedRequest),
            Error::SetUp { rule: Some(_), .. } => (Phase::SetUp, Code::PolicyValidation),
            Error::Launch { .. } => (Phase::SetUp, Code::BackendUnavailable),
            _ => (Phase::SetUp, Code::BackendError),
        };
        let mut message = error.to_string();
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            let part = source.to_string();
            if !message.contains(&part) {
                message.push_str(&format!(": {part}"));
            }
            next = source.source();
        }
        Reply { phase, code, message, field: None }
    }

    /// As MXC has it: 1 for what is no request, 255 for the rest. A failed set-up is 255 too, which was 1 there and
    /// looked like the command's own.
    pub(super) fn exit_code(&self) -> u8 {
        match self.phase {
            Phase::Request => 1,
            Phase::Policy | Phase::SetUp | Phase::TimeOut => 255,
        }
    }

    /// For standard error: the words, then the envelope on a line of its own.
    pub(super) fn as_text(&self) -> String {
        let said: String = self.message.lines().map(|line| format!("{}\n", escape(line))).collect();
        let words = match self.phase {
            Phase::Request => format!("Request error\nConfiguration parse error: {said}"),
            Phase::Policy | Phase::SetUp => said,
            // The command may have left a line unended.
            Phase::TimeOut => "\n".into(),
        };
        format!("{words}{}", line(&json!({ "error": self.envelope() })))
    }

    /// What stands in the envelope.
    pub(super) fn envelope(&self) -> Value {
        let mut envelope = json!({ "code": self.code.as_str(), "message": self.message });
        if let Some(field) = &self.field {
            envelope["details"] = json!({ "field": field });
        }
        envelope
    }

    /// The line for `--status-fd` and the log.
    pub(super) fn as_event(&self) -> Value {
        let event = match self.phase {
            Phase::Request => "malformed",
            Phase::Policy => "refused",
            Phase::SetUp => "setup_failed",
            Phase::TimeOut => "timed_out",
        };
        json!({ "event": event, "error": self.envelope(), "exit_code": self.exit_code() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_envelope_stands_on_a_line_of_its_own_whatever_the_message_holds() {
        for phase in [Phase::Request, Phase::Policy, Phase::SetUp, Phase::TimeOut] {
            let message: String = "first\nsecond \"x\"\u{1b}[31m\u{9b}\u{202e}é😀".into();
            let reply = Reply { phase, code: Code::BackendError, message: message.clone(), field: None };
            let text = reply.as_text();
            let last = text.lines().last().unwrap();
            let value: Value = serde_json::from_str(last).unwrap();
            assert_eq!(value["error"]["message"], message);
            assert!(text.ends_with('\n') && last.is_ascii(), "{text:?}");
            assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
            assert_eq!(text.lines().filter(|line| line.starts_with("{\"error\"")).count(), 1);
        }
    }

    #[test]
    fn an_error_of_the_library_has_the_code_for_its_kind() {
        let set_up = |rule: Option<&str>| Error::SetUp {
            backend: "namespaces",
            source: "failed to open /x".into(),
            rule: rule.map(String::from),
        };
        let bad = Error::WorkingDirectory { path: PathBuf::from("/x"), why: "is denied".into() };
        for (error, phase, code) in [
            (set_up(Some("filesystem.read")), Phase::SetUp, Code::PolicyValidation),
            (set_up(None), Phase::SetUp, Code::BackendError),
            (bad, Phase::Policy, Code::PolicyValidation),
            (Error::BadCommand { what: "is empty".into() }, Phase::Policy, Code::MalformedRequest),
            (
                Error::Launch { backend: "namespaces", source: "no".into() },
                Phase::SetUp,
                Code::BackendUnavailable,
            ),
        ] {
            let reply = Reply::of(&error);
            assert_eq!((reply.phase, reply.code), (phase, code), "{error}");
            assert_eq!(reply.exit_code(), 255);
        }
        assert_eq!(Reply::malformed("x").exit_code(), 1);
    }
}
