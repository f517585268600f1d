//! Requests of HTTP/1 (RFC 9112), read strictly: what two servers could read differently is refused, since one of them
//! would be the origin.
//!
//! Not responses: what an allowed host answers is passed on as it is.

mod body;

use std::net::{IpAddr, Ipv6Addr};

use ringfence_plan::HostName;

pub use body::{Body, Follow};

/// Longest head of a request, bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// Why a request is not carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The head of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: String,
    /// The target, as it stands.
    pub target: String,
    /// What the Host field names, if there is one.
    pub host: Option<Authority>,
    /// How the body ends.
    pub body: Body,
    /// Whether another protocol may follow.
    pub change: Change,
    /// Bytes of the head, its empty line included.
    pub length: usize,
}

/// A host and, where it is given, its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Option<u16>,
}

/// A host in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// By name.
    Name(HostName),
    /// By address.
    Address(IpAddr),
}

/// What may follow a request instead of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    No,
    /// Another protocol, if the server agrees: an Upgrade field.
    Asked,
    /// One that names hosts by itself, where nobody looks: HTTP/2 without TLS, or TLS (RFC 2817). Not to be asked of the
    /// server.
    ToNames,
}

/// The head at the start of `bytes`; `None` while it is not whole.
///
/// # Errors
/// When it is not as it should be, or too long.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let searched = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let end = searched.windows(4).position(|window| window == b"\r\n\r\n");
    // At once, for a client that ends its lines so may wait for an answer.
    if ends_a_line_otherwise(&searched[..end.unwrap_or(searched.len())]) {
        return Err(Malformed("a carriage return or line feed by itself"));
    }
    let Some(end) = end else {
        return if bytes.len() >= LONGEST_HEAD {
            Err(Malformed("a head of more than 64 KiB"))
        } else {
            Ok(None)
        };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed("a head that is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let (method, target, version) = request_line(lines.next().unwrap_or_default())?;
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let values = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
    };
    let host = match values("host") {
        hosts if hosts.len() > 1 => return Err(Malformed("more than one Host")),
        hosts => hosts
            .first()
            .map(|host| authority(host).ok_or(Malformed("a Host that is no host")))
            .transpose()?,
    };
    if host.is_none() && version == Version::OneOne {
        return Err(Malformed("no Host"));
    }
    let body = body::of(&values("content-length"), &values("transfer-encoding"), version)?;
    let upgrades = values("upgrade");
    let mut protocols = upgrades.iter().flat_map(|value| value.split(',')).map(str::trim);
    let change = match body {
        _ if protocols.clone().any(names_hosts) => Change::ToNames,
        // Behind a body it cannot be told what is the body's and what is the other protocol's.
        Body::Length(0) if protocols.next().is_some() => Change::Asked,
        _ => Change::No,
    };
    Ok(Some(Head { method: method.into(), target: target.into(), host, body, change, length: end + 4 }))
}

/// Whether a line ends otherwise than it should; a carriage return at the end of what there is may become an end.
fn ends_a_line_otherwise(bytes: &[u8]) -> bool {
    let feeds_line = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    bytes.first() == Some(&b'\n') || bytes.windows(2).any(feeds_line)
}

fn names_hosts(protocol: &str) -> bool {
    let protocol = protocol.to_ascii_lowercase();
    protocol.starts_with("h2c") || protocol.starts_with("tls")
}

/// The head without the fields named.
pub fn without(head: &[u8], names: &[&str]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(head.len());
    for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if index == 0 || !names.iter().any(|dropped| name.eq_ignore_ascii_case(dropped.as_bytes())) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    OneNought,
    OneOne,
}

fn request_line(line: &str) -> Result<(&str, &str, Version), Malformed> {
    let bad = Malformed("a bad request line");
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad);
    };
    let version = match version {
        "HTTP/1.1" => Version::OneOne,
        "HTTP/1.0" => Version::OneNought,
        _ => return Err(bad),
    };
    let good = !method.is_empty()
        && method.bytes().all(is_token)
        && !target.is_empty()
        && target.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok((method, target, version)) } else { Err(bad) }
}

fn field(line: &str) -> Result<(&str, &str), Malformed> {
    let (name, value) = line.split_once(':').ok_or(Malformed("a line that is no field"))?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Malformed("a field with a bad name"));
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Malformed("a control character in a field"));
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

/// tchar of RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`. Whatever is neither a canonical name nor an address in its usual form is
/// nothing: percent signs, zone ids, odd numbers, user names.
pub fn authority(text: &str) -> Option<Authority> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (
                Host::Address(IpAddr::V6(address).to_canonical()),
                port.strip_prefix(':').or(port.is_empty().then_some(""))?,
            )
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            (self::host(host)?, port)
        }
    };
    let ended_bare = text.ends_with(':');
    let port = match port {
        "" if ended_bare => return None,
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port > 0)?)
        }
        _ => return None,
    };
    Some(Authority { host, port })
}

/// A name, or an IPv4 address of four decimal numbers.
pub fn host(text: &str) -> Option<Host> {
    match text.parse() {
        Ok(address) => Some(Host::Address(IpAddr::V4(address))),
        // The root's dot is allowed in a request, and is no part of the name.
        Err(_) => HostName::parse(text.strip_suffix('.').unwrap_or(text)).ok().map(Host::Name),
    }
}

/// An answer that closes the connection, in plain text.
pub fn answer(status: &str, text: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

/// The target of a request to a proxy (RFC 9112, section 3.2.2): its host and port, and what is asked of that host.
pub fn absolute_form(target: &str) -> Option<(Host, u16, &str)> {
    const SCHEME: &str = "http://";
    let rest = target
        .get(..SCHEME.len())
        .filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
        .map(|_| &target[SCHEME.len()..])?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority_text, path) = rest.split_at(end);
    if path.contains('#') {
        return None;
    }
    let Authority { host, port } = authority(authority_text)?;
    Some((host, port.unwrap_or(80), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head>, Malformed> {
        head(text.as_bytes())
    }

    #[test]
    fn a_plain_request_is_read() {
        let text = "POST /a?b HTTP/1.1\r\nHost: Example.org:8080\r\nContent-Length: 5\r\n\r\nhello";
        let head = parse(text).unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.target.as_str(), head.body),
            ("POST", "/a?b", Body::Length(5))
        );
        let host = Host::Name(HostName::parse("example.org").unwrap());
        assert_eq!(head.host, Some(Authority { host, port: Some(8080) }));
        assert_eq!(&text[head.length..], "hello");
        assert_eq!(parse(&text[..head.length - 1]), Ok(None));
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\r\nhost: a.org\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a.org\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a.org\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\nX: y\r\n\r\n",
            "GET / HTTP/1.1\nHost: a.org\n\n",
            "GET / HTTP/1.1\n",
            "\nGET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\r\r",
            "GET / HTTP/1.1\r\nHost: a.org\rX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.org\0.b.org\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a.org\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a.org\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a.org\r\n\r\n",
            "GET / http/1.1\r\nHost: a.org\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_read_the_same_in_pieces_and_never_panics(text in "[ -~\r\n]{0,200}", bytes: Vec<u8>) {
            let _ = (head(&bytes), authority(&text), absolute_form(&text));
            let request = format!("GET /{text} HTTP/1.1\r\nHost: a.org\r\n{text}\r\n\r\n");
            let read = head(request.as_bytes());
            for end in 0..request.len() {
                match head(&request.as_bytes()[..end]) {
                    Ok(None) => {}
                    Ok(Some(early)) => proptest::prop_assert_eq!(Ok(Some(early)), read.clone()),
                    Err(_) => proptest::prop_assert!(read.is_err()),
                }
            }
            if let Ok(Some(head)) = read {
                // Nothing of what was taken for the head is a line of its own for anybody else.
                let taken = &request.as_bytes()[..head.length];
                for pair in taken.windows(2) {
                    proptest::prop_assert_eq!(pair[0] == b'\r', pair[1] == b'\n');
                }
            }
        }
    }

    #[test]
    fn an_authority_is_a_canonical_host_or_nothing() {
        for good in ["a.org", "A.ORG.", "a.org:443", "1.2.3.4", "1.2.3.4:80", "[2001:db8::1]", "[::1]:80"] {
            assert!(authority(good).is_some(), "{good}");
        }
        assert_eq!(
            authority("[::ffff:10.0.0.1]:80").unwrap().host,
            Host::Address("10.0.0.1".parse().unwrap())
        );
        for bad in [
            "",
            ":80",
            "a.org:",
            "a.org:0",
            "a.org:65536",
            "a.org:+80",
            "a.org:80:80",
            "u@a.org",
            "a.org/",
            "a%2eorg",
            "a.org\0b",
            "a..org",
            ".a.org",
            "-a.org",
            "0x7f.1",
            "127.1",
            "2130706433",
            "0177.0.0.1",
            "1.2.3.4.",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%lo]",
            "[1.2.3.4]",
            "a_b.org",
            "münchen.de",
            "1.2.3.04",
        ] {
            assert!(authority(bad).is_none(), "{bad:?}");
        }
        let long = format!("{}.org", "a".repeat(64));
        assert!(authority(&long).is_none());
    }

    #[test]
    fn a_proxy_target_is_taken_apart() {
        let name = |text| Host::Name(HostName::parse(text).unwrap());
        assert_eq!(absolute_form("http://a.org/x?y"), Some((name("a.org"), 80, "/x?y")));
        assert_eq!(absolute_form("HTTP://a.org:81"), Some((name("a.org"), 81, "")));
        assert_eq!(absolute_form("http://a.org?y"), Some((name("a.org"), 80, "?y")));
        for bad in ["/x", "https://a.org/", "http://u@a.org/", "http:///x", "http://a.org/#f", "ftp://a.org/"]
        {
            assert_eq!(absolute_form(bad), None, "{bad}");
        }
    }
}
