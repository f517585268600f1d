//! Paths, TOML and words of a shell, written so that they mean what they should.
//!
//! The way back, from text to meaning, is the policy's own reader.

use ringfence_plan::AbsPath;

use crate::diagnostic::acts_on_terminals;
use crate::path_text::is_wildcard;

/// `path` as an entry of a list of grants; `None` where none can mean it.
pub(super) fn path(path: &AbsPath, home: &AbsPath) -> Option<String> {
    let text = start(path, home)?;
    (!text.contains(is_wildcard)).then_some(text)
}

/// `path` as an entry of a list of patterns, its wildcards taken as they stand.
pub(super) fn pattern(path: &AbsPath, home: &AbsPath) -> Option<String> {
    let escaped = |c: char| if is_wildcard(c) { format!("[{c}]") } else { c.to_string() };
    Some(start(path, home)?.chars().map(escaped).collect())
}

/// `path` from HOME or the root, its dollar signs doubled.
fn start(path: &AbsPath, home: &AbsPath) -> Option<String> {
    let below = path.as_path().strip_prefix(home).ok().filter(|_| *home != AbsPath::root());
    let text = match below {
        Some(below) if below.as_os_str().is_empty() => return Some("~".into()),
        Some(below) => format!("~/{}", below.to_str()?.replace('$', "$$")),
        None => path.as_path().to_str()?.replace('$', "$$"),
    };
    Some(text)
}

/// A list of one text, in TOML.
pub(super) fn list(entry: &str) -> String {
    format!("[{}]", quoted(entry))
}

/// A text in TOML; what acts on a terminal is written as its number.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if acts_on_terminals(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// One word for a shell (POSIX.1, 2.2); a leading `~/` is left to whoever reads it.
pub(super) fn for_shell(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || "-_./:=@%+,~…".contains(c) || (!c.is_ascii() && !acts_on_terminals(c))
    };
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_written_so_that_it_means_itself() {
        let home = AbsPath::new("/home/u").unwrap();
        let words = |text: &str| path(&AbsPath::new(text).unwrap(), &home);
        assert_eq!(words("/home/u/.ssh/id").as_deref(), Some("~/.ssh/id"));
        assert_eq!(words("/home/u").as_deref(), Some("~"));
        assert_eq!(words("/home/user/a$b").as_deref(), Some("/home/user/a$$b"));
        assert_eq!(words("/srv/a*"), None);
        assert_eq!(pattern(&AbsPath::new("/srv/a*[x]").unwrap(), &home).as_deref(), Some("/srv/a[*][[]x]"));
        assert_eq!(quoted("a\"\\\u{1b}"), r#""a\"\\\U0000001b""#);
        assert_eq!((for_shell("~/x").as_str(), for_shell("a b'c").as_str()), ("~/x", "'a b'\\''c'"));
    }
}
