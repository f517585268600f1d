//! Any bytes as SOCKS: what is read as a request is what these bytes say and nothing else would be written so; more bytes
//! do not change it.
//!
//! Not whether the connection is allowed.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use ringfence_egress::http::Host;
use ringfence_egress::socks::{Request, greeting, request};

fuzz_target!(|bytes: &[u8]| {
    let (greeted, asked) = (greeting(bytes), request(bytes));
    if let Some((length, acceptable)) = greeted {
        assert_eq!(length, 2 + usize::from(bytes[1]));
        assert_eq!(acceptable, bytes[2..length].contains(&0));
    }
    for end in 0..bytes.len() {
        let (greeted_so_far, asked_so_far) = (greeting(&bytes[..end]), request(&bytes[..end]));
        assert!(greeted_so_far.is_none() || greeted_so_far == greeted, "{end}");
        assert!(asked_so_far == Request::Unfinished || asked_so_far == asked, "{end}");
    }
    if let Request::Connect { host, port, length } = asked {
        assert_eq!(&bytes[..2], [5, 1]);
        assert_eq!(&bytes[length - 2..length], port.to_be_bytes());
        assert_ne!(port, 0);
        said(&host, bytes[3], &bytes[4..length - 2]);
    }
});

fn said(host: &Host, kind: u8, address: &[u8]) {
    match (kind, host) {
        (1, Host::Address(IpAddr::V4(read))) => assert_eq!(address, read.octets()),
        (4, Host::Address(IpAddr::V6(read))) => assert_eq!(address, read.octets()),
        (4, Host::Address(IpAddr::V4(read))) => assert_eq!(address, read.to_ipv6_mapped().octets()),
        (3, Host::Address(IpAddr::V4(read))) => assert_eq!(&address[1..], read.to_string().as_bytes()),
        (3, Host::Name(name)) => {
            assert_eq!(usize::from(address[0]), address.len() - 1);
            let spelled = String::from_utf8(address[1..].to_ascii_lowercase()).expect("a name is text");
            assert_eq!(spelled.strip_suffix('.').unwrap_or(&spelled), name.as_str());
        }
        other => panic!("{other:?}"),
    }
}
