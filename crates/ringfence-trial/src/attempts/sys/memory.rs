//! Memory that two threads, or the kernel and the attacker, look at at once. Not safe sharing: the race is the point.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Failed;

/// A NUL-terminated text that one thread rewrites while another hands its address to the kernel.
pub(crate) struct SharedText(Box<[AtomicU8]>);

impl SharedText {
    /// A text of at most `length` bytes.
    pub(crate) fn new(length: usize) -> SharedText {
        SharedText((0..=length).map(|_| AtomicU8::new(0)).collect())
    }

    /// Writes `text` over what is there. The reader may see any mix: texts of one length differ in a few bytes only.
    pub(crate) fn set(&self, text: &[u8]) {
        for (cell, byte) in self.0.iter().zip(text.iter().chain([&0])) {
            cell.store(*byte, Ordering::Relaxed);
        }
    }

    /// Where it stands, for [`super::call`].
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }
}

/// A page below 4 GiB with `content` at its start, for calls that take 32-bit addresses; its address.
pub(crate) fn map_low(content: &[u8]) -> Result<u32, Failed> {
    // SAFETY: a new anonymous mapping at an address of the kernel's choice; nothing else points there.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | LOW,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().into());
    }
    let length = content.len().min(4096);
    // SAFETY: the page was just mapped, is writable and 4096 bytes long.
    unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), page.cast(), length) };
    u32::try_from(page.addr()).map_err(|_| Failed::Setup("no page below 4 GiB".into()))
}

/// Asks for an address below 4 GiB; on other processors there is nothing that would need one.
#[cfg(target_arch = "x86_64")]
const LOW: i32 = libc::MAP_32BIT;
#[cfg(not(target_arch = "x86_64"))]
const LOW: i32 = 0;
