//! What a request says of networks, in one form for the directional fields and the older ones.
//!
//! Not the plan's rules. A version decides which fields may be written, never how strictly they are held.

use ringfence_plan::{HostName, HostPattern, Ports, Protocol};

use super::NoteKind;
use super::ask::{Remark, Said, View};
use super::blocks::Block;
use super::problem::Problem;
use crate::diagnostic::quoted;

/// Traffic out of the sandbox. Into it there is none to be had.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) default: Said<Grant>,
    pub(super) allow: Vec<Entry>,
    pub(super) deny: Vec<Entry>,
    /// Whether "everywhere" takes in the private networks around this machine.
    pub(super) everywhere: Reach,
    pub(super) proxy: Option<Said<Proxy>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The internet and private networks.
    Networks,
    /// The internet alone.
    Internet,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) said: Said<()>,
    /// Empty: everywhere.
    pub(super) to: Vec<Destination>,
    /// `None`: any port of any protocol. A list that said nothing but ICMP is empty, and means nothing.
    pub(super) ports: Option<Vec<PortRange>>,
}

/// Where a rule leads.
#[derive(Debug)]
pub(super) enum Destination {
    Block { block: Said<Block>, except: Vec<Said<Block>> },
    Name(Said<HostPattern>),
}

impl Destination {
    pub(super) fn place(&self) -> Said<()> {
        match self {
            Destination::Block { block, .. } => Said { value: (), field: block.field.clone(), at: block.at },
            Destination::Name(name) => Said { value: (), field: name.field.clone(), at: name.at },
        }
    }
}

/// Ports of one protocol, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortRange {
    pub(super) protocol: Option<Protocol>,
    pub(super) ports: Ports,
}

/// A proxy on this machine's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) scheme: &'static str,
    pub(super) port: u16,
}

/// Each may cut a block into 128.
const MOST_EXCEPTIONS: usize = 512;

const LEGACY: [&str; 6] =
    ["defaultPolicy", "enforcementMode", "allowLocalNetwork", "allowedHosts", "blockedHosts", "proxy"];

impl Traffic {
    pub(super) fn read(root: &View<'_>, remarks: &mut Vec<Remark>) -> Result<Traffic, Problem> {
        let network = root.get("network");
        let of_network = |key: &str| network.as_ref().and_then(|network| network.get(key));
        let legacy = LEGACY.iter().find_map(|key| of_network(key));
        let directional =
            of_network("egress").or_else(|| of_network("ingress")).or_else(|| root.get("runtimeConfig"));
        match (legacy, directional) {
            (Some(legacy), Some(directional)) => {
                let what = format!(
                    "network configuration cannot mix defaultPolicy, enforcementMode, allowLocalNetwork, allowedHosts, \
                     blockedHosts, or proxy with egress, ingress or runtimeConfig; {} is of the newer kind",
                    directional.path
                );
                Err(Problem::policy(&legacy.path, legacy.at(), what))
            }
            (Some(legacy), None) => Traffic::legacy(&of_network, &legacy, remarks),
            (None, _) => Traffic::directional(root, &of_network, remarks),
        }
    }

    fn directional<'a>(
        root: &View<'a>,
        of_network: &dyn Fn(&str) -> Option<View<'a>>,
        remarks: &mut Vec<Remark>,
    ) -> Result<Traffic, Problem> {
        for key in ["default", "hostLoopback"] {
            let Some(view) = of_network("ingress").and_then(|ingress| ingress.get(key)) else { continue };
            if grant(&view) == Grant::Allow {
                let what = format!(
                    "{}='allow' is not supported: nothing outside can begin a connection into the sandbox",
                    view.path
                );
                return Err(Problem::policy(&view.path, view.at(), what));
            }
        }
        let egress = of_network("egress");
        let default = egress.as_ref().and_then(|egress| egress.get("default"));
        let entries = |key: &str, grant: Grant, remarks: &mut Vec<Remark>| {
            let list = egress.as_ref().and_then(|egress| egress.get(key));
            let read = |view: View<'_>| Entry::read(&view, grant, remarks);
            list.iter().flat_map(View::entries).map(read).collect::<Result<Vec<Entry>, Problem>>()
        };
        let proxy = root.get("runtimeConfig").and_then(|config| config.get("networkProxy"));
        Ok(Traffic {
            default: match &default {
                Some(view) => view.said(grant(view)),
                None => Said { value: Grant::Deny, field: "network.egress.default".into(), at: root.at() },
            },
            allow: entries("allow", Grant::Allow, remarks)?,
            deny: entries("deny", Grant::Deny, remarks)?,
            everywhere: Reach::Networks,
            proxy: proxy.and_then(|view| view.text()).map(|said| proxy_of(&said)).transpose()?,
        })
    }

    /// The fields of 0.8, which are enforced here as they read: MXC refused those that it could not hold.
    fn legacy<'a>(
        of_network: &dyn Fn(&str) -> Option<View<'a>>,
        first: &View<'a>,
        remarks: &mut Vec<Remark>,
    ) -> Result<Traffic, Problem> {
        let policy = of_network("defaultPolicy");
        let default = match &policy {
            Some(view) => view.said(grant(view)),
            None => first.said(Grant::Deny),
        };
        let local = of_network("allowLocalNetwork");
        let near = local.as_ref().and_then(View::flag) == Some(true);
        if let Some(view) = &local {
            remarks.push(match (near, default.value) {
                (true, Grant::Allow) => view.remark(
                    NoteKind::Narrowed,
                    "private networks are reached, this machine's loopback is not",
                ),
                (true, Grant::Deny) => {
                    view.remark(NoteKind::NoEffect, "what is blocked stays blocked, near by as well")
                }
                (false, _) => view.remark(
                    NoteKind::Honoured,
                    "addresses of this machine and of private networks are not reached",
                ),
            });
        }
        if let Some(view) = of_network("enforcementMode") {
            remarks.push(view.remark(NoteKind::Honoured, "rules are always enforced, by the gateway"));
        }
        let hosts = |key: &str| -> Result<Vec<Entry>, Problem> {
            let list = of_network(key);
            list.iter().flat_map(View::entries).filter_map(|view| view.text()).map(Entry::host).collect()
        };
        Ok(Traffic {
            default,
            allow: hosts("allowedHosts")?,
            deny: hosts("blockedHosts")?,
            everywhere: if near { Reach::Networks } else { Reach::Internet },
            proxy: of_network("proxy").map(|view| legacy_proxy(&view)).transpose()?,
        })
    }
}

fn grant(view: &View<'_>) -> Grant {
    match view.text() {
        Some(said) if said.value == "allow" => Grant::Allow,
        _ => Grant::Deny,
    }
}

impl Entry {
    fn read(view: &View<'_>, grant: Grant, remarks: &mut Vec<Remark>) -> Result<Entry, Problem> {
        let list = |key: &str| match view.get(key) {
            Some(list) if list.entries().is_empty() => {
                let what = "it is empty, which could mean nothing or everything; leave it out for everything";
                Err(Problem::policy(&list.path, list.at(), what))
            }
            list => Ok(list.map(|list| list.entries()).unwrap_or_default()),
        };
        let to = list("to")?.iter().map(|to| destination(to, remarks)).collect::<Result<_, _>>()?;
        let said = list("ports")?;
        let mut ports = Vec::new();
        for port in &said {
            ports.extend(port_range(port, grant, remarks)?);
        }
        Ok(Entry { said: view.said(()), to, ports: Some(ports).filter(|_| !said.is_empty()) })
    }

    /// A host of the older lists: an address, a block or a name, on every port.
    fn host(said: Said<String>) -> Result<Entry, Problem> {
        let place = Said { value: (), field: said.field.clone(), at: said.at };
        let destination = match (Block::parse(&said.value), HostName::parse(&said.value)) {
            (Ok(block), _) => Destination::Block {
                block: Said { value: block, field: said.field, at: said.at },
                except: Vec::new(),
            },
            (Err(_), Ok(name)) if !said.value.contains('/') => {
                Destination::Name(Said { value: HostPattern::Name(name), field: said.field, at: said.at })
            }
            (Err(_), _) => {
                return Err(said.policy(format!(
                    "{} is not an IP address, a CIDR block or a host's name",
                    quoted(&said.value)
                )));
            }
        };
        Ok(Entry { said: place, to: vec![destination], ports: None })
    }
}

fn destination(view: &View<'_>, remarks: &mut Vec<Remark>) -> Result<Destination, Problem> {
    let block = |said: Said<String>| {
        let block = Block::parse(&said.value);
        let block = block.map_err(|why| said.policy(format!("{} {why}", quoted(&said.value))))?;
        Ok(Said { value: block, field: said.field, at: said.at })
    };
    let cidr = view.get("cidr").and_then(|cidr| cidr.text());
    let cidr = cidr.ok_or_else(|| Problem::malformed(&view.path, view.at(), "cidr is missing"))?;
    let cidr: Said<Block> = block(cidr)?;
    let said = view.texts("except");
    if said.len() > MOST_EXCEPTIONS {
        return Err(cidr.policy(format!("it has more than {MOST_EXCEPTIONS} exceptions")));
    }
    let mut except: Vec<Said<Block>> = Vec::new();
    for said in said {
        let hole: Said<Block> = block(said)?;
        if !cidr.value.covers(hole.value) && !hole.value.covers(cidr.value) {
            remarks
                .push(hole.remark(NoteKind::NoEffect, format!("it lies outside of {}", cidr.value.text())));
        }
        except.push(hole);
    }
    Ok(Destination::Block { block: cidr, except })
}

/// What one entry of `ports` means; nothing for ICMP in a deny, which is refused anyway.
fn port_range(
    view: &View<'_>,
    grant: Grant,
    remarks: &mut Vec<Remark>,
) -> Result<Option<PortRange>, Problem> {
    let protocol = view.get("protocol").and_then(|protocol| protocol.text());
    let number = |key: &str| view.get(key).and_then(|view| view.number());
    let (first, last) = (number("port"), number("endPort"));
    let kind = protocol.as_ref().map_or("any", |protocol| protocol.value.as_str());
    if kind == "icmp" {
        return match (grant, &first) {
            (_, Some(port)) => Err(port.policy("ICMP has no ports")),
            (Grant::Allow, None) => {
                let what = "ICMP is not carried: no program inside may make such packets; leave the rule out";
                Err(Problem::policy(&json_path(view, "protocol"), view.at(), what))
            }
            (Grant::Deny, None) => {
                remarks.push(view.remark(NoteKind::Honoured, "ICMP is never carried"));
                Ok(None)
            }
        };
    }
    let ports = match (&first, &last) {
        (None, None) => Ports::ALL,
        (None, Some(last)) => return Err(last.policy("endPort needs the port that the range begins with")),
        (Some(first), None) => Ports::one(port(first)),
        (Some(first), Some(last)) if first.value <= last.value => {
            Ports { first: port(first), last: port(last) }
        }
        (Some(first), Some(last)) => {
            return Err(last.policy(format!("the range ends before it begins, at {}", first.value)));
        }
    };
    let protocol = match kind {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    };
    Ok(Some(PortRange { protocol, ports }))
}

fn json_path(view: &View<'_>, key: &str) -> String {
    super::json::below(&view.path, key)
}

/// A port, which the contract has bounded.
fn port(said: &Said<u64>) -> u16 {
    u16::try_from(said.value).unwrap_or(0)
}

fn legacy_proxy(view: &View<'_>) -> Result<Said<Proxy>, Problem> {
    let (test, local, url) = (view.get("builtinTestServer"), view.get("localhost"), view.get("url"));
    match (test, local, url) {
        (None, Some(local), None) => {
            let port = local.number().map_or(0, |said| port(&said));
            Ok(local.said(Proxy { scheme: "http", port }))
        }
        (None, None, Some(url)) => match url.text() {
            Some(said) => proxy_of(&said),
            None => Err(Problem::malformed(&url.path, url.at(), "a string is expected here")),
        },
        (Some(test), None, None) => Err(Problem::policy(
            &test.path,
            test.at(),
            "there is no test server in this program; name a proxy's port",
        )),
        _ => {
            let what = "exactly one of builtinTestServer, localhost and url is expected here";
            Err(Problem::malformed(&view.path, view.at(), what))
        }
    }
}

/// `http://127.0.0.1:8080`: a proxy on this machine's loopback.
fn proxy_of(said: &Said<String>) -> Result<Said<Proxy>, Problem> {
    let url = said.value.as_str();
    let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => ("http", rest),
        (_, Some(rest)) => ("https", rest),
        (None, None) => return Err(said.policy("a proxy is written as http://127.0.0.1:PORT")),
    };
    // Not shown: what stands before the sign is a password.
    if rest.contains('@') {
        return Err(
            said.policy("a proxy's address must not carry credentials: every program inside would read them")
        );
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let Some((host, port)) = authority.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')) else {
        return Err(said.policy("a proxy needs its port: http://127.0.0.1:PORT"));
    };
    match host {
        "localhost" | "127.0.0.1" => {}
        "[::1]" => return Err(said.policy("a proxy on [::1] is not reached; let it listen on 127.0.0.1")),
        _ => {
            return Err(
                said.policy(format!("{} must be localhost or 127.0.0.1, with a port", quoted(&said.field)))
            );
        }
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port > 0 => {
            Ok(Said { value: Proxy { scheme, port }, field: said.field.clone(), at: said.at })
        }
        _ => Err(said.policy(format!("{} is no port", quoted(port)))),
    }
}
