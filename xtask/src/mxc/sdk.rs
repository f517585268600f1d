//! MXC's SDK for Node, 0.8.0, driving ours through MXC_BIN_DIR. The script is `xtask/mxc/sdk.mjs`.
//! Not the SDK's own tests, and without bubblewrap on PATH: nothing but ours may be what runs.

use super::programs::Programs;
use crate::person::Person;
use crate::root;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Runs the script as the person; it fails if one of its tests does.
pub(super) fn drives_ours(programs: &Programs, scratch: &Path, person: &Person) -> Result<()> {
    let folder = scratch.join("sdk");
    fs::create_dir(&folder)?;
    // Copied, since the person may have no way into the checkout.
    let copied =
        Command::new("cp").arg("-r").arg(programs.sdk().join("node_modules")).arg(&folder).status()?;
    ensure!(copied.success(), "the SDK could not be copied");
    fs::copy(root().join("xtask/mxc/sdk.mjs"), folder.join("sdk.mjs"))?;
    let bin = folder.join("bin").join(if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" });
    fs::create_dir_all(&bin)?;
    symlink(scratch.join("bin/ours/ringfence"), bin.join("lxc-exec"))?;
    let tools = folder.join("path");
    fs::create_dir(&tools)?;
    symlink(which("node")?, tools.join("node"))?;
    person.give(&folder)?;
    let mut command = Command::new(tools.join("node"));
    command.args(["--test", "--test-reporter", "spec", "sdk.mjs"]).current_dir(&folder).env_clear();
    command.env("PATH", &tools).env("HOME", &person.home).env("MXC_BIN_DIR", folder.join("bin"));
    command.env("TERM", "xterm");
    person.start(&mut command);
    println!("\nthe SDK for Node 0.8.0 drives ours:");
    let status = command.status().context("failed to start node")?;
    ensure!(status.success(), "the SDK's script ended with {status}");
    Ok(())
}

fn which(program: &str) -> Result<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.exists());
    found.with_context(|| format!("no {program} on PATH"))?.canonicalize().context("a broken link on PATH")
}
