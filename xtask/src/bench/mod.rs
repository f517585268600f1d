//! What containment costs, measured beside what else there is: `cargo xtask bench`.
//! Not a test: it judges the targets in words and never fails because of a time.

mod decide;
mod host_mounts;
mod ledger;
mod machine;
mod many;
mod memory;
mod mounts_seen;
mod mxc;
mod network;
mod path_rules;
mod policy;
mod rounds;
mod stage;
mod startup;
mod subject;
mod work;

pub(crate) use decide::run as decide;
pub(crate) use network::client as network_client;
pub(crate) use stage::{run, run_staged};
pub(crate) use subject::serve;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
cargo xtask bench [--quick] [--write] [--user NAME] [--only SECTION,…] [--rounds N]
                  [--ringfence PROGRAM] [--floor-source FILE.c] [--scratch DIRECTORY]

  --quick          few rounds, small trees: shows that everything runs, the figures mean little
  --write          put the report into docs/benchmarks.md
  --user NAME      measure as this user; needs root (as now: the user who calls)
  --only           of startup, memory, many, policy, path-rules, host-mounts, network, work, mxc
  --ringfence      measure this program, not the release build of this checkout
  --floor-source   also time another floor program that takes NAME=FEATURE,… words
";

/// The sections in the order of the report.
pub(crate) const SECTIONS: [&str; 9] =
    ["startup", "memory", "many", "policy", "path-rules", "host-mounts", "network", "work", "mxc"];

/// How much to measure, and of what.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) write: bool,
    pub(crate) user: Option<String>,
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) ringfence: Option<PathBuf>,
    pub(crate) floor_source: Option<PathBuf>,
    pub(crate) scratch: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(words: &[String]) -> Result<Options> {
        let mut options = Options {
            quick: false,
            write: false,
            user: None,
            only: Vec::new(),
            rounds: 0,
            ringfence: None,
            floor_source: None,
            scratch: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "--user" => options.user = Some(value()?),
                "--only" => options.only = value()?.split(',').map(String::from).collect(),
                "--rounds" => options.rounds = value()?.parse().context("--rounds needs a number")?,
                "--ringfence" => options.ringfence = Some(value()?.into()),
                "--floor-source" => options.floor_source = Some(value()?.into()),
                "--scratch" => options.scratch = Some(value()?.into()),
                _ => bail!("bench: `{word}` is unknown\n\n{USAGE}"),
            }
        }
        if let Some(odd) = options.only.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
            bail!("bench: no section `{odd}`; there are {}", SECTIONS.join(", "));
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 5 } else { 42 };
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }
}
