//! How a field is laid out: on one line where it fits, else one entry a line; and the text as it is put together.
//!
//! Not the order of fields.

use toml_edit::{Array, InlineTable, Item, RawString, TableLike, Value};

use super::comments::{Line, of_prefix, of_suffix};

/// Columns of a line.
const WIDTH: usize = 100;
const INDENT: &str = "    ";

/// The text so far.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    /// Whether a blank line is wanted before what comes next.
    apart: bool,
    /// Whether nothing stands below a title yet.
    below_title: bool,
    /// What was written at the start already.
    header: Vec<Line>,
}

impl Writer {
    /// Beginning with the comment that is about the file.
    pub(super) fn new(header: Vec<Line>) -> Writer {
        let mut writer = Writer::default();
        writer.lines(&header);
        writer.apart = true;
        writer.header = header;
        writer
    }

    /// Comments and blanks; blanks at the start are dropped.
    pub(super) fn lines(&mut self, lines: &[Line]) {
        let lines = match lines.strip_prefix(&self.header[..]) {
            // Above what stands first in the file, so that it is met once again, and only once.
            Some(rest) if !self.header.is_empty() => {
                self.header.clear();
                rest
            }
            _ => lines,
        };
        for line in lines {
            match line {
                Line::Blank => self.apart = true,
                Line::Comment(comment) => self.line(comment),
            }
        }
    }

    /// A title, with a blank line before it.
    pub(super) fn title(&mut self, above: &[Line], title: &str, trailing: Option<String>) {
        self.apart = true;
        self.lines(above);
        self.line(&with_comment(title, trailing));
        self.below_title = true;
    }

    /// A field.
    pub(super) fn field(&mut self, above: &[Line], lines: &[String], trailing: Option<String>) {
        // A blank line directly below a title says nothing.
        let skipped = usize::from(self.below_title && above.first() == Some(&Line::Blank));
        self.lines(&above[skipped..]);
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            match at == last {
                true => self.line(&with_comment(line, trailing.clone())),
                false => self.line(line),
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: &str) {
        if self.apart && !self.text.is_empty() {
            self.text.push('\n');
        }
        (self.apart, self.below_title) = (false, false);
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn with_comment(line: &str, comment: Option<String>) -> String {
    match comment {
        Some(comment) => format!("{line}  {comment}"),
        None => line.to_owned(),
    }
}

/// The lines of `key = value`, and the comment behind it.
pub(super) fn value_lines(key: &str, item: &Item) -> (Vec<String>, Option<String>) {
    let key = key_text(key);
    let trailing = item.as_value().and_then(|value| of_suffix(raw(value.decor().suffix())));
    let text = format!("{key} = {}", inline_item(item));
    let lines = match item.as_value() {
        Some(Value::Array(array)) if is_commented(array) || text.chars().count() > WIDTH => long(&key, array),
        _ => vec![text],
    };
    (lines, trailing)
}

/// Whether a table of single values fits on one line and holds no comment.
pub(super) fn fits_inline(key: &str, table: &dyn TableLike) -> bool {
    let commented = table.iter().any(|(name, item)| {
        let above = table.key(name).is_some_and(|key| raw(key.leaf_decor().prefix()).contains('#'));
        let behind = item.as_value().is_some_and(|value| raw(value.decor().suffix()).contains('#'));
        above || behind
    });
    !commented && format!("{} = {}", key_text(key), inline_table(table)).chars().count() <= WIDTH
}

/// A key, in quotes where it needs them.
pub(super) fn key_text(key: &str) -> String {
    toml_edit::Key::new(key).display_repr().into_owned()
}

/// Text between items, as it stands in the file.
pub(super) fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

fn is_commented(array: &Array) -> bool {
    let around = |value: &Value| {
        raw(value.decor().prefix()).contains('#') || raw(value.decor().suffix()).contains('#')
    };
    array.iter().any(around) || array.trailing().as_str().unwrap_or_default().contains('#')
}

/// One entry a line.
fn long(key: &str, array: &Array) -> Vec<String> {
    let mut lines = vec![format!("{key} = [")];
    for value in array.iter() {
        gap(&mut lines, raw(value.decor().prefix()));
        lines.push(format!("{INDENT}{},", inline(value)));
        gap(&mut lines, raw(value.decor().suffix()));
    }
    gap(&mut lines, array.trailing().as_str().unwrap_or_default());
    lines.retain(|line| !line.is_empty() || !line.starts_with('['));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.push("]".into());
    lines
}

/// What stands between two entries: a comment behind the first, lines above the second.
fn gap(lines: &mut Vec<String>, text: &str) {
    if let (Some(comment), Some(last)) = (of_suffix(text), lines.last_mut()) {
        last.push_str(&format!("  {comment}"));
    }
    let below = text.find('\n').map_or("", |at| &text[at + 1..]);
    for line in of_prefix(below) {
        match line {
            Line::Blank if lines.len() == 1 || lines.last().is_some_and(String::is_empty) => {}
            Line::Blank => lines.push(String::new()),
            Line::Comment(comment) => lines.push(format!("{INDENT}{comment}")),
        }
    }
}

fn inline_item(item: &Item) -> String {
    match item {
        Item::Value(value) => inline(value),
        other => other.as_table_like().map(inline_table).unwrap_or_default(),
    }
}

/// A value on one line, as its author wrote it but for the spaces.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(array) => format!("[{}]", array.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::InlineTable(table) => inline_table(table as &InlineTable),
        single => {
            let mut single = single.clone();
            single.decor_mut().clear();
            single.to_string().trim().to_owned()
        }
    }
}

/// Keys of entries, in order.
pub(super) const ENTRY: &[&str] = &[
    "path",
    "name",
    "host",
    "port",
    "header",
    "methods",
    "paths",
    "max_body",
    "max_header",
    "source",
    "placeholder",
    "sent",
    "connections",
    "requests",
    "variable",
    "below",
    "optional",
    "why",
    "when",
];

fn inline_table(table: &dyn TableLike) -> String {
    let mut fields: Vec<(&str, &Item)> = table.iter().collect();
    fields.sort_by_key(|(key, _)| ENTRY.iter().position(|known| known == key).unwrap_or(ENTRY.len()));
    let fields = fields.iter().map(|(key, item)| format!("{} = {}", key_text(key), inline_item(item)));
    match fields.collect::<Vec<_>>().join(", ") {
        fields if fields.is_empty() => "{}".into(),
        fields => format!("{{ {fields} }}"),
    }
}
