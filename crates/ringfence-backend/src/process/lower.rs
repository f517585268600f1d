//! A plan as Landlock rules, a filter and the broker. Pure.

use ringfence_enter::seccomp::{self, Sockets};
use ringfence_enter::{Command, Confinement, Fence, Layer, Mount, Rlimits};
use ringfence_plan::{AbsPath, Host, NetworkMode, Plan, RuleId};

use crate::fence::{Means, Private, common_steps, holds, kept, layers};
use crate::limits::{self, HeldLimits, Isolation};
use crate::scratch::Scratch;

/// What every program needs to reach and a root of its own would bring along: rights and path. Terminals are not among
/// it: the one in use is open already, and the user's others are not the workload's.
const ALWAYS: [(Mount, &str); 7] = [
    (Mount::ReadOnly, "/proc"),
    (Mount::ReadWrite, "/dev/null"),
    (Mount::ReadOnly, "/dev/zero"),
    (Mount::ReadWrite, "/dev/full"),
    (Mount::ReadOnly, "/dev/random"),
    (Mount::ReadOnly, "/dev/urandom"),
    (Mount::ReadWrite, "/dev/tty"),
];

pub(super) fn fence(plan: &Plan, host: &Host) -> (Fence, HeldLimits) {
    // No `..`: a field that is added has to be answered for.
    let Plan { files, environment: _, network, limits, processes: _, containment: _, oversight: _, rules: _ } =
        plan;
    let held = limits::hold(limits, host, Isolation::Shared);
    let means = Means { private: Private::ReadOnly, broker: host.notification.is_yes() };
    let rule = files.grants.first().map_or(RuleId(0), |grant| grant.rule);
    let always = ALWAYS.iter().filter_map(|(mount, path)| {
        Some(Layer { path: AbsPath::new(path).ok()?, mount: *mount, optional: true, rule })
    });
    let fence = Fence {
        confinement: Confinement::Process,
        // Landlock cannot send writes elsewhere: what was to be private is readable only.
        layers: layers(files, means).into_iter().chain(always).collect(),
        landlock: host.landlock,
        filter: seccomp::Options {
            sockets: match network.held_as() {
                NetworkMode::None | NetworkMode::Rules => Sockets::PairsOnly,
                NetworkMode::Host => Sockets::NoUnix,
            },
            nested_namespaces: false,
            broker: host.notification.is_yes(),
            host_in_reach: true,
        },
        protect: kept(files, means),
        protect_except: files.protect_except.clone(),
        holds: holds(files),
        rlimits: Rlimits {
            processes: held.process_rlimit.map(u64::from),
            open_files: limits.open_files.map(u64::from),
            file_size: limits.file_size.map(|size| size.0),
        },
        // Where a second broker cannot stand over this process.
        enclosed: !host.notification.is_yes() && host.enclosure.is_some(),
    };
    (fence, held)
}

/// Grants the run's own directory for temporary files and the plan beside it, and names both to programs that ask.
pub(super) fn use_scratch(fence: &mut Fence, command: &mut Command, scratch: &Scratch) {
    let rule = fence.layers.first().map_or(RuleId(0), |layer| layer.rule);
    let layer = |path: &AbsPath, mount| Layer { path: path.clone(), mount, optional: false, rule };
    fence.layers.push(layer(scratch.temporary(), Mount::ReadWrite));
    fence.layers.push(layer(scratch.plan(), Mount::ReadOnly));
    command.set_variable(b"TMPDIR=", scratch.temporary().as_path());
    command.name_plan(scratch.plan().as_path());
}

/// The fence as a person would type it.
pub(super) fn steps(fence: &Fence) -> Vec<String> {
    let mut steps = vec![
        "make a directory of its own under /tmp, mode 0700, for TMPDIR and the plan".into(),
        "fork; become the subreaper of what the command leaves behind".into(),
    ];
    for layer in &fence.layers {
        let optional = if layer.optional { " if it exists" } else { "" };
        steps.push(match layer.mount {
            Mount::Mask => format!("grant nothing below {}{optional}", layer.path),
            Mount::ReadOnly | Mount::Overlay => format!("grant reading below {}{optional}", layer.path),
            Mount::ReadWrite => format!("grant reading and writing below {}{optional}", layer.path),
        });
    }
    if fence.enclosed {
        let names = fence.protect.len();
        steps.push(format!(
            "have the broker of the sandbox around this one hold these trees and {names} protected names"
        ));
    } else {
        steps.push("join a new session keyring; drop every capability".into());
    }
    steps.extend(common_steps(fence));
    steps
}
