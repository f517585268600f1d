//! What the gateway may call beside what every outpost may: sockets of the internet, and no other.

use super::outpost::{self, REFUSED};
use super::table::{Action, Check, Rule};

/// The table, sorted by call number; every other call answers ENOSYS.
pub(super) fn rules() -> Vec<(i64, Rule)> {
    let family = |value: i32| Check::Equal { arg: 0, value: value as u32, action: Action::Allow };
    let internet = Rule::When(vec![family(libc::AF_INET), family(libc::AF_INET6)], REFUSED);
    // To speak to a parent proxy through the inspector: a pair leads nowhere by itself.
    let pair = Rule::When(vec![family(libc::AF_UNIX)], REFUSED);
    let allowed = [libc::SYS_accept4, libc::SYS_connect];
    outpost::rules(&allowed, [(libc::SYS_socket, internet), (libc::SYS_socketpair, pair)])
}
