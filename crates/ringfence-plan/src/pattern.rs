//! A path with wildcards, decided name by name. Not a shell glob: `*` never crosses a slash, there are no braces.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::AbsPath;

/// `base` followed by `segments`: which paths a rule with wildcards speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PathPattern {
    /// Where the pattern starts; compared byte for byte.
    pub base: AbsPath,
    /// What follows, one entry a name; never empty.
    pub segments: Vec<Segment>,
    /// How names are compared.
    pub matching: Match,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// `**`: any number of names, none included.
    AnyDepth,
    /// A name with `*`, `?` or `[…]` in it.
    Glob(String),
    /// One name, as it stands.
    Name(String),
}

/// How names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Byte for byte.
    Exact,
    /// As the loosest filesystem would: without case, without invisible characters (see [`fold`]). For names that
    /// must not be reachable under another spelling.
    Folded,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPattern {
    /// Nothing is left after the base.
    Empty,
    /// A segment is `..`.
    ParentDir,
    /// `**` stands beside other characters, as in `a**`.
    MixedAnyDepth,
    /// A `[` without its `]`.
    OpenClass,
    /// A NUL byte.
    Nul,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPattern::Empty => "is empty",
            BadPattern::ParentDir => "contains `..`",
            BadPattern::MixedAnyDepth => "has `**` beside other characters; `**` must be a whole segment",
            BadPattern::OpenClass => "has a `[` without its `]`",
            BadPattern::Nul => "contains a NUL byte",
        })
    }
}

impl std::error::Error for BadPattern {}

impl PathPattern {
    /// Reads `text` (segments separated by `/`) as a pattern below `base`.
    pub fn new(base: AbsPath, text: &str, matching: Match) -> Result<PathPattern, BadPattern> {
        if text.contains('\0') {
            return Err(BadPattern::Nul);
        }
        let mut segments = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            let segment = match part {
                ".." => return Err(BadPattern::ParentDir),
                "**" if segments.last() == Some(&Segment::AnyDepth) => continue,
                "**" => Segment::AnyDepth,
                part if part.contains("**") => return Err(BadPattern::MixedAnyDepth),
                part if part.contains(['*', '?', '[']) => {
                    glob_is_closed(part)?;
                    Segment::Glob(spelling(part, matching))
                }
                part => Segment::Name(spelling(part, matching)),
            };
            segments.push(segment);
        }
        if segments.is_empty() {
            Err(BadPattern::Empty)
        } else {
            Ok(PathPattern { base, segments, matching })
        }
    }

    /// Where every match lies below.
    pub fn base(&self) -> &AbsPath {
        &self.base
    }

    /// Whether `path` is a match or lies below one.
    pub fn covers(&self, path: &AbsPath) -> bool {
        self.names_below_base(path).is_some_and(|names| self.covers_names(&names))
    }

    /// [`PathPattern::covers`] for names that [`PathPattern::names_below_base`] gave for a pattern of the same base and
    /// matching: many patterns can be asked with the names taken apart once.
    pub fn covers_names(&self, names: &[Cow<'_, [u8]>]) -> bool {
        (1..=names.len()).any(|n| full(&self.segments, &names[..n]))
    }

    /// Whether `path` is a match itself.
    pub fn matches(&self, path: &AbsPath) -> bool {
        self.names_below_base(path).is_some_and(|names| full(&self.segments, &names))
    }

    /// Whether `path` is a proper ancestor that a match is named through, as `a/.git` is for `**/.git/hooks`.
    /// A directory that only `**` speaks of is not: renaming it changes no match.
    pub fn names_ancestor(&self, path: &AbsPath) -> bool {
        self.names_below_base(path).is_some_and(|names| self.names_ancestor_names(&names))
    }

    /// [`PathPattern::names_ancestor`] for names taken apart once.
    pub fn names_ancestor_names(&self, names: &[Cow<'_, [u8]>]) -> bool {
        (1..self.segments.len()).any(|n| {
            let head = &self.segments[..n];
            head.iter().any(|segment| *segment != Segment::AnyDepth) && full(head, names)
        })
    }

    /// Whether something below `path` (or `path` itself) could match: what a search must look into.
    pub fn may_match_below(&self, path: &AbsPath) -> bool {
        if self.base.is_within(path) {
            return true;
        }
        let Some(names) = self.names_below_base(path) else { return false };
        (0..=self.segments.len()).any(|n| full(&self.segments[..n], &names))
            || self
                .segments
                .iter()
                .position(|segment| *segment == Segment::AnyDepth)
                .is_some_and(|at| (0..=names.len()).any(|n| full(&self.segments[..at], &names[..n])))
    }

    /// The names of `path` below the base, as this pattern compares them; `None` for a path elsewhere.
    pub fn names_below_base<'a>(&self, path: &'a AbsPath) -> Option<Vec<Cow<'a, [u8]>>> {
        if !path.is_within(&self.base) {
            return None;
        }
        let names = path.names().skip(self.base.depth());
        Some(match self.matching {
            Match::Exact => names.map(|name| Cow::Borrowed(name.as_encoded_bytes())).collect(),
            Match::Folded => {
                names.map(|name| Cow::Owned(fold(&name.to_string_lossy()).into_bytes())).collect()
            }
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.base != AbsPath::root() {
            write!(f, "{}", self.base)?;
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::AnyDepth => f.write_str("/**"),
            Segment::Glob(text) | Segment::Name(text) => write!(f, "/{text}"),
        })
    }
}

/// A name as the loosest filesystem compares it: ext4's casefold ignores case (with the full folding, in which the
/// ligature `ﬁ` is `fi` and the Kelvin sign is `k`) and the default-ignorable code points; FAT drops trailing dots
/// and spaces. (Linux kernel, Documentation/filesystems/ext4/directory.rst, fs/unicode.)
pub fn fold(name: &str) -> String {
    // Nearly every name is ASCII, and every supervised call folds some.
    let mut folded = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        let seen = name.chars().filter(|c| !is_ignorable(*c));
        seen.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    };
    let kept = folded.trim_end_matches(['.', ' ']).len();
    if kept > 0 {
        folded.truncate(kept);
    }
    folded
}

/// Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt).
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn spelling(part: &str, matching: Match) -> String {
    match matching {
        Match::Exact => part.to_owned(),
        Match::Folded => fold(part),
    }
}

fn glob_is_closed(part: &str) -> Result<(), BadPattern> {
    let mut rest = part;
    while let Some(open) = rest.find('[') {
        // A `]` right behind the `[` (or `[!`) is a member, as in fnmatch(3).
        let inner = rest[open + 1..].strip_prefix(['!', '^']).unwrap_or(&rest[open + 1..]);
        let first = inner.chars().next().map_or(0, char::len_utf8);
        let close = inner.get(first..).and_then(|tail| tail.find(']')).ok_or(BadPattern::OpenClass)?;
        rest = &inner[first + close + 1..];
    }
    Ok(())
}

/// Whether `segments` match all of `names`.
fn full(segments: &[Segment], names: &[Cow<'_, [u8]>]) -> bool {
    match segments.split_first() {
        None => names.is_empty(),
        Some((Segment::AnyDepth, rest)) => (0..=names.len()).any(|n| full(rest, &names[n..])),
        Some((Segment::Name(name), rest)) => {
            names.split_first().is_some_and(|(first, tail)| **first == *name.as_bytes() && full(rest, tail))
        }
        Some((Segment::Glob(glob), rest)) => names
            .split_first()
            .is_some_and(|(first, tail)| wildcard(glob.as_bytes(), first) && full(rest, tail)),
    }
}

/// fnmatch(3) within one name, on bytes, with a leading dot not special (a deny rule must not miss `.env.x`).
fn wildcard(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match glob.get(g) {
            Some(b'*') => {
                retry = Some((g + 1, n));
                g += 1;
                continue;
            }
            None if n == name.len() => return true,
            None => None,
            Some(_) if n == name.len() => None,
            Some(b'?') => Some((g + 1, n + utf8_len(name, n))),
            Some(b'[') => class(&glob[g..], &name[n..]).map(|(used, len)| (g + used, n + len)),
            Some(byte) => (*byte == name[n]).then_some((g + 1, n + 1)),
        };
        match (step, retry) {
            (Some(next), _) => (g, n) = next,
            (None, Some((after_star, at))) if at < name.len() => {
                retry = Some((after_star, at + 1));
                (g, n) = (after_star, at + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The length of the character that starts at `at`; 1 for what is no UTF-8.
fn utf8_len(name: &[u8], at: usize) -> usize {
    let len = match name[at] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if name.get(at..at + len).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok()) { len } else { 1 }
}

/// Matches the class at the start of `glob` against the first character of `name`: bytes used of each, or `None`.
fn class(glob: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let len = utf8_len(name, 0);
    let wanted = std::str::from_utf8(&name[..len]).ok().and_then(|text| text.chars().next());
    let text = std::str::from_utf8(glob).ok()?;
    let mut chars = text.char_indices().skip(1).peekable();
    let negated = chars.next_if(|(_, c)| matches!(c, '!' | '^')).is_some();
    let (mut hit, mut first) = (false, true);
    while let Some((at, low)) = chars.next() {
        if low == ']' && !first {
            return (hit != negated).then_some((at + 1, len));
        }
        first = false;
        let mut high = low;
        let mut ahead = chars.clone();
        if ahead.next().is_some_and(|(_, c)| c == '-') && ahead.next().is_some_and(|(_, c)| c != ']') {
            chars.next();
            high = chars.next().map_or(low, |(_, c)| c);
        }
        hit |= wanted.is_some_and(|c| (low..=high).contains(&c));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::new(text).unwrap()
    }

    fn pattern(text: &str, matching: Match) -> PathPattern {
        PathPattern::new(path("/w"), text, matching).unwrap()
    }

    #[test]
    fn covers_takes_in_what_lies_below_a_match() {
        let hooks = pattern("**/.git/hooks", Match::Folded);
        for hit in ["/w/.git/hooks", "/w/.git/hooks/pre-commit", "/w/a/b/.git/hooks/x/y"] {
            assert!(hooks.covers(&path(hit)), "{hit}");
        }
        for miss in ["/w/.git", "/w/.git/hooksx", "/w/hooks", "/x/.git/hooks"] {
            assert!(!hooks.covers(&path(miss)), "{miss}");
        }
    }

    #[test]
    fn other_spellings_of_a_protected_name_match() {
        let config = pattern("**/.git/config", Match::Folded);
        for hit in ["/w/.GIT/Config", "/w/.git/con\u{fb01}g", "/w/.g\u{200c}it/config", "/w/.git./config "] {
            assert!(config.covers(&path(hit)), "{hit}");
        }
        assert!(pattern("hook", Match::Folded).covers(&path("/w/hoo\u{212a}")));
    }

    #[test]
    fn an_ancestor_is_named_but_not_by_any_depth_alone() {
        let hooks = pattern("**/.git/hooks", Match::Folded);
        assert!(hooks.names_ancestor(&path("/w/a/.git")));
        assert!(!hooks.names_ancestor(&path("/w/a")));
        assert!(!hooks.names_ancestor(&path("/w/a/.git/hooks")));
        let modules = pattern("**/.git/modules/**/config", Match::Folded);
        assert!(modules.names_ancestor(&path("/w/.git/modules/lib/foo")));
        assert!(pattern("conf/prod.toml", Match::Folded).names_ancestor(&path("/w/conf")));
    }

    #[test]
    fn a_search_looks_only_where_a_match_may_be() {
        let pem = pattern("keys/*.pem", Match::Exact);
        assert!(pem.may_match_below(&path("/w")) && pem.may_match_below(&path("/w/keys")));
        assert!(!pem.may_match_below(&path("/w/src")) && !pem.may_match_below(&path("/other")));
        let env = pattern("app/**/.env", Match::Exact);
        assert!(env.may_match_below(&path("/w/app/x/y")) && !env.may_match_below(&path("/w/lib")));
    }

    #[test]
    fn wildcards_stay_within_a_name() {
        let cases: [(&str, &str, bool); 12] = [
            ("*", "a", true),
            ("*.env", ".env", true),
            (".env*", ".env.local", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("?", "é", true),
            ("?", "ab", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[é]", "é", true),
            ("[", "[", false),
        ];
        for (glob, name, expected) in cases {
            assert_eq!(wildcard(glob.as_bytes(), name.as_bytes()), expected, "{glob} on {name}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        let read = |text| PathPattern::new(path("/w"), text, Match::Exact);
        assert_eq!(read(""), Err(BadPattern::Empty));
        assert_eq!(read("a/../b"), Err(BadPattern::ParentDir));
        assert_eq!(read("a**"), Err(BadPattern::MixedAnyDepth));
        assert_eq!(read("[ab"), Err(BadPattern::OpenClass));
        assert_eq!(read("[]"), Err(BadPattern::OpenClass));
    }
}
