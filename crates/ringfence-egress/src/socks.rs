//! SOCKS, version 5 (RFC 1928): no authentication, since only the sandbox's own processes reach the listener; CONNECT
//! alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::http::{Host, host};

/// What the bytes so far ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// More bytes are needed.
    Unfinished,
    /// A connection; the request was so many bytes long.
    Connect {
        /// To which host.
        host: Host,
        /// To which port.
        port: u16,
        /// Bytes of the request.
        length: usize,
    },
    /// Something else, to be answered by this code.
    Refused(Code),
}

/// Replies (RFC 1928, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Connected.
    Succeeded = 0,
    /// It failed, or the request was malformed.
    Failure = 1,
    /// The rules do not allow it.
    NotAllowed = 2,
    /// The host was not reached.
    HostUnreachable = 4,
    /// Neither BIND nor UDP ASSOCIATE.
    CommandNotSupported = 7,
}

/// The greeting: how many bytes long it is, and whether it offers to do without authentication; `None` while it is not
/// whole.
pub fn greeting(bytes: &[u8]) -> Option<(usize, bool)> {
    let [_, count, methods @ ..] = bytes else { return None };
    let methods = methods.get(..usize::from(*count))?;
    Some((2 + methods.len(), methods.contains(&0)))
}

/// The answer to a greeting.
pub fn method(acceptable: bool) -> [u8; 2] {
    [5, if acceptable { 0 } else { 0xff }]
}

/// The request behind the greeting.
pub fn request(bytes: &[u8]) -> Request {
    let [version, command, _, kind, rest @ ..] = bytes else { return Request::Unfinished };
    if *version != 5 {
        return Request::Refused(Code::Failure);
    }
    if *command != 1 {
        return Request::Refused(Code::CommandNotSupported);
    }
    let length = match (kind, rest) {
        (1, _) => 4,
        (4, _) => 16,
        (3, [length, ..]) => 1 + usize::from(*length),
        (3, []) => return Request::Unfinished,
        _ => return Request::Refused(Code::Failure),
    };
    let Some((address, port)) = rest.split_at_checked(length) else { return Request::Unfinished };
    let [high, low, ..] = port else { return Request::Unfinished };
    let port = u16::from_be_bytes([*high, *low]);
    let host = match address {
        [a, b, c, d] if *kind == 1 => Some(Host::Address(Ipv4Addr::new(*a, *b, *c, *d).into())),
        address if *kind == 4 => <[u8; 16]>::try_from(address)
            .ok()
            .map(|address| Host::Address(IpAddr::V6(Ipv6Addr::from(address)).to_canonical())),
        name => std::str::from_utf8(&name[1..]).ok().and_then(host),
    };
    match host {
        Some(host) if port > 0 => Request::Connect { host, port, length: 4 + length + 2 },
        _ => Request::Refused(Code::Failure),
    }
}

/// The answer to a request. The bound address is nobody's business.
pub fn reply(code: Code) -> [u8; 10] {
    [5, code as u8, 0, 1, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use ringfence_plan::HostName;

    use super::*;

    fn named(name: &[u8]) -> Request {
        request(&[&[5, 1, 0, 3, name.len() as u8], name, &[1, 187]].concat())
    }

    #[test]
    fn a_name_is_canonical_or_refused() {
        let host = Host::Name(HostName::parse("api.example.org").unwrap());
        assert_eq!(named(b"Api.Example.org."), Request::Connect { host, port: 443, length: 23 });
        let long = [b'a'; 255];
        for bad in [
            &b"evil\0.example.org"[..],
            b"a.org%00",
            b"a.org\r\n",
            b"u@a.org",
            b"",
            b"0x7f000001",
            b"127.1",
            &long,
        ] {
            assert_eq!(named(bad), Request::Refused(Code::Failure), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn addresses_and_pieces() {
        let bytes = [5, 1, 0, 1, 9, 9, 9, 9, 0, 80];
        for end in 0..bytes.len() {
            assert_eq!(request(&bytes[..end]), Request::Unfinished, "{end}");
        }
        let host = Host::Address("9.9.9.9".parse().unwrap());
        assert_eq!(request(&bytes), Request::Connect { host, port: 80, length: 10 });
        assert_eq!(request(&[5, 3, 0, 1]), Request::Refused(Code::CommandNotSupported));
        assert_eq!(greeting(&[5, 2, 1, 0]), Some((4, true)));
        assert_eq!(greeting(&[5, 2, 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn more_bytes_do_not_change_what_was_asked(
            begins in proptest::sample::select(vec![&b""[..], &[5, 1, 0, 3], &[5, 1, 0, 3, 5], &[5, 1, 0, 1], &[5, 2]]),
            text in "[a-z.]{0,8}",
            bytes: Vec<u8>,
        ) {
            let whole = [begins, text.as_bytes(), &bytes].concat();
            for end in 0..whole.len() {
                let (greeted, asked) = (greeting(&whole[..end]), request(&whole[..end]));
                proptest::prop_assert!(greeted.is_none() || greeted == greeting(&whole));
                proptest::prop_assert!(asked == Request::Unfinished || asked == request(&whole));
            }
            if let Request::Connect { port, length, .. } = request(&whole) {
                proptest::prop_assert_eq!(&whole[length - 2..length], &port.to_be_bytes());
            }
        }
    }
}
