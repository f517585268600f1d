//! Attempts at interfaces of the kernel that a contained command has no business with.
//! Each is harmless where it gets through: it touches only the attempt's own process.

use std::io;

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::{Attempt, Input, REFUSED, sys};

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "io_uring",
        promise: "io_uring, a second way into system calls, is refused",
        act: |_| sys::io_uring_setup(),
        ..REFUSED
    },
    Attempt { name: "bpf", promise: "BPF is refused", act: |_| sys::bpf_map_create(), ..REFUSED },
    Attempt {
        name: "perf_events",
        promise: "Performance events are refused",
        act: |_| sys::perf_event_open(),
        ..REFUSED
    },
    Attempt {
        name: "userfaultfd",
        promise: "Stopping the kernel at page faults is refused",
        act: |_| sys::userfaultfd(),
        ..REFUSED
    },
    Attempt {
        name: "keyring",
        promise: "The caller's kernel keyrings are out of reach",
        act: |_| sys::keyctl_session(),
        ..REFUSED
    },
    Attempt {
        name: "user_namespace",
        promise: "A user namespace, which would give capabilities, is not created",
        act: |_| sys::unshare_user(),
        ..REFUSED
    },
    Attempt {
        name: "mount",
        promise: "Nothing is mounted, nor through a namespace of its own",
        act: |stage| sys::mount_in_new_namespace(&stage.workspace()),
        ..REFUSED
    },
    Attempt {
        name: "mount_api",
        promise: "The newer mount calls are refused",
        act: |_| open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLOEXEC).map(|_| ()).map_err(io::Error::from),
        ..REFUSED
    },
    Attempt {
        name: "type_into_terminal",
        promise: "Nothing is typed into the terminal on the caller's behalf",
        act: |_| sys::type_into_terminal(),
        input: Input::Terminal,
        ..REFUSED
    },
];
