//! What our own processes hold at their peak while a command runs.

use super::ledger::{Bound, Ledger};
use super::stage::Stage;
use super::subject::command;
use anyhow::{Context, Result};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let mut supervisor = command(&stage.ours(&[], &["sleep", "1"]), &stage.workspace)
        .stdin(Stdio::null())
        .spawn()
        .context("failed to start ringfence")?;
    std::thread::sleep(Duration::from_millis(500));
    let own = peak(supervisor.id());
    let inner = children(supervisor.id()).first().copied();
    let init = inner.and_then(peak);
    supervisor.wait()?;
    let own = own.context("/proc shows no peak of the supervisor")?;
    ledger.section(
        "Memory",
        "Peak resident set (VmHWM) while `sleep` runs, the pages of the program file included.",
    );
    let shown = |peak: Option<f64>| peak.map_or("not readable".into(), |mebibytes| format!("{mebibytes:.2}"));
    ledger.table(
        &["process", "MiB"],
        &[vec!["supervisor".into(), shown(Some(own))], vec!["init inside".into(), shown(init)]],
    );
    ledger.target("supervisor's peak resident memory", Bound::AtMost(6.0), own, " MiB");
    Ok(())
}

fn peak(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
