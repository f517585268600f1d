//! Attempts on paths by calls that no shell tool makes plainly. Each takes the path it is to change.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timestamps, Uid, XattrFlags};

use super::sys::{address, call};
use super::{Attempted, Entry, Failed, any, argument};

pub(super) const TABLE: &[Entry] = &[
    ("create", |a| create(argument(a, 0)?)),
    ("create_by_openat2", |a| create_by_openat2(argument(a, 0)?)),
    ("create_by_directory", |a| create_by_directory(argument(a, 0)?)),
    ("create_by_tmpfile", |a| create_by_tmpfile(argument(a, 0)?)),
    ("create_by_creat", |a| create_by_creat(argument(a, 0)?)),
    ("write", |a| write(argument(a, 0)?)),
    ("truncate", |a| truncate(argument(a, 0)?)),
    ("reopen_for_writing", |a| reopen(argument(a, 0)?)),
    ("mkdir", |a| Ok(rustix::fs::mkdir(argument(a, 0)?, Mode::from_raw_mode(0o755))?)),
    ("rename_into", |a| Ok(rustix::fs::rename(argument(a, 0)?, argument(a, 1)?)?)),
    ("exchange", |a| exchange(argument(a, 0)?, argument(a, 1)?)),
    ("symlink", |a| Ok(rustix::fs::symlink("/nowhere", argument(a, 0)?)?)),
    ("link", |a| link(argument(a, 0)?, argument(a, 1)?)),
    ("mknod", |a| mknod(argument(a, 0)?)),
    ("bind", |a| bind(argument(a, 0)?)),
    ("bind_by_descriptor_numbers", |a| bind_by_descriptor_numbers(argument(a, 0)?, argument(a, 1)?)),
    ("chmod", |a| chmod(argument(a, 0)?)),
    ("chown", |a| chown(argument(a, 0)?)),
    ("utimes", |a| utimes(argument(a, 0)?)),
    ("setxattr", |a| setxattr(argument(a, 0)?)),
    ("set_flags", |a| set_flags(argument(a, 0)?)),
    ("unlink", |a| unlink(argument(a, 0)?)),
];

fn text(path: &str) -> Result<CString, Failed> {
    CString::new(path).map_err(|error| Failed::Setup(error.to_string()))
}

fn create(path: &str) -> Attempted {
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let mode = Mode::from_raw_mode(0o755);
    any([
        ("open".into(), rustix::fs::open(path, flags, mode).map(drop).map_err(Failed::from)),
        (
            "exclusive".into(),
            rustix::fs::open(path, flags | OFlags::EXCL, mode).map(drop).map_err(Failed::from),
        ),
        (
            "read-only".into(),
            rustix::fs::open(path, OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY, mode)
                .map(drop)
                .map_err(Failed::from),
        ),
    ])
}

fn create_by_openat2(path: &str) -> Attempted {
    const AT_FDCWD: usize = (-100_isize).cast_unsigned();
    let how = [(libc::O_CREAT | libc::O_WRONLY).cast_unsigned().into(), 0o755_u64, 0];
    call(libc::SYS_openat2, &[AT_FDCWD, address(text(path)?.as_c_str()), address(&how), 24]).map(drop)
}

#[cfg(target_arch = "x86_64")]
fn create_by_creat(path: &str) -> Attempted {
    call(libc::SYS_creat, &[address(text(path)?.as_c_str()), 0o755]).map(drop)
}

#[cfg(not(target_arch = "x86_64"))]
fn create_by_creat(path: &str) -> Attempted {
    create(path)
}

/// By the descriptor of its directory and the magic links to that.
fn create_by_directory(path: &str) -> Attempted {
    let path = Path::new(path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Failed::Setup("no parent".into()));
    };
    let directory = File::open(parent)?;
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let mode = Mode::from_raw_mode(0o755);
    let magic = ["/proc/self/fd", "/dev/fd", "/proc/thread-self/fd"]
        .map(|base| Path::new(base).join(directory.as_raw_fd().to_string()).join(name));
    let by_magic = magic.into_iter().map(|path| {
        (path.display().to_string(), rustix::fs::open(&path, flags, mode).map(drop).map_err(Failed::from))
    });
    let direct = rustix::fs::openat(&directory, name, flags, mode).map(drop).map_err(Failed::from);
    any(std::iter::once(("openat".to_owned(), direct)).chain(by_magic))
}

/// A file without a name that is given one later.
fn create_by_tmpfile(path: &str) -> Attempted {
    let parent = Path::new(path).parent().unwrap_or(Path::new("."));
    let mut places = vec![parent, Path::new(".")];
    places.dedup();
    any(places.into_iter().map(|place| {
        let attempt = || -> Attempted {
            let file = rustix::fs::open(place, OFlags::TMPFILE | OFlags::RDWR, Mode::from_raw_mode(0o755))?;
            let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(rustix::fs::linkat(CWD, magic, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
        };
        (format!("unnamed in {}", place.display()), attempt())
    }))
}

fn write(path: &str) -> Attempted {
    let flags =
        [OFlags::WRONLY, OFlags::RDWR, OFlags::RDONLY | OFlags::TRUNC, OFlags::WRONLY | OFlags::APPEND];
    any(flags.map(|flags| {
        let opened = rustix::fs::open(path, flags, Mode::empty());
        (format!("{flags:?}"), opened.map(drop).map_err(Failed::from))
    }))
}

fn truncate(path: &str) -> Attempted {
    call(libc::SYS_truncate, &[address(text(path)?.as_c_str()), 0]).map(drop)
}

/// From a descriptor for reading to one for writing.
fn reopen(path: &str) -> Attempted {
    let file = File::open(path)?;
    let directory = rustix::fs::open(path, OFlags::PATH, Mode::empty())?;
    any([file.as_raw_fd(), directory.as_raw_fd()].map(|number| {
        let opened = rustix::fs::open(format!("/proc/self/fd/{number}"), OFlags::WRONLY, Mode::empty());
        let written = opened.and_then(|file| rustix::io::write(&file, b"x"));
        (format!("descriptor {number}"), written.map(drop).map_err(Failed::from))
    }))
}

fn exchange(one: &str, other: &str) -> Attempted {
    Ok(rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Gives `from` the second name `to`, by its path and by its descriptor.
fn link(from: &str, to: &str) -> Attempted {
    let by_descriptor = || -> Attempted {
        let file = rustix::fs::open(from, OFlags::PATH, Mode::empty())?;
        let magic = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, magic, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
    };
    any([
        ("by path".into(), rustix::fs::link(from, to).map_err(Failed::from)),
        ("by descriptor".into(), by_descriptor()),
    ])
}

/// A fifo and a socket: both can be made without privilege.
fn mknod(path: &str) -> Attempted {
    any([libc::S_IFIFO, libc::S_IFSOCK, libc::S_IFREG].map(|kind| {
        let kind = rustix::fs::FileType::from_raw_mode(kind);
        let made = rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), 0);
        (format!("{kind:?}"), made.map_err(Failed::from))
    }))
}

fn bind(path: &str) -> Attempted {
    Ok(UnixListener::bind(path).map(drop)?)
}

/// Binds `/proc/self/fd/N/name` for every number N while N is the directory `aside` and the working directory another:
/// whoever carries the call out must not take the number for one of its own.
fn bind_by_descriptor_numbers(target: &str, aside: &str) -> Attempted {
    let target = Path::new(target);
    let (Some(parent), Some(name)) = (target.parent(), target.file_name().and_then(|name| name.to_str()))
    else {
        return Err(Failed::Setup("no parent".into()));
    };
    std::fs::create_dir_all(aside)?;
    let directory = File::open(aside)?;
    let stray = std::path::absolute(aside)?.join(name);
    std::env::set_current_dir(parent)?;
    for number in 3..48_usize {
        if number == directory.as_raw_fd() as usize {
            continue;
        }
        // Out of the way of the numbers that are tried.
        let low = call(libc::SYS_socket, &[1, 1, 0])?.cast_unsigned() as usize;
        let socket = call(libc::SYS_dup3, &[low, 200, 0])?.cast_unsigned() as usize;
        call(libc::SYS_close, &[low])?;
        call(libc::SYS_dup3, &[directory.as_raw_fd() as usize, number, 0])?;
        let path = format!("/proc/self/fd/{number}/{name}");
        let mut raw = [0_u8; 110];
        raw[..2].copy_from_slice(&1_u16.to_ne_bytes());
        raw[2..2 + path.len()].copy_from_slice(path.as_bytes());
        // Whether it may bind there is not the question; the row looks at where a socket came to be.
        let _ = call(libc::SYS_bind, &[socket, address(&raw), 110]);
        let _ = std::fs::remove_file(&stray);
        call(libc::SYS_close, &[socket])?;
    }
    Ok(())
}

/// By path and by a descriptor for reading.
fn chmod(path: &str) -> Attempted {
    let mode = Mode::from_raw_mode(0o777);
    let by_descriptor =
        File::open(path).map_err(Failed::from).and_then(|file| Ok(rustix::fs::fchmod(&file, mode)?));
    let newer = || -> Attempted {
        const FCHMODAT2: i64 = 452;
        const AT_FDCWD: usize = (-100_isize).cast_unsigned();
        call(FCHMODAT2, &[AT_FDCWD, address(text(path)?.as_c_str()), 0o777, 0]).map(drop)
    };
    any([
        ("chmod".into(), rustix::fs::chmod(path, mode).map_err(Failed::from)),
        ("fchmod".into(), by_descriptor),
        ("fchmodat2".into(), newer()),
    ])
}

/// To oneself, which is allowed to every owner.
fn chown(path: &str) -> Attempted {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let ids = (Some(Uid::from_raw(user.as_raw())), Some(Gid::from_raw(group.as_raw())));
    let by_descriptor =
        File::open(path).map_err(Failed::from).and_then(|file| Ok(rustix::fs::fchown(&file, ids.0, ids.1)?));
    any([
        ("chown".into(), rustix::fs::chown(path, ids.0, ids.1).map_err(Failed::from)),
        ("fchown".into(), by_descriptor),
    ])
}

fn utimes(path: &str) -> Attempted {
    let time = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    let by_descriptor =
        File::open(path).map_err(Failed::from).and_then(|file| Ok(rustix::fs::futimens(&file, &times)?));
    any([
        (
            "utimensat".into(),
            rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()).map_err(Failed::from),
        ),
        ("futimens".into(), by_descriptor),
    ])
}

fn setxattr(path: &str) -> Attempted {
    let by_descriptor = File::open(path)
        .map_err(Failed::from)
        .and_then(|file| Ok(rustix::fs::fsetxattr(&file, "user.rftrial", b"x", XattrFlags::empty())?));
    any([
        (
            "setxattr".into(),
            rustix::fs::setxattr(path, "user.rftrial", b"x", XattrFlags::empty()).map_err(Failed::from),
        ),
        ("fsetxattr".into(), by_descriptor),
    ])
}

/// The inode flags (ioctl_iflags(2)): noatime, which an owner may set, by a descriptor for reading.
fn set_flags(path: &str) -> Attempted {
    let file = File::open(path)?;
    let flags = rustix::fs::ioctl_getflags(&file)?;
    Ok(rustix::fs::ioctl_setflags(&file, flags ^ rustix::fs::IFlags::NOATIME)?)
}

fn unlink(path: &str) -> Attempted {
    any([
        ("unlink".into(), rustix::fs::unlink(path).map_err(Failed::from)),
        ("rmdir".into(), rustix::fs::rmdir(path).map_err(Failed::from)),
    ])
}
