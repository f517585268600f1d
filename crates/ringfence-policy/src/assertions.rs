//! Assertions about a policy, one a line: `allow read ./src`, `deny connect example.org:443`. For `ringfence policy test`.
//!
//! Not trials: they ask what the policy decides, not what a kernel then does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Label, Report, Snippet, quoted};
use crate::nearest::nearest;

mod run;

pub use run::{Failed, Outcome, run};

/// A file of assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFile {
    /// As the user named it.
    pub name: Arc<str>,
    /// What the assertions are about.
    pub setup: Setup,
    /// In the order of the file.
    pub assertions: Vec<Assertion>,
}

/// What the assertions of a file are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Policy files, as `--policy`; relative to the test file.
    pub policies: Vec<PathBuf>,
    /// Presets.
    pub presets: Vec<String>,
    /// Layers, as `--layer`; relative to the test file.
    pub layers: Vec<PathBuf>,
    /// As `--agent`.
    pub agent: Option<String>,
    /// As `--task`.
    pub task: Option<String>,
    /// As `--stage`.
    pub stage: Option<String>,
    /// The caller's variables.
    pub env: BTreeMap<String, String>,
}

/// One line: what is expected of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Counts from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What the policy should say.
    pub expected: Expected,
    /// What it is about.
    pub operation: Operation,
    /// A path, host or name, as written.
    pub subject: String,
}

/// What a policy should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Yes, be it in a copy that goes when the run ends.
    Allow,
    /// Yes, in such a copy only.
    Private,
    /// No.
    Deny,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading a path.
    Read,
    /// Writing a path.
    Write,
    /// Connecting to a host and port.
    Connect,
    /// Making a request, as `GET https://api.example.org/x`.
    Request,
    /// Getting the caller's variable.
    Env,
}

/// Reads `text`, the file called `name`.
///
/// # Errors
/// Every line that is neither a directive nor an assertion, and a file without an assertion.
pub fn parse(name: &str, text: &str) -> Result<TestFile, Report> {
    let mut reader = Reader {
        file: TestFile { name: name.into(), setup: Setup::default(), assertions: Vec::new() },
        text: text.into(),
        problems: Vec::new(),
    };
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let words = line.trim();
        if !words.is_empty() && !words.starts_with('#') {
            let at = start + (line.len() - line.trim_start().len());
            reader.line(number, words, at..at + words.len());
        }
        start += line.len();
    }
    if reader.file.assertions.is_empty() && reader.problems.is_empty() {
        // A test that asserts nothing would pass for one that holds.
        let nothing = Diagnostic::error(format!("{} asserts nothing", quoted(name)));
        reader.problems.push(nothing.help("for example: deny read ~/.ssh/id_ed25519"));
    }
    if reader.problems.is_empty() { Ok(reader.file) } else { Err(Report(reader.problems)) }
}

struct Reader {
    file: TestFile,
    text: Arc<str>,
    problems: Vec<Diagnostic>,
}

/// The first words of a line.
const WORDS: [&str; 10] =
    ["policy", "preset", "layer", "agent", "task", "stage", "given", "allow", "private", "deny"];
const OPERATIONS: [(&str, Operation); 5] = [
    ("read", Operation::Read),
    ("write", Operation::Write),
    ("connect", Operation::Connect),
    ("request", Operation::Request),
    ("env", Operation::Env),
];

impl Reader {
    fn line(&mut self, number: usize, line: &str, at: Range<usize>) {
        let (word, rest) = split(line);
        match word {
            // Taken for part of a path, it would make `deny` hold of a name that nobody has.
            _ if rest.split_whitespace().any(|word| word.starts_with('#')) => self.problem(
                "a remark stands behind something".into(),
                at,
                "not at the end of a line",
                "put it on a line of its own, which begins with #".into(),
            ),
            "allow" => self.assertion(number, line, (Expected::Allow, rest), at),
            "private" => self.assertion(number, line, (Expected::Private, rest), at),
            "deny" => self.assertion(number, line, (Expected::Deny, rest), at),
            word if !WORDS.contains(&word) => {
                let help = nearest(word, WORDS.into_iter())
                    .map_or(format!("a line begins with one of {}", WORDS.join(", ")), |near| {
                        format!("did you mean `{near}`?")
                    });
                self.problem(
                    format!("{} is no directive and no assertion", quoted(word)),
                    at,
                    "not known",
                    help,
                );
            }
            word if rest.is_empty() => {
                self.problem(
                    format!("{} says nothing", quoted(word)),
                    at,
                    "something is missing",
                    usage(word),
                );
            }
            _ if !self.file.assertions.is_empty() => {
                let title = format!("{} stands behind an assertion", quoted(word));
                self.problem(title, at, "too late", "it would hold for the whole file; put it first".into());
            }
            word => self.directive(word, rest, at),
        }
    }

    fn directive(&mut self, word: &str, rest: &str, at: Range<usize>) {
        let setup = &mut self.file.setup;
        match word {
            "policy" => setup.policies.push(rest.into()),
            "preset" => setup.presets.push(rest.to_owned()),
            "layer" => setup.layers.push(rest.into()),
            "agent" => setup.agent = Some(rest.to_owned()),
            "task" => setup.task = Some(rest.to_owned()),
            "stage" => setup.stage = Some(rest.to_owned()),
            _ => match rest.strip_prefix("env ").map(str::trim).and_then(|given| given.split_once('=')) {
                Some((name, value)) if !name.is_empty() => drop(setup.env.insert(name.into(), value.into())),
                _ => self.problem("this is given to nobody".into(), at, "not a variable", usage("given")),
            },
        }
    }

    fn assertion(&mut self, line: usize, text: &str, (expected, rest): (Expected, &str), at: Range<usize>) {
        let (word, subject) = split(rest);
        let operation = OPERATIONS.iter().find(|(name, _)| *name == word).map(|(_, operation)| *operation);
        match operation {
            Some(operation) if !subject.is_empty() => {
                let (text, subject) = (text.to_owned(), subject.to_owned());
                self.file.assertions.push(Assertion { line, text, expected, operation, subject });
            }
            Some(_) => self.problem(format!("{} nothing", quoted(text)), at, "of what?", usage("allow")),
            None => {
                let help = nearest(word, OPERATIONS.iter().map(|(name, _)| *name))
                    .map_or(usage("allow"), |near| format!("did you mean `{near}`?"));
                self.problem(format!("{} is nothing to allow or deny", quoted(word)), at, "not known", help);
            }
        }
    }

    fn problem(&mut self, title: String, at: Range<usize>, label: &str, help: String) {
        let labels = vec![Label { range: at, text: label.into() }];
        let snippet = Snippet { name: self.file.name.clone(), text: self.text.clone(), labels };
        self.problems.push(Diagnostic { snippets: vec![snippet], ..Diagnostic::error(title).help(help) });
    }
}

fn usage(word: &str) -> String {
    match word {
        "policy" | "layer" => format!("write {word} FILE, relative to this file"),
        "given" => "write given env NAME=VALUE".into(),
        "allow" => "write allow, private or deny, then read, write, connect or env, then what".into(),
        word => format!("write {word} NAME"),
    }
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_come_first_and_assertions_keep_their_lines() {
        let text = "# about\npolicy ../ringfence.toml\nstage production\ngiven env CI=1=2\n\n  allow read ./a b \ndeny connect x.org:443\n";
        let file = parse("a.test", text).unwrap();
        assert_eq!(file.setup.policies, [PathBuf::from("../ringfence.toml")]);
        assert_eq!(file.setup.stage.as_deref(), Some("production"));
        assert_eq!(file.setup.env["CI"], "1=2");
        let seen: Vec<_> = file
            .assertions
            .iter()
            .map(|line| (line.line, line.expected, line.operation, &*line.subject))
            .collect();
        assert_eq!(
            seen,
            [
                (6, Expected::Allow, Operation::Read, "./a b"),
                (7, Expected::Deny, Operation::Connect, "x.org:443")
            ]
        );
    }

    #[test]
    fn every_wrong_line_is_told_with_its_place() {
        let text = "polcy x\nallow reed x\ndeny write\npolicy\ngiven X\nallow env A\nstage late\n";
        let report = parse("a.test", text).unwrap_err();
        insta::assert_snapshot!(report.render(false));
    }

    #[test]
    fn a_remark_is_not_taken_for_part_of_a_path() {
        for line in ["deny read ~/.ssh/config  # keys", "deny env A #b", "given env A=1 # c"] {
            let report = parse("a.test", &format!("{line}\nallow read a#b\n")).unwrap_err();
            assert!(report.render(false).contains("a line of its own"), "{line}");
        }
        let file = parse("a.test", "  # about\nallow read ./a#b\n").unwrap();
        assert_eq!(file.assertions[0].subject, "./a#b");
    }

    #[test]
    fn a_file_that_asserts_nothing_is_refused() {
        assert!(parse("a.test", "preset rust\n").is_err());
    }
}
