//! What this host can hold, found by a few reads and questions; deeper by trying, for `doctor`.
//! Decides nothing about a plan: that is lowering's part.

mod cgroup;

use std::io::{self, Read};

use ringfence_enter::nest::Around;
use ringfence_plan::{Capture, CgroupHost, Enclosure, Host, NetworkMode, Plan, Support};

use crate::sys::features;
use crate::sys::trial::{Trial, attempt};

/// The facts of this host, fast: nothing is created and no process started, unless a filter or a security module
/// stands over this process, which only a trial can see through.
pub fn probe() -> Host {
    Host { capture: capture(), ..probe_without_capture() }
}

/// The same without the question about netfilter, for which a kernel may look for a module.
fn probe_without_capture() -> Host {
    let (root, kernel) = (rustix::process::geteuid().is_root(), kernel_version());
    let hindered = features::is_filtered();
    let restricted = !root && sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    let mut host = Host {
        kernel,
        landlock: features::landlock_abi(),
        user_namespaces: user_namespaces(root),
        notification: notification(kernel),
        cgroup: cgroup::find(),
        overlay: overlay(kernel),
        capture: Capture::default(),
        root,
        enclosure: if hindered { enclosure() } else { None },
    };
    if host.enclosure.is_some() {
        // They may look writable: Landlock does not answer for access(2).
        let why = "the sandbox around this one keeps control groups from all inside";
        host.cgroup = CgroupHost::None { why: why.into() };
    }
    if hindered || restricted {
        deepen(&mut host, Trial::UserNamespaceMount);
    }
    if hindered {
        deepen(&mut host, Trial::Notification);
    }
    host
}

/// The same for a run of `plan`: capture is asked about only if its network takes it, and where a filter may refuse it, it
/// is tried. Elsewhere it is believed until the set-up says otherwise ([`probe_capture`]): a trial takes as long as the
/// network itself.
pub fn probe_for(plan: &Plan) -> Host {
    let mut host = probe_without_capture();
    if plan.network.held_as() == NetworkMode::Rules {
        let tried = host.user_namespaces.is_yes() && host.enclosure.is_none() && features::is_filtered();
        host.capture = if tried { probe_capture() } else { capture() };
    }
    host
}

/// Whether a sandbox of ours stands over this process. Asks that alone and tries nothing.
pub fn is_enclosed() -> bool {
    features::is_filtered() && enclosure().is_some()
}

/// The sandbox of ours that stands over this process, if it is one of ours.
fn enclosure() -> Option<Enclosure> {
    let around = ringfence_enter::nest::around()?;
    Some(Enclosure { namespaces: around == Around::Namespaces, plan: None })
}

/// The same with every feature tried in a child process.
pub fn probe_deeply() -> Host {
    let mut host = probe();
    for trial in [Trial::UserNamespaceMount, Trial::Notification, Trial::Overlay] {
        deepen(&mut host, trial);
    }
    if host.user_namespaces.is_yes() {
        host.capture = probe_capture();
    }
    host
}

/// Whether the kernel knows of netfilter at all: the cheapest part of the answer. The rest shows when a network is made.
fn capture() -> Capture {
    match features::netfilter() {
        Ok(()) => Capture::Tables,
        Err(error) => no_tables(&error),
    }
}

/// How connections can be captured, by making such networks in a child process, the best first.
pub fn probe_capture() -> Capture {
    let Err(error) = attempt(Trial::Tables) else { return Capture::Tables };
    match attempt(Trial::Listeners) {
        Ok(()) => no_tables(&error),
        Err(error) => Capture::None {
            why: format!("a network in which every address is local cannot be made ({error})"),
        },
    }
}

/// What a host has that refused nf_tables with this error.
fn no_tables(error: &io::Error) -> Capture {
    Capture::Listeners {
        why: format!("the kernel lacks nf_tables or its TPROXY ({error})"),
        mend: "use a kernel with CONFIG_NFT_TPROXY, or load the modules: sudo modprobe -a nf_tables nft_tproxy nft_reject_inet".into(),
    }
}

/// Believes a trial over what the files say, where the files say yes.
fn deepen(host: &mut Host, trial: Trial) {
    let fact = match trial {
        Trial::UserNamespaceMount => &mut host.user_namespaces,
        Trial::Overlay => &mut host.overlay,
        Trial::Notification => &mut host.notification,
        // A feature of another kind: `probe_capture`.
        Trial::Tables | Trial::Listeners => return,
    };
    if let (true, Err(error)) = (fact.is_yes(), attempt(trial)) {
        *fact = refused(trial, &error);
    }
}

fn refused(trial: Trial, error: &io::Error) -> Support {
    let restricted = sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    let (why, mend) = match trial {
        Trial::UserNamespaceMount if restricted => (
            format!("AppArmor lets only programs with a profile use user namespaces ({error})"),
            "install the profile that `ringfence doctor` prints",
        ),
        Trial::UserNamespaceMount => (
            format!("creating a user namespace and mounting in it is refused here ({error})"),
            "run outside the container, or start the container with a seccomp profile that allows unshare, clone and mount",
        ),
        Trial::Tables | Trial::Listeners => {
            (format!("connections cannot be captured ({error})"), "use a newer kernel")
        }
        Trial::Overlay => (
            format!("overlayfs cannot be mounted in a user namespace ({error})"),
            "load the kernel module: sudo modprobe overlay",
        ),
        Trial::Notification if error.raw_os_error() == Some(libc::EBUSY) => (
            "another seccomp listener already stands over this process, and the kernel allows one".into(),
            "run outside the sandbox or container that set it",
        ),
        Trial::Notification => (
            format!("seccomp user notification is refused here ({error})"),
            "run outside the container, or allow the seccomp system call in its profile",
        ),
    };
    Support::No { why, mend: mend.into() }
}

fn kernel_version() -> (u32, u32) {
    parse_version(rustix::system::uname().release().to_str().unwrap_or_default())
}

/// `6.1.0-13-amd64` is (6, 1); what is no version is (0, 0), which nothing supports.
fn parse_version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A number below /proc/sys, if it is there.
fn sysctl(name: &str) -> Option<u64> {
    read_small(&format!("/proc/sys/{name}"))?.trim().parse().ok()
}

/// A file of /proc that fits into one read. Half the calls of the standard way, and this is on every run's path.
fn read_small(path: &str) -> Option<String> {
    let mut buffer = vec![0; 4096];
    let len = std::fs::File::open(path).and_then(|mut file| file.read(&mut buffer)).ok()?;
    buffer.truncate(len);
    String::from_utf8(buffer).ok()
}

/// user_namespaces(7); `unprivileged_userns_clone` is Debian's and Arch's addition.
fn user_namespaces(root: bool) -> Support {
    let no = |why: &str, mend: &str| Support::No { why: why.into(), mend: mend.into() };
    match sysctl("user/max_user_namespaces") {
        None => {
            return no("the kernel was built without user namespaces", "use a kernel with CONFIG_USER_NS");
        }
        Some(0) => {
            return no(
                "user namespaces are switched off (user.max_user_namespaces = 0)",
                "sudo sysctl user.max_user_namespaces=15000",
            );
        }
        Some(_) => {}
    }
    if !root && sysctl("kernel/unprivileged_userns_clone") == Some(0) {
        return no(
            "user namespaces are for root only (kernel.unprivileged_userns_clone = 0)",
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        );
    }
    Support::Yes
}

/// Taking a call over and answering with a descriptor in one step is as old as Linux 5.14 (seccomp_unotify(2)).
fn notification(kernel: (u32, u32)) -> Support {
    if kernel >= (5, 14) && features::has_user_notification() {
        return Support::Yes;
    }
    Support::No {
        why: "seccomp user notification with SECCOMP_ADDFD_FLAG_SEND is missing".into(),
        mend: "use Linux 5.14 or newer".into(),
    }
}

/// Overlayfs in a user namespace is as old as Linux 5.11. A module that is there is loaded on first use.
fn overlay(kernel: (u32, u32)) -> Support {
    let no = |mend: &str| Support::No {
        why: "overlayfs cannot be mounted in a user namespace".into(),
        mend: mend.into(),
    };
    if kernel < (5, 11) {
        return no("use Linux 5.11 or newer");
    }
    let known =
        read_small("/proc/filesystems").is_some_and(|text| text.lines().any(|line| line == "nodev\toverlay"));
    if known || has_module("overlayfs") {
        return Support::Yes;
    }
    no("use a kernel with CONFIG_OVERLAY_FS")
}

fn has_module(filesystem: &str) -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy();
    std::path::Path::new(&format!("/lib/modules/{release}/kernel/fs/{filesystem}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_any_distribution() {
        for (release, expected) in [
            ("6.1.0-13-amd64", (6, 1)),
            ("5.15.167.4-microsoft-standard-WSL2", (5, 15)),
            ("6.12-rc3", (6, 12)),
            ("6", (6, 0)),
            ("", (0, 0)),
        ] {
            assert_eq!(parse_version(release), expected, "{release}");
        }
    }

    #[test]
    fn the_deep_probe_never_finds_more_than_the_fast_one() {
        let (fast, deep) = (probe(), probe_deeply());
        assert!(fast.kernel >= (4, 0));
        assert_eq!(fast.cgroup, deep.cgroup);
        for (fast, deep) in [
            (&fast.user_namespaces, &deep.user_namespaces),
            (&fast.notification, &deep.notification),
            (&fast.overlay, &deep.overlay),
        ] {
            assert!(fast.is_yes() || fast == deep);
        }
    }

    #[test]
    fn an_answer_names_what_would_mend_it() {
        let error = io::Error::from_raw_os_error(libc::EBUSY);
        let Support::No { why, mend } = refused(Trial::Notification, &error) else { panic!() };
        assert!(why.contains("listener") && mend.contains("outside"));
    }
}
