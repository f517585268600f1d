//! What this backend answers to each field of a plan on a given host. Pure.

use std::collections::HashMap;

use ringfence_enter::CROWD;
use ringfence_plan::{
    AbsPath, Access, Capture, Field, FieldVerdict, Files, Host, Level, Network, NetworkMode, Plan, Ports,
    Support, Verdicts,
};

use super::capture;
use crate::answer::{enforced, narrowed, unenforced};
use crate::gateway;
use crate::limits::HeldLimits;

pub(super) fn verdicts(plan: &Plan, host: &Host, limits: &HeldLimits) -> Verdicts {
    let Plan { files, environment: _, network, limits: _, processes, containment, oversight: _, rules: _ } =
        plan;
    let has = |access| files.grants.iter().any(|grant| grant.access == access);
    let landlock = if host.landlock > 0 { " and Landlock" } else { "" };
    let mut all = vec![
        files_read(files, host),
        enforced(Field::FilesWrite, format!("bind mounts in a root of its own{landlock}")),
    ];
    if has(Access::Deny) || !files.deny_globs.is_empty() {
        all.push(files_deny(files));
    }
    if !files.protect.is_empty() {
        all.push(match &host.notification {
            Support::Yes => enforced(
                Field::FilesProtect,
                "seccomp user notification on write-class calls; read-only mounts at the top of the tree",
            ),
            Support::No { why, .. } => unenforced(Field::FilesProtect, why),
        });
    }
    if has(Access::Private) {
        all.push(match &host.overlay {
            Support::Yes => {
                enforced(Field::FilesPrivate, "overlayfs with its upper layer in the private tmpfs")
            }
            Support::No { why, .. } => unenforced(Field::FilesPrivate, why),
        });
    }
    all.push(enforced(Field::Environment, "execve with the named variables only"));
    all.push(match super::held_as(network, host) {
        NetworkMode::None if network.is_closed() => closed(host),
        NetworkMode::None if host.notification.is_yes() => enforced(
            Field::Network,
            "a network namespace with nothing but its own loopback; unix sockets connect to what was bound inside",
        ),
        NetworkMode::None => narrowed(
            Field::Network,
            "no unix sockets, which only the broker could keep from a host service's",
            "a network namespace with nothing but its own loopback",
        ),
        NetworkMode::Rules => rules(network, host),
        NetworkMode::Host => {
            enforced(Field::Network, "the host's network, unrestricted, as asked for by name")
        }
    });
    all.extend(gateway::verdicts(network));
    all.extend(limits.verdicts.iter().cloned());
    all.push(enforced(Field::Tmp, "size of the one tmpfs behind /tmp, /dev/shm and HOME"));
    all.push(enforced(
        Field::NestedNamespaces,
        if processes.nested_namespaces {
            "seccomp allow list with user namespaces allowed, as asked for by name"
        } else {
            "seccomp allow list; clone3 answers ENOSYS, namespace flags EPERM"
        },
    ));
    all.push(match containment.level {
        Level::Auto | Level::Namespaces => enforced(Field::Containment, "namespaces, Landlock and seccomp"),
        Level::Process => {
            narrowed(Field::Containment, "stronger than asked for", "namespaces, Landlock and seccomp")
        }
    });
    Verdicts(all)
}

/// Rules that let nothing through, where there is no gateway.
fn closed(host: &Host) -> FieldVerdict {
    let mut lost = vec!["no rule can be added while it runs"];
    if !host.notification.is_yes() {
        lost.push("no unix sockets, which only the broker could keep from a host service's");
    }
    if let Capture::None { why } = &host.capture {
        lost.push(why);
    }
    narrowed(Field::Network, lost.join("; "), "a network namespace with nothing but its own loopback")
}

/// Rules are held whole, of TCP and of UDP.
fn rules(network: &Network, host: &Host) -> FieldVerdict {
    let mechanism = "a network namespace where every address leads to a gateway outside, which decides by name, address \
                     and port";
    if let Capture::None { why } = &host.capture {
        return unenforced(Field::Network, why);
    }
    if !host.notification.is_yes() {
        let why = "no unix sockets, which only the broker could keep from a host service's";
        return narrowed(Field::Network, why, mechanism);
    }
    if let Capture::Listeners { why, .. } = &host.capture {
        let mechanism = "a network namespace where each port that a rule names leads to a gateway outside, which decides \
                         by name, address and port";
        return match capture::lost(network) {
            Some(lost) => narrowed(Field::Network, format!("{lost} ({why})"), mechanism),
            None => enforced(Field::Network, mechanism),
        };
    }
    match network.mode {
        NetworkMode::Host => narrowed(
            Field::Network,
            "by TCP and UDP alone, and not to this machine's own loopback: with a deny it goes through the gateway",
            mechanism,
        ),
        _ if network.allow.iter().any(|rule| rule.endpoint.ports == QUESTIONS) => narrowed(
            Field::Network,
            "questions of names are answered by the gateway, whoever they are sent to",
            mechanism,
        ),
        _ => enforced(Field::Network, mechanism),
    }
}

/// The port of name servers.
const QUESTIONS: Ports = Ports { first: 53, last: 53 };

/// /proc and /dev are the sandbox's own, made after all that a plan names, and no program runs without them.
fn files_deny(files: &Files) -> FieldVerdict {
    let denied = files.grants.iter().filter(|grant| grant.access == Access::Deny).map(|grant| &grant.path);
    let denied = denied.chain(files.deny_globs.iter().map(|glob| glob.pattern.base()));
    let own = |path: &&AbsPath| ["/proc", "/dev"].iter().any(|tree| path.as_path().starts_with(tree));
    match denied.into_iter().find(own) {
        Some(path) => unenforced(
            Field::FilesDeny,
            format!(
                "{path} is not closed: the sandbox has a /proc of its own processes and a /dev without the host's devices"
            ),
        ),
        None => enforced(Field::FilesDeny, "empty objects mounted over it, or absent"),
    }
}

/// Where many grants stand side by side their directory is mounted once, which shows more than mounts of each would.
fn files_read(files: &Files, host: &Host) -> FieldVerdict {
    let mut beside: HashMap<Option<AbsPath>, usize> = HashMap::new();
    for grant in files.grants.iter().filter(|grant| grant.access == Access::Read) {
        *beside.entry(grant.path.parent()).or_default() += 1;
    }
    let crowded = host.landlock > 0 && beside.values().any(|count| *count >= CROWD);
    enforced(
        Field::FilesRead,
        match (crowded, host.landlock) {
            (true, _) => {
                "read-only bind mounts in a root of its own; in directories with many granted entries Landlock alone: \
                 their other entries can be asked for by name, not listed or read"
            }
            (false, 0) => "read-only bind mounts in a root of its own",
            (false, _) => "read-only bind mounts in a root of its own and Landlock",
        },
    )
}
