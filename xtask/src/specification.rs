//! Checks that every test that SPECIFICATION.md names exists.
//! Does not run them: that is the test command's part.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Fails with the names that no test bears.
pub(crate) fn run() -> Result<()> {
    let text =
        fs::read_to_string(root().join("SPECIFICATION.md")).context("failed to read SPECIFICATION.md")?;
    let rows = trial_rows()?;
    let units = units(&root().join("crates"))?;
    let promises = promises(&text);
    let mut missing = Vec::new();
    let mut named = 0;
    for Promise { number, kind, pattern } in &promises {
        named += 1;
        let tests = if *kind == "trial" { &rows } else { &units };
        if !tests.iter().any(|name| matches(pattern, name)) {
            missing.push(format!("{number}: no {kind} is called `{pattern}`"));
        }
    }
    ensure!(missing.is_empty(), "SPECIFICATION.md names tests that do not exist:\n{}", missing.join("\n"));
    ensure!(named > 0, "SPECIFICATION.md names no test at all");
    println!(
        "specification: all {named} names are tests ({} trial rows, {} unit tests to choose from)",
        rows.len(),
        units.len()
    );
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Promise<'a> {
    number: &'a str,
    kind: &'a str,
    pattern: &'a str,
}

/// The names in the last column of the numbered rows; the word before them says of which kind they are.
fn promises(text: &str) -> Vec<Promise<'_>> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, held] = cells[..] else { continue };
        let mut kind = "";
        for (place, piece) in held.split('`').enumerate() {
            if place % 2 == 0 {
                kind =
                    ["trial", "unit", "bench"].into_iter().find(|kind| piece.contains(kind)).unwrap_or(kind);
            } else {
                found.push(Promise { number, kind, pattern: piece });
            }
        }
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn trial_rows() -> Result<Vec<String>> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "ringfence-trial", "--", "list"])
        .current_dir(root())
        .output()
        .context("failed to start cargo run")?;
    ensure!(
        output.status.success(),
        "ringfence-trial list failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split('\t').next()).map(String::from).collect())
}

/// Every function without arguments in the crates, which is what a test is; good enough to catch a renamed one.
fn units(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            names.extend(units(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path)?;
            let functions = text.lines().filter_map(|line| {
                let line = line.trim_start();
                line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
            });
            names.extend(functions.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_string()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{Promise, matches, promises};

    #[test]
    fn the_names_of_a_row_are_read_with_their_kind() {
        let text = "| 1.1 | it holds `x` | trial `a` `b: c*`; unit `d` |\n| --- | --- | --- |\n";
        let expected = [("trial", "a"), ("trial", "b: c*"), ("unit", "d")].map(|(kind, pattern)| Promise {
            number: "1.1",
            kind,
            pattern,
        });
        assert_eq!(promises(text), expected);
    }

    #[test]
    fn a_star_stands_for_the_rest() {
        assert!(matches("works: *", "works: git"));
        assert!(!matches("works", "works: git"));
    }
}
