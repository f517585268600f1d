//! What the process inside the fence is told to do: a plan in the kernel's words. Not the doing.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Bytes, DenyGlob, PathPattern, Protect, RuleId};

use crate::capture::Means;
use crate::seccomp;

/// Everything that is held for one run.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Whether the process is in namespaces of its own, and what it builds there.
    pub confinement: Confinement,
    /// Paths for Landlock, for the `process` confinement; with namespaces the mounts say it.
    pub layers: Vec<Layer>,
    /// Landlock's ABI on this host; 0 leaves Landlock out.
    pub landlock: u32,
    /// The system-call filter.
    pub filter: seccomp::Options,
    /// Names that the broker keeps from every change.
    pub protect: Vec<Protect>,
    /// Names below which nothing is protected.
    pub protect_except: Vec<PathPattern>,
    /// Protected paths that can be named without looking: made read-only where they exist and there is a mount
    /// namespace, and followed where they are symlinks.
    pub holds: Vec<(AbsPath, RuleId)>,
    /// Per-process limits.
    pub rlimits: Rlimits,
    /// Whether the broker of a sandbox around this one is to hold the protected names and the writable trees, since no
    /// second broker can stand over a process.
    pub enclosed: bool,
}

/// Where the process runs.
#[derive(Clone, Debug)]
pub enum Confinement {
    /// In new namespaces, with a root of its own.
    Namespaces(RootLayout),
    /// In the host's namespaces.
    Process,
}

/// A root directory made of mounts.
#[derive(Clone, Debug)]
pub struct RootLayout {
    /// Granted, denied and private paths, sorted so that a parent comes before its children.
    pub layers: Vec<Layer>,
    /// Denied names that have to be looked for.
    pub deny_globs: Vec<DenyGlob>,
    /// The private HOME.
    pub home: AbsPath,
    /// The size of the private tmpfs behind /tmp, /dev/shm and HOME.
    pub tmp: Bytes,
    /// What is there of a network.
    pub network: NetworkLayout,
    /// Ports of the inner loopback that lead to the host's: listeners that are handed to [`Command::gateway`].
    pub host_ports: Vec<u16>,
    /// Whether the gateway may ask for sockets of the inner network, to connect to what listens there.
    pub inbound: bool,
    /// Whether /proc is writable (for nested user namespaces) or not.
    pub writable_proc: bool,
    /// Whether the caller is root, whose files in /proc root inside would own.
    pub root: bool,
}

/// The network of a root directory's processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkLayout {
    /// A namespace with nothing but its own loopback.
    Own,
    /// The same, where every address leads to listeners that are handed to [`Command::gateway`].
    Captured(Means),
    /// The host's namespace.
    Host,
}

/// One path and how it appears inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// As named in the policy.
    pub path: AbsPath,
    /// How it appears.
    pub mount: Mount,
    /// Whether it may be absent on the host.
    pub optional: bool,
    /// The rule that says so.
    pub rule: RuleId,
}

/// How a path appears inside. Ordered by strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mount {
    /// Covered by an empty object that nobody may open.
    Mask,
    /// The host's, read-only.
    ReadOnly,
    /// The host's below a writable layer in private memory.
    Overlay,
    /// The host's, writable.
    ReadWrite,
}

/// Per-process limits (setrlimit(2)); `None` leaves the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rlimits {
    /// RLIMIT_NPROC: counted per user namespace since kernel 5.14.
    pub processes: Option<u64>,
    /// RLIMIT_NOFILE.
    pub open_files: Option<u64>,
    /// RLIMIT_FSIZE, bytes.
    pub file_size: Option<u64>,
}

/// What to run, once everything holds.
#[derive(Debug)]
pub struct Command {
    /// Program (looked up in PATH of `env` if it has no slash) and arguments; never empty.
    pub argv: Vec<CString>,
    /// `NAME=VALUE`, complete.
    pub env: Vec<CString>,
    /// Working directory, as seen inside.
    pub cwd: AbsPath,
    /// Where the caller puts temporary files: inside a sandbox without mounts, the only place for such.
    pub temporary: Option<PathBuf>,
    /// The plan as text, which programs inside may read and not change. It tells and holds nothing.
    pub plan: Vec<u8>,
    /// Standard input, output and error.
    pub stdio: [StdioSource; 3],
    /// Descriptors that pass, under their own numbers.
    pub keep_fds: Vec<OwnedFd>,
    /// Whether a pseudo-terminal is made inside and its master handed out.
    pub terminal: bool,
    /// Whether to wait for [`crate::protocol::ToInit::Go`] before the command starts.
    pub wait_for_go: bool,
    /// Where the listeners of a captured network go, one packet each (`capture::hand_over`).
    pub gateway: Option<OwnedFd>,
    /// Roots of trust for what goes through the inspector; there only if there is one.
    pub roots: Option<Roots>,
    /// Files that hold what stands for a credential. Of a root of mounts only.
    pub stand_ins: Vec<StandIn>,
    /// The control group (of the unified hierarchy) to be born in; `None` for the caller's.
    pub cgroup: Option<OwnedFd>,
}

/// Certificates that clients inside are to trust.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The file, as PEM.
    pub text: Vec<u8>,
    /// Variables that name it.
    pub variables: Vec<&'static str>,
    /// Where clients look that read no variable; covered where there is such a file.
    pub places: Vec<AbsPath>,
    /// The same as stores of Java's, which reads no such file: each with what the store there has already.
    pub stores: Vec<(AbsPath, Vec<u8>)>,
}

/// A file with a text that stands for another.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// Where.
    pub path: AbsPath,
    /// Its text.
    pub text: Vec<u8>,
    /// The rule that asks for it.
    pub rule: RuleId,
}

impl Command {
    /// Tells the command where the plan lies, whatever the caller's variable of that name said.
    pub fn name_plan(&mut self, path: &Path) {
        self.set_variable(b"RINGFENCE_PLAN=", path);
    }

    /// Gives a variable (`prefix` is its name and `=`) the value `path`.
    pub fn set_variable(&mut self, prefix: &[u8], path: &Path) {
        self.env.retain(|variable| !variable.as_bytes().starts_with(prefix));
        self.env.extend(CString::new([prefix, path.as_os_str().as_bytes()].concat()));
    }
}

/// Where one of the standard descriptors comes from.
#[derive(Debug)]
pub enum StdioSource {
    /// The caller's, untouched.
    Inherit,
    /// This one.
    Fd(OwnedFd),
    /// The pseudo-terminal.
    Terminal,
}

/// One kernel step of the set-up, so that a report names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// prctl(PR_SET_PDEATHSIG) and friends.
    ParentDeath,
    /// Writing uid_map and gid_map.
    IdentityMap,
    /// sethostname(2).
    Hostname,
    /// Making the network namespace, with its loopback up and, where connections are captured, its routes and listeners.
    Network,
    /// Leading what is sent there to the gateway by nf_tables(8).
    Capture,
    /// Handing the listeners to the gateway.
    Gateway,
    /// Opening a path that the policy names.
    OpenPath,
    /// Making the new root.
    NewRoot,
    /// Mounting a granted path.
    MountPath,
    /// Covering a denied path.
    MaskPath,
    /// Making a private copy-on-write layer.
    OverlayPath,
    /// Making /proc.
    MountProc,
    /// Making /dev.
    MountDev,
    /// Writing the synthesized files of /etc.
    WriteEtc,
    /// Showing a file of the run's own at a place that the policy or the system names.
    ShowFile,
    /// Writing the plan.
    WritePlan,
    /// pivot_root(2) and leaving the old root.
    PivotRoot,
    /// A new session keyring.
    Keyring,
    /// Dropping capabilities.
    Capabilities,
    /// Landlock.
    Landlock,
    /// Asking the broker of the sandbox around this one.
    Enclose,
    /// The working directory.
    WorkingDirectory,
    /// The pseudo-terminal.
    Terminal,
    /// Standard descriptors.
    Stdio,
    /// Resource limits.
    Rlimits,
    /// seccomp(2).
    Seccomp,
    /// The control channel to the supervisor.
    Control,
    /// Starting the command's process.
    StartCommand,
}

impl Step {
    /// Every step, in the order in which they happen.
    pub const ALL: &'static [Step] = &[
        Step::ParentDeath,
        Step::IdentityMap,
        Step::Hostname,
        Step::Network,
        Step::Capture,
        Step::Gateway,
        Step::OpenPath,
        Step::NewRoot,
        Step::MountPath,
        Step::MaskPath,
        Step::OverlayPath,
        Step::MountProc,
        Step::MountDev,
        Step::WriteEtc,
        Step::ShowFile,
        Step::WritePlan,
        Step::PivotRoot,
        Step::Enclose,
        Step::Keyring,
        Step::Capabilities,
        Step::Landlock,
        Step::WorkingDirectory,
        Step::Terminal,
        Step::Stdio,
        Step::Rlimits,
        Step::Seccomp,
        Step::Control,
        Step::StartCommand,
    ];

    /// What the step does; reads after "failed to".
    pub fn what(self) -> &'static str {
        match self {
            Step::ParentDeath => "tie the sandbox's life to the supervisor's",
            Step::IdentityMap => "map user and group ids into the user namespace",
            Step::Hostname => "set the host name of the UTS namespace",
            Step::Network => "make a network namespace",
            Step::Capture => "capture connections with nf_tables",
            Step::Gateway => "hand the network to the gateway",
            Step::OpenPath => "open",
            Step::NewRoot => "make the new root directory",
            Step::MountPath => "mount",
            Step::MaskPath => "cover the denied path",
            Step::OverlayPath => "lay a private layer over",
            Step::MountProc => "mount /proc",
            Step::MountDev => "make /dev",
            Step::WriteEtc => "write into the new /etc",
            Step::ShowFile => "show",
            Step::WritePlan => "write the plan for programs inside",
            Step::PivotRoot => "change to the new root directory",
            Step::Keyring => "start a new session keyring",
            Step::Capabilities => "drop all capabilities",
            Step::Landlock => "apply Landlock rules",
            Step::Enclose => "have the broker of the sandbox around this one hold the fence",
            Step::WorkingDirectory => "enter the working directory",
            Step::Terminal => "make a pseudo-terminal",
            Step::Stdio => "set up the standard descriptors",
            Step::Rlimits => "set resource limits",
            Step::Seccomp => "install the system-call filter",
            Step::Control => "talk to the supervisor",
            Step::StartCommand => "start the command's process",
        }
    }
}

/// A step that failed; the command was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to {}{}{operand}: {}", step.what(), if operand.is_empty() { "" } else { " " }, cause(*step, *errno))]
pub struct SetUpError {
    /// Which step.
    pub step: Step,
    /// On what; empty where the step has no operand.
    pub operand: String,
    /// The kernel's answer (errno(3)).
    pub errno: i32,
    /// The rule that asked for it, where one did.
    pub rule: Option<RuleId>,
}

/// The kernel's words, or ours where the errno is ours.
fn cause(step: Step, errno: i32) -> String {
    match (step, errno) {
        (Step::MaskPath, libc::EMLINK) => {
            "the file has other names (hard links), under which it could be read; find them with `find -samefile`, and \
             remove them"
                .into()
        }
        (Step::OpenPath, libc::ESTALE) => {
            "a symlink in a writable directory leads to what is not granted; if the link is yours and you mean it, grant \
             the place that it leads to"
                .into()
        }
        (Step::ShowFile, libc::EXDEV) => {
            "it would have to be made in a directory of this machine, for nothing is there; make an empty file there, or \
             name a place in the private HOME or /tmp"
                .into()
        }
        (_, errno) => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}

impl SetUpError {
    /// A failure of `step`.
    pub fn new(step: Step, errno: impl Into<i32>) -> SetUpError {
        SetUpError { step, operand: String::new(), errno: errno.into(), rule: None }
    }

    /// The same, on `operand`.
    pub fn on(mut self, operand: impl std::fmt::Display) -> SetUpError {
        self.operand = operand.to_string();
        self
    }

    /// The same, asked for by `rule`.
    pub fn by(mut self, rule: RuleId) -> SetUpError {
        self.rule = Some(rule);
        self
    }
}
