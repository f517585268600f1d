//! The size of the machine's memory.
//!
//! Not what is free: a limit that changes from run to run cannot be reasoned about.

use ringfence_plan::Bytes;

/// All of it, by sysinfo(2): one call, where /proc/meminfo costs the kernel a page of text.
#[cfg(target_os = "linux")]
pub(super) fn total() -> Option<Bytes> {
    let info = rustix::system::sysinfo();
    let unit = u64::from(info.mem_unit.max(1));
    info.totalram.checked_mul(unit).map(Bytes)
}

/// Not looked up here.
#[cfg(not(target_os = "linux"))]
pub(super) fn total() -> Option<Bytes> {
    None
}
