//! Many patterns asked at once about one path: the path is taken apart once, and patterns without wildcards are looked
//! up, not tried. Every supervised call comes here twice or more.

use std::borrow::Cow;
use std::collections::HashMap;

use ringfence_plan::{AbsPath, Match, PathPattern, RuleId, Segment};

/// A set of patterns with the rule of each.
pub(super) struct Names {
    groups: Vec<Group>,
}

/// Patterns of one base, compared in one way.
struct Group {
    base: AbsPath,
    matching: Match,
    /// Names joined by slashes, for patterns without wildcards.
    plain: HashMap<Vec<u8>, RuleId>,
    /// Their proper ancestors.
    ancestors: HashMap<Vec<u8>, RuleId>,
    wild: Vec<(PathPattern, RuleId)>,
    /// Whether one of them speaks of names at any depth below the base.
    anywhere: bool,
    /// Any of the patterns, to take paths apart with.
    sample: PathPattern,
}

impl Names {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (&'a PathPattern, RuleId)>) -> Names {
        let mut groups: Vec<Group> = Vec::new();
        for (pattern, rule) in patterns {
            let known = groups
                .iter_mut()
                .position(|group| group.base == pattern.base && group.matching == pattern.matching);
            let at = known.unwrap_or_else(|| {
                groups.push(Group::new(pattern));
                groups.len() - 1
            });
            groups[at].add(pattern, rule);
        }
        Names { groups }
    }

    /// The rule of a pattern that matches `path` or something above it.
    pub(super) fn covering(&self, path: &AbsPath) -> Option<RuleId> {
        self.groups.iter().find_map(|group| group.covering(path))
    }

    /// The rule of a pattern that names something below `path` by way of it.
    pub(super) fn named_through(&self, path: &AbsPath) -> Option<RuleId> {
        self.groups.iter().find_map(|group| group.named_through(path))
    }

    /// Whether patterns that speak of any depth apply at one of the paths and not at the other.
    pub(super) fn differ_between(&self, one: &AbsPath, other: &AbsPath) -> bool {
        let apply = |group: &&Group| one.is_within(&group.base) != other.is_within(&group.base);
        self.groups.iter().filter(|group| group.anywhere).any(|group| apply(&group))
    }
}

impl Group {
    fn new(pattern: &PathPattern) -> Group {
        Group {
            base: pattern.base.clone(),
            matching: pattern.matching,
            plain: HashMap::new(),
            ancestors: HashMap::new(),
            wild: Vec::new(),
            anywhere: false,
            sample: pattern.clone(),
        }
    }

    fn add(&mut self, pattern: &PathPattern, rule: RuleId) {
        self.anywhere |= pattern.segments.first() == Some(&Segment::AnyDepth);
        let mut joined = Vec::new();
        for segment in &pattern.segments {
            let Segment::Name(name) = segment else { return self.wild.push((pattern.clone(), rule)) };
            joined.push(b'/');
            joined.extend_from_slice(name.as_bytes());
        }
        for (at, _) in joined.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            self.ancestors.entry(joined[..at].to_vec()).or_insert(rule);
        }
        self.plain.entry(joined).or_insert(rule);
    }

    fn covering(&self, path: &AbsPath) -> Option<RuleId> {
        let names = self.sample.names_below_base(path)?;
        if !self.plain.is_empty() {
            let mut joined = Vec::with_capacity(128);
            for name in &names {
                joined.push(b'/');
                joined.extend_from_slice(name);
                if let Some(rule) = self.plain.get(&joined) {
                    return Some(*rule);
                }
            }
        }
        self.wild.iter().find(|(pattern, _)| pattern.covers_names(&names)).map(|(_, rule)| *rule)
    }

    fn named_through(&self, path: &AbsPath) -> Option<RuleId> {
        let names = self.sample.names_below_base(path)?;
        let plain = || self.ancestors.get(&join(&names)).copied();
        let wild = || self.wild.iter().find(|(pattern, _)| pattern.names_ancestor_names(&names));
        plain().or_else(|| wild().map(|(_, rule)| *rule))
    }
}

fn join(names: &[Cow<'_, [u8]>]) -> Vec<u8> {
    names.iter().flat_map(|name| std::iter::once(b'/').chain(name.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_border_is_where_names_of_any_depth_begin() {
        let pattern = |base: &str, text: &str| {
            PathPattern::new(AbsPath::new(base).unwrap(), text, Match::Folded).unwrap()
        };
        let patterns = [pattern("/w", "**/.git/hooks"), pattern("/w/conf", "prod.toml")];
        let names = Names::new(patterns.iter().map(|pattern| (pattern, RuleId(0))));
        let differ =
            |one, other| names.differ_between(&AbsPath::new(one).unwrap(), &AbsPath::new(other).unwrap());
        assert!(differ("/tmp/d", "/w/d") && differ("/w/d", "/tmp/d"));
        assert!(!differ("/w/d", "/w/conf/d") && !differ("/tmp/d", "/tmp/e"));
    }

    #[test]
    fn asking_all_at_once_is_asking_each() {
        let base = AbsPath::new("/w").unwrap();
        let texts = ["**/.git/hooks", "conf/prod.toml", "*.code-workspace", ".vscode", "a/**/b", "conf/x/y"];
        let patterns: Vec<PathPattern> =
            texts.iter().map(|text| PathPattern::new(base.clone(), text, Match::Folded).unwrap()).collect();
        let names = Names::new(patterns.iter().map(|pattern| (pattern, RuleId(0))));
        for path in [
            "/w",
            "/w/.git",
            "/w/.git/hooks",
            "/w/s/.GIT/hooks/x",
            "/w/conf",
            "/w/conf/prod.toml/z",
            "/w/conf/x",
            "/w/Conf/X/y",
            "/w/p.code-workspace",
            "/w/.vscode/s",
            "/w/a",
            "/w/a/q",
            "/w/a/q/b/c",
            "/x/.vscode",
            "/w/other",
        ] {
            let path = AbsPath::new(path).unwrap();
            let covering = patterns.iter().any(|pattern| pattern.covers(&path));
            let through = patterns.iter().any(|pattern| pattern.names_ancestor(&path));
            assert_eq!(names.covering(&path).is_some(), covering, "{path}");
            assert_eq!(names.named_through(&path).is_some(), through, "{path}");
        }
    }
}
