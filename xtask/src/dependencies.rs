//! How many crates each of ours pulls in.
//! Not a limit: a rise is seen in the output of continuous integration and carries its reason in the commit.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::process::Command;

/// The crates that ship, lowest first.
pub(crate) const SHIPPED: [&str; 8] = [
    "ringfence-plan",
    "ringfence-policy",
    "ringfence-egress",
    "ringfence-inspect",
    "ringfence-enter",
    "ringfence-backend",
    "ringfence",
    "ringfence-cli",
];

/// Prints one line a shipped crate.
pub(crate) fn run() -> Result<()> {
    println!("{:<20} crates pulled in (normal dependencies, this system)", "crate");
    for name in SHIPPED {
        println!("{name:<20} {}", count(name)?);
    }
    Ok(())
}

fn count(name: &str) -> Result<usize> {
    let tree = Command::new("cargo")
        .args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name])
        .current_dir(root())
        .output()
        .context("failed to start cargo tree")?;
    ensure!(tree.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8_lossy(&tree.stdout);
    // The tree repeats a crate wherever it is used, marked `(*)`; its own first line is not a dependency.
    let crates: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    Ok(crates.len().saturating_sub(1))
}
