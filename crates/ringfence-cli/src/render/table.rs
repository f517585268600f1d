//! Lines of columns for people.
//! Not for programs: those read `--json`.

use super::style::{Meaning, Style};

/// One cell.
pub(crate) struct Cell {
    text: String,
    meaning: Option<Meaning>,
}

impl Cell {
    /// Without a look of its own.
    pub(crate) fn plain(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), meaning: None }
    }

    /// With one.
    pub(crate) fn of(meaning: Meaning, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), meaning: Some(meaning) }
    }
}

/// The rows below each other, each column but the last as wide as its longest cell, indented by two. On a terminal the last
/// column is broken at spaces and continued below its own start; elsewhere a row is always one line.
pub(crate) fn table(rows: &[Vec<Cell>], style: Style) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // A row's last cell is free: it neither needs nor gives a width.
    let widths: Vec<usize> = (0..columns.saturating_sub(1))
        .map(|column| {
            let cells = rows.iter().filter(|row| row.len() > column + 1).map(|row| &row[column]);
            cells.map(|cell| width(&cell.text)).max().unwrap_or(0)
        })
        .collect();
    let mut shown = String::new();
    for row in rows {
        row_into(&mut shown, row, &widths, style);
    }
    shown
}

/// Between two columns, and before the first.
const GAP: usize = 2;
/// The last column is not made narrower than this: the terminal may break its lines then.
const NARROWEST: usize = 24;

fn row_into(shown: &mut String, row: &[Cell], widths: &[usize], style: Style) {
    let Some((last, cells)) = row.split_last() else { return };
    let mut used = 0;
    for (cell, column) in cells.iter().zip(widths) {
        shown.extend(std::iter::repeat_n(' ', GAP));
        shown.push_str(&paint(cell, &cell.text, style));
        shown.extend(std::iter::repeat_n(' ', column - width(&cell.text)));
        used += GAP + column;
    }
    shown.extend(std::iter::repeat_n(' ', GAP));
    used += GAP;
    let room = style.width.map(|columns| columns.saturating_sub(used).max(NARROWEST));
    for (index, line) in broken(&last.text, room).iter().enumerate() {
        if index > 0 {
            shown.push('\n');
            shown.extend(std::iter::repeat_n(' ', used));
        }
        shown.push_str(&paint(last, line, style));
    }
    while shown.ends_with(' ') {
        shown.pop();
    }
    shown.push('\n');
}

fn paint(cell: &Cell, text: &str, style: Style) -> String {
    match cell.meaning {
        Some(meaning) => style.paint(meaning, text),
        None => text.to_owned(),
    }
}

/// `text` in lines of at most `room` columns, broken at spaces where there are any.
fn broken(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("never empty");
        match line.is_empty() {
            true => line.push_str(word),
            false if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            false => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Columns that `text` takes. Letters are counted, not measured: wide ones only make a column ragged.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(|cell| Cell::plain(*cell)).collect()
    }

    #[test]
    fn columns_align_and_a_pipe_gets_whole_lines() {
        let rows = [row(&["a", "bb", "one two three four five six seven"]), row(&["aaaa", "b", "x"])];
        assert_eq!(
            table(&rows, Style::PLAIN),
            "  a     bb  one two three four five six seven\n  aaaa  b   x\n"
        );
    }

    #[test]
    fn a_terminal_gets_lines_within_its_width() {
        let rows = [row(&["a", "one two three four five six seven eight"])];
        let narrow = table(&rows, Style { width: Some(40), ..Style::PLAIN });
        assert_eq!(narrow, "  a  one two three four five six seven\n     eight\n");
        assert!(narrow.lines().all(|line| line.len() <= 40));
    }
}
