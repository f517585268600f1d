//! /dev and /proc of the new root: the few devices that programs need, terminals of its own, processes of its own.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2, symlinkat};
use rustix::io::Errno;

use super::During;
use super::root::{Root, bind};
use crate::fence::{RootLayout, SetUpError, Step};
use crate::sys::mount;

const DEVICES: [&str; 5] = ["null", "zero", "full", "urandom", "tty"];

const LINKS: [(&str, &str); 6] = [
    // One and the same once the kernel has its first entropy (random(4), since 5.18), and a mount less.
    ("urandom", "random"),
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// /dev: host devices one by one, a terminal namespace of its own, nothing else.
pub(crate) fn mount_dev(root: &mut Root, host: &OwnedFd) -> Result<(), SetUpError> {
    let directory = root.directory(Path::new("dev"), 0o755).during_on(Step::MountDev, "/dev")?;
    for name in DEVICES {
        let device = device(host, name).during_on(Step::MountDev, format!("/dev/{name}"))?;
        let place =
            root.file(&Path::new("dev").join(name)).during_on(Step::MountDev, format!("/dev/{name}"))?;
        // Not `nodev`, alone among all mounts.
        bind(device.as_fd(), place.as_fd(), mount::NOSUID | mount::NOEXEC)
            .during_on(Step::MountDev, format!("/dev/{name}"))?;
        root.writable.push(device);
    }
    for (target, name) in LINKS {
        symlinkat(target, &directory, name).during_on(Step::MountDev, format!("/dev/{name}"))?;
    }
    let pts = root.directory(Path::new("dev/pts"), 0o755).during_on(Step::MountDev, "/dev/pts")?;
    let options = [(c"newinstance", None), (c"ptmxmode", Some(c"0666")), (c"mode", Some(c"0620"))];
    let tree = mount::new_filesystem(c"devpts", &options, mount::NOSUID | mount::NOEXEC)
        .during_on(Step::MountDev, "/dev/pts")?;
    mount::attach(tree.as_fd(), pts.as_fd()).during_on(Step::MountDev, "/dev/pts")?;
    root.writable.push(tree);
    Ok(())
}

/// A device of the host's, only if it is one: a container's /dev may hold plain files of that name.
fn device(host: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let path = format!("dev/{name}");
    let fd = openat2(host, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
        FileType::CharacterDevice => Ok(fd),
        _ => Err(Errno::NODEV),
    }
}

/// What /proc shows of the host to everyone.
const HOST_ENTRIES: [&str; 2] = ["keys", "cmdline"];

/// What /proc shows only to the host's root, as whom a fence of root's appears to it; and what root may write.
const ROOT_ENTRIES: [&str; 18] = [
    "acpi",
    "bus",
    "driver",
    "fs",
    "irq",
    "kcore",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "mtrr",
    "pagetypeinfo",
    "scsi",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "tty",
    "vmallocinfo",
];

/// /proc of the new pid namespace. Read-only, which also keeps the host's settings below /proc/sys from a fence of
/// root's; writable only where nested user namespaces must write their maps, and then with those settings covered.
pub(crate) fn mount_proc(root: &Root, layout: &RootLayout) -> Result<(), SetUpError> {
    const SAFE: u64 = mount::NOSUID | mount::NODEV | mount::NOEXEC;
    let during = |name: &str| format!("/proc{}{name}", if name.is_empty() { "" } else { "/" });
    let place = root.directory(Path::new("proc"), 0o755).during_on(Step::MountProc, "/proc")?;
    let attributes = if layout.writable_proc { SAFE } else { SAFE | mount::RDONLY };
    let proc = mount::new_filesystem(c"proc", &[], attributes).during_on(Step::MountProc, "/proc")?;
    mount::attach(proc.as_fd(), place.as_fd()).during_on(Step::MountProc, "/proc")?;
    let hidden = HOST_ENTRIES.iter().chain(if layout.root { &ROOT_ENTRIES[..] } else { &[] });
    for name in hidden {
        match root.find(&Path::new("proc").join(name)) {
            Ok(entry) => root.cover(entry).during_on(Step::MountProc, during(name))?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error).during_on(Step::MountProc, during(name)),
        }
    }
    if layout.writable_proc {
        for name in ["sys", "sysrq-trigger", "irq", "bus", "fs"] {
            if let Ok(entry) = root.find(&Path::new("proc").join(name)) {
                bind(entry.as_fd(), entry.as_fd(), SAFE | mount::RDONLY)
                    .during_on(Step::MountProc, during(name))?;
            }
        }
    }
    Ok(())
}
