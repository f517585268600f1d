//! The JSON Schema (2020-12) of a policy file, made from the rows of fields: what editors complete from.
//!
//! Not the parser: a schema knows the form of a value, not what it grants.

use serde_json::{Map, Value, json};

use crate::field::{self, FieldSpec, Kind};
use crate::read::entry;

/// The schema.
pub fn schema() -> Value {
    let mut properties = top();
    let mut definitions = shared();
    for group in field::groups() {
        properties.insert(group.into(), reference(group));
        definitions.insert(group.into(), of_group(group));
    }
    properties.insert("conditional".into(), conditional());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ringfence:policy:1",
        "title": "A ringfence policy",
        "description": "What a command may do: ringfence.toml, a user's policy.toml, a preset, or a ceiling.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "if": { "anyOf": of_ceilings().map(|group| json!({ "required": [group] })).collect::<Vec<_>>() },
        "then": { "required": ["kind"], "properties": { "kind": { "const": "ceiling" } } },
        "$defs": definitions,
    })
}

/// What a file says beside its groups.
fn top() -> Map<String, Value> {
    let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    object([
        ("version", json!({ "const": 1, "description": "The version of the policy language." })),
        (
            "kind",
            json!({
                "enum": ["policy", "ceiling"],
                "default": "policy",
                "description": "A policy grants; a ceiling only narrows what others grant.",
            }),
        ),
        ("about", json!({ "type": "string", "description": "What the policy is for, in one line." })),
        ("detect", described(texts.clone(), "Files of a project by which this preset is chosen.")),
        ("extends", described(texts, "Presets and files that this policy adds to.")),
    ])
}

/// Groups that hold under a condition.
fn conditional() -> Value {
    let mut properties = object([("when", reference("when"))]);
    properties.extend(field::groups().map(|group| (group.to_owned(), reference(group))));
    json!({
        "description": "Groups that hold only where the condition does.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": ["when"],
            "additionalProperties": false,
        },
    })
}

fn of_group(group: &str) -> Value {
    let fields =
        field::of_group(group).map(|spec| (field::group_and_name(spec.key).1.to_owned(), of_field(spec)));
    json!({ "type": "object", "properties": fields.collect::<Map<_, _>>(), "additionalProperties": false })
}

fn of_field(spec: &FieldSpec) -> Value {
    let value = match spec.kind {
        Kind::Path | Kind::PathPattern | Kind::Variable | Kind::Endpoint => list(spec.kind),
        Kind::Audit | Kind::Key | Kind::User | Kind::FieldName => list(spec.kind),
        Kind::Workspace => json!({ "anyOf": [{ "const": false }, text(spec.kind)] }),
        Kind::Variables => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[^=\\x00]+$" },
            "additionalProperties": { "type": "string", "pattern": "^[^\\x00]*$" },
        }),
        Kind::Host | Kind::Publish | Kind::Listen | Kind::HostPort => list(spec.kind),
        Kind::Http | Kind::Credential | Kind::Budget => records(spec.kind),
        Kind::Proxy => {
            json!({ "type": "string", "pattern": "^(environment|(https?|socks5h?)://[^@/ ]+/?)$" })
        }
        Kind::Secret => reference("secret"),
        Kind::Resolver => json!({ "type": "string", "pattern": "^(https|tls)://[!-~]+$" }),
        Kind::EncryptedHello => json!({ "enum": ["allow", "refuse"] }),
        Kind::Network => json!({ "enum": ["none", "rules", "host"] }),
        Kind::Level => json!({ "enum": ["auto", "process", "namespaces"] }),
        Kind::Size => reference("size"),
        Kind::Count => reference("count"),
        Kind::Processors => reference("processors"),
        Kind::Duration => reference("duration"),
        Kind::Switch => json!({ "type": "boolean" }),
    };
    let mut value = described(value, &sentence(spec.help));
    value["examples"] = json!([example(spec)]);
    value
}

/// A list, each entry a text or a table.
fn list(kind: Kind) -> Value {
    let keys = entry::keys(kind, true);
    let of_key = |key: &str| match key {
        "optional" => json!({ "type": "boolean", "description": "Whether it may be absent." }),
        "why" => json!({ "type": "string", "description": "The reason, which explanations show." }),
        "when" => reference("when"),
        "variable" => json!({
            "type": "string",
            "pattern": "^[^=\\x00]+$",
            "description": "In a preset: a variable that, where the caller has set it, says where the path is.",
        }),
        "below" => {
            json!({ "type": "string", "minLength": 1, "description": "In a preset: what of that place is meant." })
        }
        _ => text(kind),
    };
    let main: Vec<_> =
        [entry::main_key(kind), "variable"].into_iter().filter(|key| keys.contains(key)).collect();
    let table = json!({
        "type": "object",
        "properties": object(keys.iter().map(|key| (*key, of_key(key)))),
        "additionalProperties": false,
        "anyOf": main.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>(),
    });
    json!({ "type": "array", "items": { "anyOf": [text(kind), table] } })
}

/// A list of tables.
fn records(kind: Kind) -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 });
    let of_key = |key: &str| match key {
        "host" => text(Kind::Endpoint),
        "methods" => json!({
            "type": "array",
            "items": { "type": "string", "pattern": TOKEN },
            "minItems": 1,
            "description": "Methods, by case; without them any.",
        }),
        "paths" => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "^/[^?#\\\\ ]*$" },
            "minItems": 1,
            "description": "Paths: `*` stands for one segment or a part of one, `**` for any rest; without them any.",
        }),
        "max_body" => described(reference("bytes"), "How large the body of a request may be."),
        "max_header" => described(reference("bytes"), "How large the header of a request may be."),
        "header" => json!({
            "type": "string",
            "pattern": TOKEN,
            "description": "The header field whose value holds the stand-in.",
        }),
        "source" => reference("secret"),
        "placeholder" => json!({
            "description": "Where the command finds the stand-in.",
            "type": "object",
            "properties": {
                "env": text(Kind::Variables),
                "file": text(Kind::Path),
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        }),
        "sent" => described(reference("bytes"), "Bytes from the command, over the whole run."),
        "connections" => described(reference("number"), "Connections, over the whole run."),
        "requests" => described(reference("number"), "Requests a second."),
        "when" => reference("when"),
        "why" => json!({ "type": "string", "description": "The reason, which explanations show." }),
        _ => texts(),
    };
    let required: &[&str] = match kind {
        Kind::Http => &["host"],
        Kind::Credential => &["host", "header", "source", "placeholder"],
        _ => &[],
    };
    let keys = entry::keys(kind, true).iter().map(|key| (*key, of_key(key)));
    let mut record = json!({
        "type": "object",
        "properties": object(keys),
        "required": required,
        "additionalProperties": false,
    });
    if kind == Kind::Budget {
        let limits = ["sent", "connections", "requests"];
        record["anyOf"] = limits.map(|key| json!({ "required": [key] })).to_vec().into();
    }
    json!({ "type": "array", "items": record })
}

/// A token of HTTP (RFC 9110, section 5.6.2).
const TOKEN: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// Where a secret comes from.
fn secret() -> Value {
    json!({
        "description": "Where the secret comes from, outside the sandbox.",
        "type": "object",
        "properties": {
            "env": text(Kind::Variables),
            "file": text(Kind::Path),
            "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            "secret": { "type": "string", "pattern": "^[^/]+/.+$" },
        },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

/// The text of a value.
fn text(kind: Kind) -> Value {
    match kind {
        Kind::Variables => json!({ "type": "string", "pattern": "^[^=*\\x00]+$" }),
        Kind::Host => json!({ "type": "string", "pattern": "^[!-~]+$" }),
        Kind::Publish => port("^[1-9][0-9]*(:[1-9][0-9]*)?$"),
        Kind::Listen => port("^[1-9][0-9]*$"),
        Kind::HostPort => port("^(localhost:)?[1-9][0-9]*$"),
        Kind::Variable => json!({ "type": "string", "minLength": 1, "pattern": "^\\*?[^=*\\x00]*\\*?$" }),
        // A grant is one place.
        Kind::Path => json!({ "type": "string", "minLength": 1, "pattern": "^[^\\x00*?\\[]*$" }),
        Kind::Endpoint => json!({ "type": "string", "pattern": "^[!-~]+$" }),
        Kind::Audit => json!({ "type": "string", "pattern": "^(unix:)?/[^\\x00]*$" }),
        Kind::Key => json!({ "type": "string", "pattern": "^[A-Za-z0-9+/]{56}$" }),
        Kind::FieldName => json!({ "enum": names() }),
        _ => json!({ "type": "string", "minLength": 1, "pattern": "^[^\\x00]*$" }),
    }
}

fn port(text: &str) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": text },
    ] })
}

/// Forms that several fields share.
fn shared() -> Map<String, Value> {
    object([
        ("when", when()),
        ("secret", secret()),
        ("bytes", plain_quantity(0, SIZE)),
        ("number", plain_quantity(1, "[0-9][0-9_]*")),
        ("size", quantity(json!({ "type": "integer", "minimum": 0 }), SIZE)),
        ("count", quantity(json!({ "type": "integer", "minimum": 1 }), "[0-9][0-9_]*")),
        ("processors", quantity(json!({ "type": "number", "exclusiveMinimum": 0 }), "[0-9]+(\\.[0-9]*)?")),
        ("duration", quantity(json!({ "type": "integer", "minimum": 1 }), DURATION)),
    ])
}

const SIZE: &str = "[0-9][0-9_]*(\\.[0-9_]+)? *(([KMGTkmgt][iI]?)?[bB])?";
const DURATION: &str = "[0-9][0-9_]*(\\.[0-9_]+)?|([0-9][0-9_]*(\\.[0-9_]+)? *(ms|s|m|h|d) *)+";

fn quantity(number: Value, text: &str) -> Value {
    json!({ "anyOf": [number, { "type": "string", "pattern": format!("^(unlimited|{text})$") }] })
}

/// A quantity of which there is no `unlimited`: leaving it out says that.
fn plain_quantity(minimum: u8, text: &str) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": minimum },
        { "type": "string", "pattern": format!("^({text})$") },
    ] })
}

fn when() -> Value {
    let any_of = |one: Value| json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] });
    let text = json!({ "type": "string", "minLength": 1 });
    json!({
        "description": "All keys must hold; of a list one value.",
        "type": "object",
        "minProperties": 1,
        "properties": {
            "os": any_of(json!({ "enum": ["linux", "macos", "windows"] })),
            "stage": described(any_of(text.clone()), "The stage that --stage names."),
            "host_has": described(any_of(text), "A program on PATH, or, with a slash, a path that exists."),
        },
        "additionalProperties": false,
    })
}

/// Every field and every group, which `break_glass.fields` may name.
fn names() -> Vec<&'static str> {
    let liftable = |name: &&str| !of_ceilings().any(|group| name.split('.').next() == Some(group));
    field::groups().chain(field::FIELDS.iter().map(|spec| spec.key)).filter(liftable).collect()
}

/// The groups of which every field is for ceilings only.
fn of_ceilings() -> impl Iterator<Item = &'static str> {
    field::groups().filter(|group| field::of_group(group).all(|spec| spec.ceiling_only))
}

/// The example of a row, as data.
fn example(spec: &FieldSpec) -> Value {
    let document: Option<Value> = toml::from_str(&format!("example = {}", spec.example)).ok();
    document.and_then(|mut document| document.get_mut("example").map(Value::take)).unwrap_or(Value::Null)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn described(mut value: Value, text: &str) -> Value {
    value["description"] = text.into();
    value
}

fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str() + ".")
        .unwrap_or_default()
}

fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_its_group_with_an_example() {
        let schema = schema();
        for spec in field::FIELDS {
            let (group, name) = field::group_and_name(spec.key);
            let value = &schema["$defs"][group]["properties"][name];
            assert!(!value["examples"][0].is_null() && value["description"].is_string(), "{}", spec.key);
        }
    }
}
