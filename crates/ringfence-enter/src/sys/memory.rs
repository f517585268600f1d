//! Reading another process's memory (process_vm_readv(2)).

use std::io;

/// Reads up to `buffer.len()` bytes at `address` of `pid`; fewer where the next page is not mapped.
pub(crate) fn read(pid: i32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    // Partial transfers stop at the edge of an iovec, so the remote side is split where a page may end.
    const PAGE: u64 = 4096;
    let len = buffer.len() as u64;
    let first = len.min(PAGE - address % PAGE);
    let mut remote = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 4];
    let (mut at, mut left, mut pieces) = (address, len, 0);
    while left > 0 && pieces < remote.len() {
        let piece = if pieces == 0 { first } else { left.min(PAGE) };
        remote[pieces] = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: piece as usize };
        at = at.checked_add(piece).ok_or(io::ErrorKind::InvalidInput)?;
        left -= piece;
        pieces += 1;
    }
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the local iovec is `buffer`; the remote ones are checked by the kernel.
    let read = unsafe {
        libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), pieces as libc::c_ulong, 0)
    };
    super::check(read as libc::c_long).map(|read| read as usize)
}
