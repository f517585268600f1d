//! What the inspector may call beside what every outpost may: what its runtime takes. No socket and no connection.

use super::outpost::{self, REFUSED};
use super::table::{Action, Check, Rule};

/// The table, sorted by call number; every other call answers ENOSYS.
pub(super) fn rules() -> Vec<(i64, Rule)> {
    // The runtime asks whether a socket waits. More could have signals sent to others (F_SETOWN).
    let asks = Check::Equal { arg: 1, value: libc::F_GETFL as u32, action: Action::Allow };
    let allowed = [libc::SYS_readv, libc::SYS_sched_yield, libc::SYS_writev];
    outpost::rules(&allowed, [(libc::SYS_fcntl, Rule::When(vec![asks], REFUSED))])
}
