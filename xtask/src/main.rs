//! Development verbs: `cargo xtask <verb>`.
//! Nothing here ships, and nothing here is needed to build or to test.

#![forbid(unsafe_code)]

mod bench;
mod cross;
mod dependencies;
mod mxc;
mod person;
mod specification;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

const USAGE: &str = "\
cargo xtask <verb>

  bench [--quick]    measure what containment costs (bench --help)
  cross [TARGET…]    type-check the shipped crates for Windows and macOS
  dependencies       count the crates that each of ours pulls in
  mxc                try MXC's weaknesses on MXC and on ours, side by side (mxc --help)
  specification      check that every test that SPECIFICATION.md names exists
";

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    match verb.as_str() {
        "bench" if words.iter().any(|word| word == "--help") => {
            print!("{}", bench::USAGE);
            Ok(())
        }
        "bench" => bench::run(&words),
        // The bench's own processes: the one of the chosen user, the one that times from where it stands, the client of
        // the network's section, and the one that times the reading of policies.
        "bench-staged" => bench::run_staged(&words),
        "bench-serve" => bench::serve(&words),
        "bench-network" => bench::network_client(&words),
        "bench-decide" => bench::decide(&words),
        "mxc" => mxc::run(&words),
        "cross" => cross::run(&words),
        "specification" => specification::run(),
        "dependencies" => dependencies::run(),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no verb `{other}`\n\n{USAGE}"),
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf()
}

/// Where cargo puts what it builds: the caller's choice, or `target`.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
