//! The report: sections of tables, and the targets with what was measured for each.
//! Does not round in anyone's favour: a miss is written as a miss.

use super::rounds::Series;
use std::fmt::Write;

/// What no measurement says by itself: why a target is missed, and what is next. To be read again after each run.
const MISSED: &str = include_str!("missed.md");

/// What a target asks of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    targets: String,
    sections: String,
    missed: usize,
    judged: usize,
}

impl Ledger {
    pub(crate) fn section(&mut self, title: &str, note: &str) {
        println!("\n{title}\n{note}");
        let _ = write!(self.sections, "\n## {title}\n\n{note}\n");
    }

    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&head.iter().map(|cell| (*cell).to_string()).collect::<Vec<_>>());
        let rules = std::iter::once("---").chain(head.iter().skip(1).map(|_| "--:"));
        text += &line(&rules.map(String::from).collect::<Vec<_>>());
        for row in rows {
            text += &line(row);
        }
        print!("{text}");
        let _ = write!(self.sections, "\n{text}");
    }

    /// Minimum, median and the paired ratio to the first series.
    pub(crate) fn series(&mut self, unit: &str, series: &[Series]) {
        let rows: Vec<Vec<String>> = series
            .iter()
            .map(|one| {
                vec![
                    one.name.clone(),
                    format!("{:.2}", one.min()),
                    format!("{:.2}", one.median()),
                    format!("{:.2}", one.ratio_to(&series[0])),
                ]
            })
            .collect();
        let against = format!("× {}", series[0].name);
        self.table(&[unit, "min ms", "median ms", &against], &rows);
    }

    pub(crate) fn target(&mut self, what: &str, bound: Bound, measured: f64, unit: &str) {
        let (limit, met) = match bound {
            Bound::AtMost(limit) => (format!("at most {limit}{unit}"), measured <= limit),
            Bound::AtLeast(limit) => (format!("at least {limit}{unit}"), measured >= limit),
        };
        self.judged += 1;
        self.missed += usize::from(!met);
        let verdict = if met { "met" } else { "**missed**" };
        let line = format!("| {what} | {limit} | {measured:.2}{unit} | {verdict} |\n");
        print!("target: {line}");
        self.targets += &line;
    }

    /// What could not be measured, so that its absence is not read as a pass.
    pub(crate) fn unmeasured(&mut self, what: &str, why: &str) {
        println!("not measured: {what}: {why}");
        let _ = writeln!(self.targets, "| {what} | | not measured: {why} | |");
    }

    pub(crate) fn into_markdown(self, machine: &str, method: &str) -> String {
        let Ledger { targets, sections, missed, judged } = self;
        format!(
            "# Benchmarks\n\nWritten by `cargo xtask bench --write`; not by hand.\n\n{machine}\n\n{method}\n\n## Targets\n\n\
             {} of {judged} met.\n\n| target | limit | measured | |\n| --- | --: | --: | --- |\n{targets}{sections}{MISSED}",
            judged - missed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Ledger};

    #[test]
    fn a_miss_is_written_as_a_miss() {
        let mut ledger = Ledger::default();
        ledger.target("start", Bound::AtMost(1.25), 1.26, " ×");
        ledger.target("rate", Bound::AtLeast(400.0), 400.0, " /s");
        let text = ledger.into_markdown("machine", "method");
        assert!(text.contains("1 of 2 met"), "{text}");
        assert!(text.contains("| start | at most 1.25 × | 1.26 × | **missed** |"), "{text}");
        assert!(text.contains("| rate | at least 400 /s | 400.00 /s | met |"), "{text}");
    }
}
