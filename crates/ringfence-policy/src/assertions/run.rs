//! A file of assertions, asked of the policy that it is about.
//!
//! Nothing of the machine counts, so that a test says the same everywhere: no ceilings and no policy of the user's, an
//! invented HOME, and every path that a preset names is taken to exist.

use std::path::{Path, PathBuf};

use ringfence_plan::AbsPath;

use super::{Assertion, Expected, Operation, TestFile};
use crate::context::{Context, Request};
use crate::diagnostic::{Diagnostic, Report};
use crate::explain::{Answer, Question, Verdict, why};
use crate::layers::places::Places;
use crate::{compile, compose, load};

/// Where a project without a policy file is taken to be.
const PROJECT: &str = "/home/user/project";
const HOME: &str = "/home/user";

/// What came of a file of assertions.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How many held.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<Failed>,
}

/// An assertion that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// It.
    pub assertion: Assertion,
    /// What the policy says.
    pub answer: Answer,
}

/// Asks all of `file`, which lies in `directory` (absolute, without symlinks).
///
/// # Errors
/// The policy that it is about is none, or a line names no path, host or variable.
pub fn run(file: &TestFile, directory: &Path) -> Result<Outcome, Report> {
    let request = request(file, directory);
    let context = request.context()?;
    let composed = compose(load(&request)?)?;
    compile(&composed)?;
    let (stages, void) = (composed.stages(), composed.void());
    // Of what is granted: a ceiling may leave it readable only, and then the outcome has none.
    let workspace = stages.first().and_then(|stage| stage.plan.files.workspace.as_ref());
    let mut outcome = Outcome { passed: 0, failed: Vec::new() };
    let mut problems = Vec::new();
    for assertion in &file.assertions {
        match question(assertion, workspace, &context) {
            Ok(question) => {
                let answer = why(&stages, &void, &question);
                match holds(assertion.expected, answer.verdict) {
                    true => outcome.passed += 1,
                    false => outcome.failed.push(Failed { assertion: assertion.clone(), answer }),
                }
            }
            Err(problem) => {
                let title = format!("{}:{}: {}", file.name, assertion.line, problem.title);
                problems.push(Diagnostic { title, ..problem });
            }
        }
    }
    if problems.is_empty() { Ok(outcome) } else { Err(Report(problems)) }
}

fn request(file: &TestFile, directory: &Path) -> Request {
    let there = |paths: &[PathBuf]| paths.iter().map(|path| directory.join(path)).collect::<Vec<_>>();
    let policy_files = there(&file.setup.policies);
    let cwd = policy_files.first().and_then(|first| first.canonicalize().ok()?.parent().map(Path::to_owned));
    // HOME is nobody's, but a machine may have somebody of that name: his files are not read.
    let places = Places { machine: None, home: Some("/nonexistent".into()), ..Places::default() };
    Request {
        cwd: cwd.unwrap_or_else(|| PROJECT.into()),
        home: HOME.into(),
        user: "user".into(),
        caller_env: file.setup.env.clone(),
        policy_files,
        presets: file.setup.presets.clone(),
        layers: there(&file.setup.layers),
        agent: file.setup.agent.clone(),
        task: file.setup.task.clone(),
        stage: file.setup.stage.clone(),
        places,
        assume_present: true,
        ..Request::default()
    }
}

fn question(
    assertion: &Assertion,
    workspace: Option<&AbsPath>,
    context: &Context,
) -> Result<Question, Diagnostic> {
    let word = match assertion.operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Connect => "connect",
        Operation::Request => "request",
        Operation::Env => "env",
    };
    Question::parse(&[word, &assertion.subject], context, workspace)
}

fn holds(expected: Expected, verdict: Verdict) -> bool {
    match expected {
        // A copy is written to as well as the original.
        Expected::Allow => verdict != Verdict::Refused,
        Expected::Private => verdict == Verdict::Private,
        Expected::Deny => verdict == Verdict::Refused,
    }
}
