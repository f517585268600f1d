//! What this backend answers to each field of a plan on a given host: it holds less, and says so. Pure.

use ringfence_plan::{
    AbsPath, Access, DenyGlob, Enclosure, Field, FieldVerdict, Files, Grant, Host, Level, NetworkMode, Plan,
    Support, Verdicts,
};

use crate::answer::{NO_GATEWAY, enforced, narrowed, unenforced};
use crate::fence::{Means, Private, TakenBack, taken_back};
use crate::gateway;
use crate::limits::HeldLimits;

/// Landlock ABIs that bring what this backend stands on (Documentation/userspace-api/landlock.rst).
const TRUNCATE: u32 = 3;
const SCOPES: u32 = 6;

pub(super) fn verdicts(plan: &Plan, host: &Host, limits: &HeldLimits) -> Verdicts {
    let Plan { files, environment: _, network, limits: _, processes, containment, oversight: _, rules: _ } =
        plan;
    let abi = host.landlock;
    let mut all = vec![
        // Names, sizes and times of files outside can be asked for; contents cannot.
        narrowed(
            Field::FilesRead,
            "names and attributes of ungranted files, and names of processes, stay visible; HOME cannot be written",
            "Landlock",
        ),
        files_write(files, host),
    ];
    all.extend(files_deny(files, host.enclosure.as_ref()));
    if !files.protect.is_empty() {
        all.push(match (&host.notification, &host.enclosure) {
            (Support::Yes, _) => {
                enforced(Field::FilesProtect, "seccomp user notification on write-class calls")
            }
            (Support::No { .. }, Some(_)) => enforced(
                Field::FilesProtect,
                "the broker of the sandbox around this one; what it refuses for this one is not told",
            ),
            (Support::No { why, .. }, None) => unenforced(Field::FilesProtect, why.clone()),
        });
    }
    if files.grants.iter().any(|grant| grant.access == Access::Private) {
        let why = "tool-chain caches are readable but not writable: a private layer needs a mount namespace";
        all.push(narrowed(Field::FilesPrivate, why, "Landlock"));
    }
    all.push(enforced(Field::Environment, "execve with the named variables only"));
    all.push(match network.held_as() {
        NetworkMode::Rules if network.is_closed() => narrowed(
            Field::Network,
            "no sockets at all, not even between processes inside: only connected pairs; and no rule can be added while it \
             runs",
            "seccomp on socket(2), Landlock on TCP",
        ),
        NetworkMode::None => narrowed(
            Field::Network,
            "no sockets at all, not even between processes inside: only connected pairs",
            "seccomp on socket(2), Landlock on TCP",
        ),
        NetworkMode::Rules => unenforced(Field::Network, NO_GATEWAY),
        NetworkMode::Host => narrowed(
            Field::Network,
            "no unix sockets, which would reach the host's services",
            "the host's network, unrestricted, as asked for by name",
        ),
    });
    all.extend(gateway::none(network));
    all.extend(limits.verdicts.iter().cloned());
    all.push(narrowed(
        Field::Tmp,
        "there is no private /tmp; TMPDIR must be granted by the policy",
        "Landlock",
    ));
    all.push(nested(processes.nested_namespaces));
    let in_namespaces = host.enclosure.as_ref().is_some_and(|around| around.namespaces);
    all.push(match (containment.level, abi >= SCOPES) {
        (Level::Namespaces, true) if in_namespaces => enforced(
            Field::Containment,
            "the namespaces of the sandbox around this one; Landlock (with scopes) and seccomp inside them",
        ),
        (Level::Namespaces, _) => {
            unenforced(Field::Containment, "namespaces were asked for, and this backend makes none")
        }
        (Level::Auto | Level::Process, true) => enforced(Field::Containment, "Landlock (with scopes) and seccomp"),
        (Level::Auto | Level::Process, false) => unenforced(
            Field::Containment,
            format!("signals reach the user's other processes: Landlock scopes need ABI {SCOPES} (kernel 6.12), here {abi}"),
        ),
    });
    Verdicts(all)
}

/// Landlock grants and cannot take back: what is only readable inside a writable tree is held by the broker or not at all.
fn files_write(files: &Files, host: &Host) -> FieldVerdict {
    let abi = host.landlock;
    if abi < TRUNCATE {
        let why = format!(
            "truncate(2) of ungranted files is not held: that needs Landlock ABI {TRUNCATE} (kernel 6.2), here {abi}"
        );
        return unenforced(Field::FilesWrite, why);
    }
    let taken_back = taken_back(files, Means { private: Private::ReadOnly, broker: has_broker(host) });
    let loose = taken_back.iter().find(|taken_back| !taken_back.kept);
    if let Some(TakenBack { at, .. }) = loose {
        let why = format!(
            "{} is not writable but lies inside a tree that is, and Landlock cannot take a part back",
            files.grants[*at].path
        );
        return unenforced(Field::FilesWrite, why);
    }
    enforced(
        Field::FilesWrite,
        match taken_back.is_empty() {
            true => "Landlock; attributes (mode, times) by the broker",
            false => {
                "Landlock; attributes (mode, times), and what is only readable in a writable tree, by the broker"
            }
        },
    )
}

/// Whether a broker makes this run's changes: its own, or that of the sandbox around it.
fn has_broker(host: &Host) -> bool {
    host.notification.is_yes() || host.enclosure.is_some()
}

/// Whether the sandbox around this one keeps `path` from everybody inside: it did not grant it, or it has mounts, which
/// take a part back.
fn is_kept_around(around: Option<&Enclosure>, path: &AbsPath) -> bool {
    let Some(Enclosure { namespaces, plan: Some(plan) }) = around else { return false };
    let granted = |grant: &Grant| grant.access != Access::Deny && path.is_within(&grant.path);
    match plan.files.access(path) {
        None => true,
        Some((Access::Deny, _)) => *namespaces || !plan.files.grants.iter().any(granted),
        Some(_) => false,
    }
}

/// The same for all that `glob` matches.
fn is_matched_around(around: Option<&Enclosure>, glob: &DenyGlob) -> bool {
    let Some(Enclosure { namespaces: true, plan: Some(plan) }) = around else { return false };
    plan.files.deny_globs.iter().any(|known| known.pattern == glob.pattern)
}

/// Landlock grants and cannot take back: a deny holds only where nothing above it is granted, or where the sandbox around
/// this one holds it.
fn files_deny(files: &Files, around: Option<&Enclosure>) -> Option<FieldVerdict> {
    let denied = files.grants.iter().filter(|grant| grant.access == Access::Deny);
    let inside = |path: &AbsPath| {
        files.grants.iter().any(|grant| grant.access != Access::Deny && path.is_within(&grant.path))
    };
    let mut any = false;
    for grant in denied {
        any = true;
        if inside(&grant.path) && !is_kept_around(around, &grant.path) {
            let why =
                format!("{} lies inside a granted tree, and Landlock cannot take a part back", grant.path);
            return Some(unenforced(Field::FilesDeny, why));
        }
    }
    if let Some(glob) = files.deny_globs.iter().find(|glob| !is_matched_around(around, glob)) {
        let why =
            format!("{} may lie inside a granted tree, and Landlock cannot take a part back", glob.pattern);
        return Some(unenforced(Field::FilesDeny, why));
    }
    let mechanism = match around {
        Some(_) => "not granted by Landlock, or kept by the sandbox around this one",
        None => "not granted by Landlock",
    };
    (any || !files.deny_globs.is_empty()).then(|| enforced(Field::FilesDeny, mechanism))
}

fn nested(asked: bool) -> FieldVerdict {
    if asked {
        let why = "nested user namespaces are refused: they would undo what keeps the host's processes out of reach";
        return narrowed(Field::NestedNamespaces, why, "seccomp allow list");
    }
    enforced(Field::NestedNamespaces, "seccomp allow list; clone3 answers ENOSYS, namespace flags EPERM")
}
