//! Counts in memory that processes forked later have in common (mmap(2)).

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::AtomicU64;

/// So many counts, all nought. They stay for as long as the process: none of its copies can free them for the others.
pub(crate) fn shared(count: usize) -> io::Result<&'static [AtomicU64]> {
    if count == 0 {
        return Ok(&[]);
    }
    let length = count * size_of::<AtomicU64>();
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that is there.
    let start = unsafe { libc::mmap(null_mut(), length, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, as long as asked, zeroed (a valid AtomicU64), and never unmapped; whoever else
    // has it reaches it by atomics alone.
    Ok(unsafe { std::slice::from_raw_parts(start.cast(), count) })
}
