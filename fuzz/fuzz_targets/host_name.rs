//! Any text as a host: a name has one form, and nothing is a name that anybody could take for an address; a rule, a request
//! and a question mean the same host by the same text.
//!
//! Not what rules mean together, which is `endpoint`.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use ringfence_egress::http::{Host, absolute_form, authority, host};
use ringfence_plan::{Endpoint, HostName, HostPattern, Target};

fuzz_target!(|text: &str| {
    let name = HostName::parse(text);
    if let Ok(name) = &name {
        canonical(name.as_str());
        for spelled in [name.as_str().to_owned(), text.to_uppercase(), text.to_lowercase()] {
            assert_eq!(HostName::parse(&spelled).as_ref(), Ok(name), "{spelled:?}");
        }
        assert_eq!(host(text), Some(Host::Name(name.clone())));
        assert_eq!(Target::parse(text), Ok(Target::Name(name.clone())));
        let rules = Endpoint::parse(text).expect("a name is a rule");
        assert!(rules.iter().all(|rule| rule.host == HostPattern::Name(name.clone())));
        let url = format!("http://{text}:81/x");
        assert_eq!(absolute_form(&url), Some((Host::Name(name.clone()), 81, "/x")));
    }
    match host(text) {
        Some(Host::Name(read)) => {
            assert_eq!(HostName::parse(text.strip_suffix('.').unwrap_or(text)), Ok(read))
        }
        Some(Host::Address(read)) => {
            assert_eq!(text.parse::<IpAddr>(), Ok(read));
            assert_eq!(Target::parse(text), Ok(Target::Address(read)));
        }
        None => assert!(name.is_err(), "{text:?}"),
    }
    if let Some(read) = authority(text) {
        assert!(!text.contains(['@', '/', '%', '\\', '\0', ' ', '#', '?']), "{text:?}");
        let port = read.port.map(|port| format!(":{port}")).unwrap_or_default();
        let written = match &read.host {
            Host::Name(name) => format!("{name}{port}"),
            Host::Address(IpAddr::V4(address)) => format!("{address}{port}"),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]{port}"),
        };
        assert_eq!(authority(&written), Some(read), "{text:?}");
    }
});

/// Letters, digits and hyphens in labels, the last of which is no number in any spelling (WHATWG URL, section 3.5).
fn canonical(name: &str) {
    assert!(!name.is_empty() && name.len() <= 253);
    for label in name.split('.') {
        assert!(
            (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-'),
            "{name:?}"
        );
        assert!(
            label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{name:?}"
        );
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!digits && !hexadecimal, "{name:?}");
}
