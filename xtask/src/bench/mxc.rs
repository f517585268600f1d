//! MXC's published programs and ours on the same requests, isolated and with rules for egress.
//! Not what each holds meanwhile: docs/mxc.md has that. A program that npm cannot install is no section.

use super::ledger::{Bound, Ledger};
use super::rounds::interleave;
use super::stage::Stage;
use super::subject::Subject;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const NOTE: &str = "A request for `true`, spawn to exit: MXC's `lxc-exec` of two versions as published, and ours under the same \
    name. `egress rules`: one block of addresses is allowed; MXC then starts slirp4netns and loads iptables.";

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let programs =
        ["mxc-0.8.0", "mxc-1.0.1"].map(|name| stage.scratch.join("bin").join(name).join("lxc-exec"));
    ensure!(programs.iter().all(|program| program.exists()), "MXC's programs could not be installed");
    ledger.section("MXC", NOTE);
    let isolated = Compared { name: "isolated", rules: "", least: [3.5, 4.5], rounds: stage.rounds * 2 };
    let rules = r#","network":{"egress":{"default":"deny","allow":[{"to":[{"cidr":"192.0.2.0/24"}]}]}}"#;
    let ruled = Compared { name: "egress rules", rules, least: [30.0, 30.0], rounds: stage.rounds };
    for compared in [isolated, ruled] {
        compare(stage, ledger, &programs, &compared)?;
    }
    Ok(())
}

/// One kind of request.
struct Compared {
    name: &'static str,
    /// More members of the request.
    rules: &'static str,
    /// How many times as long MXC takes at least, the old version and the new.
    least: [f64; 2],
    rounds: usize,
}

fn compare(stage: &Stage, ledger: &mut Ledger, programs: &[PathBuf; 2], compared: &Compared) -> Result<()> {
    let Compared { name, rules, least, rounds } = *compared;
    let mut subjects = subjects(stage, programs, rules)?;
    let series = interleave(&mut subjects, rounds)?;
    ledger.series(name, &series);
    for ((version, least), theirs) in ["0.8.0", "1.0.1"].into_iter().zip(least).zip(&series[1..]) {
        let label = format!("{name}, MXC {version} against ours");
        ledger.target(&label, Bound::AtLeast(least), theirs.ratio_to(&series[0]), " ×");
    }
    Ok(())
}

/// Ours first.
fn subjects(stage: &Stage, programs: &[PathBuf; 2], rules: &str) -> Result<Vec<Subject>> {
    let ours = stage.scratch.join("bin/ours/lxc-exec");
    let [old, new] = programs;
    let all: [(&str, &Path, &str); 3] =
        [("ringfence", &ours, "1.0.0"), ("MXC 0.8.0", old, "0.8.0-alpha"), ("MXC 1.0.1", new, "1.0.0")];
    all.into_iter()
        .map(|(name, program, version)| {
            let request =
                stage.scratch.join("work").join(format!(".mxc-{}-{version}{}.json", name.len(), rules.len()));
            let text = format!(
                r#"{{"version":"{version}","containment":"bubblewrap","process":{{"commandLine":"true"}},
                "filesystem":{{"readwritePaths":["{}"]}}{rules}}}"#,
                stage.workspace.display()
            );
            fs::write(&request, text).context("failed to write a request")?;
            let words = [program.display().to_string(), request.display().to_string()];
            // For iptables; ours needs none, and gets the same.
            Ok(Subject::program(name, &words, &stage.workspace).with_roots_path())
        })
        .collect()
}
