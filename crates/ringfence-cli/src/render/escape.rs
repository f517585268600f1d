//! Makes text that a sandboxed command chose safe to show on a terminal.
//! Not a quoting for shells: what comes out is to be read, not to be run.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with everything that would move the cursor, hide or reorder letters spelled out: control characters and
/// ESC as `\x1b`, direction marks and invisible letters as `\u{202e}`; a backslash is doubled, so that no name can
/// pretend to be an escape.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(must_escape) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            letter if !must_escape(letter) => shown.push(letter),
            // Writing to a string does not fail.
            letter if u32::from(letter) < 0x100 => drop(write!(shown, "\\x{:02x}", u32::from(letter))),
            letter => drop(write!(shown, "\\u{{{:x}}}", u32::from(letter))),
        }
    }
    Cow::Owned(shown)
}

/// Unicode's general category Cc, its bidirectional controls (UAX #9, section 2), line separators, and letters
/// without a width, of which two different names could be made that look the same.
fn must_escape(letter: char) -> bool {
    letter == '\\'
        || letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["src/main.rs", "a b", "Straße", "日本語", "naïve"] {
            assert!(matches!(escape(name), Cow::Borrowed(shown) if shown == name));
        }
    }

    #[test]
    fn what_would_reach_the_terminal_as_an_order_is_spelled_out() {
        assert_eq!(escape("\x1b]52;c;aGk=\x07"), "\\x1b]52;c;aGk=\\x07");
        assert_eq!(escape("a\nb\u{9b}"), "a\\nb\\x9b");
        assert_eq!(escape("txt.\u{202e}exe"), "txt.\\u{202e}exe");
        assert_eq!(escape("zero\u{200b}width"), "zero\\u{200b}width");
        assert_eq!(escape("\\x1b"), "\\\\x1b");
    }
}
