//! What a client says first, as far as it names a host: the server name of a TLS ClientHello (RFC 8446, RFC 6066), or
//! that it speaks HTTP, whose requests name it themselves. Everything else names nobody.
//!
//! Not TLS: nothing is decrypted, and what follows the first message is nobody's business here.

use ringfence_plan::HostName;

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed to tell.
    Unfinished,
    /// TLS.
    Tls(ClientHello),
    /// HTTP, version 1.
    Http,
    /// HTTP/2 without TLS: its names are packed, and change from stream to stream.
    PlainHttp2,
    /// Something that names no host.
    Other,
    /// TLS or HTTP, but not as they should be.
    Malformed,
}

/// A greeting of TLS, as far as it can be read by anybody on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that it asks for, if it asks for one.
    pub name: Option<HostName>,
    /// Whether it says that it hides another greeting. Many clients say so without one, in order that those that hide one
    /// do not stand out.
    pub hides: bool,
    /// Bytes of the records that it came in.
    pub length: usize,
}

/// Longest first message that is read, bytes of its records included; real ones are below 4 KiB, some with post-quantum
/// keys.
pub const LONGEST: usize = 64 * 1024;

/// Most blanks before the first word.
const BLANKS: usize = 64;

/// How a balancer tells a server of another client, in the second form of the PROXY protocol; the first is a line.
const PROXY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Looks at the first bytes of a connection. What it says of them it says of all that begin so, if it says more than that
/// they are unfinished.
pub fn hello(bytes: &[u8]) -> Hello {
    match bytes {
        [] | [0x15 | 0x16] => Hello::Unfinished,
        // Some servers take any version below 16 for TLS, and pass over alerts; who greets so hides what follows.
        [0x16, ..16, ..] => match tls(&bytes[..bytes.len().min(LONGEST)]) {
            Hello::Unfinished if bytes.len() >= LONGEST => Hello::Malformed,
            other => other,
        },
        [0x15, ..16, ..] => Hello::Malformed,
        // TLS for datagrams, and the greeting of SSL 2, which could be followed by any version and has no place for a name.
        [0x16, 0xfe, ..] | [0x80..=0xff, _, 1, 0 | 3, ..] => Hello::Malformed,
        [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 1] => Hello::Unfinished,
        // Whoever believes such a header reads the first message behind it.
        _ if bytes.starts_with(PROXY) => Hello::Malformed,
        _ if PROXY.starts_with(bytes) => Hello::Unfinished,
        _ => match (without_blanks(bytes), bytes) {
            (trimmed, _) if bytes.len() - trimmed.len() > BLANKS => Hello::Malformed,
            ([], _) => Hello::Unfinished,
            (trimmed, bytes) if trimmed.len() == bytes.len() => http(bytes),
            // Some servers pass over empty lines, so that HTTP may begin behind them.
            (trimmed, _) => match http(trimmed) {
                Hello::Http | Hello::PlainHttp2 => Hello::Malformed,
                other => other,
            },
        },
    }
}

/// Whether the first bytes, where no more follow, could still be taken for TLS or HTTP by somebody.
pub fn may_name(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, ..]) || says_http(bytes) || names_without_version(bytes)
}

fn http(bytes: &[u8]) -> Hello {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if bytes.starts_with(PREFACE) {
        return Hello::PlainHttp2;
    }
    // METHOD SP target SP HTTP/1.x: nothing is HTTP/1 that does not begin so (RFC 9112, section 3).
    let searched = &bytes[..bytes.len().min(crate::http::LONGEST_HEAD)];
    let end = searched.iter().position(|byte| *byte == b'\n');
    let line = &searched[..end.unwrap_or(searched.len())];
    let method = line.iter().take_while(|byte| crate::http::is_token(**byte)).count();
    // Servers divide a line at more than the space (RFC 9112, section 3); but no line of theirs has a NUL, which others have
    // who write no lines at all.
    let target = without_blanks(&line[method..]).first();
    let is_divided = line.get(method).is_none_or(|byte| is_blank(*byte))
        && target.is_none_or(|byte| !byte.is_ascii_control());
    if method == 0 || !is_divided || line.contains(&0) {
        return Hello::Other;
    }
    if end.is_none() {
        return if bytes.len() >= crate::http::LONGEST_HEAD { Hello::Malformed } else { Hello::Unfinished };
    }
    if PREFACE.starts_with(bytes) {
        return Hello::Unfinished;
    }
    // Whatever a server could take for the version makes it HTTP, so that a crooked spelling is refused, not passed on.
    if says_http(line) {
        return Hello::Http;
    }
    if names_without_version(line) || line.starts_with(b"PROXY ") { Hello::Malformed } else { Hello::Other }
}

/// A request of HTTP/0.9 has no version and no Host, but some servers believe a host in its target.
fn names_without_version(line: &[u8]) -> bool {
    let mut words = line.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let (Some(_), Some(target), None) = (words.next(), words.next(), words.next()) else { return false };
    target.windows(3).any(|window| window == b"://")
}

/// Whether these bytes say that they are HTTP, in whatever spelling.
pub(crate) fn says_http(bytes: &[u8]) -> bool {
    bytes.windows(5).any(|window| window.eq_ignore_ascii_case(b"HTTP/"))
}

pub(crate) fn without_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    &bytes[blanks..]
}

/// Space, and what is taken for one: tab, line feed, vertical tab, form feed, carriage return.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads the records until the ClientHello is whole.
fn tls(bytes: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut records = bytes;
    loop {
        let Some((header, rest)) = records.split_at_checked(5) else { return Hello::Unfinished };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[0] != 0x16 || header[1] != 3 || length == 0 || length > 16_384 {
            return Hello::Malformed;
        }
        message.extend_from_slice(&rest[..rest.len().min(length)]);
        if let [kind, a, b, c, body @ ..] = message.as_slice() {
            let wanted = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if *kind != 1 || wanted > LONGEST {
                return Hello::Malformed;
            }
            // Nothing stands behind it in its last record: some would read on there, and others would not.
            if body.len() > wanted || body.len() == wanted && rest.len() < length {
                return Hello::Malformed;
            }
            if body.len() == wanted {
                let length = bytes.len() - rest.len() + length;
                return client_hello(body, length).map_or(Hello::Malformed, Hello::Tls);
            }
        }
        if rest.len() < length {
            return Hello::Unfinished;
        }
        records = &rest[length..];
    }
}

/// What a ClientHello says; `None` if the message is not well formed.
fn client_hello(body: &[u8], length: usize) -> Option<ClientHello> {
    let mut read = ClientHello { name: None, hides: false, length };
    let mut body = Reader(body);
    body.take(2 + 32)?;
    body.short_list()?;
    body.long_list()?;
    body.short_list()?;
    if body.0.is_empty() {
        return Some(read);
    }
    let mut extensions = Reader(body.long_list()?);
    if !body.0.is_empty() {
        return None;
    }
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let data = extensions.long_list()?;
        match kind {
            // Two would be read by some as the first and by others as the last.
            SERVER_NAME if read.name.is_some() => return None,
            SERVER_NAME => read.name = Some(one_name(data)?),
            ENCRYPTED_HELLO | ENCRYPTED_NAME => read.hides = true,
            _ => {}
        }
    }
    Some(read)
}

const SERVER_NAME: u16 = 0;
/// encrypted_client_hello (RFC 9849), and the name alone in the drafts before it.
const ENCRYPTED_HELLO: u16 = 0xfe0d;
const ENCRYPTED_NAME: u16 = 0xffce;

/// A server_name extension: exactly one entry, a host name (RFC 6066, section 3).
fn one_name(data: &[u8]) -> Option<HostName> {
    let mut data = Reader(data);
    let mut list = Reader(data.long_list()?);
    let kind = list.take(1)?;
    let name = list.long_list()?;
    if kind != [0] || !list.0.is_empty() || !data.0.is_empty() {
        return None;
    }
    HostName::parse(std::str::from_utf8(name).ok()?).ok()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn short_list(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn long_list(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn client_hello(names: &[&str], split: usize) -> Vec<u8> {
        greeting(names, &[], split)
    }

    /// A ClientHello with these server_name entries and further extensions, in records of at most `split` bytes.
    pub(crate) fn greeting(names: &[&str], more: &[u8], split: usize) -> Vec<u8> {
        let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
        let extension = |name: &&str| {
            let entry = [&[0][..], &long(name.as_bytes())].concat();
            [&[0, 0][..], &long(&long(&entry))].concat()
        };
        let extensions: Vec<u8> = names.iter().flat_map(extension).chain(more.iter().copied()).collect();
        let body = [&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 1]), &[1, 0], &long(&extensions)].concat();
        let length = (body.len() as u32).to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        message.chunks(split).flat_map(|part| [&[0x16, 3, 1][..], &long(part)].concat()).collect()
    }

    #[test]
    fn the_name_of_a_client_hello_is_found_however_it_is_cut() {
        let named = |name, length| Hello::Tls(ClientHello { name, hides: false, length });
        for split in [1, 3, 7, 50, 10_000] {
            let bytes = client_hello(&["API.example.org"], split);
            let name = HostName::parse("api.example.org").ok();
            assert_eq!(hello(&bytes), named(name.clone(), bytes.len()), "{split}");
            assert_eq!(hello(&[&bytes[..], b"more"].concat()), named(name, bytes.len()), "{split}");
            for end in 0..bytes.len() {
                assert_eq!(hello(&bytes[..end]), Hello::Unfinished, "{split} {end}");
            }
        }
        let bytes = client_hello(&[], 10_000);
        assert_eq!(hello(&bytes), named(None, bytes.len()));
    }

    #[test]
    fn a_name_that_two_readers_would_read_differently_is_refused() {
        for names in [&["a.org", "b.org"][..], &["a.org\0.b.org"], &["1.2.3.4"], &["a..org"], &[""]] {
            assert_eq!(hello(&client_hello(names, 10_000)), Hello::Malformed, "{names:?}");
        }
    }

    #[test]
    fn a_greeting_that_says_that_it_hides_another_is_known() {
        for (kind, hides) in [([0xfe, 0x0d], true), ([0xff, 0xce], true), ([0, 16], false)] {
            let bytes = greeting(&["a.org"], &[kind[0], kind[1], 0, 1, 0], 10_000);
            let Hello::Tls(read) = hello(&bytes) else { panic!("{kind:?}") };
            assert_eq!((read.name, read.hides), (HostName::parse("a.org").ok(), hides));
        }
    }

    #[test]
    fn nothing_stands_behind_a_greeting_in_its_record() {
        let mut bytes = client_hello(&["a.org"], 10_000);
        let second = bytes[5..].to_vec();
        bytes.extend(second);
        let length = (bytes.len() - 5) as u16;
        bytes[3..5].copy_from_slice(&length.to_be_bytes());
        assert_eq!(hello(&bytes), Hello::Malformed);
    }

    proptest::proptest! {
        #[test]
        fn what_is_said_of_a_beginning_is_said_of_the_whole(
            begins in proptest::sample::select(vec![
                &b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1", b"\r\n", b"PRI * ", b"PROXY ", PROXY, b"\x80",
            ]),
            pieces in proptest::collection::vec("[ -~]{0,20}|\r?\n|\\PC{0,3}", 0..6),
            bytes: Vec<u8>,
        ) {
            let whole = [begins, pieces.concat().as_bytes(), &bytes].concat();
            let said = hello(&whole);
            for end in 0..whole.len() {
                let so_far = hello(&whole[..end]);
                proptest::prop_assert!(so_far == Hello::Unfinished || so_far == said, "{}", end);
            }
        }
    }

    #[test]
    fn http_is_known_by_its_first_line() {
        for (bytes, what) in [
            (&b"GET / HTTP/1.1\r\n"[..], Hello::Http),
            (b"GET / http/1.1\n", Hello::Http),
            (b"GE", Hello::Unfinished),
            (b"\r\nGET / HTTP/1.1\r\n", Hello::Malformed),
            (b"SSH-2.0-OpenSSH\r\n", Hello::Other),
            (b"EHLO me\r\n", Hello::Other),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Hello::Other),
            (b"*1\r\n$4\r\nPING\r\n", Hello::Other),
            (b"PRI * HTTP/2.0\r\n\r\n", Hello::Unfinished),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Hello::PlainHttp2),
            (b"GET\t/ HTTP/1.1\r\n", Hello::Http),
            (b"GET\x0b/ HTTP/1.1\r\n", Hello::Http),
            (b"GET\r/ HTTP/1.1\r\n", Hello::Http),
            (b"GET\t", Hello::Unfinished),
            (b"\x0bGET / HTTP/1.1\r\n", Hello::Malformed),
            (b"PING\r\n", Hello::Other),
            (b"0032git-upload-pack /project.git\0host=a.org\0", Hello::Other),
            (b"0 \x02\x01\x01`\x1b\x02\x01\x03\x04\x0bcn", Hello::Other),
            (b"\x16\x03\x01\x00\x00", Hello::Malformed),
            (b"\x16\x02\x01\x00\x01\x01", Hello::Malformed),
            (b"\x15\x03\x01\x00\x02\x01\x5a", Hello::Malformed),
            (b"\x16\xfe\xfd\x00\x00", Hello::Malformed),
            (b"\x80\x2e\x01\x03\x01\x00\x15", Hello::Malformed),
            (b"\x80\x01\x00\x01\x00\x00\x00\x04ping", Hello::Other),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n", Hello::Malformed),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", Hello::Malformed),
            (b"GET http://evil.org/\r\n", Hello::Malformed),
            (b"get http\r\n", Hello::Other),
            (b"DESCRIBE rtsp://a.org/x RTSP/1.0\r\n", Hello::Other),
        ] {
            assert_eq!(hello(bytes), what, "{}", bytes.escape_ascii());
        }
    }
}
