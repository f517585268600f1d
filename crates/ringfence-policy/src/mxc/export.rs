//! A plan as an MXC request (contract 1.0.0), and what such a request cannot say.
//!
//! For MXC itself: our own member is not written, which it would refuse.

use std::collections::BTreeMap;

use ringfence_plan::{
    Access, Endpoint, Field, Granted, HostPattern, Network, NetworkMode, NetworkRule, Origin, Plan, Protocol,
};
use serde_json::{Map, Value, json};

use super::environment::DEFAULT;
use super::files::USR;
use crate::builtin::system::DIRECTORIES;
use crate::discover;

/// A request, and how it differs from the plan that it was made of.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The request, with a line for each member.
    pub request: String,
    /// What it does not say.
    pub unsaid: Vec<Unsaid>,
}

/// Something that a request cannot say.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unsaid {
    /// The part of the policy.
    pub field: String,
    /// What of it, and what MXC does instead.
    pub text: String,
    /// Whether the request lets more or less for it.
    pub effect: Effect,
}

/// How a request differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It lets more than the plan.
    Wider,
    /// It lets less.
    Narrower,
}

/// `plan` as a request that runs `command`, a line for a shell.
pub fn export(plan: &Plan, command: &str) -> Exported {
    let mut unsaid = Vec::new();
    let filesystem = filesystem(plan, &mut unsaid);
    let (network, proxy) = network(&plan.network, plan, &mut unsaid);
    let mut process = Map::from_iter([("commandLine".to_owned(), json!(command))]);
    environment(plan, proxy.as_deref(), &mut process, &mut unsaid);
    limits(plan, &mut process, &mut unsaid);
    let mut request = json!({ "version": "1.0.0", "containment": "bubblewrap", "process": process });
    for (name, section) in [("filesystem", filesystem), ("network", network)] {
        if section.as_object().is_some_and(|section| !section.is_empty()) {
            request[name] = section;
        }
    }
    if let Some(proxy) = proxy {
        request["runtimeConfig"] = json!({ "networkProxy": proxy });
    }
    unsaid.sort_by_key(|unsaid| unsaid.effect);
    Exported { request: format!("{request:#}\n"), unsaid }
}

fn add(unsaid: &mut Vec<Unsaid>, effect: Effect, field: &str, text: impl Into<String>) {
    unsaid.push(Unsaid { field: field.to_owned(), text: text.into(), effect });
}

fn filesystem(plan: &Plan, unsaid: &mut Vec<Unsaid>) -> Value {
    let files = &plan.files;
    let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for grant in &files.grants {
        let path = grant.path.as_path();
        let built_in = matches!(plan.rule(grant.rule).origin, Origin::BuiltIn(_));
        let of_system = USR
            .iter()
            .chain(DIRECTORIES.iter().map(|(path, _)| path))
            .any(|own| path == std::path::Path::new(own))
            && path != std::path::Path::new("/usr");
        let shown = grant.access == Access::Read && built_in && (of_system || path.starts_with("/etc"));
        // MXC does not start where a path is missing.
        if shown || (grant.optional && !discover::exists(path)) {
            if grant.access == Access::Deny && !built_in {
                let text = format!(
                    "{}: it is absent, and MXC would make it; a command may make and read it",
                    grant.path
                );
                add(unsaid, Effect::Wider, "filesystem.deny", text);
            }
            continue;
        }
        let name = match grant.access {
            Access::Write => "readwritePaths",
            Access::Read => "readonlyPaths",
            Access::Deny => "deniedPaths",
            Access::Private => {
                let text =
                    format!("{}: a private copy; the request lets it be read, and not written", grant.path);
                add(unsaid, Effect::Narrower, "filesystem.private", text);
                "readonlyPaths"
            }
        };
        lists.entry(name).or_default().push(grant.path.to_string());
    }
    for glob in &files.deny_globs {
        let text = format!("{}: MXC has no wildcards; what matches is not denied", glob.pattern);
        add(unsaid, Effect::Wider, "filesystem.deny", text);
    }
    if !files.protect.is_empty() {
        let text = "protected names (.git/hooks, .vscode, …) can be changed in every writable tree";
        add(unsaid, Effect::Wider, "filesystem.protect", text);
    }
    add(
        unsaid,
        Effect::Wider,
        "filesystem.read",
        "MXC shows all of /etc, and of /run what name resolution needs",
    );
    json!(lists)
}

fn environment(plan: &Plan, proxy: Option<&str>, process: &mut Map<String, Value>, unsaid: &mut Vec<Unsaid>) {
    let environment = &plan.environment;
    let default = |name: &str, value: &str| DEFAULT.contains(&(name, value));
    let of_proxy = |name: &str, value: &str| {
        name.to_ascii_uppercase().ends_with("_PROXY")
            && proxy.is_some_and(|proxy| value == format!("{proxy}/"))
    };
    let set = environment
        .set
        .iter()
        .filter(|(name, _)| environment.decide(name.as_ref()).0 == ringfence_plan::Passage::Set);
    let set: Vec<(&str, &str)> = set.map(|(name, (value, _))| (name.as_str(), value.as_str())).collect();
    let inherits = DEFAULT.iter().all(|(name, value)| set.contains(&(name, value)))
        || environment.passes("PATH".as_ref());
    let own = set.iter().filter(|(name, value)| !(of_proxy(name, value) || inherits && default(name, value)));
    let own: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
    process.insert("env".into(), json!(own));
    process.insert("inheritDefaultEnv".into(), json!(inherits));
    if !environment.pass.is_empty() {
        let text = "the caller's variables do not pass; PATH and TERM have MXC's own values";
        add(unsaid, Effect::Narrower, "environment.pass", text);
    }
}

fn limits(plan: &Plan, process: &mut Map<String, Value>, unsaid: &mut Vec<Unsaid>) {
    let limits = &plan.limits;
    match limits.time.map(|time| u32::try_from(time.0)) {
        Some(Ok(time)) => {
            process.insert("timeout".into(), json!(time));
        }
        Some(Err(_)) => add(
            unsaid,
            Effect::Wider,
            "limits.time",
            "it is longer than a request can say; there is no limit",
        ),
        None => {}
    }
    let others = [
        (Field::Memory, limits.memory.is_some()),
        (Field::Swap, limits.swap.is_some()),
        (Field::Processes, limits.processes.is_some()),
        (Field::Cpu, limits.cpu.is_some()),
        (Field::OpenFiles, limits.open_files.is_some()),
        (Field::FileSize, limits.file_size.is_some()),
        (Field::Tmp, true),
        (Field::Output, limits.output.is_some()),
    ];
    for (field, _) in others.iter().filter(|(_, limited)| *limited) {
        add(unsaid, Effect::Wider, field.name(), "MXC has no such limit");
    }
    if !plan.oversight.audit.is_empty() {
        add(unsaid, Effect::Wider, "oversight.audit", "MXC writes no records of a run");
    }
}

/// The network, and the proxy where that is all there is.
fn network(network: &Network, plan: &Plan, unsaid: &mut Vec<Unsaid>) -> (Value, Option<String>) {
    let (host, publish) = beside(network, unsaid);
    let ingress = json!({ "default": "deny", "hostLoopback": "deny" });
    let egress = |egress: Value| json!({ "egress": egress, "ingress": ingress });
    if network.mode == NetworkMode::None {
        return (egress(json!({ "default": "deny" })), None);
    }
    if let [port] = host[..]
        && network.allow.is_empty()
        && network.mode == NetworkMode::Rules
        && let Some(proxy) =
            ["http", "https"].map(|scheme| format!("{scheme}://127.0.0.1:{port}")).into_iter().find(|proxy| {
                plan.environment
                    .set
                    .get("HTTPS_PROXY")
                    .is_some_and(|(value, _)| *value == format!("{proxy}/"))
            })
    {
        return (egress(json!({ "default": "deny" })), Some(proxy));
    }
    for port in host {
        add(
            unsaid,
            Effect::Narrower,
            "network.host",
            format!("localhost:{port}: the machine's loopback is not reached"),
        );
    }
    for port in publish {
        add(unsaid, Effect::Narrower, "network.publish", format!("port {port} is not reached from outside"));
    }
    let deny = rules(&network.deny, Effect::Wider, "network.deny", unsaid);
    let said = match network.mode {
        NetworkMode::Host => {
            add(unsaid, Effect::Narrower, "network.mode", "the machine's loopback is not reached");
            json!({ "default": "allow", "deny": deny })
        }
        _ => {
            let allow = rules(&network.allow, Effect::Narrower, "network.allow", unsaid);
            json!({ "default": "deny", "allow": allow, "deny": deny })
        }
    };
    (egress(said), None)
}

/// What of a network no request can say; gives the ports that lead through the fence.
fn beside(network: &Network, unsaid: &mut Vec<Unsaid>) -> (Vec<u16>, Vec<u16>) {
    // No `..`: a field that is added has to be said, or told.
    let Network {
        mode: _,
        allow: _,
        deny: _,
        http,
        credentials,
        budgets,
        publish,
        host,
        parent,
        resolver,
        encrypted_hello,
        rule: _,
    } = network;
    let told = [
        (!http.is_empty(), Effect::Wider, "network.http", "requests are not looked at"),
        (!credentials.is_empty(), Effect::Narrower, "network.credential", "no credential is put in"),
        (!budgets.is_empty(), Effect::Wider, "network.budget", "nothing is counted"),
        (parent.is_some(), Effect::Wider, "network.proxy", "connections are made directly"),
        (
            resolver.is_some(),
            Effect::Wider,
            "network.resolver",
            "names are asked of the machine's own name servers",
        ),
        (!encrypted_hello.is_allowed(), Effect::Wider, "network.encrypted_hello", "no greeting is looked at"),
        (
            *host == Granted::Any || *publish == Granted::Any,
            Effect::Narrower,
            "network.host",
            "no port leads through",
        ),
    ];
    for (_, effect, field, text) in told.into_iter().filter(|(is, ..)| *is) {
        add(unsaid, effect, field, text);
    }
    (host.iter().map(|host| host.port).collect(), publish.iter().map(|publish| publish.inside).collect())
}

/// Endpoints as rules, those of one block together.
fn rules(endpoints: &[NetworkRule], lost: Effect, field: &str, unsaid: &mut Vec<Unsaid>) -> Vec<Value> {
    let mut blocks: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for NetworkRule { endpoint, .. } in endpoints {
        let HostPattern::Block { address, prefix } = &endpoint.host else {
            add(unsaid, lost, field, format!("{endpoint}: MXC knows no names of hosts"));
            continue;
        };
        blocks.entry(format!("{address}/{prefix}")).or_default().push(ports(endpoint));
    }
    // What is allowed leads further there; what is denied is so here as well.
    for cidr in blocks.keys().filter(|cidr| lost == Effect::Narrower && super::egress::leads_less(cidr)) {
        let text = format!(
            "{cidr}: addresses in it of this machine, of private networks and of cloud metadata are reached without a rule of \
             their own"
        );
        add(unsaid, Effect::Wider, field, text);
    }
    blocks.into_iter().map(|(cidr, ports)| json!({ "to": [{ "cidr": cidr }], "ports": ports })).collect()
}

fn ports(endpoint: &Endpoint) -> Value {
    let protocol = match endpoint.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let (first, last) = (endpoint.ports.first, endpoint.ports.last);
    match first == last {
        true => json!({ "protocol": protocol, "port": first }),
        false => json!({ "protocol": protocol, "port": first, "endPort": last }),
    }
}
