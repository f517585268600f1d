//! `ringfence policy test`: whether a policy decides as a file of assertions says.
//! Not a trial of the fence: nothing is run.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::assertions::{self, Failed, Outcome};
use serde_json::json;

use super::text_of;
use crate::failure::Failure;
use crate::render::answer;
use crate::render::escape::escape;
use crate::render::style::{Meaning, Stream, Style};
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("test")
        .about("Ask a policy what files of assertions expect of it")
        .arg(super::files("The files of assertions").required(true).num_args(1..))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
        .after_help(format!("{FORM}\n\n{}", crate::commands::exit_codes("policy test")))
}

const FORM: &str = "\
Examples:
  ringfence policy test policy.test
  ringfence policy test tests/*.test --json

A file says what it is about, then what is expected, one a line:
  policy FILE | preset NAME | layer FILE | agent NAME | task ID | stage NAME | given env NAME=VALUE
  allow|private|deny read|write PATH
  allow|deny connect HOST:PORT
  allow|deny env NAME
A line that begins with # is a remark; behind something else there is none.
Files are relative to the test file, paths to the project: the directory of the first policy FILE, else an
invented /home/user/project. HOME is /home/user. Nothing of this machine counts.";

/// Tests them; the exit code is 1 if an assertion does not hold.
pub(super) fn test(matches: &ArgMatches) -> Result<u8, Failure> {
    let mut outcomes = Vec::new();
    for file in super::files_of(matches) {
        let name = file.display().to_string();
        let test = assertions::parse(&name, &text_of(&file)?)?;
        let directory = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
        outcomes.push((name, assertions::run(&test, &directory.unwrap_or_else(|| "/".into()))?));
    }
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", as_json(&outcomes)),
        false => as_text(&outcomes, Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(if outcomes.iter().all(|(_, outcome)| outcome.failed.is_empty()) { exit::DONE } else { exit::NO })
}

fn as_text(outcomes: &[(String, Outcome)], style: Style) -> String {
    let mut text = String::new();
    for (name, outcome) in outcomes {
        for Failed { assertion, answer } in &outcome.failed {
            let place = format!("{}:{}: {}", escape(name), assertion.line, escape(&assertion.text));
            text.push_str(&format!("{} {place}\n", style.paint(Meaning::Bad, "failed")));
            text.push_str(&answer::indented(answer, style));
        }
    }
    let failed: usize = outcomes.iter().map(|(_, outcome)| outcome.failed.len()).sum();
    let passed: usize = outcomes.iter().map(|(_, outcome)| outcome.passed).sum();
    text.push_str(&format!("{passed} passed, {failed} failed\n"));
    text
}

fn as_json(outcomes: &[(String, Outcome)]) -> serde_json::Value {
    let failed = |Failed { assertion, answer }: &Failed| json!({ "line": assertion.line, "assertion": assertion.text, "answer": answer });
    let files = outcomes.iter().map(|(name, outcome)| {
        let failed: Vec<_> = outcome.failed.iter().map(failed).collect();
        json!({ "file": name, "passed": outcome.passed, "failed": failed })
    });
    files.collect()
}
