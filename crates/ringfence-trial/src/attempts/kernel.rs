//! Attempts at kernel interfaces that a build tool has no use for. One function a call or family of calls.

use super::sys::{address, address_mut, call, in_child};
use super::{Attempted, Entry, Failed, any, argument};

pub(super) const TABLE: &[Entry] = &[
    ("io_uring_setup", |_| io_uring()),
    ("io_uring_by_int80", |_| io_uring_by_int80()),
    ("int80_getpid", |_| int80(20)),
    ("x32_getpid", |_| x32_getpid()),
    ("x32_socket", |_| x32_socket()),
    ("int80_socketcall", |_| int80_socketcall()),
    ("userfaultfd", |_| userfaultfd()),
    ("bpf", |_| bpf()),
    ("perf_event_open", |_| perf()),
    ("keyring_add_key", |_| add_key()),
    ("keyring_request_key", |_| request_key()),
    ("keyring_keyctl", |_| keyctl()),
    ("keyring_search", |_| keyring_search()),
    ("unshare", |arguments| unshare(argument(arguments, 0)?)),
    ("clone", |arguments| clone(argument(arguments, 0)?)),
    ("clone3", |_| clone3()),
    ("setns", |arguments| setns(argument(arguments, 0)?)),
    ("mount_family", |_| mount_family()),
    ("new_mount_family", |_| new_mount_family()),
    ("chroot", |arguments| chroot(argument(arguments, 0)?)),
    ("open_by_handle", |_| open_by_handle()),
    ("memfd_secret", |_| call(libc::SYS_memfd_secret, &[0]).map(drop)),
    ("personality_no_randomize", |_| call(libc::SYS_personality, &[0x004_0000]).map(drop)),
    ("segment_make", |_| segment(0o1600)),
    ("segment_find", |_| segment(0)),
    ("segment_remove", |_| segment_remove()),
    ("dangerous_calls", |_| dangerous_calls()),
    ("unknown_calls", |_| unknown_calls()),
];

fn io_uring() -> Attempted {
    let mut parameters = [0_u8; 120];
    call(libc::SYS_io_uring_setup, &[4, address_mut(&mut parameters)]).map(drop)
}

/// The same by the 32-bit table, where its number is the same (arch/x86/entry/syscalls/syscall_32.tbl).
fn io_uring_by_int80() -> Attempted {
    #[cfg(target_arch = "x86_64")]
    {
        let page = super::sys::map_low(&[0; 120])?;
        by_int80(425, [4, page, 0])
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(Failed::Setup("no such gate on this processor".into()))
}

fn int80(number: u32) -> Attempted {
    #[cfg(target_arch = "x86_64")]
    return by_int80(number, [0; 3]);
    #[cfg(not(target_arch = "x86_64"))]
    Err(Failed::Setup(format!("no gate for {number} on this processor")))
}

/// socket(AF_UNIX, SOCK_STREAM, 0) as `socketcall(SYS_SOCKET, …)`.
fn int80_socketcall() -> Attempted {
    #[cfg(target_arch = "x86_64")]
    {
        let words: Vec<u8> = [1_u32, 1, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let page = super::sys::map_low(&words)?;
        by_int80(102, [1, page, 0])
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(Failed::Setup("no such gate on this processor".into()))
}

/// In a child: the right answer is that it is killed.
#[cfg(target_arch = "x86_64")]
fn by_int80(number: u32, arguments: [u32; 3]) -> Attempted {
    let answer = in_child(5, || {
        let result = super::sys::int80(number, arguments);
        u8::try_from(-result.min(0)).unwrap_or(u8::MAX)
    })?;
    if answer == 0 { Ok(()) } else { Err(Failed::Refused(answer.into())) }
}

fn x32_getpid() -> Attempted {
    x32(libc::SYS_getpid, &[])
}

fn x32_socket() -> Attempted {
    x32(libc::SYS_socket, &[40, 1, 0])
}

fn x32(number: i64, arguments: &[usize]) -> Attempted {
    #[cfg(target_arch = "x86_64")]
    {
        let answer = in_child(5, || match super::sys::x32(number, arguments) {
            Ok(_) => 0,
            Err(Failed::Refused(error)) => error.try_into().unwrap_or(u8::MAX),
            Err(_) => u8::MAX,
        })?;
        if answer == 0 { Ok(()) } else { Err(Failed::Refused(answer.into())) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(Failed::Setup(format!("no x32 on this processor ({number}, {arguments:?})")))
}

/// For user-mode faults only, which needs no privilege (userfaultfd(2)).
fn userfaultfd() -> Attempted {
    const UFFD_USER_MODE_ONLY: usize = 1;
    call(libc::SYS_userfaultfd, &[UFFD_USER_MODE_ONLY]).map(drop)
}

/// BPF_MAP_CREATE of a small array.
fn bpf() -> Attempted {
    let mut attributes = [0_u32; 32];
    // Type array, key 4 bytes, value 8 bytes, one entry.
    attributes[..4].copy_from_slice(&[2, 4, 8, 1]);
    call(libc::SYS_bpf, &[0, address_mut(&mut attributes), size_of_val(&attributes)]).map(drop)
}

/// A software counter (PERF_TYPE_SOFTWARE, task clock, without the kernel's share) on the attacker himself.
fn perf() -> Attempted {
    let mut attributes = [0_u32; 32];
    attributes[0] = 1;
    attributes[1] = 128;
    attributes[2] = 1;
    // Bits of the flag word: disabled, exclude_kernel, exclude_hv.
    attributes[10] = 1 | 1 << 5 | 1 << 6;
    call(libc::SYS_perf_event_open, &[address_mut(&mut attributes), 0, usize::MAX, usize::MAX, 0]).map(drop)
}

const SESSION_KEYRING: usize = (-3_isize).cast_unsigned();

fn add_key() -> Attempted {
    call(libc::SYS_add_key, &[address(c"user"), address(c"rftrial"), address(b"x"), 1, SESSION_KEYRING])
        .map(drop)
}

/// A key that is nowhere: without a fence the kernel looks for it and answers ENOKEY.
fn request_key() -> Attempted {
    match call(libc::SYS_request_key, &[address(c"user"), address(c"rftrial-nowhere"), 0, 0]) {
        Err(Failed::Refused(libc::ENOKEY)) => Ok(()),
        other => other.map(drop),
    }
}

fn keyctl() -> Attempted {
    const KEYCTL_GET_KEYRING_ID: usize = 0;
    call(libc::SYS_keyctl, &[KEYCTL_GET_KEYRING_ID, SESSION_KEYRING, 1]).map(drop)
}

/// Puts a key into the user's keyring and finds it there again, as another program of the user's would.
fn keyring_search() -> Attempted {
    const KEYCTL_SEARCH: usize = 10;
    const USER_KEYRING: usize = (-4_isize).cast_unsigned();
    let name = address(c"rftrial-search");
    let _ = call(libc::SYS_add_key, &[address(c"user"), name, address(b"x"), 1, USER_KEYRING]);
    call(libc::SYS_keyctl, &[KEYCTL_SEARCH, USER_KEYRING, address(c"user"), name, 0]).map(drop)
}

/// The flag of a kind of namespace (clone(2)).
fn namespace(kind: &str) -> Result<usize, Failed> {
    Ok(match kind {
        "user" => 0x1000_0000,
        "mnt" => 0x0002_0000,
        "pid" => 0x2000_0000,
        "net" => 0x4000_0000,
        "ipc" => 0x0800_0000,
        "uts" => 0x0400_0000,
        "cgroup" => 0x0200_0000,
        "time" => 0x0000_0080,
        other => return Err(Failed::Setup(format!("there is no namespace {other}"))),
    })
}

fn unshare(kind: &str) -> Attempted {
    // With a user namespace in one call, as an attacker without privilege would.
    let flag = namespace(kind)?;
    any([
        (format!("unshare {kind}"), call(libc::SYS_unshare, &[flag]).map(drop)),
        (format!("unshare user and {kind}"), call(libc::SYS_unshare, &[flag | namespace("user")?]).map(drop)),
    ])
}

fn clone(kind: &str) -> Attempted {
    let flags = namespace(kind)? | namespace("user")?;
    // Time namespaces cannot be cloned by this call: their bit lies in its signal number.
    any([flags, flags | 1 << 40].map(|flags| {
        let cloned = call(libc::SYS_clone, &[flags | libc::SIGCHLD.cast_unsigned() as usize, 0, 0, 0, 0]);
        if let Ok(0) = cloned {
            std::process::exit(0);
        }
        (format!("clone {flags:#x}"), cloned.map(drop))
    }))
}

/// With the flags in memory, where no filter can look: it must be refused whole.
fn clone3() -> Attempted {
    let mut arguments = [0_u64; 11];
    arguments[0] = namespace("user")? as u64;
    arguments[4] = libc::SIGCHLD.cast_unsigned().into();
    match call(libc::SYS_clone3, &[address_mut(&mut arguments), size_of_val(&arguments)])? {
        0 => std::process::exit(0),
        _ => Ok(()),
    }
}

/// Joins the namespace that this process is in already: allowed to everyone for some kinds, and to whoever holds the
/// capability for the others, so a control first gives itself one.
fn setns(kind: &str) -> Attempted {
    if kind != "user" && !rustix::process::geteuid().is_root() {
        // Refused inside, which is well: then there is no capability either.
        let _ = call(libc::SYS_unshare, &[namespace("user")? | namespace(kind)?]);
    }
    let flag = namespace(kind)?;
    let pidfd = call(libc::SYS_pidfd_open, &[std::process::id() as usize, 0])?.cast_unsigned() as usize;
    let file = |name: &str| std::fs::File::open(format!("/proc/self/ns/{name}"));
    let by_file = |name: String| match file(&name) {
        Ok(file) => {
            looked_at(&name, libc::SYS_setns, &[std::os::fd::AsRawFd::as_raw_fd(&file) as usize, flag])
        }
        Err(error) => (name, Err(error.into())),
    };
    any([
        looked_at("pidfd", libc::SYS_setns, &[pidfd, flag]),
        by_file(kind.to_owned()),
        by_file(format!("{kind}_for_children")),
    ])
}

/// Whatever the answer, a call that was looked at by the kernel's own code counts as reached: what a capability would
/// bring is a second question. EPERM and ENOSYS are refusals.
fn looked_at(name: &str, number: i64, arguments: &[usize]) -> (String, Attempted) {
    let attempted = match call(number, arguments) {
        Err(failed @ Failed::Refused(libc::EPERM | libc::ENOSYS | libc::EACCES)) => Err(failed),
        Err(Failed::Refused(_)) | Ok(_) => Ok(()),
        Err(other) => Err(other),
    };
    (name.to_owned(), attempted)
}

fn mount_family() -> Attempted {
    // Without a fence this gives the capability to mount, in a namespace of its own.
    let _ = call(libc::SYS_unshare, &[namespace("user")? | namespace("mnt")?]);
    let none = 0;
    let temporary = address(c"tmpfs");
    any([
        looked_at("mount", libc::SYS_mount, &[temporary, address(c"/tmp"), temporary, 0, none]),
        looked_at("remount", libc::SYS_mount, &[none, address(c"/"), none, 0x20, none]),
        looked_at("bind", libc::SYS_mount, &[address(c"/"), address(c"/tmp"), none, 0x1000, none]),
        looked_at("umount2", libc::SYS_umount2, &[address(c"/tmp"), 2]),
        looked_at("pivot_root", libc::SYS_pivot_root, &[address(c"/tmp"), address(c"/tmp")]),
    ])
}

fn new_mount_family() -> Attempted {
    const OPEN_TREE_CLONE: usize = 1;
    const AT_FDCWD: usize = (-100_isize).cast_unsigned();
    const NOWHERE: usize = usize::MAX;
    let _ = call(libc::SYS_unshare, &[namespace("user")? | namespace("mnt")?]);
    let mut attributes = [0_u64; 4];
    any([
        looked_at("open_tree", 428, &[AT_FDCWD, address(c"/"), OPEN_TREE_CLONE]),
        looked_at("move_mount", 429, &[AT_FDCWD, address(c"/tmp"), AT_FDCWD, address(c"/tmp"), 0]),
        looked_at("fsopen", 430, &[address(c"tmpfs"), 0]),
        looked_at("fsconfig", 431, &[NOWHERE, 6, 0, 0, 0]),
        looked_at("fsmount", 432, &[NOWHERE, 0, 0]),
        looked_at("fspick", 433, &[AT_FDCWD, address(c"/"), 0]),
        looked_at("mount_setattr", 442, &[AT_FDCWD, address(c"/"), 0, address_mut(&mut attributes), 32]),
        looked_at("open_tree_attr", 467, &[AT_FDCWD, address(c"/"), OPEN_TREE_CLONE, 0, 0]),
    ])
}

fn chroot(directory: &str) -> Attempted {
    let _ = call(libc::SYS_unshare, &[namespace("user")?]);
    let directory = std::ffi::CString::new(directory).map_err(|error| Failed::Setup(error.to_string()))?;
    call(libc::SYS_chroot, &[address(directory.as_c_str())]).map(drop)
}

/// Opening by a handle passes every path check; it needs a capability over the initial namespace.
fn open_by_handle() -> Attempted {
    const AT_FDCWD: usize = (-100_isize).cast_unsigned();
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    let named = call(
        libc::SYS_name_to_handle_at,
        &[AT_FDCWD, address(c"/usr"), address_mut(&mut handle), address_mut(&mut mount), 0],
    );
    let root = std::fs::File::open("/")?;
    let root = std::os::fd::AsRawFd::as_raw_fd(&root) as usize;
    let opened = named.and_then(|_| call(libc::SYS_open_by_handle_at, &[root, address_mut(&mut handle), 0]));
    opened.map(drop)
}

/// The key of the trial's shared memory segment.
const SEGMENT: usize = 0x5266_7472;

/// Finds the segment by its key (shmget(2)); makes it if `flags` has IPC_CREAT.
fn segment(flags: usize) -> Attempted {
    let size = if flags == 0 { 0 } else { 4096 };
    call(libc::SYS_shmget, &[SEGMENT, size, flags]).map(drop)
}

fn segment_remove() -> Attempted {
    let number = call(libc::SYS_shmget, &[SEGMENT, 0, 0])?.cast_unsigned() as usize;
    const IPC_RMID: usize = 0;
    call(libc::SYS_shmctl, &[number, IPC_RMID, 0]).map(drop)
}

/// Calls that no build needs, with arguments that no kernel takes: a filter answers before the arguments are looked at,
/// the kernel after. The answers tell which it was. Numbers of x86-64 and, where they differ, by name.
fn dangerous_calls() -> Attempted {
    let calls: &[(&str, i64)] = &[
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("setns", libc::SYS_setns),
        ("acct", libc::SYS_acct),
        ("swapon", libc::SYS_swapon),
        ("swapoff", libc::SYS_swapoff),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("delete_module", libc::SYS_delete_module),
        ("kexec_file_load", libc::SYS_kexec_file_load),
        ("quotactl", libc::SYS_quotactl),
        ("settimeofday", libc::SYS_settimeofday),
        ("sethostname", libc::SYS_sethostname),
        ("syslog", libc::SYS_syslog),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("keyctl", libc::SYS_keyctl),
        ("bpf", libc::SYS_bpf),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("io_uring_enter", libc::SYS_io_uring_enter),
        ("io_uring_register", libc::SYS_io_uring_register),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("fsopen", 430),
        ("fsconfig", 431),
        ("fsmount", 432),
        ("fspick", 433),
        ("move_mount", 429),
        ("open_tree", 428),
        ("mount_setattr", 442),
        ("clone3", libc::SYS_clone3),
        ("process_madvise", 440),
        ("quotactl_fd", 443),
        ("memfd_secret", libc::SYS_memfd_secret),
        ("set_mempolicy_home_node", 450),
        ("statmount", 457),
        ("listmount", 458),
        ("lsm_set_self_attr", 460),
    ];
    any(calls.iter().map(|(name, number)| {
        let answer = in_child(2, || match call(*number, &[usize::MAX; 6]) {
            Ok(_) => 0,
            Err(Failed::Refused(error)) => error.try_into().unwrap_or(u8::MAX),
            Err(_) => u8::MAX,
        });
        let attempted = match answer {
            Ok(error) if [libc::EPERM, libc::ENOSYS, libc::EACCES].contains(&error.into()) => {
                Err(Failed::Refused(error.into()))
            }
            // A failed process id is not the filter's doing.
            Ok(_) => Ok(()),
            Err(failed) => Err(failed),
        };
        ((*name).to_owned(), attempted)
    }))
}

/// Every number from 470 up to 1024 and some far ones: reached if one is answered by other than ENOSYS. A property
/// and no attack: this kernel has none of them, the next one may.
fn unknown_calls() -> Attempted {
    let numbers = (472..=1024).chain([0x1_0000, 0x3fff_ffff]);
    for number in numbers {
        match call(number, &[usize::MAX; 6]) {
            Err(Failed::Refused(libc::ENOSYS)) => {}
            other => {
                println!("number {number} is answered {other:?}");
                return Ok(());
            }
        }
    }
    Err(Failed::Refused(libc::ENOSYS))
}
