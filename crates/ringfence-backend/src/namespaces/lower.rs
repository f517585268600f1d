//! A plan as namespaces, mounts, Landlock and seccomp. Pure.

use ringfence_enter::seccomp::{self, Sockets};
use ringfence_enter::{Confinement, Fence, Mount, NetworkLayout, Rlimits, RootLayout, capture};
use ringfence_plan::{Host, NetworkMode, Plan};

use crate::fence::{Means, Private, common_steps, holds, kept, layers};
use crate::limits::{self, HeldLimits, Isolation};

/// The fence, and the limits, of which the supervisor holds a part.
pub(super) fn fence(plan: &Plan, host: &Host) -> (Fence, HeldLimits) {
    // No `..`: a field that is added has to be answered for.
    let Plan { files, environment: _, network, limits, processes, containment: _, oversight: _, rules: _ } =
        plan;
    let held = limits::hold(limits, host, Isolation::Namespaces);
    let means = Means { private: Private::Layered, broker: host.notification.is_yes() };
    let network_as = super::held_as(network, host);
    let layout = RootLayout {
        layers: layers(files, means),
        deny_globs: files.deny_globs.clone(),
        home: files.home.clone(),
        tmp: limits.tmp,
        network: match network_as {
            NetworkMode::None => NetworkLayout::Own,
            NetworkMode::Rules => NetworkLayout::Captured(super::capture::means(network, &host.capture)),
            NetworkMode::Host => NetworkLayout::Host,
        },
        host_ports: match network_as {
            NetworkMode::Rules => network.host.iter().map(|host| host.port).collect(),
            NetworkMode::None | NetworkMode::Host => Vec::new(),
        },
        inbound: network.is_gated() && network.publish.iter().next().is_some(),
        writable_proc: processes.nested_namespaces,
        root: host.root,
    };
    let fence = Fence {
        confinement: Confinement::Namespaces(layout),
        layers: Vec::new(),
        landlock: host.landlock,
        filter: seccomp::Options {
            sockets: match network_as {
                // Asked for by name as unrestricted; and a call that waits for a distant host is not the broker's.
                NetworkMode::Host => Sockets::Usual,
                NetworkMode::None | NetworkMode::Rules if host.notification.is_yes() => Sockets::OwnUnix,
                NetworkMode::None | NetworkMode::Rules => Sockets::NoUnix,
            },
            nested_namespaces: processes.nested_namespaces,
            broker: host.notification.is_yes(),
            host_in_reach: false,
        },
        protect: kept(files, means),
        protect_except: files.protect_except.clone(),
        holds: holds(files),
        rlimits: Rlimits {
            processes: held.process_rlimit.map(u64::from),
            open_files: limits.open_files.map(u64::from),
            file_size: limits.file_size.map(|size| size.0),
        },
        enclosed: false,
    };
    (fence, held)
}

/// The fence as a person would type it.
pub(super) fn steps(fence: &Fence) -> Vec<String> {
    let Confinement::Namespaces(layout) = &fence.confinement else { return Vec::new() };
    let mut steps = vec![
        "clone3 into new user,mount,pid,ipc,uts,cgroup namespaces".into(),
        "map the caller to uid 1000, gid 1000; deny setgroups".into(),
    ];
    if layout.network != NetworkLayout::Host {
        steps.push("unshare the network namespace in a helper, bring its loopback up, join it".into());
    }
    if let NetworkLayout::Captured(means) = &layout.network {
        steps.extend(capture_steps(means));
    }
    for port in &layout.host_ports {
        steps.push(format!(
            "listen on port {port} of the loopback for the host's, likewise handed to the gateway"
        ));
    }
    if layout.inbound {
        steps.push("make sockets for the gateway when it asks, to connect to what listens inside".into());
    }
    steps.push(format!(
        "mount a tmpfs of at most {} as the new root, with /tmp, /dev/shm and {}",
        layout.tmp, layout.home
    ));
    for layer in &layout.layers {
        let optional = if layer.optional { " if it exists" } else { "" };
        steps.push(match layer.mount {
            Mount::Mask => format!("cover {} by an empty object of mode 0{optional}", layer.path),
            Mount::ReadOnly => format!("bind {} read-only,nosuid,nodev{optional}", layer.path),
            Mount::ReadWrite => format!("bind {} nosuid,nodev{optional}", layer.path),
            Mount::Overlay => format!("overlay {} with a layer in the tmpfs{optional}", layer.path),
        });
    }
    steps.extend(layout.deny_globs.iter().map(|glob| format!("cover whatever matches {} now", glob.pattern)));
    steps.extend(fence.holds.iter().map(|(path, _)| format!("bind {path} read-only on itself if it exists")));
    let proc = if layout.writable_proc { "writable but for its settings" } else { "read-only" };
    steps.extend([
        "mount /dev with null zero full urandom tty and a devpts of its own".into(),
        format!("mount a new /proc, {proc}, with host entries covered"),
        "write /etc/{passwd,group,hosts,hostname,nsswitch.conf,resolv.conf}".into(),
        "pivot_root into it and detach the old root".into(),
        "join a new session keyring; drop every capability; lock securebits".into(),
    ]);
    steps.extend(common_steps(fence));
    steps
}

fn capture_steps(means: &capture::Means) -> Vec<String> {
    let (port, questions) = (capture::PORT, capture::DNS_PORT);
    let openings = match means {
        capture::Means::Tables(openings) => openings,
        capture::Means::Listeners { tcp, udp } => {
            let named = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
            return vec![
                "make every address local there".into(),
                format!(
                    "listen on ports {port} {questions} {} of TCP and {questions} {} of UDP",
                    named(tcp),
                    named(udp)
                ),
                "hand the descriptors to the gateway outside".into(),
            ];
        }
    };
    let mut steps = vec![format!("make every address local there; nf_tables: TCP by tproxy to port {port}")];
    steps.extend(openings.iter().map(|opening| {
        let to = opening.block.map(|(address, prefix)| format!(" to {address}/{prefix}")).unwrap_or_default();
        format!("nf_tables: UDP{to} of ports {}-{} by tproxy to port {port}", opening.first, opening.last)
    }));
    steps.extend([
        format!("nf_tables: reject all else that is sent but UDP to port {questions}"),
        "listen on both ports, and hand the descriptors to the gateway outside".into(),
    ]);
    steps
}
