//! Prints what came of the rows and counts. Decides nothing.

use std::io::Write;
use std::ops::AddAssign;
use std::time::Duration;

use crate::row::{Outcome, Row};

/// How many rows came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Held.
    pub passed: usize,
    /// Did not hold, or showed nothing.
    pub failed: usize,
    /// Could not be tried here.
    pub skipped: usize,
}

impl Totals {
    /// Counts one outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) | Outcome::NotProved(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }

    /// The totals in a line written by [`Totals::line`].
    pub fn read(line: &str) -> Option<Totals> {
        let mut numbers = line.trim().split(", ").zip(["passed", "failed", "skipped"]).map(|(part, word)| {
            part.strip_suffix(word).and_then(|number| number.trim().parse::<usize>().ok())
        });
        Some(Totals { passed: numbers.next()??, failed: numbers.next()??, skipped: numbers.next()?? })
    }

    /// One line: `N passed, N failed, N skipped`.
    pub fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// One row's line, and below it why it did not pass.
pub(crate) fn row(row: &Row, outcome: &Outcome, took: Duration) {
    let (word, why) = match outcome {
        Outcome::Passed => ("pass", None),
        Outcome::Failed(why) => ("FAIL", Some(why)),
        Outcome::NotProved(why) => ("FAIL (not proved)", Some(why)),
        Outcome::Skipped(why) => ("skip", Some(why)),
    };
    let mut text = format!("{word:4} {} [{} ms] {}\n", row.name, took.as_millis(), row.threat_list());
    for line in why.iter().flat_map(|why| why.lines()).take(24) {
        text.push_str("       ");
        // The output of an attack is the attacker's text: it must not drive the terminal of whoever reads this.
        text.extend(line.chars().flat_map(|c| -> Vec<char> {
            if c.is_control() { c.escape_default().collect() } else { vec![c] }
        }));
        text.push('\n');
    }
    // A closed pipe must not end the trial half-way: the exit code still tells.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_read_back_what_they_write() {
        let totals = Totals { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(Totals::read(&totals.line()), Some(totals));
        assert_eq!(Totals::read("12 passed, x failed, 3 skipped"), None);
        assert_eq!(Totals::read("some other line"), None);
    }

    #[test]
    fn what_is_not_proved_counts_as_failed() {
        let mut totals = Totals::default();
        totals.count(&Outcome::NotProved(String::new()));
        totals.count(&Outcome::Skipped(String::new()));
        assert_eq!(totals, Totals { passed: 0, failed: 1, skipped: 1 });
    }
}
