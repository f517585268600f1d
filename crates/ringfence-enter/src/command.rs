//! The last steps, in the command's own process: what init may still do and the command must not.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, setpgid};

use crate::fence::{Command, Fence, Rlimits, SetUpError, Step};
use crate::seccomp;
use crate::steps::{During, landlock};
use crate::sys::clone::{self, Pointers};
use crate::sys::{ids, notify};

/// A command that was started.
pub(crate) struct Started {
    pub(crate) pid: Pid,
    /// Where the broker's calls arrive.
    pub(crate) listener: Option<OwnedFd>,
}

/// Why no command runs.
pub(crate) enum NotStarted {
    /// A step of ours failed.
    SetUp(SetUpError),
    /// execve(2) failed with this errno.
    Exec(i32),
}

/// Starts the command behind the last locks. Returns when it has executed its program.
pub(crate) fn start(fence: &Fence, command: &Command, terminal: bool) -> Result<Started, NotStarted> {
    let program = seccomp::program(&fence.filter);
    let candidates = candidates(command);
    let argv = Pointers::new(&command.argv);
    let env = Pointers::new(&command.env);
    let mut failure = None;
    let mut listener = None;
    let pid = clone::vfork_with(&mut || {
        match lock(fence, command, terminal, &program) {
            Ok(descriptor) => listener = descriptor,
            Err(error) => {
                failure = Some(NotStarted::SetUp(error));
                return 125;
            }
        }
        failure = Some(NotStarted::Exec(execute(&candidates, &argv, &env)));
        126
    });
    let pid = pid.during(Step::StartCommand).map_err(NotStarted::SetUp)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Started { pid, listener }),
    }
}

/// In the command's process: everything that only it gets. The descriptor table is still shared with init.
fn lock(
    fence: &Fence,
    command: &Command,
    terminal: bool,
    program: &[libc::sock_filter],
) -> Result<Option<OwnedFd>, SetUpError> {
    setpgid(None, None).during(Step::StartCommand)?;
    if terminal {
        // SIGTTOU is blocked here (init blocks it), so that a background group may do this.
        let group = rustix::process::getpid();
        rustix::termios::tcsetpgrp(rustix::stdio::stdin(), group)
            .or_else(|_| rustix::termios::tcsetpgrp(rustix::stdio::stdout(), group))
            .or_else(|_| rustix::termios::tcsetpgrp(rustix::stdio::stderr(), group))
            .during(Step::Terminal)?;
    }
    set_limits(&fence.rlimits).during(Step::Rlimits)?;
    if matches!(fence.confinement, crate::Confinement::Process) {
        ids::die_with_parent(libc::SIGKILL).during(Step::ParentDeath)?;
    }
    ids::keep_capabilities(0).during(Step::Capabilities)?;
    landlock::restrict_scope(fence.landlock, fence.filter.sockets == seccomp::Sockets::PairsOnly)?;
    // Marked, not closed: the table is shared, and init needs its own. The command loses them when it executes.
    ids::close_on_exec_from(3).during(Step::Stdio)?;
    for descriptor in &command.keep_fds {
        fcntl_setfd(descriptor, FdFlags::empty()).during(Step::Stdio)?;
    }
    clone::restore_signals();
    // Last: the steps above need calls that it forbids, and from here on the broker answers, which waits for us.
    notify::install(program, fence.filter.broker).during(Step::Seccomp)
}

fn set_limits(limits: &Rlimits) -> io::Result<()> {
    let Rlimits { processes, open_files, file_size } = *limits;
    let wanted = [
        (libc::RLIMIT_NPROC, processes),
        (libc::RLIMIT_NOFILE, open_files),
        (libc::RLIMIT_FSIZE, file_size),
        // No core files: they would land in the workspace, or in a handler of the host's.
        (libc::RLIMIT_CORE, Some(0)),
    ];
    for (resource, value) in wanted {
        if let Some(value) = value {
            // A limit can only be lowered.
            ids::set_limit(resource, value.min(ids::hard_limit(resource)?))?;
        }
    }
    Ok(())
}

/// The paths to try: the program itself, or its name in each directory of the command's PATH.
fn candidates(command: &Command) -> Vec<CString> {
    let name = &command.argv[0];
    if name.as_bytes().contains(&b'/') || name.is_empty() {
        return vec![name.clone()];
    }
    let path = command.env.iter().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    let directories = path.unwrap_or(b"/usr/local/bin:/usr/bin:/bin").split(|byte| *byte == b':');
    // An empty entry means the current directory to execvp(3); a workspace is not a place to find programs in.
    let in_directory = |directory: &[u8]| CString::new([directory, b"/", name.as_bytes()].concat()).ok();
    directories.filter(|directory| directory.first() == Some(&b'/')).filter_map(in_directory).collect()
}

/// Tries each; the errno that says most when none works. Scripts without `#!` are not handed to a shell.
fn execute(candidates: &[CString], argv: &Pointers<'_>, env: &Pointers<'_>) -> i32 {
    let mut worst = libc::ENOENT;
    for candidate in candidates {
        let candidate: &CStr = candidate;
        match clone::execute(candidate, argv, env).raw_os_error().unwrap_or(libc::EIO) {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => worst = libc::EACCES,
            other => return other,
        }
    }
    worst
}

/// Gives descriptors 0, 1 and 2 their places. Sources are moved out of the way first, so that order does not matter.
pub(crate) fn place_stdio(sources: [Option<OwnedFd>; 3]) -> Result<(), SetUpError> {
    let [input, output, error] = sources.map(|source| match source {
        Some(fd) if fd.as_raw_fd() < 3 => rustix::io::fcntl_dupfd_cloexec(&fd, 3).map(Some),
        other => Ok(other),
    });
    let place = || -> rustix::io::Result<()> {
        if let Some(fd) = input? {
            rustix::stdio::dup2_stdin(fd)?;
        }
        if let Some(fd) = output? {
            rustix::stdio::dup2_stdout(fd)?;
        }
        if let Some(fd) = error? {
            rustix::stdio::dup2_stderr(fd)?;
        }
        Ok(())
    };
    place().during(Step::Stdio)
}
