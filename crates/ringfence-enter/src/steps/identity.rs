//! Who the process is inside: user, host name, keyring. The same for every caller, root included.

use std::fs::OpenOptions;
use std::io::{self, Write};

use super::During;
use crate::fence::{SetUpError, Step};
use crate::sys::ids;

/// User and group id inside, whoever the caller is.
pub(crate) const INSIDE_ID: u32 = 1000;

/// Maps the caller's ids, and only them, to [`INSIDE_ID`] (user_namespaces(7)).
pub(crate) fn map_ids(uid: u32, gid: u32) -> Result<(), SetUpError> {
    // Written before gid_map, or the kernel refuses that; no group can then be dropped to get around a negative grant.
    put("/proc/self/setgroups", "deny")?;
    put("/proc/self/uid_map", &format!("{INSIDE_ID} {uid} 1"))?;
    put("/proc/self/gid_map", &format!("{INSIDE_ID} {gid} 1"))
}

fn put(path: &str, text: &str) -> Result<(), SetUpError> {
    let write =
        || -> io::Result<()> { OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes()) };
    write().during_on(Step::IdentityMap, path)
}

/// A host name that tells nothing of the host's.
pub(crate) fn set_hostname() -> Result<(), SetUpError> {
    ids::set_hostname("ringfence").during(Step::Hostname)
}

/// An empty session keyring: the caller's may hold keys, and possession is inherited (session-keyring(7)).
pub(crate) fn leave_keyring() -> Result<(), SetUpError> {
    match ids::new_session_keyring() {
        // A kernel without keyrings has none to leave. EDQUOT and EACCES would leave the old one in place: fatal.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        other => other.during(Step::Keyring),
    }
}
