//! An answer for people, line by line, each piece with what it means; whoever prints it has the colours.
//!
//! For programs there is the serialized form.

use std::fmt;

use super::change::{By, Change, Outcome, Step};
use super::words::safe;
use super::{Answer, Lost, Verdict};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(pub Vec<(Tone, String)>);

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing more.
    Plain,
    /// Yes.
    Good,
    /// Yes, with a loss.
    Partly,
    /// No.
    Bad,
    /// Beside the point.
    Faint,
    /// To be typed or written into a file as it stands.
    Code,
}

impl Answer {
    /// The answer, line by line. Nothing in it acts on a terminal.
    pub fn lines(&self) -> Vec<Line> {
        let tone = match self.verdict {
            Verdict::Refused => Tone::Bad,
            Verdict::Private => Tone::Partly,
            Verdict::Allowed => Tone::Good,
        };
        let verdict = (tone, self.verdict.to_string());
        let mut lines = vec![Line(vec![verdict, (Tone::Plain, format!(": {}", self.question))])];
        lines.push(row("because", Tone::Plain, &self.words));
        lines.extend(self.rule.iter().map(|rule| row("rule", Tone::Plain, &rule.to_string())));
        lines.push(row("says", Tone::Plain, &self.stage));
        for shadowed in &self.shadowed {
            let by =
                if shadowed.stage == self.stage { String::new() } else { format!(" by {}", shadowed.stage) };
            let name = if shadowed.lost == Lost::Same { "also" } else { "no effect" };
            lines.push(row(name, Tone::Faint, &format!("{}{by}: {}", shadowed.rule, shadowed.lost)));
        }
        lines.extend(self.notes.iter().map(|note| row("note", Tone::Plain, note)));
        if let Some(change) = &self.change {
            change.lines(self.verdict, &mut lines);
        }
        lines
    }
}

impl Change {
    fn lines(&self, verdict: Verdict, lines: &mut Vec<Line>) {
        let aim = match (self.to, verdict) {
            (Outcome::Allow, Verdict::Private) => "to let it reach the original",
            (Outcome::Allow, _) => "to allow it",
            (Outcome::Refuse, _) => "to refuse it",
        };
        match &self.by {
            By::You => lines.push(plain(2, aim)),
            By::Starter => lines.push(plain(2, &format!("{aim}, outside, where this sandbox is started"))),
            By::Owner { ceiling } => {
                lines.push(plain(
                    2,
                    &format!("no policy and no flag lifts it: only whoever owns {ceiling} can"),
                ));
            }
            By::Nobody { why } => lines.push(plain(2, &format!("nothing changes that: {why}"))),
        }
        lines.extend(self.steps.iter().map(step));
        if let Some(flags) = &self.flags {
            let or = if self.steps.is_empty() { "for one run" } else { "or for one run" };
            lines.push(coded(or, flags));
        }
        lines.extend(self.notes.iter().map(|note| plain(4, &format!("note: {note}"))));
    }
}

fn step(step: &Step) -> Line {
    match step {
        Step::Add { table, line } => coded(&format!("in your policy, under [{table}]"), line),
        Step::Remove { rule } => plain(4, &format!("take out {rule}")),
        Step::Trust => coded("trust the project's policy, which asks for it", "ringfence policy trust"),
    }
}

fn row(name: &str, tone: Tone, text: &str) -> Line {
    Line(vec![(Tone::Faint, format!("  {name:<10}")), (tone, safe(text))])
}

fn plain(indent: usize, text: &str) -> Line {
    Line(vec![(Tone::Plain, format!("{:indent$}{}", "", safe(text)))])
}

fn coded(what: &str, code: &str) -> Line {
    Line(vec![(Tone::Plain, format!("    {}: ", safe(what))), (Tone::Code, safe(code))])
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line(pieces) in self.lines() {
            let text: String = pieces.into_iter().map(|(_, text)| text).collect();
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
