//! Where each part of a plan came from, so that every denial can name its rule, file and line.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Index into [`crate::Plan::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub u32);

/// One line of policy, as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The rule in the words of the policy language, for example `filesystem.deny = "~/.ssh"`.
    pub text: String,
    /// Who said so.
    pub origin: Origin,
}

/// The author of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Part of the built-in defaults; the text says why it is there.
    BuiltIn(String),
    /// A policy file; lines and columns count from 1, columns in characters.
    File {
        /// As the user named it.
        path: String,
        /// First line of the value.
        line: u32,
        /// First column of the value.
        column: u32,
        /// The reason that stands beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A preset of this program; lines and columns as in a file.
    Preset {
        /// Its name.
        name: String,
        /// First line of the value.
        line: u32,
        /// First column of the value.
        column: u32,
        /// The reason that stands beside it.
        why: String,
    },
    /// A command-line flag, as typed.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn(why) => write!(f, "built in ({why})"),
            Origin::File { path, line, column, why: _ } => write!(f, "{path}:{line}:{column}"),
            Origin::Preset { name, line, column: _, why } => write!(f, "preset {name}:{line} ({why})"),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.origin)
    }
}
