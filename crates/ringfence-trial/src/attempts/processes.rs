//! Attempts on processes outside: the supervisor, the fence's init, and bystanders of the same user.

use super::sys::{address, address_mut, call};
use super::{Attempted, Entry, Failed, any, argument};

pub(super) const TABLE: &[Entry] = &[
    ("ptrace", |arguments| ptrace(pid(arguments)?)),
    ("ptrace_sibling", |_| ptrace_sibling()),
    ("read_memory", |arguments| read_memory(pid(arguments)?)),
    ("take_descriptor", |arguments| take_descriptor(pid(arguments)?)),
    ("signal", |arguments| signal(pid(arguments)?)),
    ("signal_all", |_| call(libc::SYS_kill, &[usize::MAX, 0]).map(drop)),
    ("prlimit", |arguments| prlimit(pid(arguments)?)),
    ("schedule", |arguments| schedule(pid(arguments)?)),
    ("proc_files", |arguments| proc_files(argument(arguments, 0)?)),
    ("wait", |_| wait()),
    ("is_setuid", |_| is_setuid()),
    ("has_privileges", |_| has_privileges(&["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"])),
    ("has_bounding_set", |_| has_privileges(&["CapBnd:"])),
];

fn pid(arguments: &[String]) -> Result<usize, Failed> {
    argument(arguments, 0)?.parse().map_err(|_| Failed::Setup("a process id is wanted".into()))
}

fn ptrace(pid: usize) -> Attempted {
    const ATTACH: usize = 16;
    const SEIZE: usize = 0x4206;
    any([
        ("seize".into(), call(libc::SYS_ptrace, &[SEIZE, pid, 0, 0]).map(drop)),
        ("attach".into(), call(libc::SYS_ptrace, &[ATTACH, pid, 0, 0]).map(drop)),
    ])
}

/// A process of the same fence that is no child of the attacker: here its parent.
fn ptrace_sibling() -> Attempted {
    ptrace(std::os::unix::process::parent_id() as usize)
}

fn read_memory(pid: usize) -> Attempted {
    let mut buffer = [0_u8; 8];
    // The program's own first page: at a fixed address in this static program, and unmapped at worst in another.
    let (local, remote) = ([address_mut(&mut buffer), 8], [0x40_0000_usize, 8]);
    let read = match call(libc::SYS_process_vm_readv, &[pid, address(&local), 1, address(&remote), 1, 0]) {
        // It was looked for there, so the right was given.
        Err(Failed::Refused(libc::EFAULT)) => Ok(()),
        other => other.map(drop),
    };
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).map(drop).map_err(Failed::from);
    any([("process_vm_readv".into(), read), ("/proc/…/mem".into(), memory)])
}

fn take_descriptor(pid: usize) -> Attempted {
    let pidfd = call(libc::SYS_pidfd_open, &[pid, 0])?.cast_unsigned() as usize;
    any((0..16).map(|number| {
        (format!("descriptor {number}"), call(libc::SYS_pidfd_getfd, &[pidfd, number, 0]).map(drop))
    }))
}

/// Signal 0 asks for the right alone.
fn signal(pid: usize) -> Attempted {
    let by_pidfd = call(libc::SYS_pidfd_open, &[pid, 0])
        .and_then(|pidfd| call(libc::SYS_pidfd_send_signal, &[pidfd.cast_unsigned() as usize, 0, 0, 0]));
    any([
        ("kill".into(), call(libc::SYS_kill, &[pid, 0]).map(drop)),
        ("tgkill".into(), call(libc::SYS_tgkill, &[pid, pid, 0]).map(drop)),
        ("pidfd_send_signal".into(), by_pidfd.map(drop)),
    ])
}

fn prlimit(pid: usize) -> Attempted {
    // Asking is enough: it takes the same right as setting.
    let mut old = [0_u64; 2];
    call(libc::SYS_prlimit64, &[pid, 7, 0, address_mut(&mut old)]).map(drop)
}

fn schedule(pid: usize) -> Attempted {
    let mask = [usize::MAX; 16];
    any([
        ("setpriority".into(), call(libc::SYS_setpriority, &[0, pid, 19]).map(drop)),
        (
            "sched_setaffinity".into(),
            call(libc::SYS_sched_setaffinity, &[pid, 128, address(&mask)]).map(drop),
        ),
        ("ioprio_set".into(), call(libc::SYS_ioprio_set, &[1, pid, 3 << 13]).map(drop)),
    ])
}

/// The files of a process that show or give what is its.
fn proc_files(pid: &str) -> Attempted {
    any(["environ", "mem", "maps", "fd/0", "root/.", "cwd/.", "exe", "fdinfo/0"].map(|name| {
        let opened = std::fs::File::open(format!("/proc/{pid}/{name}"));
        (name.to_owned(), opened.map(drop).map_err(Failed::from))
    }))
}

/// Whether running this file gave the effective user that the file names.
fn is_setuid() -> Attempted {
    let (real, effective) = (rustix::process::getuid(), rustix::process::geteuid());
    if real == effective { Err(Failed::Refused(libc::EPERM)) } else { Ok(()) }
}

/// Whether anything is left that a fenced process has no use for: one of these sets of capabilities, or a way to gain
/// them.
fn has_privileges(sets: &[&str]) -> Attempted {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    let empty = sets.iter().map(|name| (*name, "0000000000000000"));
    any([("NoNewPrivs:", "1"), ("Seccomp:", "2")].into_iter().chain(empty).map(|(name, value)| {
        let found = field(name);
        let attempted = if found == value { Err(Failed::Refused(libc::EPERM)) } else { Ok(()) };
        (format!("{name} {found}"), attempted)
    }))
}

/// Waits to be killed. No attempt: the bystander at which others are aimed.
fn wait() -> Attempted {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
