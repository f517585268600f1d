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
    fn is_full_name(&self) -> bool {
        !self.name.contains('*')
    }
}

impl Environment {
    /// The workload's environment, made from the caller's; in the order of names.
    pub fn apply(&self, caller: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
        let mut result: BTreeMap<OsString, OsString> =
            caller.into_iter().filter(|(name, _)| self.passes(name)).collect();
        for (name, (value, _)) in self.set.iter().filter(|(name, _)| !self.denies(name.as_ref())) {
            result.insert(name.into(), value.into());
        }
        result.into_iter().collect()
    }

    /// Whether the caller's variable of this name passes.
    pub fn passes(&self, name: &OsStr) -> bool {
        let well_formed = !name.is_empty() && !name.as_encoded_bytes().contains(&b'=');
        let named_in = |list: &[EnvPattern]| list.iter().any(|pattern| pattern.matches(name));
        let bound = self.within.iter().all(|list| named_in(list));
        if !well_formed || !bound || self.denies(name) || !named_in(&self.pass) {
            return false;
        }
        let named = self.pass.iter().any(|pattern| pattern.is_full_name() && pattern.matches(name));
        let refuses = |pattern: &EnvPattern| (pattern.is_full_name() || !named) && pattern.matches(name);
        !self.refuse.iter().any(refuses)
    }

    fn denies(&self, name: &OsStr) -> bool {
        self.deny.iter().any(|pattern| pattern.matches(name))
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
}
