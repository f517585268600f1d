//! Single values: the same for a file and for a flag.
//!
//! Whether a value makes sense for its limit is said here too, so that the error points at it.

use std::borrow::Cow;

use ringfence_plan::{AbsPath, AuditDestination, Bytes, Level, NetworkMode};
use toml::de::{DeInteger, DeValue};

use super::network;
use crate::diagnostic::quoted;
use crate::field::{self, FieldSpec, Kind};
use crate::groups;
use crate::nearest::nearest;
use crate::quantity;
use crate::statement::{Hello, Value};

/// Why a text is no value of its kind.
#[derive(Debug, PartialEq)]
pub(crate) struct BadValue {
    /// Under the text; completes "it …".
    pub(crate) why: Cow<'static, str>,
    /// What mends it.
    pub(crate) help: Option<String>,
}

impl BadValue {
    /// Title and label of the diagnostic.
    pub(crate) fn in_words(&self, spec: &FieldSpec, words: &str) -> (String, String) {
        (format!("{} cannot be {}", quoted(spec.key), quoted(words)), format!("it {}", self.why))
    }
}

/// Lifts a limit that the base sets.
const UNLIMITED: &str = "unlimited";

/// The text of a TOML value, if `kind` takes values of this type.
pub(crate) fn of_toml(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    let (text, number, real, boolean) = match kind {
        Kind::Workspace => (true, false, false, value.as_bool() == Some(false)),
        Kind::Size | Kind::Duration | Kind::Count => (true, true, false, false),
        Kind::Processors => (true, true, true, false),
        Kind::Switch => (false, false, false, true),
        Kind::Network | Kind::Level => (true, false, false, false),
        Kind::Proxy | Kind::Resolver | Kind::EncryptedHello => (true, false, false, false),
        Kind::Host | Kind::Publish | Kind::Listen | Kind::HostPort => (false, false, false, false),
        Kind::Http | Kind::Credential | Kind::Budget | Kind::Secret => (false, false, false, false),
        Kind::Path | Kind::PathPattern | Kind::Variable | Kind::Variables => (false, false, false, false),
        Kind::Endpoint | Kind::Audit | Kind::Key | Kind::User | Kind::FieldName => {
            (false, false, false, false)
        }
    };
    match value {
        DeValue::String(content) if text => Some(content.to_string()),
        DeValue::Integer(integer) if number => Some(digits(integer)),
        DeValue::Float(float) if real => Some(float.as_str().to_owned()),
        DeValue::Boolean(flag) if boolean => Some(flag.to_string()),
        _ => None,
    }
}

/// A whole number in decimal digits, however it is written.
pub(crate) fn digits(integer: &DeInteger<'_>) -> String {
    match integer.radix() {
        10 => integer.as_str().to_owned(),
        radix => i64::from_str_radix(integer.as_str(), radix).map_or("too large".into(), |n| n.to_string()),
    }
}

/// What `kind` takes, in words.
pub(crate) fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Workspace => "a directory, or false for none",
        Kind::Size => "a size",
        Kind::Duration => "a duration",
        Kind::Count => "a whole number",
        Kind::Processors => "a number of processors",
        Kind::Switch => "true or false",
        Kind::Network => "\"none\", \"rules\" or \"host\"",
        Kind::Level => "\"auto\", \"process\" or \"namespaces\"",
        Kind::Path | Kind::PathPattern | Kind::Variable | Kind::Endpoint => "a list",
        Kind::Audit | Kind::Key | Kind::User | Kind::FieldName => "a list",
        Kind::Host | Kind::Publish | Kind::Listen | Kind::HostPort => "a list",
        Kind::Http | Kind::Credential | Kind::Budget => "a list of tables",
        Kind::Secret => "a table",
        Kind::Proxy => "the address of a proxy, or \"environment\"",
        Kind::Resolver => "the address of a resolver",
        Kind::EncryptedHello => "\"allow\" or \"refuse\"",
        Kind::Variables => "a table",
    }
}

/// The value of the field `spec` that `words` stand for.
pub(crate) fn parse(spec: &FieldSpec, words: &str) -> Result<Value, BadValue> {
    let value = parse_kind(spec.kind, words)?;
    possible(spec.key, &value)?;
    Ok(value)
}

fn parse_kind(kind: Kind, words: &str) -> Result<Value, BadValue> {
    let lifted = words == UNLIMITED;
    match kind {
        Kind::Workspace if words == "false" => Ok(Value::NoWorkspace),
        Kind::Workspace | Kind::Path | Kind::PathPattern => Ok(Value::Path { optional: None }),
        Kind::Variable | Kind::Variables => Ok(Value::Variable),
        Kind::Size if lifted => Ok(Value::Size(None)),
        Kind::Size => quantity::size(words).map(|bytes| Value::Size(Some(bytes))).map_err(plain),
        Kind::Count if lifted => Ok(Value::Count(None)),
        Kind::Count => quantity::count(words).map(|count| Value::Count(Some(count))).map_err(plain),
        Kind::Processors if lifted => Ok(Value::Processors(None)),
        Kind::Processors => {
            quantity::processors(words).map(|cpus| Value::Processors(Some(cpus))).map_err(plain)
        }
        Kind::Duration if lifted => Ok(Value::Duration(None)),
        Kind::Duration => match quantity::duration(words) {
            Ok(time) if time.0 == 0 => Err(plain("is zero: nothing could run".into())),
            Ok(time) => Ok(Value::Duration(Some(time))),
            Err(why) => Err(plain(why)),
        },
        Kind::Switch => {
            words.parse().map(Value::Switch).map_err(|_| plain("is neither true nor false".into()))
        }
        Kind::Network => {
            let modes =
                [("none", NetworkMode::None), ("rules", NetworkMode::Rules), ("host", NetworkMode::Host)];
            choice(words, &modes).map(Value::Network)
        }
        Kind::Endpoint if words.starts_with(groups::MARK) => group(words),
        Kind::Endpoint => network::endpoint(words),
        Kind::Host => network::host(words),
        Kind::Publish => network::publish(words),
        Kind::Listen => network::listen(words),
        Kind::HostPort => network::host_port(words),
        Kind::Proxy => network::proxy(words),
        Kind::Resolver => network::resolver(words),
        Kind::EncryptedHello => {
            let choices = [("allow", Hello::Allow), ("refuse", Hello::Refuse)];
            choice(words, &choices).map(Value::EncryptedHello)
        }
        // Tables, which `record` reads; no flag says them.
        Kind::Http | Kind::Credential | Kind::Budget | Kind::Secret => {
            Err(plain("is a text, where a table is needed".into()))
        }
        Kind::Audit => destination(words).map(Value::Audit),
        Kind::Key | Kind::User => Ok(Value::Text),
        Kind::FieldName => field_name(words),
        Kind::Level => {
            let levels =
                [("auto", Level::Auto), ("process", Level::Process), ("namespaces", Level::Namespaces)];
            choice(words, &levels).map(Value::Level)
        }
    }
}

/// The hosts of a group.
fn group(words: &str) -> Result<Value, BadValue> {
    if let Some(group) = groups::find(words) {
        return Ok(Value::Group(group.endpoints()));
    }
    let near = nearest(words.trim_start_matches(groups::MARK), groups::names());
    let help = near.map_or_else(
        || {
            format!(
                "there are {}",
                groups::names().map(|name| format!("@{name}")).collect::<Vec<_>>().join(", ")
            )
        },
        |near| format!("did you mean {}?", quoted(format!("@{near}"))),
    );
    Err(BadValue { why: "is no group of hosts".into(), help: Some(help) })
}

/// Where records go, as written.
fn destination(words: &str) -> Result<AuditDestination, BadValue> {
    let (path, socket) = match words.strip_prefix("unix:") {
        Some(path) => (path, true),
        None => (words, false),
    };
    let path = AbsPath::new(path).map_err(|why| BadValue {
        why: format!("names no file: the path {why}").into(),
        help: Some("write /var/log/ringfence.jsonl, or unix:/dev/log for a datagram socket".into()),
    })?;
    Ok(if socket { AuditDestination::Socket(path) } else { AuditDestination::File(path) })
}

/// A field or a group, by name.
fn field_name(words: &str) -> Result<Value, BadValue> {
    if field::find(words).is_some() || field::groups().any(|group| group == words) {
        return Ok(Value::Text);
    }
    let help = field::meant(words).map(|near| format!("did you mean {}?", quoted(near)));
    Err(BadValue { why: "is neither a field nor a group of fields".into(), help })
}

/// Refuses a limit under which nothing could start.
fn possible(key: &str, value: &Value) -> Result<(), BadValue> {
    /// Below this not even a shell starts.
    const LEAST_MEMORY: u64 = 4 << 20;
    /// Standard streams, a library and a file at once.
    const LEAST_FILES: u32 = 8;
    match (key, value) {
        ("limits.memory", Value::Size(Some(Bytes(bytes)))) if *bytes < LEAST_MEMORY => {
            Err(plain("is less than 4 MiB: not even a shell could start".into()))
        }
        ("limits.tmp", Value::Size(None)) => {
            Err(plain("is no size: the private /tmp lives in memory and needs a bound".into()))
        }
        ("limits.tmp", Value::Size(Some(Bytes(bytes)))) if *bytes < 4096 => {
            Err(plain("is less than a page (4096 bytes): no file fits".into()))
        }
        ("limits.open_files", Value::Count(Some(count))) if *count < LEAST_FILES => {
            Err(plain("is fewer than 8 open files: no program could load".into()))
        }
        _ => Ok(()),
    }
}

fn choice<T: Copy>(words: &str, choices: &[(&'static str, T)]) -> Result<T, BadValue> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == words) {
        return Ok(*value);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    let help = nearest(words, names.iter().copied()).map(|near| format!("did you mean {}?", quoted(near)));
    Err(BadValue { why: format!("is none of {}", names.join(", ")).into(), help })
}

fn plain(why: String) -> BadValue {
    BadValue { why: why.into(), help: None }
}
