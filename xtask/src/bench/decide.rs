//! How long a policy takes from its files to a plan, and `why` to an answer: the measured side of `policy`, which builds
//! this optimised and runs it in a project of its own. It prints a line a measurement: its name, then minimum and median
//! in milliseconds.
//! Not an example of ringfence-policy: one would build the crate's test dependencies optimised too, which takes minutes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use ringfence_plan::Plan;
use ringfence_policy::explain::{Question, why};
use ringfence_policy::{Composed, Request, compile, compose, load};

/// Rules in the large policy.
const RULES: usize = 10_000;

/// Granted, denied, and nowhere mentioned: the last looks for the nearest line that would change the answer.
const QUESTIONS: [(&str, [&str; 2]); 5] = [
    ("why-granted", ["read", "/srv/a/7/x/y"]),
    ("why-denied", ["write", "/srv/c/2499/x"]),
    ("why-absent", ["write", "/opt/none"]),
    ("why-variable", ["env", "AWS_X"]),
    ("why-host", ["connect", "api.example.org:443"]),
];

/// `words`: the number of rounds. The current directory is the project.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let rounds: usize = words.first().context("bench-decide needs a number of rounds")?.parse()?;
    let cwd = std::env::current_dir()?;
    let small = request(&cwd, Vec::new());
    report("default", rounds, || plan(&small));
    let file = large(&cwd)?;
    let large = request(&cwd, vec![file]);
    report("rules", rounds / 5, || plan(&large));
    let (plan, composed) = plan(&large);
    assert!(plan.files.grants.len() + plan.files.protect.len() > RULES, "the rules are in the plan");
    report("why-prepare", rounds / 5, || (composed.stages(), composed.void()));
    let (stages, void) = (composed.stages(), composed.void());
    for (name, words) in QUESTIONS {
        let question =
            Question::parse(&words, &large.context().expect("a context"), None).expect("a question");
        report(name, rounds, || why(&stages, &void, &question));
    }
    Ok(())
}

fn request(cwd: &Path, policy_files: Vec<PathBuf>) -> Request {
    let caller_env: BTreeMap<_, _> = std::env::vars().collect();
    let home = caller_env.get("HOME").map(PathBuf::from).unwrap_or_default();
    Request { cwd: cwd.to_owned(), home, caller_env, policy_files, ..Request::default() }
}

fn plan(request: &Request) -> (Plan, Composed) {
    let composed = load(request).and_then(compose).unwrap_or_else(|report| panic!("{report}"));
    (compile(&composed).expect("it compiles"), composed)
}

/// A policy whose rules are spread over the lists, as those that tools write are.
fn large(cwd: &Path) -> Result<PathBuf> {
    let mut text = String::from("[filesystem]\n");
    for (list, names) in [("read", "a"), ("write", "b"), ("deny", "c"), ("protect", "d")] {
        let _ = writeln!(text, "{list} = [");
        for number in 0..RULES / 4 {
            let _ = writeln!(text, "  {{ path = \"/srv/{names}/{number}/x\", optional = true }},");
        }
        text.push_str("]\n");
    }
    let file = cwd.join("large.toml");
    fs::write(&file, text)?;
    Ok(file)
}

/// The first round is thrown away: it reads the files from the disk and not from memory.
fn report<T>(name: &str, rounds: usize, mut work: impl FnMut() -> T) {
    black_box(work());
    let mut taken: Vec<f64> = (0..rounds.max(3))
        .map(|_| {
            let start = Instant::now();
            let made = black_box(work());
            let took = start.elapsed();
            // Not timed: a run keeps its plan to the end.
            drop(made);
            took.as_secs_f64() * 1000.0
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    println!("{name} {:.4} {:.4}", taken[0], taken[taken.len() / 2]);
}
