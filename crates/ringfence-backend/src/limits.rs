//! By what each limit of a plan is held on one host: control groups, resource limits, or a supervisor that measures.
//! Pure: it reads no file and sets nothing; the supervisor does as it says.

use ringfence_plan::{Bytes, CgroupHost, Field, FieldVerdict, Host, Limits, Verdict};

/// How long the command has between SIGTERM and SIGKILL when its time is up, milliseconds.
pub const GRACE_MS: u64 = 2000;

/// The longest time between two measurements of a watched process tree, milliseconds.
pub const SAMPLE_MS: u64 = 100;

/// cpu.max and cpu.cfs_quota_us count in this period, microseconds (the kernel's default).
const CPU_PERIOD_US: u64 = 100_000;

/// Whether the sandbox's processes are counted apart from the user's others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In a user namespace of their own.
    Namespaces,
    /// Among the user's others.
    Shared,
}

/// The limits of one run in the host's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldLimits {
    /// One answer a limit that the plan sets, but for `limits.tmp`, which each backend answers for.
    pub verdicts: Vec<FieldVerdict>,
    /// Control groups to make before the launch, empty where none is needed.
    pub groups: Vec<Group>,
    /// What the supervisor measures itself.
    pub watched: Watched,
    /// RLIMIT_NPROC of the command (setrlimit(2)); counts init.
    pub process_rlimit: Option<u32>,
}

/// One control group to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The existing directory below which it is made.
    pub parent: String,
    /// How a process gets into it.
    pub version: CgroupVersion,
    /// What is written there, in this order.
    pub settings: Vec<Setting>,
}

/// One file of a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The limit that it holds.
    pub field: Field,
    /// The file's name.
    pub file: &'static str,
    /// What is written.
    pub value: String,
}

/// The two kinds of control groups (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// A hierarchy for each controller; a thread may enter by itself.
    V1,
    /// One hierarchy; whole processes only.
    V2,
}

/// Limits that the supervisor holds by measuring the process tree and ending it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Resident memory, bytes.
    pub memory: Option<u64>,
    /// Swapped-out memory, bytes.
    pub swap: Option<u64>,
    /// Processes and threads, without init.
    pub processes: Option<u32>,
    /// What the run's own directory for temporary files takes up, bytes.
    pub tmp: Option<u64>,
}

impl Watched {
    /// Whether there is nothing to measure.
    pub fn is_empty(&self) -> bool {
        *self == Watched::default()
    }
}

/// The verdicts of [`hold`] alone.
pub fn limit_verdicts(limits: &Limits, host: &Host, isolation: Isolation) -> Vec<FieldVerdict> {
    hold(limits, host, isolation).verdicts
}

/// Chooses the mechanism of every limit: a control group where this user may make one, else a resource limit, else
/// measuring.
pub fn hold(limits: &Limits, host: &Host, isolation: Isolation) -> HeldLimits {
    // No `..`: a limit that is added has to be answered for.
    let Limits { memory, swap, processes, cpu, time, open_files, file_size, tmp, output, rules: _ } = limits;
    let mut held = HeldLimits::default();
    if isolation == Isolation::Shared {
        held.watched.tmp = Some(tmp.0);
    }
    if let Some(memory) = memory {
        held.memory(*memory, &host.cgroup);
    }
    if let Some(swap) = swap {
        held.swap(*swap, *memory, &host.cgroup);
    }
    if let Some(processes) = processes {
        held.processes(*processes, host, isolation);
    }
    if let Some(cpu) = cpu {
        held.cpu(u64::from(cpu.0), &host.cgroup);
    }
    if time.is_some() {
        let mechanism = format!("supervisor's timer: SIGTERM, {} s later SIGKILL", GRACE_MS / 1000);
        held.enforced(Field::Time, mechanism);
    }
    if open_files.is_some() {
        held.enforced(Field::OpenFiles, "RLIMIT_NOFILE, for each process");
    }
    if file_size.is_some() {
        held.enforced(Field::FileSize, "RLIMIT_FSIZE, for each file written");
    }
    if output.is_some() {
        held.enforced(Field::Output, "stdout and stderr relayed through pipes and counted");
    }
    held
}

impl HeldLimits {
    fn memory(&mut self, limit: Bytes, cgroup: &CgroupHost) {
        match place(cgroup, "memory") {
            Some(place @ Place { version: CgroupVersion::V2, .. }) => {
                self.set(place, Field::Memory, "memory.max", limit.0.to_string());
                // One killed process of a build is a puzzle; an ended run with its reason is an answer.
                self.set(place, Field::Memory, "memory.oom.group", "1".into());
                self.enforced(Field::Memory, "cgroup v2 memory.max");
            }
            Some(place) => {
                self.set(place, Field::Memory, "memory.limit_in_bytes", limit.0.to_string());
                self.enforced(Field::Memory, "cgroup v1 memory.limit_in_bytes");
            }
            None => {
                self.watched.memory = Some(limit.0);
                let what = "resident memory (files in the private /tmp count against limits.tmp instead)";
                self.enforced(Field::Memory, measured(what, cgroup));
            }
        }
    }

    fn swap(&mut self, limit: Bytes, memory: Option<Bytes>, cgroup: &CgroupHost) {
        match (place(cgroup, "swap"), memory) {
            (Some(place @ Place { version: CgroupVersion::V2, .. }), _) => {
                self.set(place, Field::Swap, "memory.swap.max", limit.0.to_string());
                self.enforced(Field::Swap, "cgroup v2 memory.swap.max");
            }
            (Some(place), Some(memory)) => {
                let both = memory.0.saturating_add(limit.0);
                self.set(place, Field::Swap, "memory.memsw.limit_in_bytes", both.to_string());
                self.enforced(Field::Swap, "cgroup v1 memory.memsw.limit_in_bytes");
            }
            // Version 1 knows only the sum of memory and swap, which says nothing without a memory limit.
            (_, None) | (None, _) => {
                self.watched.swap = Some(limit.0);
                self.enforced(Field::Swap, measured("swapped-out memory", cgroup));
            }
        }
    }

    fn processes(&mut self, limit: u32, host: &Host, isolation: Isolation) {
        // Init is ours and not of the command's number.
        let with_init = limit.saturating_add(1);
        if let Some(place) = place(&host.cgroup, "pids") {
            self.set(place, Field::Processes, "pids.max", with_init.to_string());
            return self.enforced(Field::Processes, format!("cgroup {} pids.max", place.version.name()));
        }
        // The host's root is exempt from RLIMIT_NPROC whatever he is called inside (copy_process of kernel/fork.c), and
        // without a user namespace the user's other processes would count.
        if isolation == Isolation::Namespaces && host.kernel >= (5, 14) && !host.root {
            self.process_rlimit = Some(with_init);
            return self.enforced(Field::Processes, "RLIMIT_NPROC, counted for the user namespace");
        }
        self.watched.processes = Some(limit);
        self.enforced(Field::Processes, measured("processes and threads", &host.cgroup));
    }

    fn cpu(&mut self, millicpus: u64, cgroup: &CgroupHost) {
        let quota = millicpus * CPU_PERIOD_US / 1000;
        match place(cgroup, "cpu") {
            Some(place @ Place { version: CgroupVersion::V2, .. }) => {
                self.set(place, Field::Cpu, "cpu.max", format!("{quota} {CPU_PERIOD_US}"));
                self.enforced(Field::Cpu, "cgroup v2 cpu.max");
            }
            Some(place) => {
                self.set(place, Field::Cpu, "cpu.cfs_period_us", CPU_PERIOD_US.to_string());
                self.set(place, Field::Cpu, "cpu.cfs_quota_us", quota.to_string());
                self.enforced(Field::Cpu, "cgroup v1 cpu.cfs_quota_us");
            }
            // Not by stopping and continuing the processes: parents see that. Not by affinity: it is no bandwidth.
            None => {
                let why =
                    format!("processor bandwidth needs a cpu control group: {}", missing(cgroup, "cpu"));
                let verdict = Verdict::Unenforced { why };
                self.verdicts.push(FieldVerdict { field: Field::Cpu, verdict, mechanism: "none".into() });
            }
        }
    }

    fn enforced(&mut self, field: Field, mechanism: impl Into<String>) {
        self.verdicts.push(FieldVerdict { field, verdict: Verdict::Enforced, mechanism: mechanism.into() });
    }

    fn set(&mut self, place: Place<'_>, field: Field, file: &'static str, value: String) {
        let setting = Setting { field, file, value };
        match self.groups.iter_mut().find(|group| group.parent == place.parent) {
            Some(group) => group.settings.push(setting),
            None => self.groups.push(Group {
                parent: place.parent.into(),
                version: place.version,
                settings: vec![setting],
            }),
        }
    }
}

impl CgroupVersion {
    fn name(self) -> &'static str {
        match self {
            CgroupVersion::V1 => "v1",
            CgroupVersion::V2 => "v2",
        }
    }
}

/// Where a group can be made.
#[derive(Clone, Copy)]
struct Place<'a> {
    version: CgroupVersion,
    parent: &'a str,
}

/// Where a group with this controller can be made.
fn place<'a>(cgroup: &'a CgroupHost, controller: &str) -> Option<Place<'a>> {
    match cgroup {
        CgroupHost::V2 { parent, controllers } => controllers
            .iter()
            .any(|name| name == controller)
            .then_some(Place { version: CgroupVersion::V2, parent }),
        CgroupHost::V1 { controllers } => {
            let (_, parent) = controllers.iter().find(|(name, _)| name == controller)?;
            Some(Place { version: CgroupVersion::V1, parent })
        }
        CgroupHost::None { .. } => None,
    }
}

fn measured(what: &str, cgroup: &CgroupHost) -> String {
    let reason =
        if let CgroupHost::None { why } = cgroup { why.as_str() } else { "the controller is missing here" };
    format!(
        "supervisor measures {what} of the process tree every {SAMPLE_MS} ms or less and ends it ({reason})"
    )
}

fn missing(cgroup: &CgroupHost, controller: &str) -> String {
    match cgroup {
        CgroupHost::None { why } => why.clone(),
        CgroupHost::V1 { .. } | CgroupHost::V2 { .. } => {
            format!("this user may not write the {controller} controller")
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Millicpus, Support};

    use super::*;

    fn all() -> Limits {
        Limits {
            memory: Some(Bytes(1 << 30)),
            swap: Some(Bytes(1 << 20)),
            processes: Some(100),
            cpu: Some(Millicpus(1500)),
            time: None,
            open_files: None,
            file_size: None,
            tmp: Bytes(1 << 20),
            output: None,
            rules: std::collections::BTreeMap::new(),
        }
    }

    fn host(cgroup: CgroupHost, root: bool) -> Host {
        Host {
            kernel: (6, 1),
            landlock: 2,
            user_namespaces: Support::Yes,
            notification: Support::Yes,
            cgroup,
            overlay: Support::Yes,
            capture: ringfence_plan::Capture::Tables,
            root,
            enclosure: None,
        }
    }

    fn none() -> CgroupHost {
        CgroupHost::None { why: "no delegation".into() }
    }

    #[test]
    fn the_unified_hierarchy_takes_one_group_with_every_limit() {
        let controllers = ["memory", "pids", "cpu", "swap"].map(String::from).to_vec();
        let held = hold(
            &all(),
            &host(CgroupHost::V2 { parent: "/g".into(), controllers }, false),
            Isolation::Namespaces,
        );
        let [group] = held.groups.as_slice() else { panic!("{held:?}") };
        let settings: Vec<_> =
            group.settings.iter().map(|set| format!("{}={}", set.file, set.value)).collect();
        assert_eq!(
            settings,
            [
                "memory.max=1073741824",
                "memory.oom.group=1",
                "memory.swap.max=1048576",
                "pids.max=101",
                "cpu.max=150000 100000"
            ]
        );
        assert!(held.watched.is_empty() && held.process_rlimit.is_none());
    }

    #[test]
    fn the_first_version_sets_memory_before_the_sum_with_swap() {
        let controllers =
            [("swap", "/m"), ("memory", "/m"), ("pids", "/p")].map(|(a, b)| (a.into(), b.into())).to_vec();
        let held = hold(&all(), &host(CgroupHost::V1 { controllers }, true), Isolation::Namespaces);
        let files: Vec<_> = held.groups[0].settings.iter().map(|set| set.file).collect();
        assert_eq!(files, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]);
        assert_eq!(held.groups[1].parent, "/p");
        let cpu = held.verdicts.iter().find(|entry| entry.field == Field::Cpu).unwrap();
        assert!(matches!(&cpu.verdict, Verdict::Unenforced { why } if why.contains("cpu control group")));
    }

    #[test]
    fn without_groups_the_mechanism_depends_on_user_and_namespace() {
        let own = hold(&all(), &host(none(), false), Isolation::Namespaces);
        assert_eq!((own.process_rlimit, own.watched.processes), (Some(101), None));
        for held in [
            hold(&all(), &host(none(), true), Isolation::Namespaces),
            hold(&all(), &host(none(), false), Isolation::Shared),
        ] {
            assert_eq!((held.process_rlimit, held.watched.processes), (None, Some(100)));
            assert_eq!(held.watched.memory, Some(1 << 30));
        }
        let mechanism = &own.verdicts[0].mechanism;
        assert!(mechanism.contains("no delegation"), "{mechanism}");
    }

    #[test]
    fn every_limit_that_is_set_is_answered_for() {
        let limits = Limits {
            time: Some(ringfence_plan::Millis(1)),
            open_files: Some(1),
            file_size: Some(Bytes(1)),
            output: Some(Bytes(1)),
            ..all()
        };
        let verdicts = limit_verdicts(&limits, &host(none(), false), Isolation::Namespaces);
        assert_eq!(verdicts.len(), 8);
    }
}
