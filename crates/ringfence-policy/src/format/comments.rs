//! The comments of a policy file: found, kept apart from blanks, counted.
//!
//! Not their places: that is the layout's business.

/// What stands between two items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// One blank line, or several.
    Blank,
    /// A comment with its `#`.
    Comment(String),
}

/// The lines above an item.
pub(super) fn of_prefix(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    // What follows the last line break is the item's own indentation.
    for line in text.split_inclusive('\n') {
        match line.trim() {
            "" if !line.ends_with('\n') => {}
            "" if lines.last() == Some(&Line::Blank) => {}
            "" => lines.push(Line::Blank),
            comment => lines.push(Line::Comment(comment.to_owned())),
        }
    }
    lines
}

/// The comment behind an item, on its own line.
pub(super) fn of_suffix(text: &str) -> Option<String> {
    Some(text.lines().next()?.trim()).filter(|comment| comment.starts_with('#')).map(str::to_owned)
}

/// The first comment of `before` that `after` has not, with its line.
pub(super) fn lost<'a>(before: &'a str, after: &str) -> Option<(usize, &'a str)> {
    let mut kept: Vec<&str> = all(after).into_iter().map(|(_, comment)| comment).collect();
    all(before).into_iter().find(|(_, comment)| match kept.iter().position(|known| known == comment) {
        Some(at) => {
            kept.swap_remove(at);
            false
        }
        None => true,
    })
}

/// Every comment with its line; a `#` within a text is none (toml.io, the four kinds of strings).
fn all(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(['#', '"', '\'']).map(|next| at + next) {
        at = match &text[next..next + 1] {
            "#" => {
                let end = text[next..].find('\n').map_or(text.len(), |end| next + end);
                found.push((text[..next].matches('\n').count() + 1, text[next..end].trim_end()));
                end
            }
            quote => end_of_string(text, next, quote),
        };
    }
    found
}

/// Where the string that starts at `start` ends.
fn end_of_string(text: &str, start: usize, quote: &str) -> usize {
    let long = quote.repeat(3);
    let closing = if text[start..].starts_with(&long) { long.as_str() } else { quote };
    let mut at = start + closing.len();
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(closing) {
            return at + closing.len();
        }
        let letter = rest.chars().next().map_or(1, char::len_utf8);
        let escaped = quote == "\"" && rest.starts_with('\\');
        at += letter + if escaped { rest[letter..].chars().next().map_or(0, char::len_utf8) } else { 0 };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_within_a_text_is_no_comment() {
        let text =
            "a = \"#\\\"#\" # one\nb = '#'#two\nc = '''\n#'#''' # three\nd = \"\"\"\n\"#\\\"\"\"\" # four\n";
        let comments: Vec<_> = all(text).into_iter().map(|(_, comment)| comment).collect();
        assert_eq!(comments, ["# one", "#two", "# three", "# four"]);
    }

    #[test]
    fn a_lost_comment_is_named_with_its_line() {
        assert_eq!(lost("a = 1 # x\nb = 2 # x\n", "# x\na = 1\nb = 2\n"), Some((2, "# x")));
        assert_eq!(lost("a = 1 # x\n", "# x\na = 1\n"), None);
    }
}
