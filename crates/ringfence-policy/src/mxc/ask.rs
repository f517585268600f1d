//! A request in our types: what its author says, each with the place where it stands.
//!
//! Not what becomes of it. Shapes are judged by the contract before; what is read here is there or absent.

use super::contract::{self, OURS};
use super::json::{self, Node, Value};
use super::problem::Problem;
use super::traffic::Traffic;
use super::{Code, NoteKind, Version};
use crate::diagnostic::quoted;

/// Something that was said, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    /// The path, as in `filesystem.readonlyPaths[0]`.
    pub(super) field: String,
    /// The byte of the text.
    pub(super) at: usize,
}

/// A note before its place is worded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remark {
    pub(super) field: String,
    pub(super) at: usize,
    pub(super) kind: NoteKind,
    pub(super) text: String,
}

/// What a request says.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) version: Version,
    pub(super) container: Option<String>,
    pub(super) command: Said<String>,
    pub(super) cwd: Option<Said<String>>,
    /// `None`: the default environment.
    pub(super) env: Option<Vec<Said<String>>>,
    pub(super) inherits: bool,
    /// In milliseconds; zero is none.
    pub(super) timeout: Option<Said<u64>>,
    pub(super) write: Vec<Said<String>>,
    pub(super) read: Vec<Said<String>>,
    pub(super) deny: Vec<Said<String>>,
    pub(super) traffic: Traffic,
    pub(super) ours: Ours,
    pub(super) remarks: Vec<Remark>,
}

/// What our own member says.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// By the names of the policy language.
    pub(super) limits: Vec<Said<String>>,
    pub(super) allow: Vec<Said<String>>,
    pub(super) deny: Vec<Said<String>>,
    pub(super) level: Option<Said<String>>,
}

/// A value with its path.
pub(super) struct View<'a> {
    node: &'a Node,
    pub(super) path: String,
}

impl<'a> View<'a> {
    pub(super) fn root(node: &'a Node) -> View<'a> {
        View { node, path: String::new() }
    }

    pub(super) fn at(&self) -> usize {
        self.node.at
    }

    /// The member `key`; one that is null is absent.
    pub(super) fn get(&self, key: &str) -> Option<View<'a>> {
        let Value::Object(members) = &self.node.value else { return None };
        let member = members.iter().find(|member| member.key == key)?;
        let view = View { node: &member.node, path: json::below(&self.path, key) };
        Some(view).filter(|view| view.node.value != Value::Null)
    }

    pub(super) fn entries(&self) -> Vec<View<'a>> {
        let Value::List(nodes) = &self.node.value else { return Vec::new() };
        let view = |(nth, node)| View { node, path: json::entry(&self.path, nth) };
        nodes.iter().enumerate().map(view).collect()
    }

    pub(super) fn said<T>(&self, value: T) -> Said<T> {
        Said { value, field: self.path.clone(), at: self.node.at }
    }

    pub(super) fn text(&self) -> Option<Said<String>> {
        if let Value::Text(text) = &self.node.value { Some(self.said(text.clone())) } else { None }
    }

    pub(super) fn number(&self) -> Option<Said<u64>> {
        if let Value::Number(text) = &self.node.value {
            text.parse().ok().map(|number| self.said(number))
        } else {
            None
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        if let Value::Bool(flag) = self.node.value { Some(flag) } else { None }
    }

    pub(super) fn texts(&self, key: &str) -> Vec<Said<String>> {
        let list = self.get(key);
        list.iter().flat_map(View::entries).filter_map(|entry| entry.text()).collect()
    }

    pub(super) fn remark(&self, kind: NoteKind, text: impl Into<String>) -> Remark {
        Remark { field: self.path.clone(), at: self.node.at, kind, text: text.into() }
    }
}

impl<T> Said<T> {
    pub(super) fn policy(&self, what: impl Into<String>) -> Problem {
        Problem::policy(&self.field, self.at, what)
    }

    pub(super) fn remark(&self, kind: NoteKind, text: impl Into<String>) -> Remark {
        Remark { field: self.field.clone(), at: self.at, kind, text: text.into() }
    }
}

/// Reads a request.
///
/// # Errors
/// What is no one-shot request of a contract, or for another kind of container.
pub(super) fn read(text: &str) -> Result<Ask, Problem> {
    let node = json::read(text).map_err(|wrong| Problem {
        code: Code::MalformedRequest,
        field: wrong.field,
        at: Some(wrong.at),
        what: wrong.what,
    })?;
    let root = View::root(&node);
    if !matches!(node.value, Value::Object(_)) {
        return Err(Problem::malformed("", node.at, "a request is an object"));
    }
    let mut remarks = Vec::new();
    let version = version(&root, &mut remarks)?;
    if let Some(phase) = root.get("phase").or_else(|| root.get("sandboxId")) {
        let what = "expected a one-shot request, got a state-aware lifecycle request: \
                    no sandbox is kept from one call to the next on Linux";
        return Err(Problem {
            code: Code::UnsupportedPhase,
            ..Problem::malformed(&phase.path, phase.at(), what)
        });
    }
    let containment = containment(&root)?;
    contract::check(&node, contract::REQUEST, version, "")?;
    sections(&root, containment, &mut remarks)?;
    without_effect(&root, &mut remarks);
    let process = root.get("process");
    let of_process = |key: &str| process.as_ref().and_then(|process| process.get(key));
    let command = of_process("commandLine").and_then(|line| line.text());
    let command = command
        .ok_or_else(|| Problem::malformed("process.commandLine", node.at, "this member is missing"))?;
    if command.value.is_empty() {
        return Err(Problem::malformed(&command.field, command.at, "process.commandLine cannot be empty"));
    }
    let paths = |key: &str| root.get("filesystem").map(|files| files.texts(key)).unwrap_or_default();
    Ok(Ask {
        version,
        container: root.get("containerId").and_then(|name| name.text()).map(|name| name.value),
        command,
        cwd: of_process("cwd").and_then(|cwd| cwd.text()),
        env: of_process("env").map(|env| env.entries().iter().filter_map(View::text).collect()),
        inherits: of_process("inheritDefaultEnv").and_then(|inherit| inherit.flag()) == Some(true),
        timeout: of_process("timeout").and_then(|timeout| timeout.number()),
        write: paths("readwritePaths"),
        read: paths("readonlyPaths"),
        deny: paths("deniedPaths"),
        traffic: Traffic::read(&root, &mut remarks)?,
        ours: ours(&root),
        remarks,
    })
}

const REGISTERED: [Version; 4] = [Version::V0_8, Version::V0_9, Version::V1_0, Version::V1_1];

fn version(root: &View<'_>, remarks: &mut Vec<Remark>) -> Result<Version, Problem> {
    let Some(view) = root.get("version") else {
        let text = "without a version a request is read by the contract 0.8.0-alpha, and held no less than one with it";
        remarks.push(Remark { field: "version".into(), ..root.remark(NoteKind::Honoured, text) });
        return Ok(Version::V0_8);
    };
    let Some(said) = view.text() else {
        return Err(Problem::malformed(&view.path, view.at(), "a string is expected here"));
    };
    if let Some(version) = REGISTERED.into_iter().find(|version| version.as_str() == said.value) {
        return Ok(version);
    }
    if is_older(&said.value) {
        let text = "it is read by the contract 0.8.0-alpha: what older ones left open is held all the same";
        remarks.push(said.remark(NoteKind::Honoured, text));
        return Ok(Version::V0_8);
    }
    let registered = REGISTERED.map(Version::as_str).join(", ");
    let what = format!(
        "unsupported contract version {}; registered versions are: {registered}",
        quoted(&said.value)
    );
    Err(Problem::malformed(&said.field, said.at, what))
}

/// Whether it is a version from 0.6 to 0.8, which MXC 0.8 takes for one contract.
fn is_older(version: &str) -> bool {
    let core = version.split_once(['-', '+']).map_or(version, |(core, _)| core);
    let numbers: Option<Vec<u32>> = core.split('.').map(|number| number.parse().ok()).collect();
    matches!(numbers.as_deref(), Some([0, 6..=8, _]))
}

/// The kinds of containers that are meant by our fence.
const OWN: [&str; 3] = ["process", "bubblewrap", "lxc"];
/// Those that are not, with the reason.
const OTHERS: [(&str, &str); 11] = [
    ("processcontainer", "an AppContainer is a thing of Windows"),
    ("appcontainer", "an AppContainer is a thing of Windows"),
    ("seatbelt", "Seatbelt is a thing of macOS"),
    ("macos_sandbox", "Seatbelt is a thing of macOS"),
    ("isolation_session", "an isolation session is a thing of Windows"),
    ("wslc", "a container of WSL is a thing of Windows"),
    ("windows_sandbox", "the Windows Sandbox is a thing of Windows"),
    ("vm", "this program makes no virtual machines"),
    ("microvm", "this program makes no virtual machines"),
    ("hyperlight", "this program makes no virtual machines"),
    ("nanvix", "this program makes no virtual machines"),
];

fn containment(root: &View<'_>) -> Result<&'static str, Problem> {
    let Some(view) = root.get("containment") else { return Ok("process") };
    let Some(said) = view.text() else {
        return Err(Problem::malformed(&view.path, view.at(), "a string is expected here"));
    };
    if let Some(own) = OWN.into_iter().find(|own| *own == said.value) {
        return Ok(own);
    }
    match OTHERS.into_iter().find(|(name, _)| *name == said.value) {
        Some((_, why)) => {
            let what = format!(
                "{} is not to be had here: {why}; process, bubblewrap and lxc are",
                quoted(&said.value)
            );
            let problem = Problem::malformed(&said.field, said.at, what);
            Err(Problem { code: Code::UnsupportedContainment, ..problem })
        }
        None => {
            let what = format!("{} is no containment of the contract", quoted(&said.value));
            Err(Problem::malformed(&said.field, said.at, what))
        }
    }
}

/// Sections of other systems may stand beside what is used here, so that one request serves them all; one of another kind
/// of container on this system contradicts what the request says of itself.
fn sections(root: &View<'_>, containment: &str, remarks: &mut Vec<Remark>) -> Result<(), Problem> {
    for name in ["lxc", "hyperlight"] {
        if let Some(section) = root.get(name).filter(|_| name != containment) {
            let what = format!(
                "containment is {containment}, and this section is for {name}; take one of the two out"
            );
            return Err(Problem::malformed(&section.path, section.at(), what));
        }
    }
    other_systems(root)?;
    let others = [
        ("processContainer", "Windows"),
        ("appContainer", "Windows"),
        ("wslc", "Windows"),
        ("isolationSession", "Windows"),
        ("windowsSandbox", "Windows"),
        ("seatbelt", "macOS"),
        ("macos_sandbox", "macOS"),
        ("test", "MXC's own tests"),
    ];
    let found = others.iter().filter_map(|(name, system)| root.get(name).map(|section| (section, system)));
    remarks.extend(
        found.map(|(section, system)| section.remark(NoteKind::NoEffect, format!("it is for {system}"))),
    );
    if let Some(lxc) = root.get("lxc") {
        let text = "no image is fetched: the programs are this machine's own, as with bubblewrap";
        remarks.push(lxc.remark(NoteKind::NoEffect, text));
    }
    Ok(())
}

/// Two of these sections have a second name, of which one may stand there; and some capabilities no author may write.
fn other_systems(root: &View<'_>) -> Result<(), Problem> {
    for (name, alias) in [("processContainer", "appContainer"), ("seatbelt", "macos_sandbox")] {
        if let (Some(_), Some(alias)) = (root.get(name), root.get(alias)) {
            let what =
                format!("it is another name of {name}, which stands here too; take one of the two out");
            return Err(Problem::malformed(&alias.path, alias.at(), what));
        }
    }
    let section = root.get("processContainer").or_else(|| root.get("appContainer"));
    let capabilities = section.map(|section| section.texts("capabilities")).unwrap_or_default();
    for said in capabilities {
        // Names of Windows, where case says nothing.
        let why = match said.value.to_ascii_lowercase().as_str() {
            "learningmodelogging" | "permissivelearningmode" => "is reserved; learningMode asks for it",
            name if name.contains(',') => "holds a comma; a capability is one name",
            _ => continue,
        };
        return Err(Problem::malformed(&said.field, said.at, format!("{} {why}", quoted(&said.value))));
    }
    Ok(())
}

/// What MXC takes on Linux without a word: each gets one here.
fn without_effect(root: &View<'_>, remarks: &mut Vec<Remark>) {
    let inner = |section: &str, key: &str| root.get(section).and_then(|section| section.get(key));
    let flags = [
        ("lifecycle", "destroyOnExit", true, "nothing of the sandbox is left when the command ends"),
        ("lifecycle", "preservePolicy", false, "no rule of the sandbox is left on the machine"),
        ("ui", "disable", true, "no display, session or input socket is reachable"),
        ("ui", "injection", false, "no input device or display is reachable"),
        ("fallback", "allowDaclMutation", false, "no permission of a file is changed"),
        ("telemetry", "enabled", false, "nothing is sent to anybody"),
    ];
    for (section, key, held, why) in flags {
        let Some(view) = inner(section, key) else { continue };
        let kind = if view.flag() == Some(held) { NoteKind::Honoured } else { NoteKind::NoEffect };
        remarks.push(view.remark(kind, why));
    }
    if let Some(view) = inner("ui", "clipboard") {
        let none = view.text().is_some_and(|said| said.value == "none");
        let kind = if none { NoteKind::Honoured } else { NoteKind::Narrowed };
        remarks.push(view.remark(kind, "no clipboard is reachable, since no display is"));
    }
    if let Some(view) = root.get("containerId") {
        remarks
            .push(view.remark(NoteKind::Honoured, "it names the run in records; nothing is kept under it"));
    }
}

fn ours(root: &View<'_>) -> Ours {
    let Some(own) = root.get(OURS) else { return Ours::default() };
    let limits = own.get("limits");
    let limit = |name: &str| {
        let view = limits.as_ref()?.get(name)?;
        view.text().or_else(|| view.number().map(|said| view.said(said.value.to_string())))
    };
    let names = ["memory", "swap", "processes", "cpu", "open_files", "file_size", "tmp", "output"];
    let endpoints = |key: &str| own.get("network").map(|network| network.texts(key)).unwrap_or_default();
    Ours {
        limits: names.iter().filter_map(|name| limit(name)).collect(),
        allow: endpoints("allow"),
        deny: endpoints("deny"),
        level: own.get("containment").and_then(|level| level.text()),
    }
}
