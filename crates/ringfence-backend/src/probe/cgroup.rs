//! Finds where this process may make control groups (cgroups(7)). Makes none itself, and asks no service manager for
//! one: a user whose session is not below a delegated unit gets limits by other means, and is told so.

use std::path::{Path, PathBuf};

use ringfence_plan::CgroupHost;
use rustix::fs::{Access, access};

/// The controllers that limits use. `swap` is no controller of its own, but whether it is accounted depends on the host.
const WANTED: [&str; 3] = ["memory", "pids", "cpu"];

/// The control groups of this host, as far as this user can use them.
pub(super) fn find() -> CgroupHost {
    let membership = super::read_small("/proc/self/cgroup").unwrap_or_default();
    find_below(Path::new("/sys/fs/cgroup"), &membership)
}

fn find_below(mount: &Path, membership: &str) -> CgroupHost {
    if mount.join("cgroup.controllers").exists() {
        unified(mount, membership)
    } else {
        first_version(mount, membership)
    }
}

/// The nearest group above this process whose children have controllers and that this user may write. Its
/// `subtree_control` is read and never written: it belongs to the service manager.
fn unified(mount: &Path, membership: &str) -> CgroupHost {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let mut best: Option<(PathBuf, Vec<String>)> = None;
    for group in own_directory(mount, own).ancestors().take_while(|group| group.starts_with(mount)) {
        // A process moves between groups only with leave to write the common ancestor's cgroup.procs, which is `group`.
        if !is_writable(group) || !is_writable(&group.join("cgroup.procs")) {
            continue;
        }
        let enabled = std::fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
        let controllers: Vec<String> = WANTED
            .iter()
            .filter(|wanted| enabled.split_whitespace().any(|name| name == **wanted))
            .map(ToString::to_string)
            .collect();
        if controllers.len() > best.as_ref().map_or(0, |(_, found)| found.len()) {
            best = Some((group.into(), controllers));
        }
    }
    match best {
        Some((parent, mut controllers)) => {
            if controllers.iter().any(|name| name == "memory") && Path::new("/proc/swaps").exists() {
                controllers.push("swap".into());
            }
            CgroupHost::V2 { parent: parent.to_string_lossy().into_owned(), controllers }
        }
        None => CgroupHost::None {
            why: format!(
                "no control group above this process ({own}) is delegated to this user with memory, pids or cpu"
            ),
        },
    }
}

fn first_version(mount: &Path, membership: &str) -> CgroupHost {
    let mut controllers = Vec::new();
    for wanted in WANTED {
        let Some(own) = membership_of(membership, wanted) else { continue };
        let directory = own_directory(&mount.join(wanted), own);
        if !is_writable(&directory) || !is_writable(&directory.join("tasks")) {
            continue;
        }
        let name = directory.to_string_lossy().into_owned();
        if wanted == "memory" && directory.join("memory.memsw.limit_in_bytes").exists() {
            controllers.push(("swap".into(), name.clone()));
        }
        controllers.push((wanted.into(), name));
    }
    if controllers.is_empty() {
        return CgroupHost::None { why: "this user may not write the control groups of this host".into() };
    }
    CgroupHost::V1 { controllers }
}

/// The path in `N:controller[,controller]:/path` (cgroups(7), /proc/pid/cgroup).
fn membership_of<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        names.split(',').any(|name| name == controller).then_some(path)
    })
}

/// In a container the hierarchy may be mounted from this process's own group down, while its path still counts from the
/// host's root.
fn own_directory(mount: &Path, path: &str) -> PathBuf {
    let directory = mount.join(path.trim_start_matches('/'));
    if directory.is_dir() { directory } else { mount.into() }
}

/// A read-only mount answers no as well.
fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A hierarchy of plain files: what the probe reads is text, so a directory is a host.
    fn hierarchy(name: &str, groups: &[(&str, &str)]) -> PathBuf {
        let mount = std::env::temp_dir().join(format!("ringfence-cgroup-{name}-{}", std::process::id()));
        fs::create_dir_all(&mount).unwrap();
        fs::write(mount.join("cgroup.controllers"), "cpu memory pids").unwrap();
        for (group, enabled) in groups {
            let group = mount.join(group);
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.procs"), "").unwrap();
            fs::write(group.join("cgroup.subtree_control"), enabled).unwrap();
        }
        mount
    }

    #[test]
    fn the_nearest_delegated_group_with_controllers_is_taken() {
        let mount = hierarchy(
            "near",
            &[("", "cpu memory pids"), ("u", "memory pids"), ("u/app", "cpu memory pids"), ("u/app/x", "")],
        );
        let found = find_below(&mount, "0::/u/app/x\n");
        fs::remove_dir_all(&mount).unwrap();
        let CgroupHost::V2 { parent, controllers } = found else { panic!("{found:?}") };
        assert!(parent.ends_with("/u/app"), "{parent}");
        assert_eq!(controllers[..3], ["memory", "pids", "cpu"]);
    }

    #[test]
    fn without_controllers_there_is_none_and_the_answer_says_so() {
        let mount = hierarchy("none", &[("", ""), ("x", "")]);
        let found = find_below(&mount, "0::/x\n");
        fs::remove_dir_all(&mount).unwrap();
        assert!(matches!(found, CgroupHost::None { why } if why.contains("/x")));
    }

    #[test]
    fn the_first_version_names_a_directory_for_each_controller() {
        let mount = std::env::temp_dir().join(format!("ringfence-cgroup-v1-{}", std::process::id()));
        fs::create_dir_all(mount.join("memory/job")).unwrap();
        fs::write(mount.join("memory/job/memory.memsw.limit_in_bytes"), "").unwrap();
        fs::create_dir_all(mount.join("cpu")).unwrap();
        for group in ["memory/job", "cpu"] {
            fs::write(mount.join(group).join("tasks"), "").unwrap();
        }
        let found = find_below(&mount, "4:memory:/job\n3:cpu,cpuacct:/not/mounted/here\n0::/\n");
        fs::remove_dir_all(&mount).unwrap();
        let CgroupHost::V1 { controllers } = found else { panic!("{found:?}") };
        let names: Vec<_> = controllers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["swap", "memory", "cpu"]);
        assert!(controllers[1].1.ends_with("memory/job") && controllers[2].1.ends_with("/cpu"));
    }
}
