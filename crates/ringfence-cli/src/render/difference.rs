//! What one plan lets that another does not, for `policy diff`, `trust` and `show`.
//! Not a judgement: which of it is too much is the reader's business.

use ringfence_policy::difference::{Area, Change, Difference};

use super::escape::escape;
use super::style::{Meaning, Style};
use super::table::{Cell, table};

/// The titles of the two halves of a difference.
pub(crate) struct Titles {
    /// What is new.
    pub(crate) widened: &'static str,
    /// What is gone.
    pub(crate) narrowed: &'static str,
}

/// For people; empty where the plans decide alike.
pub(crate) fn as_text(difference: &Difference, titles: &Titles, style: Style) -> String {
    let mut text = String::new();
    let halves = [
        (titles.widened, Meaning::Warning, &difference.widened),
        (titles.narrowed, Meaning::Good, &difference.narrowed),
    ];
    for (title, meaning, changes) in halves {
        if !changes.is_empty() {
            text.push_str(&format!("{}\n{}", style.paint(meaning, title), rows(changes, style)));
        }
    }
    text
}

/// One row a change: what, before and after, and the rule that counts now, or counted.
pub(crate) fn rows(changes: &[Change], style: Style) -> String {
    let rows = changes.iter().map(|change| {
        let rule = change.rule_after.as_ref().or(change.rule_before.as_ref());
        let rule = rule.map(ToString::to_string).unwrap_or_default();
        vec![
            Cell::plain(area(change.area)),
            Cell::plain(escape(&change.subject)),
            Cell::plain(escape(&format!("{} → {}", change.before, change.after))),
            Cell::of(Meaning::Faint, escape(&rule)),
        ]
    });
    table(&rows.collect::<Vec<_>>(), style)
}

fn area(area: Area) -> &'static str {
    match area {
        Area::Filesystem => "filesystem",
        Area::Environment => "environment",
        Area::Network => "network",
        Area::Limits => "limits",
        Area::Processes => "processes",
        Area::Containment => "containment",
        Area::Oversight => "oversight",
    }
}
