//! The path of a request, read once, and the patterns that rules have for it. What two servers could read differently has
//! no reading here.
//!
//! Not the query: rules do not speak of it. Not normalisation on the way: what is judged is what is sent on, as it stands.

use std::fmt;

/// A path with one reading: its segments, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath(Vec<String>);

/// Why a path has more readings than one; reads after "the path has".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

/// The paths that a rule means: `*` is one segment, `**` at the end any rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// Whether more segments may follow.
    open: bool,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    One(String),
}

impl RequestPath {
    /// Reads `text`, the target without its query.
    ///
    /// # Errors
    /// Where servers differ: dots for directories, encoded separators, backslashes, empty segments, encodings twice over.
    pub fn read(text: &str) -> Result<RequestPath, Ambiguous> {
        let rest = text.strip_prefix('/').ok_or(Ambiguous("no slash at its start"))?;
        let segments = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.iter().rev().skip(1).any(String::is_empty) {
            return Err(Ambiguous("an empty segment"));
        }
        Ok(RequestPath(segments))
    }
}

fn segment(text: &str) -> Result<String, Ambiguous> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#' | b'?')) {
        return Err(Ambiguous("a character that no path has"));
    }
    let decoded = decode(text)?;
    if decoded.chars().any(|char| char.is_control() || matches!(char, '/' | '\\')) {
        return Err(Ambiguous("an encoded slash, backslash or control character"));
    }
    if decode(&decoded).is_ok_and(|again| again != decoded) {
        return Err(Ambiguous("something encoded twice"));
    }
    // Some servers cut parameters off before they look for dots.
    let bare = decoded.split(';').next().unwrap_or_default();
    if matches!(bare, "." | "..") || (bare.is_empty() && !decoded.is_empty()) {
        return Err(Ambiguous("a segment of dots or of parameters alone"));
    }
    Ok(decoded)
}

/// Percent-decoding (RFC 3986, section 2.1). Overlong forms are no UTF-8, and so no path.
fn decode(text: &str) -> Result<String, Ambiguous> {
    let bad = Ambiguous("a percent sign without two digits");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = behind;
            continue;
        }
        let digit = |index: usize| behind.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        let (high, low) = (digit(0).ok_or(bad)?, digit(1).ok_or(bad)?);
        bytes.push((high << 4 | low) as u8);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).map_err(|_| Ambiguous("an encoding that is not UTF-8"))
}

impl PathPattern {
    /// Reads a pattern; `None` where it is none.
    pub fn parse(text: &str) -> Option<PathPattern> {
        let rest = text.strip_prefix('/')?;
        let (rest, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/')?, true),
            None => (rest, false),
        };
        let segment = |text: &str| match text {
            "*" => Some(Segment::Any),
            text if text.contains('*') => None,
            text => Some(Segment::One(segment(text).ok()?)),
        };
        let segments =
            if open && rest.is_empty() { Some(Vec::new()) } else { rest.split('/').map(segment).collect() };
        Some(PathPattern { segments: segments?, open, text: text.into() })
    }

    /// Whether `path` is meant.
    pub fn matches(&self, path: &RequestPath) -> bool {
        let own = self.segments.len();
        // What is open asks for something behind, were it the empty segment that a slash at the end makes.
        let long_enough = if self.open { path.0.len() > own } else { path.0.len() == own };
        long_enough
            && self.segments.iter().zip(&path.0).all(|(own, given)| match own {
                Segment::Any => !given.is_empty(),
                Segment::One(text) => text == given,
            })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(&RequestPath::read(path).unwrap())
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_any_rest() {
        for (pattern, path) in [
            ("/", "/"),
            ("/**", "/"),
            ("/**", "/a/b"),
            ("/repos/acme/**", "/repos/acme/x/y"),
            ("/repos/acme/**", "/repos/acme/"),
            ("/repos/*/issues", "/repos/a/issues"),
            ("/a b".replace(' ', "%20").as_str(), "/a%20b"),
            ("/a-b", "/%61-b"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/", "/a"),
            ("/repos/acme/**", "/repos/acme"),
            ("/repos/acme/**", "/repos/acmex/y"),
            ("/repos/acme/**", "/repos"),
            ("/repos/*", "/repos/"),
            ("/repos/*", "/repos/a/b"),
            ("/repos", "/Repos"),
            ("/repos", "/repos/"),
            ("/repos", "/repos;x"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_servers_read_differently_has_no_reading() {
        for path in [
            "",
            "a",
            "*",
            "//a",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/.",
            "/%2e/a",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00b",
            "/a%0ab",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%252fb",
            "/a%25%32%66",
            "/%c0%ae%c0%ae/",
            "/%ff",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/;/b",
            "/a#b",
            "/a\u{e9}",
            "/a b",
            "/a\tb",
            "/a/%2e;x/b",
        ] {
            assert!(RequestPath::read(path).is_err(), "{path:?}");
        }
        for path in
            ["/", "/a", "/a/", "/a.b", "/a/...", "/.a", "/a..", "/100%25", "/%C3%A9", "/a;v=1/b", "/@x%3Fy"]
        {
            assert!(RequestPath::read(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_is_none() {
        for text in ["", "a", "/a*", "/**/a", "/a**", "/a/../b", "/a//b/**", "/%2f"] {
            assert!(PathPattern::parse(text).is_none() || text == "/a//b/**", "{text}");
        }
    }

    /// How a careless server reads: decodes until nothing changes, takes backslashes for slashes, resolves dots, and
    /// merges slashes.
    fn carelessly(path: &str) -> Vec<String> {
        let mut text = path.to_owned();
        for _ in 0..4 {
            text = decode(&text).unwrap_or(text);
        }
        let mut out: Vec<String> = Vec::new();
        for part in text.replace('\\', "/").split('/') {
            match part.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => drop(out.pop()),
                other => out.push(other.into()),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn a_careless_server_reads_nothing_outside_what_was_allowed(
            path in "(/|a|b|\\.|%2e|%2f|%5c|\\\\|;|%25|2e|2f|%61|ok){0,12}"
        ) {
            let path = format!("/ok/{path}");
            if let Ok(read) = RequestPath::read(&path)
                && PathPattern::parse("/ok/**").unwrap().matches(&read)
            {
                let read = carelessly(&path);
                prop_assert_eq!(read.first().map(String::as_str), Some("ok"));
            }
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,40}", bytes in "[ -~]{0,40}") {
            let _ = (RequestPath::read(&text), RequestPath::read(&bytes));
            let _ = (PathPattern::parse(&text), PathPattern::parse(&bytes));
        }
    }
}
