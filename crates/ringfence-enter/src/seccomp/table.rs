//! Which system calls a workload may make. The list is the promise; the assembler only carries it out.
//!
//! Allowed: what ordinary programs of this decade use. Notified: calls that change the filesystem by name or attribute.
//! EPERM: calls that are refused and that programs know to be privileged. ENOSYS: everything else, newer calls
//! included, so that programs fall back as on an older kernel (clone3's and openat2's arguments lie in memory, where a
//! filter cannot look).

/// What the filter depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which sockets may be made.
    pub sockets: Sockets,
    /// Whether user namespaces may be made.
    pub nested_namespaces: bool,
    /// Whether a broker answers notifications; without one the calls are plainly allowed.
    pub broker: bool,
    /// Whether processes and System V IPC of the host are in reach (no namespaces): then priorities and limits may be
    /// set on the caller alone, and IPC by number not at all.
    pub host_in_reach: bool,
}

/// Which sockets may be made (address_families(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// unix, inet, inet6 and netlink's routing family.
    Usual,
    /// The same, with unix sockets that reach only what was bound inside: their datagrams, which carry a name each, are
    /// refused, and the broker connects.
    OwnUnix,
    /// inet, inet6 and netlink's routing family: where unix sockets would reach host services.
    NoUnix,
    /// None; pairs of connected unix sockets can still be made.
    PairsOnly,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The kernel carries it out.
    Allow,
    /// It fails with this errno.
    Errno(i32),
    /// The broker carries it out, or not.
    Notify,
    /// The process is killed.
    Kill,
}

/// The answer to one call number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The same for all arguments.
    Always(Action),
    /// The first check that holds decides, else the action at the end.
    When(Vec<Check>, Action),
}

/// A condition on the low 32 bits of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// They are `value`.
    Equal {
        /// Which argument, from 0.
        arg: u8,
        /// The value.
        value: u32,
        /// What then happens.
        action: Action,
    },
    /// They share a bit with `mask`.
    AnyBit {
        /// Which argument, from 0.
        arg: u8,
        /// The bits.
        mask: u32,
        /// What then happens.
        action: Action,
    },
}

use Action::{Allow, Errno, Notify};

const EPERM: Action = Errno(libc::EPERM);

/// Namespace flags of clone(2) and unshare(2); CLONE_NEWTIME means something else to clone and is refused to unshare.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// open(2) flags that change something. O_TMPFILE needs one of the first two.
const OPEN_TO_CHANGE: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;

/// The whole table, sorted by call number.
pub fn rules(options: &Options) -> Vec<(i64, Rule)> {
    let mut rules: Vec<(i64, Rule)> = Vec::with_capacity(420);
    rules.extend(ALLOWED.iter().map(|number| (*number, Rule::Always(Allow))));
    #[cfg(target_arch = "x86_64")]
    rules.extend(ALLOWED_X86.iter().map(|number| (*number, Rule::Always(Allow))));
    let by_number = if options.host_in_reach { EPERM } else { Allow };
    rules.extend(IPC.iter().map(|number| (*number, Rule::Always(by_number))));
    rules.extend(REFUSED.iter().map(|number| (*number, Rule::Always(EPERM))));
    let by_name = if options.broker { Notify } else { Allow };
    rules.extend(CHANGING.iter().map(|number| (*number, Rule::Always(by_name))));
    // Landlock does not look at owners; where it stands alone, only the broker lets them be set, in writable trees.
    let owners = if options.host_in_reach && !options.broker { EPERM } else { by_name };
    rules.extend(OWNERS.iter().map(|number| (*number, Rule::Always(owners))));
    rules.extend(opens(by_name));
    rules.extend(sockets(options.sockets));
    rules.extend(namespaces(options.nested_namespaces));
    rules.extend(processes(options.host_in_reach));
    rules.push((libc::SYS_ioctl, ioctls()));
    rules.push((libc::SYS_personality, personalities()));
    rules.push((libc::SYS_fcntl, descriptor_controls()));
    rules.sort_by_key(|(number, _)| *number);
    debug_assert!(rules.windows(2).all(|pair| pair[0].0 != pair[1].0), "a call stands in the table twice");
    rules
}

fn opens(change: Action) -> Vec<(i64, Rule)> {
    let with_flags =
        |arg| Rule::When(vec![Check::AnyBit { arg, mask: OPEN_TO_CHANGE, action: change }], Allow);
    vec![
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, with_flags(1)),
        (libc::SYS_openat, with_flags(2)),
    ]
}

fn sockets(sockets: Sockets) -> Vec<(i64, Rule)> {
    const IPPROTO_MPTCP: u32 = 262;
    const MSG_FASTOPEN: u32 = 0x2000_0000;
    let equal = |arg, value: i32, action| Check::Equal { arg, value: value as u32, action };
    // MPTCP and fast open connect without connect(2), which is what Landlock looks at.
    let mut make = vec![Check::Equal { arg: 2, value: IPPROTO_MPTCP, action: Errno(libc::EPROTONOSUPPORT) }];
    // An end of a pair of datagram sockets can be pointed at any other name afterwards; the other types stay connected.
    const DATAGRAM_OR_RAW: u32 = 2;
    let datagram = Check::AnyBit { arg: 1, mask: DATAGRAM_OR_RAW, action: EPERM };
    if sockets == Sockets::Usual {
        make.push(equal(0, libc::AF_UNIX, Allow));
    }
    if sockets != Sockets::PairsOnly {
        make.extend([equal(0, libc::AF_INET, Allow), equal(0, libc::AF_INET6, Allow)]);
    }
    // AF_NETLINK with protocol 0 (NETLINK_ROUTE) needs two equalities, so the others are refused one by one: 1 to 31.
    let mut rules = Vec::new();
    if sockets != Sockets::PairsOnly {
        make.push(Check::AnyBit { arg: 2, mask: !0, action: EPERM });
        make.push(equal(0, libc::AF_NETLINK, Allow));
    }
    if sockets == Sockets::OwnUnix {
        make.extend([datagram, equal(0, libc::AF_UNIX, Allow)]);
    }
    rules.push((libc::SYS_socket, Rule::When(make, EPERM)));
    rules.push((libc::SYS_connect, Rule::Always(if sockets == Sockets::OwnUnix { Notify } else { Allow })));
    let mut pair = vec![equal(0, libc::AF_UNIX, Allow)];
    if sockets != Sockets::Usual {
        pair.insert(0, datagram);
    }
    rules.push((libc::SYS_socketpair, Rule::When(pair, EPERM)));
    let fast_open = |arg| {
        Rule::When(vec![Check::AnyBit { arg, mask: MSG_FASTOPEN, action: Errno(libc::EOPNOTSUPP) }], Allow)
    };
    rules.push((libc::SYS_sendto, fast_open(3)));
    rules.push((libc::SYS_sendmsg, fast_open(2)));
    rules.push((libc::SYS_sendmmsg, fast_open(3)));
    let option = equal(2, libc::TCP_FASTOPEN_CONNECT, Errno(libc::ENOPROTOOPT));
    // By option number alone: no other level that a workload has gives number 30 a use worth keeping but SOL_SOCKET,
    // where 30 is SO_ACCEPTCONN, which cannot be set.
    rules.push((libc::SYS_setsockopt, Rule::When(vec![option], Allow)));
    rules
}

fn namespaces(nested: bool) -> Vec<(i64, Rule)> {
    let unless_new = Rule::When(vec![Check::AnyBit { arg: 0, mask: NEW_NAMESPACES, action: EPERM }], Allow);
    const CLONE_NEWTIME: u32 = 0x80;
    let unshare = Rule::When(
        vec![Check::AnyBit { arg: 0, mask: NEW_NAMESPACES | CLONE_NEWTIME, action: EPERM }],
        Allow,
    );
    let (clone, unshare, chroot) =
        if nested { (Rule::Always(Allow), Rule::Always(Allow), Allow) } else { (unless_new, unshare, EPERM) };
    vec![
        (libc::SYS_clone, clone),
        (libc::SYS_unshare, unshare),
        (libc::SYS_chroot, Rule::Always(chroot)),
        (libc::SYS_clone3, Rule::Always(Errno(libc::ENOSYS))),
    ]
}

fn processes(own_only: bool) -> Vec<(i64, Rule)> {
    // Attaching is how a tracer gets hold of what is no child of its own; a child asks for it (PTRACE_TRACEME).
    const ATTACH: u32 = 16;
    const SEIZE: u32 = 0x4206;
    let ptrace = vec![
        Check::Equal { arg: 0, value: ATTACH, action: EPERM },
        Check::Equal { arg: 0, value: SEIZE, action: EPERM },
    ];
    let itself = |arg| match own_only {
        true => Rule::When(vec![Check::Equal { arg, value: 0, action: Allow }], EPERM),
        // Not on init, which has the same user: without processor time or descriptors it would take all down with it.
        false => Rule::When(vec![Check::Equal { arg, value: 1, action: EPERM }], Allow),
    };
    // Zero of a kind: with PRIO_USER (2) and IOPRIO_WHO_USER (3) it is every process of the caller's user.
    let own_kind = |user| match own_only {
        true => Rule::When(
            vec![
                Check::Equal { arg: 0, value: user, action: EPERM },
                Check::Equal { arg: 1, value: 0, action: Allow },
            ],
            EPERM,
        ),
        false => Rule::Always(Allow),
    };
    vec![
        (libc::SYS_ptrace, Rule::When(ptrace, Allow)),
        (libc::SYS_setpriority, own_kind(2)),
        (libc::SYS_ioprio_set, own_kind(3)),
        (libc::SYS_prlimit64, itself(0)),
        (libc::SYS_sched_setaffinity, itself(0)),
        (libc::SYS_sched_setscheduler, itself(0)),
        (libc::SYS_sched_setparam, itself(0)),
        (libc::SYS_sched_setattr, itself(0)),
    ]
}

fn ioctls() -> Rule {
    const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
    const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
    const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
    // Feeding a terminal its own input (TIOCSTI, TIOCLINUX, TIOCCONS), and file flags, which change a file through a
    // descriptor that was opened for reading.
    let refused = [0x5412, 0x541c, 0x541d, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR];
    let refused = refused.iter().chain(NAMES_BY_IOCTL);
    Rule::When(refused.map(|value| Check::Equal { arg: 1, value: *value, action: EPERM }).collect(), Allow)
}

/// Some filesystems make, remove and seal whole trees by name through a directory opened for reading, and neither the
/// broker nor Landlock is asked; or they change a file's attributes through such a descriptor.
const NAMES_BY_IOCTL: &[u32] = &[
    // btrfs (linux/btrfs.h): SNAP_CREATE, SUBVOL_CREATE, SNAP_DESTROY, their second versions, SUBVOL_SETFLAGS.
    0x5000_9401,
    0x5000_940e,
    0x5000_940f,
    0x5000_9417,
    0x5000_9418,
    0x5000_943f,
    0x4008_941a,
    // bcachefs: SUBVOLUME_CREATE, SUBVOLUME_DESTROY; ocfs2: REFLINK.
    0x4020_bc10,
    0x4020_bc11,
    0x4018_6f04,
    // FS_IOC_ENABLE_VERITY, FS_IOC_SETVERSION, FS_IOC_SET_ENCRYPTION_POLICY, FAT_IOCTL_SET_ATTRIBUTES.
    0x4080_6685,
    0x4008_7602,
    0x800c_6613,
    0x4004_7211,
];

/// No leases: opening a leased file waits for its holder, and the one who opens files for writing is the broker.
fn descriptor_controls() -> Rule {
    let value = libc::F_SETLEASE as u32;
    Rule::When(vec![Check::Equal { arg: 1, value, action: Errno(libc::EINVAL) }], Allow)
}

fn personalities() -> Rule {
    // PER_LINUX, without address randomisation (debuggers), the 32-bit uname (build systems), and the query.
    let allowed = [0, 0x0004_0000, 8, 0xffff_ffff];
    Rule::When(allowed.map(|value| Check::Equal { arg: 0, value, action: Allow }).to_vec(), EPERM)
}

/// Refused as privileged.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Changes the filesystem by a name or through attributes: the broker's business.
const CHANGING: &[i64] = &[
    libc::SYS_bind,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_linkat,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_removexattr,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_setxattr,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
];

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// Interprocess communication by number (sysvipc(7), mq_overview(7)).
const IPC: &[i64] = calls! {
    SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_msgctl SYS_msgget
    SYS_msgrcv SYS_msgsnd SYS_semctl SYS_semget SYS_semop SYS_semtimedop SYS_shmat SYS_shmctl SYS_shmget
};

/// Changing owners (chown(2)).
const OWNERS: &[i64] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// Calls of every architecture.
const ALLOWED: &[i64] = calls! {
    SYS_accept SYS_accept4 SYS_adjtimex SYS_brk SYS_capget SYS_capset SYS_chdir SYS_clock_getres
    SYS_clock_gettime SYS_clock_nanosleep SYS_close SYS_close_range SYS_copy_file_range SYS_dup SYS_dup3
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit
    SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fchdir
    SYS_fdatasync SYS_fgetxattr SYS_flistxattr SYS_flock SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate
    SYS_futex SYS_futex_waitv SYS_get_mempolicy SYS_get_robust_list
    SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid
    SYS_getrlimit SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid
    SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch SYS_ioprio_get SYS_kill
    SYS_landlock_add_rule SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_listen
    SYS_listxattr SYS_llistxattr SYS_lseek SYS_madvise SYS_mbind SYS_membarrier SYS_memfd_create
    SYS_mincore SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect
    SYS_mremap SYS_mseal
    SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_nanosleep SYS_newfstatat SYS_pidfd_open
    SYS_pidfd_send_signal SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl SYS_pread64
    SYS_preadv SYS_preadv2 SYS_pselect6 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead SYS_readlinkat
    SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_restart_syscall SYS_rseq
    SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend
    SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min
    SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_rr_get_interval
    SYS_sched_yield SYS_seccomp SYS_sendfile SYS_set_mempolicy
    SYS_set_robust_list SYS_set_tid_address SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setitimer
    SYS_setpgid SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid SYS_setrlimit SYS_setsid SYS_setuid
    SYS_shmdt SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_splice SYS_statfs SYS_statx
    SYS_sync SYS_sync_file_range SYS_syncfs SYS_sysinfo SYS_tee SYS_tgkill SYS_timer_create SYS_timer_delete
    SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_timerfd_create SYS_timerfd_gettime
    SYS_timerfd_settime SYS_times SYS_tkill SYS_umask SYS_uname SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev
};

/// Older calls that only x86-64 has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_X86: &[i64] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_dup2 SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_fork
    SYS_getdents SYS_getpgrp SYS_inotify_init SYS_lstat SYS_pause SYS_pipe SYS_poll SYS_readlink
    SYS_select SYS_signalfd SYS_stat SYS_time SYS_ustat SYS_vfork
};
