//! /dev/net/tun for everybody, in a mount namespace: MXC's rules of the network need it, and many hosts keep it for root.
//! The host's own device keeps its mode.

use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Who runs what follows.
pub(crate) struct After {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The words before those that need the device; for root only, who alone can make it. The directory that is used for it
/// is one that a tmpfs covers in that namespace.
pub(crate) fn wrapper(after: &After) -> Vec<String> {
    let script =
        "mount -t tmpfs -o mode=755 none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec \"$@\"";
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", "setpriv"];
    let ids = [format!("--reuid={}", after.uid), format!("--regid={}", after.gid), "--clear-groups".into()];
    words.into_iter().map(String::from).chain(ids).collect()
}

/// Whether everybody can open it as it is.
pub(crate) fn is_open_to_all() -> bool {
    fs::metadata("/dev/net/tun").is_ok_and(|device| device.permissions().mode() & 0o006 == 0o006)
}
