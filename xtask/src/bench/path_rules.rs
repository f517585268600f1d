//! What the number of path rules in a policy adds to the start.

use super::ledger::{Bound, Ledger};
use super::rounds::{Series, interleave};
use super::stage::Stage;
use super::subject::Subject;
use anyhow::Result;
use std::fmt::Write;
use std::fs;

/// Where the rules point: apart from each other, or beneath what is granted anyway.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Each needs a mount of its own.
    ReadApart,
    /// Each needs a mount that hides it.
    DenyInWorkspace,
    /// None changes what holds already.
    ReadBeneath,
    /// Names that the broker looks out for.
    Protect,
}

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let counts: &[usize] = if stage.quick { &[10, 100, 1000] } else { &[10, 100, 1000, 10_000] };
    lay_out(stage, counts.last().copied().unwrap_or(0))?;
    ledger.section(
        "Path rules",
        "Added to the default policy: `read` of directories outside the workspace (apart, or beneath \
         one that is read anyway), `deny` of files within it, `protect` of names within it. \
         `added` is the median difference, round by round, to the same policy with no added rule.",
    );
    for shape in [Shape::ReadBeneath, Shape::Protect, Shape::ReadApart, Shape::DenyInWorkspace] {
        let series = ours(stage, shape, counts)?;
        let rows: Vec<Vec<String>> = series.iter().skip(1).map(|one| row(one, &series[0])).collect();
        ledger.table(&[name(shape), "min ms", "median ms", "added ms"], &rows);
        for (count, limit) in [(1000, 5.0), (10_000, 50.0)] {
            if let Some(at) = counts.iter().position(|each| *each == count) {
                let what = format!("{count} path rules, {}, add", name(shape));
                ledger.target(&what, Bound::AtMost(limit), series[at + 1].above(&series[0]), " ms");
            }
        }
    }
    bubblewrap(stage, ledger, counts)
}

fn ours(stage: &Stage, shape: Shape, counts: &[usize]) -> Result<Vec<Series>> {
    let mut subjects = Vec::new();
    for &count in std::iter::once(&0).chain(counts) {
        let file = policy(stage, shape, count)?;
        let words = stage.ours(&["--policy", &file], &["/usr/bin/true"]);
        subjects.push(Subject::program(&format!("{count} rules"), &words, &stage.workspace));
    }
    interleave(&mut subjects, (stage.rounds / 3).max(3))
}

fn bubblewrap(stage: &Stage, ledger: &mut Ledger, counts: &[usize]) -> Result<()> {
    let base = stage.bubblewrap()?;
    let mut rows = Vec::new();
    for &count in counts {
        let mut words = base.clone();
        for number in 0..count {
            let path = directory(stage, number);
            words.extend(["--ro-bind".into(), path.clone(), path]);
        }
        words.extend(["--", "/usr/bin/true"].map(String::from));
        let subject = Subject::program(&format!("{count} rules"), &words, &stage.workspace);
        // It reads the mount table for every bind: seconds at 1,000.
        let rounds = if count > 100 { 1 } else { (stage.rounds / 6).max(3) };
        rows.push(match interleave(&mut [subject], rounds) {
            Ok(series) => vec![
                series[0].name.clone(),
                format!("{:.2}", series[0].min()),
                format!("{:.2}", series[0].median()),
            ],
            Err(_) => vec![format!("{count} rules"), "fails".into(), "fails".into()],
        });
    }
    ledger.table(&["bubblewrap, read apart", "min ms", "median ms"], &rows);
    Ok(())
}

fn row(one: &Series, base: &Series) -> Vec<String> {
    let figures = [one.min(), one.median(), one.above(base)].map(|figure| format!("{figure:.2}"));
    std::iter::once(one.name.clone()).chain(figures).collect()
}

fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::ReadApart => "read apart",
        Shape::DenyInWorkspace => "deny in the workspace",
        Shape::ReadBeneath => "read beneath a read tree",
        Shape::Protect => "protect in the workspace",
    }
}

fn policy(stage: &Stage, shape: Shape, count: usize) -> Result<String> {
    let (key, path): (_, &dyn Fn(usize) -> String) = match shape {
        Shape::ReadApart => ("read", &|number| directory(stage, number)),
        Shape::ReadBeneath => ("read", &|number| directory(stage, number)),
        Shape::DenyInWorkspace => ("deny", &|number| secret(stage, number)),
        Shape::Protect => ("protect", &|number| format!("secrets/s{number:05}")),
    };
    let mut text =
        format!("version = 1\n[filesystem]\nworkspace = \"{}\"\n{key} = [\n", stage.workspace.display());
    if matches!(shape, Shape::ReadBeneath) {
        let _ = writeln!(text, "  \"{}\",", stage.scratch.join("tree").display());
    }
    for number in 0..count {
        let _ = writeln!(text, "  \"{}\",", path(number));
    }
    text.push_str("]\n");
    let file = stage.scratch.join(format!("{shape:?}-{count}.toml"));
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn lay_out(stage: &Stage, count: usize) -> Result<()> {
    fs::create_dir_all(stage.workspace.join("secrets"))?;
    for number in 0..count {
        fs::create_dir_all(directory(stage, number))?;
        fs::write(secret(stage, number), "secret")?;
    }
    Ok(())
}

fn directory(stage: &Stage, number: usize) -> String {
    stage.scratch.join(format!("tree/d{number:05}")).display().to_string()
}

fn secret(stage: &Stage, number: usize) -> String {
    stage.workspace.join(format!("secrets/s{number:05}")).display().to_string()
}
