//! The environment part of a plan: nothing passes but what is named.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

use crate::RuleId;

/// Which variables the workload gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Names that pass with the caller's value.
    pub pass: Vec<EnvPattern>,
    /// Names that no pattern of `pass` lets through: loaders, interpreters' start-up hooks, sockets, credentials. A
    /// pattern here yields to a `pass` that names the variable in full; a full name here yields to nothing.
    pub refuse: Vec<EnvPattern>,
    /// Names that neither pass nor are set, whatever else says so.
    pub deny: Vec<EnvPattern>,
    /// Bounds: the caller's variable passes only if every one of these lists has a pattern for it.
    pub within: Vec<Vec<EnvPattern>>,
    /// Variables with a value of the policy's own. A refused name may be set here: the author wrote it out.
    pub set: BTreeMap<String, (String, RuleId)>,
}

/// What becomes of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// The caller's value passes.
    Passes,
    /// It has the policy's own value.
    Set,
    /// It is denied.
    Denied,
    /// A pattern would let it pass, and it is one of those that no pattern lets through.
    Refused,
    /// Something lets it pass, and a bound does not speak of it.
    OutOfBounds,
    /// Nothing names it.
    NotNamed,
    /// It is no name that a variable can have.
    NoName,
}

/// A variable's name, or a prefix of it followed by `*`, or `*` and a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvPattern {
    /// The name; a single `*` may stand at its start, its end, or both.
    pub name: String,
    /// The line that says so.
    pub rule: RuleId,
}

impl EnvPattern {
    /// Whether `name` is meant. Case counts, as it does for the kernel and every shell.
    pub fn matches(&self, name: &OsStr) -> bool {
        let (pattern, name) = (self.name.as_bytes(), name.as_encoded_bytes());
        match (pattern.first() == Some(&b'*'), pattern.last() == Some(&b'*')) {
            _ if pattern == b"*" => true,
            (true, true) => {
                let inner = &pattern[1..pattern.len() - 1];
                inner.is_empty() || name.windows(inner.len()).any(|window| window == inner)
            }
            (true, false) => name.ends_with(&pattern[1..]),
            (false, true) => name.starts_with(&pattern[..pattern.len() - 1]),
            (false, false) => name == pattern,
        }
    }
}

impl EnvPattern {
    pub(crate) fn is_full_name(&self) -> bool {
        !self.name.starts_with('*') && !self.name.ends_with('*')
    }
}

impl Environment {
    /// The workload's environment, made from the caller's; in the order of names.
    pub fn apply(&self, caller: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
        let mut result: BTreeMap<OsString, OsString> =
            caller.into_iter().filter(|(name, _)| self.passes(name)).collect();
        for (name, (value, _)) in self.set.iter().filter(|(name, _)| self.denial(name.as_ref()).is_none()) {
            result.insert(name.into(), value.into());
        }
        result.into_iter().collect()
    }

    /// Whether the caller's variable of this name passes, unless it is set.
    pub fn passes(&self, name: &OsStr) -> bool {
        self.decide_passing(name).0 == Passage::Passes
    }

    /// What becomes of the variable `name`, and the rule that decides; `None` where there is none.
    pub fn decide(&self, name: &OsStr) -> (Passage, Option<RuleId>) {
        let own = name.to_str().and_then(|name| self.set.get(name));
        match (own, self.denial(name)) {
            (Some((_, rule)), None) => (Passage::Set, Some(*rule)),
            _ => self.decide_passing(name),
        }
    }

    fn decide_passing(&self, name: &OsStr) -> (Passage, Option<RuleId>) {
        if name.is_empty() || name.as_encoded_bytes().contains(&b'=') {
            return (Passage::NoName, None);
        }
        if let Some(rule) = self.denial(name) {
            return (Passage::Denied, Some(rule));
        }
        let in_full = self.pass.iter().find(|pattern| pattern.is_full_name() && pattern.matches(name));
        let Some(passing) = in_full.or_else(|| self.pass.iter().find(|pattern| pattern.matches(name))) else {
            return (Passage::NotNamed, None);
        };
        let refuses =
            |pattern: &&EnvPattern| (pattern.is_full_name() || in_full.is_none()) && pattern.matches(name);
        if let Some(refusing) = self.refuse.iter().find(refuses) {
            return (Passage::Refused, Some(refusing.rule));
        }
        match self.within.iter().find(|bound| !bound.iter().any(|pattern| pattern.matches(name))) {
            // The names that every run has stand before a ceiling's own. A bound of no patterns has no line of its own.
            Some(bound) => (Passage::OutOfBounds, bound.last().map(|pattern| pattern.rule)),
            None => (Passage::Passes, Some(passing.rule)),
        }
    }

    fn denial(&self, name: &OsStr) -> Option<RuleId> {
        self.deny.iter().find(|pattern| pattern.matches(name)).map(|pattern| pattern.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(names: &[&str]) -> Vec<EnvPattern> {
        names.iter().map(|name| EnvPattern { name: (*name).into(), rule: RuleId(0) }).collect()
    }

    #[test]
    fn only_named_variables_pass_and_refused_ones_never_by_pattern() {
        let environment = Environment {
            pass: patterns(&["PATH", "LC_*", "*"]),
            refuse: patterns(&["LD_*", "*_TOKEN"]),
            set: BTreeMap::from([("CI".into(), ("1".into(), RuleId(0)))]),
            ..Environment::default()
        };
        let caller = ["PATH", "LC_ALL", "LD_PRELOAD", "GH_TOKEN"].map(|name| (name.into(), "x".into()));
        let names: Vec<_> = environment.apply(caller).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["CI", "LC_ALL", "PATH"]);
    }

    #[test]
    fn a_variable_named_in_full_passes_a_refused_pattern_but_no_refused_name() {
        let environment = Environment {
            pass: patterns(&["GH_TOKEN", "BASH_ENV", "*"]),
            refuse: patterns(&["*_TOKEN", "BASH_ENV"]),
            ..Environment::default()
        };
        assert!(environment.passes("GH_TOKEN".as_ref()));
        assert!(!environment.passes("NPM_TOKEN".as_ref()));
        assert!(!environment.passes("BASH_ENV".as_ref()));
    }

    #[test]
    fn nothing_named_nothing_passed() {
        assert!(Environment::default().apply([("HOME".into(), "/root".into())]).is_empty());
    }

    #[test]
    fn the_deciding_rule_is_told() {
        let at = |rule, names: &[&str]| -> Vec<EnvPattern> {
            names.iter().map(|name| EnvPattern { name: (*name).into(), rule: RuleId(rule) }).collect()
        };
        let environment = Environment {
            pass: at(1, &["A*", "AB", "SET"]),
            refuse: at(2, &["A_TOKEN"]),
            deny: at(3, &["*_DENIED", "SET2"]),
            within: vec![at(4, &["*"]), [at(7, &["PATH"]), at(5, &["AB*", "A_*"])].concat()],
            set: ["SET", "SET2"].map(|name| (name.into(), ("1".into(), RuleId(6)))).into(),
        };
        let cases = [
            ("AB", Passage::Passes, Some(1)),
            ("AC", Passage::OutOfBounds, Some(5)),
            ("A_TOKEN", Passage::Refused, Some(2)),
            ("A_DENIED", Passage::Denied, Some(3)),
            ("SET", Passage::Set, Some(6)),
            ("SET2", Passage::Denied, Some(3)),
            ("B", Passage::NotNamed, None),
            ("A=B", Passage::NoName, None),
        ];
        for (name, passage, rule) in cases {
            assert_eq!(environment.decide(name.as_ref()), (passage, rule.map(RuleId)), "{name}");
        }
        let caller = cases.map(|(name, ..)| (name.into(), "x".into()));
        let names: Vec<_> = environment.apply(caller).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AB", "SET"]);
    }
}
