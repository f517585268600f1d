//! Many sandboxes at once: how fast they start, whether one fails, what an idle one holds.

use super::ledger::{Bound, Ledger};
use super::machine::kilobytes;
use super::rounds::median;
use super::stage::Stage;
use super::startup::floor_words;
use super::subject::command;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What one burst did.
struct Burst {
    per_second: f64,
    failed: usize,
}

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let counts: &[usize] = if stage.quick { &[1, 10, 50] } else { &[1, 10, 100, 500] };
    let repeats = if stage.quick { 1 } else { 5 };
    let mut bubblewrap = stage.bubblewrap()?;
    bubblewrap.extend(["--", "/usr/bin/true"].map(String::from));
    let programs = [
        ("ringfence", stage.ours(&[], &["/usr/bin/true"])),
        ("bubblewrap", bubblewrap),
        ("the floor", floor_words(stage, false)),
    ];
    let mut rows = Vec::new();
    let mut ours = (0.0, 0);
    for &count in counts {
        let mut rates: [Vec<f64>; 3] = Default::default();
        let mut failed = [0; 3];
        for _ in 0..repeats {
            for (which, (_, words)) in programs.iter().enumerate() {
                let burst = burst(words, count, &stage.workspace)?;
                rates[which].push(burst.per_second);
                failed[which] += burst.failed;
            }
        }
        let rates = rates.map(median);
        for (which, (name, _)) in programs.iter().enumerate() {
            let failures = failed[which].to_string();
            rows.push(vec![format!("{count} at once, {name}"), format!("{:.0}", rates[which]), failures]);
        }
        ours = (rates[0], failed[0]);
    }
    ledger.section(
        "Many at once",
        &format!("All are started before the first is waited for; the median of {repeats} bursts, the failures of all. The floor here is started as a program."),
    );
    ledger.table(&["", "starts a second", "failed"], &rows);
    let most = counts.last().copied().unwrap_or(0);
    ledger.target(&format!("{most} at once"), Bound::AtLeast(400.0), ours.0, " a second");
    ledger.target(&format!("{most} at once, failures"), Bound::AtMost(0.0), ours.1 as f64, "");
    idle(stage, ledger, most, repeats)
}

fn burst(words: &[String], count: usize, directory: &Path) -> Result<Burst> {
    let mut start = command(words, directory);
    start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let children: Vec<_> = (0..count).map(|_| start.spawn()).collect();
    let failed = children
        .into_iter()
        .map(|child| child.and_then(|mut child| child.wait()))
        .filter(|end| !end.as_ref().is_ok_and(std::process::ExitStatus::success))
        .count();
    Ok(Burst { per_second: count as f64 / began.elapsed().as_secs_f64(), failed })
}

fn idle(stage: &Stage, ledger: &mut Ledger, count: usize, repeats: usize) -> Result<()> {
    let mut differences = Vec::new();
    for _ in 0..repeats.min(3) {
        let bare = held(&["/usr/bin/cat".to_string()], count, &stage.workspace)?;
        let ours = held(&stage.ours(&[], &["/usr/bin/cat"]), count, &stage.workspace)?;
        differences.push((ours - bare) / count as f64 / 1024.0);
    }
    let each = median(differences);
    ledger.table(
        &["idle", "MiB each"],
        &[vec![format!("{count} sandboxes around `cat`, less {count} bare `cat`"), format!("{each:.2}")]],
    );
    if each > 0.0 {
        ledger.target("an idle sandbox, kernel included", Bound::AtMost(0.5), each, " MiB");
    } else {
        ledger.unmeasured(
            "an idle sandbox, kernel included",
            "other programs on the machine moved more memory than it",
        );
    }
    Ok(())
}

/// KiB of available memory that `count` waiting processes take.
fn held(words: &[String], count: usize, directory: &Path) -> Result<f64> {
    let available = || kilobytes("MemAvailable").context("/proc/meminfo has no MemAvailable");
    // What ended before is torn down by the kernel in its own time.
    std::thread::sleep(Duration::from_millis(1500));
    let before = available()?;
    let mut children = (0..count).map(|_| waiting(words, directory)).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_millis(500));
    let after = available()?;
    for child in &mut children {
        drop(child.stdin.take());
    }
    for mut child in children {
        ensure!(child.wait()?.success(), "an idle process ended badly");
    }
    Ok(before - after)
}

/// A `cat` that has answered once, so it is known to be up.
fn waiting(words: &[String], directory: &Path) -> Result<Child> {
    let mut child = command(words, directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.as_mut().context("no stdin")?.write_all(b"x")?;
    let mut answer = [0];
    child
        .stdout
        .as_mut()
        .context("no stdout")?
        .read_exact(&mut answer)
        .context("an idle process never answered")?;
    Ok(child)
}
