//! A policy file in its canonical form: groups and fields in the order of the reference, comments where they belong.
//!
//! Not a repair: what is no policy is refused, and so is a text that could not be kept to the last comment.

mod comments;
mod layout;

use toml_edit::{DocumentMut, Item, TableLike};

use self::comments::{Line, of_prefix, of_suffix};
use self::layout::{Writer, key_text, value_lines};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::{field, read};

/// `text`, the policy called `name`, in canonical form. Formatting it again changes nothing, and it says the same.
///
/// # Errors
/// A text that is no policy, and one with a comment that would be lost.
pub fn format(name: &str, text: &str) -> Result<String, Report> {
    read::check(name, text)?;
    let no_toml =
        |error: toml_edit::TomlError| Diagnostic::error(format!("{} is no TOML: {error}", quoted(name)));
    let document: DocumentMut = text.parse().map_err(no_toml)?;
    let formatted = canonical(&document, header(text));
    match comments::lost(text, &formatted) {
        Some((line, comment)) => Err(Diagnostic::error(format!(
            "the comment {} in line {line} of {} stands where it would be lost",
            quoted(comment),
            quoted(name)
        ))
        .help("put it on a line of its own above the field or the entry that it is about")
        .into()),
        None if same(text, &formatted) => Ok(formatted),
        // Not known to happen; a formatter that changes what a policy says must not be believed in, but checked.
        None => Err(Diagnostic::error(format!(
            "{} cannot be formatted without a change of meaning",
            quoted(name)
        ))
        .into()),
    }
}

/// Keys of the top level that are no groups, in order.
const TOP: &[&str] = &["version", "kind", "about", "detect", "extends"];

fn canonical(document: &DocumentMut, header: Vec<Line>) -> String {
    let table = document.as_table();
    let mut writer = Writer::new(header);
    for key in ordered(table, TOP) {
        if !is_group(table, key) && key != CONDITIONAL {
            field_of(&mut writer, table, key);
        }
    }
    let groups: Vec<&str> = field::groups().collect();
    for group in groups.iter().filter(|group| is_group(table, group)) {
        group_of(&mut writer, table, group, group);
    }
    conditionals(&mut writer, table, &groups);
    writer.lines(&of_prefix(layout::raw(Some(document.trailing()))));
    writer.finish()
}

const CONDITIONAL: &str = "conditional";

/// The comment at the start of the file, up to its last blank line: it is about the file, not about what follows.
fn header(text: &str) -> Vec<Line> {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let end: usize = text.split_inclusive('\n').take_while(|line| !code(line)).map(str::len).sum();
    let mut lines = of_prefix(&text[..end]);
    lines.truncate(lines.iter().rposition(|line| *line == Line::Blank).unwrap_or(0));
    lines
}

/// One `[group]` with its fields.
fn group_of(writer: &mut Writer, table: &dyn TableLike, group: &str, title: &str) {
    let Some(fields) = table.get(group).and_then(Item::as_table_like) else { return };
    let order: Vec<&str> = field::of_group(group).map(|spec| field::group_and_name(spec.key).1).collect();
    let (lists, order): (Vec<&str>, Vec<&str>) = ordered(fields, &order)
        .into_iter()
        .partition(|key| fields.get(key).is_some_and(Item::is_array_of_tables));
    // `[environment.set]`, where it does not fit on one line.
    let (apart, within): (Vec<&str>, Vec<&str>) = order.into_iter().partition(|key| {
        fields.get(key).and_then(Item::as_table_like).is_some_and(|below| !layout::fits_inline(key, below))
    });
    let (above, trailing) = (leading(table, group), trailing_of_title(table.get(group)));
    let said = !within.is_empty()
        || (apart.is_empty() && lists.is_empty())
        || trailing.is_some()
        || above != [Line::Blank] && !above.is_empty();
    if said {
        writer.title(&above, &format!("[{title}]"), trailing);
    }
    for key in within {
        field_of(writer, fields, key);
    }
    for key in apart {
        let Some(below) = fields.get(key).and_then(Item::as_table_like) else { continue };
        let title = format!("[{title}.{}]", key_text(key));
        writer.title(&leading(fields, key), &title, trailing_of_title(fields.get(key)));
        below.iter().for_each(|(name, _)| field_of(writer, below, name));
    }
    for key in lists {
        tables_of(writer, fields, key, &format!("[[{title}.{}]]", key_text(key)));
    }
}

/// Each `[[group.field]]`.
fn tables_of(writer: &mut Writer, fields: &dyn TableLike, key: &str, title: &str) {
    let Some(Item::ArrayOfTables(list)) = fields.get(key) else { return };
    for table in list {
        let above = of_prefix(layout::raw(table.decor().prefix()));
        writer.title(&above, title, of_suffix(layout::raw(table.decor().suffix())));
        ordered(table, layout::ENTRY).into_iter().for_each(|key| field_of(writer, table, key));
    }
}

fn conditionals(writer: &mut Writer, table: &dyn TableLike, groups: &[&str]) {
    let tables: Vec<&dyn TableLike> = match table.get(CONDITIONAL) {
        Some(Item::ArrayOfTables(list)) => list.iter().map(|table| table as &dyn TableLike).collect(),
        Some(Item::Value(toml_edit::Value::Array(list))) => list
            .iter()
            .filter_map(|value| value.as_inline_table())
            .map(|table| table as &dyn TableLike)
            .collect(),
        _ => return,
    };
    for (nth, conditional) in tables.into_iter().enumerate() {
        let decor = match table.get(CONDITIONAL) {
            Some(Item::ArrayOfTables(list)) => list.get(nth).map(toml_edit::Table::decor),
            _ => None,
        };
        let lines = decor.map(|decor| of_prefix(layout::raw(decor.prefix()))).unwrap_or_default();
        let trailing = decor.and_then(|decor| of_suffix(layout::raw(decor.suffix())));
        writer.title(&lines, "[[conditional]]", trailing);
        for key in ordered(conditional, &["when"]) {
            if !is_group(conditional, key) {
                field_of(writer, conditional, key);
            }
        }
        for group in groups.iter().filter(|group| is_group(conditional, group)) {
            group_of(writer, conditional, group, &format!("conditional.{group}"));
        }
    }
}

/// `key = value`, with the comments above it and behind it.
fn field_of(writer: &mut Writer, table: &dyn TableLike, key: &str) {
    let Some(item) = table.get(key) else { return };
    let (lines, trailing) = value_lines(key, item);
    writer.field(&leading(table, key), &lines, trailing);
}

/// The comments above a key or a title.
fn leading(table: &dyn TableLike, key: &str) -> Vec<Line> {
    let above_title = match table.get(key) {
        Some(Item::Table(below)) if !below.is_dotted() => Some(layout::raw(below.decor().prefix())),
        Some(Item::ArrayOfTables(list)) => list.get(0).map(|first| layout::raw(first.decor().prefix())),
        _ => None,
    };
    let above_key = || {
        let key = table.key(key)?;
        let prefix = layout::raw(key.leaf_decor().prefix());
        Some(if prefix.trim().is_empty() { layout::raw(key.dotted_decor().prefix()) } else { prefix })
    };
    of_prefix(above_title.or_else(above_key).unwrap_or_default())
}

/// The comment behind `[group]`.
fn trailing_of_title(item: Option<&Item>) -> Option<String> {
    match item {
        Some(Item::Table(table)) => of_suffix(layout::raw(table.decor().suffix())),
        Some(Item::Value(value)) => of_suffix(layout::raw(value.decor().suffix())),
        _ => None,
    }
}

/// The keys of `table`, those of `order` first and in its order.
fn ordered<'a>(table: &'a dyn TableLike, order: &[&str]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = table.iter().map(|(key, _)| key).collect();
    keys.sort_by_key(|key| order.iter().position(|known| known == key).unwrap_or(order.len()));
    keys
}

fn is_group(table: &dyn TableLike, key: &str) -> bool {
    field::groups().any(|group| group == key) && table.get(key).is_some_and(Item::is_table_like)
}

/// Whether two texts are the same data.
fn same(left: &str, right: &str) -> bool {
    matches!((toml::from_str::<toml::Table>(left), toml::from_str::<toml::Table>(right)), (Ok(left), Ok(right)) if left == right)
}

#[cfg(test)]
mod tests;
