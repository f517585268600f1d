//! Paths of requests, and patterns over them. A path has one meaning here, or it is refused.
//!
//! Not paths of files, and not whole URLs: a query is no part of what a rule speaks of.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The path of a request, without its query, in the one form that patterns are compared with: every character that needs
/// no percent-encoding stands as itself, the hexadecimal digits of the others are upper case (RFC 3986, section 6.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestPath(String);

/// Which paths a rule speaks of: `*` stands for the characters of one segment, `**` for any number of segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPattern {
    /// In the form of [`RequestPath`], with the stars.
    text: String,
}

/// Why a text is no path, or one that a server could read in another way than this program. Reads on after "it".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrlPath {
    /// It does not begin with a slash.
    NoSlash,
    /// A query or fragment.
    Query,
    /// Two slashes side by side: some servers make one of them.
    EmptySegment,
    /// `.` or `..`, in plain or encoded: servers resolve them.
    DotSegment,
    /// An encoded slash or backslash, or a plain backslash: some servers take it for a slash.
    HiddenSlash,
    /// A percent sign without two hexadecimal digits, or one that encodes another percent-encoding.
    Percent,
    /// A character that stands in no path: a control character, a space, one outside ASCII.
    Character,
    /// `**` beside other characters.
    MixedAnyDepth,
}

impl fmt::Display for BadUrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadUrlPath::NoSlash => "does not begin with a slash",
            BadUrlPath::Query => "has a query or a fragment: rules speak of paths",
            BadUrlPath::EmptySegment => "has two slashes side by side, which servers read in different ways",
            BadUrlPath::DotSegment => "has a segment `.` or `..`, which servers resolve",
            BadUrlPath::HiddenSlash => {
                "has a backslash or an encoded slash, which servers read in different ways"
            }
            BadUrlPath::Percent => {
                "has a percent sign that encodes no character, or one that encodes another"
            }
            BadUrlPath::Character => "has a character that stands in no path of a URL",
            BadUrlPath::MixedAnyDepth => "has `**` beside other characters; `**` must be a whole segment",
        })
    }
}

impl std::error::Error for BadUrlPath {}

impl RequestPath {
    /// Reads the path of a request target; what stands behind the first `?` is its query and is not looked at.
    ///
    /// # Errors
    /// Whatever two servers could read in two ways; a request with such a path is not to be sent on.
    pub fn parse(target: &str) -> Result<RequestPath, BadUrlPath> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        canonical(path).map(RequestPath)
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UrlPattern {
    /// Reads a pattern as a policy has it.
    ///
    /// # Errors
    /// What no path could match, and what is no path.
    pub fn parse(text: &str) -> Result<UrlPattern, BadUrlPath> {
        if text.contains('?') {
            return Err(BadUrlPath::Query);
        }
        let text = canonical(text)?;
        let mixed = text.split('/').any(|segment| segment.contains("**") && segment != "**");
        if mixed { Err(BadUrlPath::MixedAnyDepth) } else { Ok(UrlPattern { text }) }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `path` is meant. As for files, `/a/**` means `/a` too.
    pub fn covers(&self, path: &RequestPath) -> bool {
        let segments = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
        let (pattern, path) = (segments(&self.text), segments(&path.0));
        // Whether the pattern up to here means the path up to each place: one row, gone over once for each segment, so that
        // many `**` cost no more than their number.
        let mut meant = vec![false; path.len() + 1];
        meant[0] = true;
        for segment in &pattern {
            let mut next = vec![false; path.len() + 1];
            for at in 0..=path.len() {
                next[at] = match segment.as_str() {
                    "**" => meant[at] || (at > 0 && next[at - 1]),
                    segment => at > 0 && meant[at - 1] && one_segment(segment, &path[at - 1]),
                };
            }
            meant = next;
        }
        meant[path.len()]
    }
}

/// Whether `pattern`, in which `*` stands for any characters, means `segment`. A `*` alone means no empty segment.
fn one_segment(pattern: &str, segment: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == segment };
    if pattern == "*" {
        return !segment.is_empty();
    }
    let Some(mut left) = segment.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// `path` in its one form.
fn canonical(path: &str) -> Result<String, BadUrlPath> {
    let Some(inner) = path.strip_prefix('/') else { return Err(BadUrlPath::NoSlash) };
    let inner = decode(inner)?;
    let last = inner.matches('/').count();
    for (at, segment) in inner.split('/').enumerate() {
        // What stands behind a semicolon some servers drop before they look for `..`; some decode it first.
        match segment.split(';').next().and_then(|bare| bare.split("%3B").next()).unwrap_or("") {
            "" if segment.is_empty() && at == last => {}
            "" => return Err(BadUrlPath::EmptySegment),
            "." | ".." => return Err(BadUrlPath::DotSegment),
            _ => {}
        }
    }
    Ok(format!("/{inner}"))
}

/// Percent-encodings as RFC 3986, section 6.2.2.2 has them; nothing that hides a separator.
fn decode(text: &str) -> Result<Cow<'_, str>, BadUrlPath> {
    if let Some(bad) = text.chars().find_map(bad_character) {
        return Err(bad);
    }
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = encoded(behind).ok_or(BadUrlPath::Percent)?;
        rest = &behind[2..];
        match byte {
            b'/' | b'\\' => return Err(BadUrlPath::HiddenSlash),
            b'%' if encoded(rest).is_some() => return Err(BadUrlPath::Percent),
            0..0x20 | 0x7f => return Err(BadUrlPath::Character),
            b'-' | b'.' | b'_' | b'~' => plain.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => plain.push(byte.into()),
            byte => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain.push_str(rest);
    // Its digits may have been encoded themselves.
    if plain.match_indices("%25").any(|(at, _)| encoded(&plain[at + 3..]).is_some()) {
        return Err(BadUrlPath::Percent);
    }
    // Longer encodings than UTF-8 allows have hidden dots and slashes.
    if std::str::from_utf8(&bytes(&plain)).is_err() {
        return Err(BadUrlPath::Character);
    }
    Ok(Cow::Owned(plain))
}

/// What `text`, whose percent signs all encode something, stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.extend(encoded(part));
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    bytes
}

/// The byte that two hexadecimal digits at the start of `text` stand for.
fn encoded(text: &str) -> Option<u8> {
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn bad_character(c: char) -> Option<BadUrlPath> {
    match c {
        '?' | '#' => Some(BadUrlPath::Query),
        '\\' => Some(BadUrlPath::HiddenSlash),
        '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}' | ' ' => Some(BadUrlPath::Character),
        c if c.is_control() || !c.is_ascii() => Some(BadUrlPath::Character),
        _ => None,
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for UrlPattern {
    type Error = BadUrlPath;
    fn try_from(text: String) -> Result<UrlPattern, BadUrlPath> {
        UrlPattern::parse(&text)
    }
}

impl From<UrlPattern> for String {
    fn from(pattern: UrlPattern) -> String {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        UrlPattern::parse(pattern).unwrap().covers(&RequestPath::parse(path).unwrap())
    }

    #[test]
    fn a_star_stays_in_its_segment_and_two_take_any_rest() {
        let meant = [
            ("/", "/"),
            ("/a", "/a?b=/c"),
            ("/repos/*/x", "/repos/y/x"),
            ("/repos/acme/**", "/repos/acme/y/z"),
            ("/repos/acme/**", "/repos/acme/"),
            ("/repos/acme/**", "/repos/acme"),
            ("/**", "/"),
            ("/**/info/refs", "/acme/x.git/info/refs"),
            ("/**/info/refs", "/info/refs"),
            ("/acme/*.git/**", "/acme/x.git/info"),
            ("/a*b*c", "/axbyc"),
            ("/a*b*c", "/abc"),
            ("/%7Euser/*", "/~user/x"),
            ("/a%2cb", "/a%2Cb"),
            ("/@scope%20x/*", "/@scope%20x/y"),
        ];
        for (pattern, path) in meant {
            assert!(covers(pattern, path), "{pattern} {path}");
        }
        let not = [
            ("/", "/a"),
            ("/a", "/a/"),
            ("/a", "/A"),
            ("/a", "/ab"),
            ("/repos/*", "/repos/"),
            ("/repos/*", "/repos/a/b"),
            ("/repos/acme/**", "/repos/acmex"),
            ("/repos/acme/**", "/repos"),
            ("/a*b*c", "/acb"),
            ("/a*a", "/a"),
            ("/**/x", "/x/y"),
        ];
        for (pattern, path) in not {
            assert!(!covers(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_no_path() {
        use BadUrlPath::{Character, DotSegment, EmptySegment, HiddenSlash, NoSlash, Percent, Query};
        let bad = [
            ("", NoSlash),
            ("a", NoSlash),
            ("*", NoSlash),
            ("http://h/a", NoSlash),
            ("//a", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/;a/b", EmptySegment),
            ("/a/../b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/a/..;x/b", DotSegment),
            ("/a/..%3bx/b", DotSegment),
            ("/./a", DotSegment),
            ("/a%2fb", HiddenSlash),
            ("/a%5cb", HiddenSlash),
            ("/a\\b", HiddenSlash),
            ("/a%", Percent),
            ("/a%4", Percent),
            ("/a%zz", Percent),
            ("/a%+1", Percent),
            ("/a%252e", Percent),
            ("/a%25%32%65", Percent),
            ("/%c0%ae%c0%ae/a", Character),
            ("/%ff", Character),
            ("/a%00", Character),
            ("/a b", Character),
            ("/a\u{e9}", Character),
            ("/a\r\nx", Character),
            ("/a#b", Query),
        ];
        for (path, why) in bad {
            assert_eq!(RequestPath::parse(path), Err(why), "{path}");
        }
        assert_eq!(RequestPath::parse("/a%25b").map(|path| path.0), Ok("/a%25b".into()), "no encoding");
        assert_eq!(
            RequestPath::parse("/a?../%2e#").map(|path| path.0),
            Ok("/a".into()),
            "a query is nobody's"
        );
    }

    #[test]
    fn a_pattern_is_no_query_and_no_mixture() {
        for (text, why) in [
            ("repos/*", BadUrlPath::NoSlash),
            ("/a?b", BadUrlPath::Query),
            ("/a**", BadUrlPath::MixedAnyDepth),
            ("/***", BadUrlPath::MixedAnyDepth),
        ] {
            assert_eq!(UrlPattern::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn many_wildcards_take_no_time() {
        let pattern = "/**/a".repeat(200);
        let path = "/a".repeat(400) + "/b";
        assert!(!covers(&pattern, &path));
        assert!(!covers(&("/".to_owned() + &"a*".repeat(200)), &("/".to_owned() + &"a".repeat(4000) + "b/")));
    }
}
