//! One thing that a policy says, already of the right type, with the place where it stands.
//!
//! Not the outcome: several statements may speak of the same field.

use std::borrow::Cow;

use ringfence_plan::{
    Access, AuditDestination, Budget, Bytes, Endpoint, HostPattern, HttpRule, Level, Millicpus, Millis,
    NetworkMode, Placeholder, ProxyServer, Source, Target, UpstreamScheme, UrlPattern,
};

use crate::field::FieldSpec;
use crate::source::Span;

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) field: &'static FieldSpec,
    pub(crate) value: Value,
    /// The value as its author wrote it (a path's text, a size's text).
    pub(crate) words: Cow<'static, str>,
    pub(crate) place: Place,
    /// The reason that stands beside it.
    pub(crate) why: Option<Box<str>>,
}

/// Where a statement stands.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In this program, for this reason.
    BuiltIn(&'static str),
    /// In a file or flag.
    Written(Span),
}

/// A typed value. Paths stay text until the workspace is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `false`: no workspace.
    NoWorkspace,
    /// A path or pattern; the text is [`Statement::words`].
    Path {
        optional: Option<bool>,
    },
    /// A variable's name.
    Variable,
    /// A class of variables that never pass; the words name it.
    Refuse,
    /// A variable's value.
    Set {
        name: String,
        value: String,
    },
    Network(NetworkMode),
    /// A host without a port stands for two endpoints.
    Endpoints(Vec<Endpoint>),
    /// A group of hosts, each as above; none yet for a registry's, which is found when all is read.
    Group(Vec<Vec<Endpoint>>),
    /// Its rule is not numbered yet.
    Http(Box<HttpRule>),
    Credential(Box<SaidCredential>),
    /// Its rule is not numbered yet.
    Budget(Box<Budget>),
    Publish {
        outside: u16,
        inside: u16,
    },
    HostPort(u16),
    /// A list that is there and empty, where that bounds.
    NoPort,
    Host(HostPattern),
    Proxy(ProxyServer),
    Secret(Said<Source>),
    Resolver {
        scheme: UpstreamScheme,
        host: Target,
        port: u16,
    },
    EncryptedHello(Hello),
    Audit(AuditDestination),
    /// A key, user or field; the text is [`Statement::words`].
    Text,
    /// `None` is `"unlimited"`.
    Size(Option<Bytes>),
    Count(Option<u32>),
    Processors(Option<Millicpus>),
    Duration(Option<Millis>),
    Switch(bool),
    Level(Level),
}

/// A credential whose files are not resolved yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SaidCredential {
    pub(crate) endpoint: Endpoint,
    pub(crate) header: String,
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<UrlPattern>,
    pub(crate) source: Said<Source>,
    pub(crate) placeholder: Said<Placeholder>,
}

/// A place that is known, or the text of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said<T> {
    Known(T),
    File(String),
}

/// What happens to an encrypted greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hello {
    Refuse,
    Allow,
}

impl Value {
    /// Whether a single value lets more than `other` of the same field.
    pub(crate) fn lets_more_than(&self, other: &Value) -> bool {
        /// `None` is no limit.
        fn beyond<T: Ord + Copy>(limit: Option<T>, other: Option<T>) -> bool {
            other.is_some_and(|other| limit.is_none_or(|limit| limit > other))
        }
        match (self, other) {
            (Value::Network(mode), Value::Network(other)) => mode > other,
            (Value::EncryptedHello(hello), Value::EncryptedHello(other)) => hello > other,
            (Value::Size(limit), Value::Size(other)) => beyond(*limit, *other),
            (Value::Count(limit), Value::Count(other)) => beyond(*limit, *other),
            (Value::Processors(limit), Value::Processors(other)) => beyond(*limit, *other),
            (Value::Duration(limit), Value::Duration(other)) => beyond(*limit, *other),
            (Value::Switch(on), Value::Switch(other)) => *on && !other,
            (Value::Level(level), Value::Level(other)) => {
                let strength = |level: &Level| match level {
                    Level::Process => 0,
                    Level::Auto => 1,
                    Level::Namespaces => 2,
                };
                strength(level) < strength(other)
            }
            _ => false,
        }
    }
}

impl Statement {
    /// The file, as written, that holds a secret.
    pub(crate) fn secret_file(&self) -> Option<&str> {
        let source = match &self.value {
            Value::Credential(said) => &said.source,
            Value::Secret(source) => source,
            _ => return None,
        };
        if let Said::File(text) = source { Some(text) } else { None }
    }

    /// The statement in the words of the language, for [`ringfence_plan::Rule::text`].
    pub(crate) fn text(&self) -> String {
        match &self.value {
            Value::Refuse => format!("environment: {}", self.words),
            Value::Set { name, .. } => format!("{}.{name}", self.field.key),
            Value::NoWorkspace | Value::Switch(_) | Value::Processors(Some(_)) | Value::Count(Some(_)) => {
                format!("{} = {}", self.field.key, self.words)
            }
            Value::Http(_) | Value::Credential(_) | Value::Budget(_) | Value::Secret(_) | Value::NoPort => {
                format!("{} = {}", self.field.key, self.words)
            }
            _ => format!("{} = {:?}", self.field.key, self.words),
        }
    }
}

/// What a list of paths grants.
pub(crate) fn access_of(key: &str) -> Option<Access> {
    match key {
        "filesystem.read" => Some(Access::Read),
        "filesystem.write" | "filesystem.workspace" => Some(Access::Write),
        "filesystem.private" => Some(Access::Private),
        "filesystem.deny" => Some(Access::Deny),
        _ => None,
    }
}
