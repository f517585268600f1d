//! Credentials that the gateway puts into requests, so that the workload never has them.
//!
//! Not their values: a plan names where a value comes from, and is shown, logged and handed into sandboxes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AbsPath, Endpoint, RuleId, UrlPattern};

/// One credential: put into requests for these hosts, methods and paths, in place of a stand-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// For which hosts and ports. They are inspected; that they may be reached is another rule's to say.
    pub endpoint: Endpoint,
    /// The header field whose value holds the stand-in.
    pub header: String,
    /// With which methods; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// For which paths; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<UrlPattern>,
    /// Where the value comes from, outside.
    pub source: Source,
    /// Where the workload finds the stand-in.
    pub placeholder: Placeholder,
    /// The line that says so.
    pub rule: RuleId,
}

/// Where a secret comes from. It is read once, outside the sandbox, before the run starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A variable of the caller.
    Env(String),
    /// A file, whole, without the newline at its end.
    File(AbsPath),
    /// What a program prints on its standard output, without the newline at its end. Never empty.
    Command(Vec<String>),
    /// An entry of the user's secret service.
    Secret {
        /// The service.
        service: String,
        /// The account.
        account: String,
    },
    /// Somewhere outside of the sandbox around, which does not say where. Never of a run's own.
    Outside,
}

/// Where the workload finds the stand-in of a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placeholder {
    /// In this variable, whatever else says about it.
    Env(String),
    /// In this file, which holds nothing else.
    File(AbsPath),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Env(name) => write!(f, "the variable {name}"),
            Source::File(path) => write!(f, "the file {path}"),
            Source::Command(words) => write!(f, "the output of {}", words.join(" ")),
            Source::Secret { service, account } => write!(f, "the secret {service}/{account}"),
            Source::Outside => f.write_str("a secret"),
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placeholder::Env(name) => write!(f, "the variable {name}"),
            Placeholder::File(path) => write!(f, "the file {path}"),
        }
    }
}
