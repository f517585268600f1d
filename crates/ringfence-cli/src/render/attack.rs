//! The report of `ringfence doctor --attack`.
//! Not the judging: the referee has done that.

use serde_json::json;

use super::escape::escape;
use super::style::{Meaning, Style};
use super::table::{Cell, table};
use crate::attempts::{Conclusion, Finding};

/// One group of findings under its title.
pub(crate) fn group(title: &str, findings: &[Finding], style: Style) -> String {
    let rows: Vec<_> = findings.iter().map(row).collect();
    format!("{}\n{}\n", style.paint(Meaning::Title, title), table(&rows, style))
}

fn row(finding: &Finding) -> Vec<Cell> {
    let (word, meaning, detail) = match &finding.conclusion {
        Conclusion::Proved { by } => ("proved", Meaning::Good, by.clone()),
        Conclusion::Moot { why } => ("not proved", Meaning::Warning, why.clone()),
        Conclusion::NotRun { why } => ("not run", Meaning::Bad, why.clone()),
        Conclusion::Broken { how } => ("BROKEN", Meaning::Bad, how.clone()),
    };
    let promise = format!("{} ({})", finding.promise, escape(&detail));
    vec![Cell::of(meaning, word), Cell::plain(finding.attempt), Cell::plain(promise)]
}

/// How many came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    proved: usize,
    moot: usize,
    not_run: usize,
    broken: usize,
}

impl Tally {
    /// Counts.
    pub(crate) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Tally {
        let mut tally = Tally::default();
        for finding in findings {
            match finding.conclusion {
                Conclusion::Proved { .. } => tally.proved += 1,
                Conclusion::Moot { .. } => tally.moot += 1,
                Conclusion::NotRun { .. } => tally.not_run += 1,
                Conclusion::Broken { .. } => tally.broken += 1,
            }
        }
        tally
    }

    /// Whether every promise that can be tried here held.
    pub(crate) fn holds(self) -> bool {
        self.proved > 0 && self.not_run == 0 && self.broken == 0
    }

    /// The last line.
    pub(crate) fn line(self, style: Style) -> String {
        let Tally { proved, moot, not_run, broken } = self;
        let (word, meaning) = match self.holds() {
            true => ("held", Meaning::Good),
            false => ("NOT HELD", Meaning::Bad),
        };
        format!(
            "{}: {proved} proved, {broken} broken, {not_run} not run, {moot} not proved\n",
            style.paint(meaning, word)
        )
    }
}

/// For programs.
pub(crate) fn as_json(findings: &[Finding]) -> serde_json::Value {
    let Tally { proved, moot, not_run, broken } = Tally::of(findings);
    json!({
        "holds": Tally::of(findings).holds(),
        "proved": proved, "not_proved": moot, "not_run": not_run, "broken": broken,
        "findings": findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(conclusion: Conclusion) -> Finding {
        Finding { attempt: "write_outside", promise: "A file outside is not created", conclusion }
    }

    #[test]
    fn only_what_was_proved_counts_as_held() {
        let proved = finding(Conclusion::Proved { by: "Permission denied".into() });
        let moot = finding(Conclusion::Moot { why: "fails outside too: no such family".into() });
        let not_run = finding(Conclusion::NotRun { why: "refused".into() });
        let broken = finding(Conclusion::Broken { how: "it got through".into() });
        assert!(Tally::of([&proved, &moot]).holds());
        assert!(!Tally::of([&moot]).holds(), "nothing was proved");
        assert!(!Tally::of([&proved, &not_run]).holds());
        assert!(!Tally::of([&proved, &broken]).holds());
        insta::assert_snapshot!(group("Files", &[proved, moot, not_run, broken], Style::PLAIN), @"
        Files
          proved      write_outside  A file outside is not created (Permission denied)
          not proved  write_outside  A file outside is not created (fails outside too: no such family)
          not run     write_outside  A file outside is not created (refused)
          BROKEN      write_outside  A file outside is not created (it got through)
        ");
    }
}
