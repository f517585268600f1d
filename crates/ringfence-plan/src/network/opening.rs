//! Single ports that lead through the fence, one way or the other.
//!
//! Not hosts: both ends are loopbacks, the sandbox's and the host's.

use serde::{Deserialize, Serialize};

use crate::RuleId;

/// A port of the host's loopback that leads to one of the sandbox's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Publish {
    /// The port of the host's 127.0.0.1.
    pub outside: u16,
    /// The port of the sandbox's 127.0.0.1.
    pub inside: u16,
    /// The line that says so.
    pub rule: RuleId,
}

/// A port of the host's loopback that is reached inside under the same name and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// The port.
    pub port: u16,
    /// The line that says so.
    pub rule: RuleId,
}

/// What is granted one by one. A ceiling that does not speak of it leaves it unbounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granted<T> {
    /// No bound: of ceilings only. As a grant it is nothing, since nothing is named.
    Any,
    /// These.
    Only(Vec<T>),
}

impl<T> Granted<T> {
    /// What is granted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Granted::Any => [].iter(),
            Granted::Only(entries) => entries.iter(),
        }
    }

    /// Whether nothing is granted.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Granted::Only(entries) if entries.is_empty())
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        match self {
            Granted::Any => [].iter_mut(),
            Granted::Only(entries) => entries.iter_mut(),
        }
    }
}

impl<T: Copy> Granted<T> {
    /// What both grant, with the left side's rules; `same` says whether two entries are the same grant.
    pub(crate) fn meet(&self, other: &Granted<T>, same: impl Fn(&T, &T) -> bool) -> Granted<T> {
        match (self, other) {
            (Granted::Any, other) => other.clone_entries(),
            (own, Granted::Any) => own.clone_entries(),
            (Granted::Only(own), Granted::Only(its)) => {
                let both = |own: &&T| its.iter().any(|its| same(own, its));
                Granted::Only(own.iter().filter(both).copied().collect())
            }
        }
    }

    fn clone_entries(&self) -> Granted<T> {
        match self {
            Granted::Any => Granted::Any,
            Granted::Only(entries) => Granted::Only(entries.clone()),
        }
    }
}

/// Nothing.
impl<T> Default for Granted<T> {
    fn default() -> Granted<T> {
        Granted::Only(Vec::new())
    }
}

impl<'a, T> IntoIterator for &'a Granted<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
