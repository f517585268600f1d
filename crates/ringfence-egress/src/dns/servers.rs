//! The host's name servers, from the text of resolv.conf(5). Search lists and options are left: names come whole.

use std::net::{IpAddr, SocketAddr};

/// At most three, as the C library takes them; without any, this machine's own (resolv.conf(5)).
pub fn servers(text: &str) -> Vec<SocketAddr> {
    let listed = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    // A zone is a number or an interface; the host's own resolver would need it, and link-local servers are rare.
    let found: Vec<_> = listed
        .filter_map(|word| word.parse::<IpAddr>().ok())
        .take(3)
        .map(|ip| SocketAddr::new(ip, 53))
        .collect();
    if found.is_empty() { vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 53)] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_taken_in_order() {
        let text =
            "# x\nsearch a.org\nnameserver 1.1.1.1\n nameserver  ::1 # y\nnameserver bad\noptions edns0\n";
        assert_eq!(servers(text), ["1.1.1.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(servers(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
