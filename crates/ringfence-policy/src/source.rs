//! Texts that statements come from, and where in them something stands.
//!
//! Not their meaning.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Index into the sources of one composition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) u32);

/// Who brought a source in: it decides what the source may lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Author {
    /// This program.
    BuiltIn,
    /// This program, in a preset that was chosen.
    Preset,
    /// The user, in a file of his own or one that he named.
    User,
    /// Whoever wrote the project: the file was found, not named.
    Project,
    /// The user, on the command line.
    Flag,
    /// Whoever owns a ceiling.
    Ceiling,
}

impl Author {
    /// Whether a person said it, who wants to hear what becomes of it.
    pub(crate) fn is_person(self) -> bool {
        self > Author::Preset
    }

    /// Whether it may grant a place that is hidden, by naming it exactly.
    pub(crate) fn lifts(self) -> bool {
        self > Author::BuiltIn
    }

    /// Whether what it says only narrows.
    pub(crate) fn is_ceiling(self) -> bool {
        self == Author::Ceiling
    }
}

/// One text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As the user would name it.
    pub(crate) name: Arc<str>,
    /// The whole text.
    pub(crate) text: Arc<str>,
    /// The directory that its relative paths start from.
    pub(crate) directory: PathBuf,
    /// The file, as named and without symlinks; empty for a flag.
    pub(crate) files: Vec<PathBuf>,
    /// Who brought it in.
    pub(crate) author: Author,
}

/// Lines and columns of a text. Both count from 1, columns in characters.
///
/// A mark every [`STRIDE`] bytes, so that ten thousand rules on one line are not counted ten thousand times.
#[derive(Debug)]
pub(crate) struct Positions<'a> {
    text: &'a str,
    marks: Vec<(usize, u32, u32)>,
}

const STRIDE: usize = 64;

impl<'a> Positions<'a> {
    pub(crate) fn new(text: &'a str) -> Positions<'a> {
        let mut marks = vec![(0, 1, 1)];
        let (mut line, mut column) = (1, 1);
        for (at, c) in text.char_indices() {
            if at >= marks.len() * STRIDE {
                marks.push((at, line, column));
            }
            (line, column) = after(c, line, column);
        }
        Positions { text, marks }
    }

    /// Line and column of the byte at `offset`.
    pub(crate) fn of(&self, offset: usize) -> (u32, u32) {
        let next = self.marks.partition_point(|(at, _, _)| *at <= offset);
        let (at, mut line, mut column) = self.marks[next.saturating_sub(1)];
        for (passed, c) in self.text[at..].char_indices() {
            if at + passed >= offset {
                break;
            }
            (line, column) = after(c, line, column);
        }
        (line, column)
    }
}

fn after(c: char, line: u32, column: u32) -> (u32, u32) {
    if c == '\n' { (line + 1, 1) } else { (line, column + 1) }
}

/// A stretch of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) source: SourceId,
    pub(crate) range: Range<u32>,
}

impl Span {
    pub(crate) fn new(source: SourceId, range: Range<usize>) -> Span {
        // Sources are at most `load::LARGEST` bytes long.
        Span { source, range: range.start as u32..range.end as u32 }
    }

    pub(crate) fn bytes(&self) -> Range<usize> {
        self.range.start as usize..self.range.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_on_long_lines_and_short_ones() {
        let text = format!("{}é\n\nx{}", "ü".repeat(700), "y".repeat(2000));
        let positions = Positions::new(&text);
        for (offset, _) in text.char_indices() {
            let head = &text[..offset];
            let line = head.matches('\n').count() as u32 + 1;
            let column = head.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
            assert_eq!(positions.of(offset), (line, column), "{offset}");
        }
    }
}
