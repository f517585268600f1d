//! Whether one pattern of paths takes in all that another does. Where it cannot tell, it says no.
//!
//! Not matching: that is the plan's.

use std::borrow::Cow;

use ringfence_plan::{AbsPath, Match, PathPattern, Segment, fold};

/// Whether every path that `inner` covers is covered by `outer`.
pub(super) fn takes_in(outer: &PathPattern, inner: &PathPattern) -> bool {
    outer == inner || {
        let (outer, inner) = (names(outer), names(inner));
        all_within(&outer, &inner)
    }
}

/// The same, and a directory that `inner` keeps in place because it names something through it is kept by `outer` too.
pub(super) fn holds(outer: &PathPattern, inner: &PathPattern) -> bool {
    inner.base.is_within(&outer.base) && takes_in(outer, inner)
}

/// One step of a pattern from the root down.
enum Step<'a> {
    AnyDepth,
    Name(Cow<'a, str>, Match),
    Glob(&'a str, Match),
}

/// A pattern from the root down. The names of its base are compared byte for byte.
fn names(pattern: &PathPattern) -> Vec<Step<'_>> {
    let base = pattern.base.names().map(|name| Step::Name(name.to_string_lossy(), Match::Exact));
    let rest = pattern.segments.iter().map(|segment| match segment {
        Segment::AnyDepth => Step::AnyDepth,
        Segment::Name(name) => Step::Name(name.into(), pattern.matching),
        Segment::Glob(glob) => Step::Glob(glob, pattern.matching),
    });
    // What is nothing but `**` means what lies below its base, and not the base.
    let open = pattern.segments.iter().all(|segment| *segment == Segment::AnyDepth);
    base.chain(rest).chain(open.then_some(Step::Glob("*", pattern.matching))).collect()
}

fn all_within(outer: &[Step<'_>], inner: &[Step<'_>]) -> bool {
    match (outer, inner) {
        // What lies below a match is covered with it.
        ([], _) => true,
        ([Step::AnyDepth, after @ ..], _) => {
            all_within(after, inner) || (!inner.is_empty() && all_within(outer, &inner[1..]))
        }
        (_, [] | [Step::AnyDepth, ..]) => false,
        ([one, after @ ..], [other, rest @ ..]) => name_within(one, other) && all_within(after, rest),
    }
}

/// Whether every name that `inner` means is meant by `outer`.
fn name_within(outer: &Step<'_>, inner: &Step<'_>) -> bool {
    match (outer, inner) {
        (Step::Glob("*", _), Step::Name(..) | Step::Glob(..)) => true,
        (Step::Name(one, Match::Exact), Step::Name(other, Match::Exact)) => one == other,
        (Step::Name(one, Match::Folded), Step::Name(other, _)) => *one == fold(other),
        (Step::Glob(glob, Match::Exact), Step::Name(name, Match::Exact)) => {
            glob_means(glob, name, Match::Exact)
        }
        (Step::Glob(glob, Match::Folded), Step::Name(name, _)) => {
            glob_means(glob, &fold(name), Match::Folded)
        }
        (Step::Glob(one, of), Step::Glob(other, in_)) => one == other && of == in_,
        _ => false,
    }
}

fn glob_means(glob: &str, name: &str, matching: Match) -> bool {
    let segments = vec![Segment::Glob(glob.to_owned())];
    let pattern = PathPattern { base: AbsPath::root(), segments, matching };
    pattern.covers_names(&[Cow::Borrowed(name.as_bytes())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(base: &str, text: &str, matching: Match) -> PathPattern {
        PathPattern::new(AbsPath::new(base).unwrap(), text, matching).unwrap()
    }

    #[test]
    fn a_wider_pattern_takes_in_a_narrower_one() {
        let cases = [
            (("/w", "**/.env"), ("/w/a", "**/.env"), true),
            (("/w", "**/.env"), ("/w", "a/.env"), true),
            (("/w", "**/.env*"), ("/w", "**/.env"), true),
            (("/w", "**/.env"), ("/w", "**/.env*"), false),
            (("/w", "a"), ("/w/a", "**/x"), true),
            (("/w/a", "b"), ("/w", "a/b"), true),
            (("/w", "*/b"), ("/w", "a/b/c"), true),
            (("/w", "*/b"), ("/w", "**/b"), false),
            (("/w", "**/a/**/b"), ("/w", "**/a/x/b"), true),
            (("/", "**"), ("/w", "x"), true),
            (("/w", "**"), ("/w", "**"), true),
            (("/", "**"), ("/w", "**"), true),
            (("/w/a", "**"), ("/w", "a"), false),
            (("/w", "x"), ("/v", "x"), false),
        ];
        for ((outer, a), (inner, b), expected) in cases {
            let found = takes_in(&pattern(outer, a, Match::Exact), &pattern(inner, b, Match::Exact));
            assert_eq!(found, expected, "{outer} {a} and {inner} {b}");
        }
    }

    #[test]
    fn spelling_counts() {
        let (exact, folded) =
            (pattern("/w", "**/.Env", Match::Exact), pattern("/w", "**/.env", Match::Folded));
        assert!(takes_in(&folded, &exact) && !takes_in(&exact, &folded));
    }

    #[test]
    fn a_later_start_keeps_fewer_directories_in_place() {
        let (early, late) = (pattern("/w", "a/b", Match::Folded), pattern("/w/a", "b", Match::Folded));
        assert!(holds(&early, &late) && !holds(&late, &early));
    }
}
