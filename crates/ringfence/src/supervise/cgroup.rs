//! The control groups of one run: made before the launch, set while the sandbox sets itself up, removed at the end.
//! Which ones and with what limits is decided in `ringfence_backend::limits`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringfence_backend::limits::{CgroupVersion, Group, Setting};
use ringfence_plan::{Bytes, Field};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use super::process_table::start_of;
use crate::error::Error;

/// How the directories of every run are named, with the supervisor's number and its clock behind.
const PREFIX: &str = "ringfence-";

/// A directory younger than this, in milliseconds, is never swept: its owner may be out of this process's sight (another
/// pid namespace). It also keeps a thousand runs at once from looking after each other.
const STALE_MS: u64 = 60_000;

/// The groups of one run. Dropping it ends whatever is still in them and removes them.
#[derive(Default)]
pub(super) struct Groups {
    made: Vec<Made>,
    /// Signalled when a group of the first version runs out of memory.
    oom: Option<OwnedFd>,
}

struct Made {
    path: PathBuf,
    parent: PathBuf,
    version: CgroupVersion,
    settings: Vec<Setting>,
}

impl Groups {
    /// Makes the directories. Their limits are not set yet: while this process is inside, they would be its own.
    pub(super) fn make(groups: Vec<Group>, dispensable: &[Field]) -> Result<Groups, Error> {
        let mut result = Groups::default();
        if groups.is_empty() {
            return Ok(result);
        }
        let name = format!("{PREFIX}{}-{}", std::process::id(), now_ms());
        for Group { parent, version, settings } in groups {
            let parent = PathBuf::from(parent);
            let path = parent.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => result.made.push(Made { path, parent, version, settings }),
                Err(_) if settings.iter().all(|setting| dispensable.contains(&setting.field)) => {}
                Err(source) => {
                    let fields = settings.iter().map(|setting| setting.field).collect();
                    return Err(Error::Limit { fields, path, source });
                }
            }
        }
        Ok(result)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Runs `launch` so that what it clones is born inside the groups of the first version.
    ///
    /// Not by moving the child afterwards: moving another process waits for an RCU grace period (about 10 ms), while a
    /// thread that moves itself does not (cgroup_procs_write_start of kernel/cgroup/cgroup.c).
    pub(super) fn launch_inside<T>(&self, launch: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let entered: Result<(), Error> =
            self.first_version().try_for_each(|made| move_self(made, &made.path));
        let launched = entered.and_then(|()| launch());
        let left: Result<(), Error> = self.first_version().try_for_each(|made| move_self(made, &made.parent));
        let launched = launched?;
        left.map(|()| launched)
    }

    /// The group of the unified hierarchy, for init to be cloned into: for the same reason as above, and its threads
    /// cannot be in different groups.
    pub(super) fn birthplace(&self) -> Result<Option<OwnedFd>, Error> {
        let Some(made) = self.made.iter().find(|made| made.version == CgroupVersion::V2) else {
            return Ok(None);
        };
        let directory =
            fs::File::open(&made.path).map_err(|source| made.failed(made.fields(), &made.path, source))?;
        Ok(Some(directory.into()))
    }

    /// Sets every limit; the command waits for it.
    pub(super) fn confine(&mut self, dispensable: &[Field]) -> Result<(), Error> {
        for made in &self.made {
            for setting in &made.settings {
                let file = made.path.join(setting.file);
                match write(&file, &setting.value) {
                    Err(source) if !dispensable.contains(&setting.field) => {
                        return Err(made.failed(vec![setting.field], &file, source));
                    }
                    _ => {}
                }
            }
        }
        let watched = self.first_version().find(|made| made.holds_memory());
        let oom = watched.and_then(|made| watch_oom(&made.path).ok());
        self.oom = oom;
        Ok(())
    }

    /// Readable once a group of the first version has run out of memory.
    pub(super) fn oom_event(&self) -> Option<&OwnedFd> {
        self.oom.as_ref()
    }

    /// Whether the kernel ended a process for memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.made.iter().filter(|made| made.holds_memory()).any(|made| {
            let file = if made.version == CgroupVersion::V2 { "memory.events" } else { "memory.oom_control" };
            counter(&made.path.join(file), "oom_kill") > 0
        })
    }

    /// Whether a fork was refused.
    pub(super) fn ran_out_of_processes(&self) -> bool {
        self.made
            .iter()
            .filter(|made| made.fields().contains(&Field::Processes))
            .any(|made| counter(&made.path.join("pids.events"), "max") > 0)
    }

    /// The most memory that was used at once, where the kernel keeps it (memory.peak is as old as Linux 5.19).
    pub(super) fn peak_memory(&self) -> Option<Bytes> {
        let made = self.made.iter().find(|made| made.holds_memory())?;
        let file =
            if made.version == CgroupVersion::V2 { "memory.peak" } else { "memory.max_usage_in_bytes" };
        read_small(&made.path.join(file)).trim().parse().ok().map(Bytes)
    }

    /// Ends every process in the groups.
    pub(super) fn kill_all(&self) {
        for made in &self.made {
            // cgroup.kill is as old as Linux 5.14 and of the unified hierarchy only.
            if made.version == CgroupVersion::V2 && write(&made.path.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            for pid in fs::read_to_string(made.path.join("cgroup.procs")).unwrap_or_default().lines() {
                if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }

    /// Removes what killed supervisors have left beside these groups. Only empty directories can be removed, so the
    /// worst mistake is none.
    pub(super) fn sweep(&self) {
        // One run in eight does it for all.
        if !std::process::id().is_multiple_of(8) {
            return;
        }
        let now = now_ms();
        for made in &self.made {
            for entry in fs::read_dir(&made.parent).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(|name| is_ownerless(name, now)) {
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }

    fn first_version(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.version == CgroupVersion::V1)
    }
}

impl Made {
    fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = self.settings.iter().map(|setting| setting.field).collect();
        fields.dedup();
        fields
    }

    fn holds_memory(&self) -> bool {
        self.settings.iter().any(|setting| setting.field == Field::Memory)
    }

    fn failed(&self, fields: Vec<Field>, path: &Path, source: io::Error) -> Error {
        Error::Limit { fields, path: path.into(), source }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for attempt in 0..200 {
            self.made.retain(|made| match fs::remove_dir(&made.path) {
                Ok(()) => false,
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            });
            if self.made.is_empty() {
                return;
            }
            self.kill_all();
            // Busy until the last process has gone through its exit.
            std::thread::sleep(Duration::from_millis(if attempt < 20 { 1 } else { 10 }));
        }
    }
}

fn move_self(made: &Made, group: &Path) -> Result<(), Error> {
    let file = group.join("tasks");
    write(&file, "0").map_err(|source| made.failed(made.fields(), &file, source))
}

/// Not `fs::write`: it would try to create the file, and hide "no such file" behind "permission denied".
fn write(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
}

/// A file that the kernel gives whole at the first read; empty where it is not there. Two calls fewer than the standard
/// way, on every run's path.
fn read_small(file: &Path) -> String {
    let mut buffer = [0; 1024];
    let len = fs::File::open(file).and_then(|mut file| file.read(&mut buffer)).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// Documentation/admin-guide/cgroup-v1/memory.rst, section 10.
fn watch_oom(group: &Path) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = fs::File::open(group.join("memory.oom_control"))?;
    let order = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
    write(&group.join("cgroup.event_control"), &order)?;
    Ok(event)
}

/// The number behind `name` in a file of `name number` lines; 0 where there is none.
fn counter(file: &Path, name: &str) -> u64 {
    let text = read_small(file);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Whether a directory of this name is old and belongs to a supervisor that is gone: no process has its number, or one
/// that started later.
fn is_ownerless(name: &str, now: u64) -> bool {
    let Some((pid, made)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let (Ok(pid), Ok(made)) = (pid.parse::<u32>(), made.parse::<u64>()) else { return false };
    // The kernel's clock tick is 10 ms, so a start within one tick of the making may be the owner's.
    made + STALE_MS < now && start_of(pid).is_none_or(|started| started > made + 10)
}

/// Milliseconds since the machine started, sleep included: the clock of processes' start times.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_ownerless_only_when_its_supervisor_is_gone() {
        let own = std::process::id();
        let now = now_ms();
        let later = now + 2 * STALE_MS;
        assert!(!is_ownerless(&format!("{PREFIX}{own}-{now}"), later));
        assert!(!is_ownerless(&format!("{PREFIX}4194305-{now}"), now));
        // Made before this process began: by another one with the same number.
        assert!(is_ownerless(&format!("{PREFIX}{own}-1"), later));
        assert!(is_ownerless(&format!("{PREFIX}4194305-1"), later));
        for other in ["system.slice", "ringfence-", "ringfence-x-1", "ringfence-1"] {
            assert!(!is_ownerless(other, later), "{other}");
        }
    }

    #[test]
    fn counters_are_read_by_whole_names() {
        let file = std::env::temp_dir().join(format!("ringfence-counter-{}", std::process::id()));
        fs::write(&file, "oom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
        let counts = ["oom_kill", "oom", "max"].map(|name| counter(&file, name));
        fs::remove_file(&file).unwrap();
        assert_eq!(counts, [2, 3, 0]);
    }
}
