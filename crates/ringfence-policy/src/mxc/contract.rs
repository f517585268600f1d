//! The contracts as tables: which members a request may have, by version, and of what shape.
//!
//! Not their meaning. Sections of other systems are looked at as strictly as the rest: whoever wrote one meant it.

use super::Version::{self, V0_8, V0_9, V1_1};
use super::json::{self, Node, Value};
use super::problem::Problem;
use crate::diagnostic::quoted;
use crate::nearest::nearest;

/// What a value has to look like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Any,
    Bool,
    Text,
    /// A whole number, at least and at most.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    Object(&'static [Field]),
    List(&'static Shape),
}

/// A member of an object.
#[derive(Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    first: Version,
    last: Version,
    required: bool,
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, first: V0_8, last: V1_1, required: false }
}

const fn since(first: Version, field: Field) -> Field {
    Field { first, ..field }
}

const fn until(last: Version, field: Field) -> Field {
    Field { last, ..field }
}

const fn required(field: Field) -> Field {
    Field { required: true, ..field }
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const COUNT: Shape = Shape::Number(0, u32::MAX as u64);
const PORT: Shape = Shape::Number(1, 65535);
const GRANT: Shape = Shape::Word(&["allow", "deny"]);

/// A whole request. `version`, `phase` and `containment` are judged before.
pub(super) const REQUEST: Shape = Shape::Object(&[
    field("$schema", Shape::Text),
    field("_comment", Shape::Any),
    field("version", Shape::Text),
    field("containerId", Shape::Text),
    field("containment", Shape::Text),
    field("lifecycle", LIFECYCLE),
    required(field("process", PROCESS)),
    field("filesystem", FILESYSTEM),
    field("fallback", Shape::Object(&[field("allowDaclMutation", Shape::Bool)])),
    field("network", NETWORK),
    field("runtimeConfig", Shape::Object(&[field("networkProxy", Shape::Text)])),
    field("ui", UI),
    since(V0_9, field("telemetry", Shape::Object(&[field("enabled", Shape::Bool)]))),
    field("processContainer", PROCESS_CONTAINER),
    until(V0_9, field("appContainer", PROCESS_CONTAINER)),
    field("lxc", Shape::Object(&[field("distribution", Shape::Text), field("release", Shape::Text)])),
    field("seatbelt", SEATBELT),
    until(V0_9, field("macos_sandbox", SEATBELT)),
    since(V0_9, field("wslc", WSLC)),
    since(V0_9, field("isolationSession", Shape::Any)),
    since(V1_1, field("windowsSandbox", Shape::Any)),
    since(V1_1, field("hyperlight", Shape::Any)),
    since(V1_1, field("test", Shape::Any)),
    field(OURS, EXTENSION),
]);

const LIFECYCLE: Shape =
    Shape::Object(&[field("destroyOnExit", Shape::Bool), field("preservePolicy", Shape::Bool)]);

const PROCESS: Shape = Shape::Object(&[
    required(field("commandLine", Shape::Text)),
    field("cwd", Shape::Text),
    field("env", TEXTS),
    since(V0_9, field("inheritDefaultEnv", Shape::Bool)),
    field("timeout", COUNT),
]);

const FILESYSTEM: Shape = Shape::Object(&[
    field("readwritePaths", TEXTS),
    field("readonlyPaths", TEXTS),
    field("deniedPaths", TEXTS),
]);

const NETWORK: Shape = Shape::Object(&[
    until(V0_8, field("defaultPolicy", Shape::Word(&["allow", "block"]))),
    until(V0_8, field("enforcementMode", Shape::Word(&["capabilities", "firewall", "both"]))),
    until(V0_8, field("allowLocalNetwork", Shape::Bool)),
    until(V0_8, field("allowedHosts", TEXTS)),
    until(V0_8, field("blockedHosts", TEXTS)),
    until(V0_8, field("proxy", PROXY)),
    field("egress", Shape::Object(&[field("default", GRANT), field("allow", RULES), field("deny", RULES)])),
    field("ingress", Shape::Object(&[field("default", GRANT), field("hostLoopback", GRANT)])),
]);

const PROXY: Shape = Shape::Object(&[
    field("builtinTestServer", Shape::Bool),
    field("localhost", PORT),
    field("url", Shape::Text),
]);

const RULES: Shape = Shape::List(&Shape::Object(&[
    field("to", Shape::List(&DESTINATION)),
    field("ports", Shape::List(&PORTS)),
]));

const DESTINATION: Shape = Shape::Object(&[required(field("cidr", Shape::Text)), field("except", TEXTS)]);

const PORTS: Shape = Shape::Object(&[
    field("protocol", Shape::Word(&["tcp", "udp", "icmp", "any"])),
    field("port", PORT),
    field("endPort", PORT),
]);

const UI: Shape = Shape::Object(&[
    field("disable", Shape::Bool),
    field("clipboard", Shape::Word(&["none", "read", "write", "all"])),
    field("injection", Shape::Bool),
]);

const PROCESS_CONTAINER: Shape = Shape::Object(&[
    field("leastPrivilege", Shape::Bool),
    field("learningMode", Shape::Bool),
    field("capabilities", TEXTS),
    field(
        "captureDenials",
        Shape::Object(&[
            field("mode", Shape::Word(&["block", "allow"])),
            field("outputPath", Shape::Text),
            field("retainEtl", Shape::Bool),
        ]),
    ),
    field(
        "ui",
        Shape::Object(&[
            field("isolation", Shape::Word(&["desktop", "handles", "atoms", "container"])),
            field("desktopSystemControl", Shape::Any),
            field("systemSettings", Shape::Any),
            field("ime", Shape::Any),
        ]),
    ),
    field("network", Shape::Object(&[field("allowedProxyPeer", Shape::Text)])),
    since(V0_9, field("filesystem", Shape::Object(&[field("enumeratePaths", TEXTS)]))),
]);

const SEATBELT: Shape = Shape::Object(&[
    field("profileOverride", Shape::Text),
    field("guiAccess", Shape::Bool),
    until(V0_9, field("launchMethod", Shape::Word(&["exec", "open"]))),
    field("nestedPty", Shape::Bool),
    field("keychainAccess", Shape::Bool),
    field("extraMachLookups", TEXTS),
]);

const WSLC: Shape = Shape::Object(&[
    field("cpuCount", COUNT),
    field("gpu", Shape::Any),
    field("image", Shape::Text),
    field("imageTarPath", Shape::Text),
    field("memoryMb", COUNT),
    field("portMappings", Shape::Any),
    field("storagePath", Shape::Text),
    field("targetOs", Shape::Text),
]);

/// Our own member: what MXC has no word for. A request that has it does not run on MXC, which knows no such member.
pub(super) const OURS: &str = "ringfence";

const EXTENSION: Shape = Shape::Object(&[
    field(
        "limits",
        Shape::Object(&[
            field("memory", Shape::Text),
            field("swap", Shape::Text),
            field("processes", Shape::Number(1, u32::MAX as u64)),
            field("cpu", Shape::Text),
            field("open_files", Shape::Number(1, u32::MAX as u64)),
            field("file_size", Shape::Text),
            field("tmp", Shape::Text),
            field("output", Shape::Text),
        ]),
    ),
    field("network", Shape::Object(&[field("allow", TEXTS), field("deny", TEXTS)])),
    field("containment", Shape::Word(&["auto", "process", "namespaces"])),
]);

/// Looks whether `node` is of the shape, all the way down.
///
/// # Errors
/// The first member that the contract does not know, lacks, or wants to be something else.
pub(super) fn check(node: &Node, shape: Shape, version: Version, path: &str) -> Result<(), Problem> {
    let wrong = |what: String| Err(Problem::malformed(path, node.at, what));
    match (shape, &node.value) {
        (Shape::Any, _) | (Shape::Bool, Value::Bool(_)) | (Shape::Text, Value::Text(_)) => Ok(()),
        (Shape::Word(words), Value::Text(text)) if words.contains(&text.as_str()) => Ok(()),
        (Shape::Word(words), Value::Text(text)) => {
            wrong(format!("{} is none of {}", quoted(text), words.join(", ")))
        }
        (Shape::Number(least, most), Value::Number(text)) => match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(()),
            _ => wrong(format!("{} is no whole number from {least} to {most}", quoted(text))),
        },
        (Shape::List(shape), Value::List(nodes)) => {
            (0..).zip(nodes).try_for_each(|(nth, node)| check(node, *shape, version, &json::entry(path, nth)))
        }
        (Shape::Object(fields), Value::Object(_)) => check_object(node, fields, version, path),
        (shape, value) => wrong(format!("{} is expected here, not {}", shape.name(), value.kind())),
    }
}

fn check_object(node: &Node, fields: &'static [Field], version: Version, path: &str) -> Result<(), Problem> {
    let Value::Object(members) = &node.value else { return Ok(()) };
    for member in members {
        let at = json::below(path, &member.key);
        match fields.iter().find(|field| field.name == member.key) {
            Some(field) if !(field.first..=field.last).contains(&version) => {
                return Err(Problem::malformed(&at, member.at, field.not_in(version)));
            }
            // The contracts let every optional member be null, which is the same as leaving it out.
            Some(field) if member.node.value == Value::Null && !field.required => {}
            Some(field) => check(&member.node, field.shape, version, &at)?,
            None => return Err(unknown(&at, member.at, &member.key, (fields, version))),
        }
    }
    let missing = |field: &&Field| field.required && !members.iter().any(|member| member.key == field.name);
    match fields.iter().find(missing) {
        Some(field) => {
            let at = json::below(path, field.name);
            Err(Problem::malformed(&at, node.at, "this member is missing"))
        }
        None => Ok(()),
    }
}

fn unknown(path: &str, at: usize, key: &str, (fields, version): (&[Field], Version)) -> Problem {
    let known = || {
        fields.iter().filter(|field| (field.first..=field.last).contains(&version)).map(|field| field.name)
    };
    let mend = match (path, nearest(key, known())) {
        ("network.runtimeConfig", _) => "; runtimeConfig stands beside network, not in it".to_owned(),
        (_, Some(near)) => format!("; {near} is one"),
        (_, None) => format!("; expected one of {}", known().collect::<Vec<_>>().join(", ")),
    };
    Problem::malformed(path, at, format!("unknown field{mend}"))
}

impl Field {
    fn not_in(&self, version: Version) -> String {
        let other = if version < self.first { self.first } else { self.last };
        format!("unknown field: the contract {} does not have it, {} does", version.as_str(), other.as_str())
    }
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::Any => "a value",
            Shape::Bool => "true or false",
            Shape::Text | Shape::Word(_) => "a string",
            Shape::Number(..) => "a number",
            Shape::Object(_) => "an object",
            Shape::List(_) => "a list",
        }
    }
}
