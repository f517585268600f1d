//! What a policy costs from its files to a plan, and a question about it.
//! Not the measuring itself: that is `decide`, in an optimised build of this program.

use super::ledger::{Bound, Ledger};
use super::stage::Stage;
use super::subject::command;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

const NOTE: &str = "In the library, without the start of a program. The default policy is that of a git repository with \
    `Cargo.toml` and `package.json`, whose presets take part; the 10,000 rules stand in one file beside it. `why` is asked \
    of their plan, once its stages stand.";

/// What the program calls it, and what a reader does.
const ROWS: [(&str, &str); 8] = [
    ("default", "default policy: load, compose, compile"),
    ("rules", "10,000 rules: load, compose, compile"),
    ("why-prepare", "10,000 rules: the stages, once for all questions"),
    ("why-granted", "`why` of a granted path"),
    ("why-denied", "`why` of a denied path"),
    ("why-absent", "`why` of a path that no rule speaks of"),
    ("why-variable", "`why` of a variable"),
    ("why-host", "`why` of a host"),
];

struct Figures {
    min: f64,
    median: f64,
}

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    // Apart from the workspace: presets there would change what the other sections measure.
    let project = stage.scratch.join("project");
    lay_out(&project)?;
    let words = [stage.decide.display().to_string(), "bench-decide".into(), (stage.rounds * 5).to_string()];
    let output = command(&words, &project).output().context("failed to start decide")?;
    ensure!(output.status.success(), "decide failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let measured: Vec<Figures> = ROWS.iter().map(|(row, _)| figures(&text, row)).collect::<Result<_>>()?;
    ledger.section("Policy", NOTE);
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .zip(&measured)
        .map(|((_, name), Figures { min, median })| {
            vec![(*name).to_owned(), format!("{min:.3}"), format!("{median:.3}")]
        })
        .collect();
    ledger.table(&["from files to a plan, and questions", "min ms", "median ms"], &rows);
    let [default, rules, _, whys @ ..] = &measured[..] else { unreachable!("a figure for each row") };
    let slowest = whys.iter().map(|why| why.median).fold(0.0, f64::max);
    ledger.target("default policy, from its files to a plan", Bound::AtMost(1.0), default.median, " ms");
    ledger.target("10,000 rules, from their file to a plan", Bound::AtMost(50.0), rules.median, " ms");
    ledger.target("`why` among 10,000 rules, the slowest", Bound::AtMost(5.0), slowest, " ms");
    Ok(())
}

fn lay_out(project: &Path) -> Result<()> {
    fs::create_dir_all(project)?;
    fs::write(project.join("Cargo.toml"), "[package]\nname = \"bench\"\nversion = \"0.1.0\"\n")?;
    fs::write(project.join("package.json"), "{}\n")?;
    let status = command(&["git", "init", "--quiet"], project).status().context("failed to start git")?;
    ensure!(status.success(), "git init ended with {status}");
    Ok(())
}

/// The line of `row` in what the program printed.
fn figures(text: &str, row: &str) -> Result<Figures> {
    let line = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
    let numbers: Vec<f64> = line
        .with_context(|| format!("decide printed no row {row}"))?
        .split(' ')
        .map(|number| number.parse().with_context(|| format!("decide printed {number:?} in the row {row}")))
        .collect::<Result<_>>()?;
    let [min, median] = numbers[..] else { anyhow::bail!("decide printed no two figures in the row {row}") };
    Ok(Figures { min, median })
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn a_row_is_found_by_its_whole_name() {
        let text = "rules-more 9 9\nrules 1.5 2.25\n";
        let found = figures(text, "rules").unwrap();
        assert_eq!((found.min, found.median), (1.5, 2.25));
        assert!(figures(text, "why").is_err());
        assert!(figures("rules 1.5\n", "rules").is_err());
    }
}
