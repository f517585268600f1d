//! What the host's own mounts add: a new mount namespace begins as a copy of the whole table.

use super::ledger::{Bound, Ledger};
use super::rounds::interleave;
use super::stage::Stage;
use super::startup::floor_words;
use super::subject::Subject;
use anyhow::Result;
use std::fs;

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let present = fs::read_to_string("/proc/self/mountinfo")?.lines().count();
    let mut bubblewrap = stage.bubblewrap()?;
    bubblewrap.extend(["--", "/usr/bin/true"].map(String::from));
    let programs = [
        ("ringfence", stage.ours(&[], &["/usr/bin/true"])),
        ("the floor", floor_words(stage, false)),
        ("bubblewrap", bubblewrap),
    ];
    let mut subjects = Vec::new();
    for (name, words) in &programs {
        for total in [25_usize, 1000] {
            let server = crowded(stage, total.saturating_sub(present), words)?;
            subjects.push(Subject::served(&format!("{name}, {total} mounts"), &server, &stage.workspace)?);
        }
    }
    let series = interleave(&mut subjects, (stage.rounds / 2).max(3))?;
    ledger.section(
        "Hosts with many mounts",
        &format!("Measured in a mount namespace to which empty file systems were added; the host itself has {present}."),
    );
    ledger.series("spawn to exit of `true`", &series);
    ledger.target("1,000 host mounts, against 25", Bound::AtMost(2.0), series[1].ratio_to(&series[0]), " ×");
    Ok(())
}

/// A server of `words` that lives where `more` file systems are mounted.
fn crowded(stage: &Stage, more: usize, words: &[String]) -> Result<Vec<String>> {
    let places = stage.scratch.join(format!("crowd{more}"));
    fs::create_dir_all(&places)?;
    let mut all = vec![
        stage.floor.display().to_string(),
        "--crowd".into(),
        more.to_string(),
        places.display().to_string(),
    ];
    all.extend(["--".into(), stage.server.display().to_string(), "bench-serve".into()]);
    all.extend_from_slice(words);
    Ok(all)
}
