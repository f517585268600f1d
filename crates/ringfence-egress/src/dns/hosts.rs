//! The host's own list of names, from the text of hosts(5): for the names of its configuration, never for the sandbox's.

use std::net::{IpAddr, Ipv4Addr};

use ringfence_plan::HostName;

/// The addresses of a name there. The name of this machine's loopback is one without being listed (RFC 6761, 6.3).
pub fn addresses(text: &str, name: &HostName) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name.as_str())) {
            found.push(address);
        }
    }
    if found.is_empty() && name.as_str() == "localhost" {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_name_is_found() {
        let text =
            "127.0.0.1 localhost\n::1\tlocalhost # Proxy\n10.0.0.1 a Proxy\n#10.0.0.2 proxy\nbad proxy\n";
        let of = |name: &str| addresses(text, &HostName::parse(name).unwrap());
        assert_eq!(of("proxy"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(of("localhost").len(), 2);
        assert_eq!(of("other"), [] as [IpAddr; 0]);
        assert_eq!(addresses("", &HostName::parse("localhost").unwrap()).len(), 1);
    }
}
