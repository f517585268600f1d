//! The words of an answer: why, what one should know about a place, how a rule's origin is told.
//!
//! No decisions.

use std::fmt;

use ringfence_plan::{AbsPath, Origin, Plan};

use super::files::hidden_place;
use super::network;
use super::{Because, Cited, Lost, Question, Verdict};
use crate::diagnostic::printable;

/// Completes "because …".
pub(super) fn because(because: Because, question: &Question) -> &'static str {
    match (because, question) {
        (Because::Granted, Question::Connect { .. }) => "the network's rules allow it",
        (Because::Granted, Question::Request { .. }) => "the network's rules let it through",
        (Because::Granted, Question::Env(_)) => "the policy names it",
        (Because::Granted, _) => "it is granted",
        (Because::ReadOnly, _) => "it is granted for reading only",
        (Because::NotGranted, _) => "nothing grants it",
        (Because::Denied, _) => "it is denied, and a deny wins",
        (Because::Protected, _) => "its name is protected",
        (Because::Hidden, _) => "the base hides it",
        (Because::Floor, Question::Connect { .. } | Question::Request { .. }) => {
            "no rule for hosts leads there"
        }
        (Because::Floor, _) => "no policy can grant it",
        (Because::NoNetwork, _) => "there is no network",
        (Because::NotInRules, _) => "the network's rules do not name it",
        (Because::RequestRefused, _) => {
            "the host may be reached, and no rule over its requests lets this one through"
        }
        (Because::NotPassed, _) => "nothing names the variable",
        (Because::Dangerous, _) => "the variable tells programs what to load or run, so it never passes",
        (Because::Kept, _) => "it looks like a credential or a socket, so it passes only by its full name",
        (Because::Set, _) => "the policy gives it a value of its own",
        (Because::Bound, _) => "a ceiling does not include it",
    }
}

/// What one should know about the place asked for.
pub(super) fn place(question: &Question, plan: &Plan, answer: (Verdict, Because)) -> Option<String> {
    let (path, writes) = match question {
        Question::Read(path) => (path, false),
        Question::Write(path) => (path, true),
        Question::Connect { .. } | Question::Request { .. } | Question::Env(_) => return None,
    };
    let home = &plan.files.home;
    let within = |tree: &str| AbsPath::new(tree).is_ok_and(|tree| path.is_within(&tree));
    let (verdict, because) = answer;
    let absent = because == Because::NotGranted;
    match verdict {
        Verdict::Private => Some("what is written goes when the run ends; the original stays as it is".into()),
        Verdict::Refused if absent && within("/dev") => {
            Some("the sandbox has a /dev of its own; this is about the machine's".into())
        }
        Verdict::Refused if absent && within("/tmp") => {
            Some("the sandbox has a /tmp of its own, which is writable; this is about yours".into())
        }
        Verdict::Refused if absent && hidden_place(path, home).is_some() => {
            hidden_place(path, home).map(|(_, hidden)| format!("it is hidden unless named: {}", hidden.why))
        }
        Verdict::Refused if absent && writes && path.is_within(home) => Some(
            "HOME inside is an empty one of its own, which is writable and goes when the run ends; this is about yours"
                .into(),
        ),
        _ => None,
    }
}

/// `text`, fit for a terminal.
pub(super) fn safe(text: &str) -> String {
    text.chars().flat_map(printable).collect()
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Question::Read(path) => format!("read {path}"),
            Question::Write(path) => format!("write {path}"),
            Question::Connect { host, port, protocol } => {
                format!("connect {}", network::words(host, *port, *protocol))
            }
            Question::Request { host, port, method, path } => {
                format!("request {}", network::request_words(host, *port, (method, path)))
            }
            Question::Env(name) => format!("env {name}"),
        };
        f.write_str(&safe(&text))
    }
}

impl fmt::Display for Cited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cited { text, origin, reason } = self;
        // A preset's and the base's origin tell the reason themselves.
        let beside = match origin {
            Origin::File { .. } => reason.as_ref().map_or(String::new(), |why| format!("; {why}")),
            _ => String::new(),
        };
        f.write_str(&safe(&format!("{text} ({origin}{beside})")))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Refused => "refused",
            Verdict::Private => "allowed in a private copy",
            Verdict::Allowed => "allowed",
        })
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::DenyWins => "a deny wins",
            Lost::Deeper => "the deeper path counts",
            Lost::Stricter => "of two on one path the stricter counts",
            Lost::Protected => "protected names hold in every writable tree",
            Lost::Ceiling => "a ceiling says no",
            Lost::Untrusted => "it is not trusted",
            Lost::Narrowed => "a policy that is not trusted may narrow",
            Lost::Far => "it does not lead to addresses near this machine",
            Lost::OtherRequests => "it lets other requests through",
            Lost::Pattern => "no pattern reaches it",
            Lost::Set => "the value that is set comes first",
            Lost::Same => "says the same",
        })
    }
}
