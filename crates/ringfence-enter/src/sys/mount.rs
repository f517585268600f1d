//! The mount interface by descriptors (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)), kernel 5.12.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub(crate) const RDONLY: u64 = 0x01;
pub(crate) const NOSUID: u64 = 0x02;
pub(crate) const NODEV: u64 = 0x04;
pub(crate) const NOEXEC: u64 = 0x08;

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// A new filesystem, mounted nowhere yet. Options are `name` or `name=value`.
pub(crate) fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, Option<&CStr>)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_int = 1;
    const FSMOUNT_CLOEXEC: libc::c_int = 1;
    const SET_FLAG: libc::c_int = 0;
    const SET_STRING: libc::c_int = 1;
    const CREATE: libc::c_int = 6;
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: terminated strings that outlive each call; both descriptors are new and owned here.
    unsafe {
        let context = super::check(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC))?;
        let context = OwnedFd::from_raw_fd(context as i32);
        let configure = |command: libc::c_int, name: *const libc::c_char, value: *const libc::c_char| {
            super::check(libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, name, value, 0))
        };
        for (name, value) in options {
            match value {
                Some(value) => configure(SET_STRING, name.as_ptr(), value.as_ptr())?,
                None => configure(SET_FLAG, name.as_ptr(), null)?,
            };
        }
        configure(CREATE, null, null)?;
        let mount =
            super::check(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes))?;
        Ok(OwnedFd::from_raw_fd(mount as i32))
    }
}

/// A copy of the mount tree at `fd`, mounted nowhere yet, with whatever is mounted below it.
pub(crate) fn clone_tree(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    let flags = OPEN_TREE_CLONE
        | libc::O_CLOEXEC as libc::c_uint
        | libc::AT_EMPTY_PATH as libc::c_uint
        | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: an empty, terminated path; the descriptor is new.
    unsafe {
        let tree = super::check(libc::syscall(libc::SYS_open_tree, fd.as_raw_fd(), c"".as_ptr(), flags))?;
        Ok(OwnedFd::from_raw_fd(tree as i32))
    }
}

/// Sets attributes on a mount tree and makes it private: what the host mounts later does not arrive.
pub(crate) fn set_attributes(fd: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    let attributes = MountAttr { set, clear: 0, propagation: libc::MS_PRIVATE, userns: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the structure has the size given and outlives the call.
    super::check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Mounts `tree` on the object that `target` refers to.
pub(crate) fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    const F_EMPTY_PATH: libc::c_uint = 0x04;
    const T_EMPTY_PATH: libc::c_uint = 0x40;
    // SAFETY: empty, terminated paths.
    super::check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            F_EMPTY_PATH | T_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Makes the current directory the root, and the old root, now on top of it, go away with all below.
pub(crate) fn pivot_to_current_directory() -> io::Result<()> {
    // SAFETY: terminated paths. pivot_root(".", "."): see the notes of pivot_root(2).
    unsafe {
        super::check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        super::check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into())?;
    }
    Ok(())
}
