//! Attempts by descriptors that were open before the fence stood.

use super::sys::call;
use super::{Attempted, Entry, Failed, any};

pub(super) const TABLE: &[Entry] = &[("inherited_descriptors", |_| inherited())];

/// Every open descriptor but the first three. Asked of each number and not of /proc, which a fence may mask.
fn inherited() -> Attempted {
    const F_GETFD: usize = 1;
    any((3..1024)
        .map(|number| (format!("descriptor {number}"), call(libc::SYS_fcntl, &[number, F_GETFD]).map(drop)))
        .filter(|(_, attempted)| !matches!(attempted, Err(Failed::Refused(libc::EBADF))))
        .chain([("none".to_owned(), Err(Failed::Refused(libc::EBADF)))]))
}
