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
    /// TLS, with the name that it asks for, if it asks for one.
    Tls(Option<HostName>),
    /// HTTP, version 1.
    Http,
    /// HTTP/2 without TLS: its names are packed, and change from stream to stream.
    PlainHttp2,
    /// Something that names no host.
    Other,
    /// TLS or HTTP, but not as they should be.
    Malformed,
}

/// Longest ClientHello that is read, bytes; real ones are below 4 KiB, some with post-quantum keys.
pub const LONGEST: usize = 64 * 1024;

/// Looks at the first bytes of a connection.
pub fn hello(bytes: &[u8]) -> Hello {
    match bytes {
        [] | [0x15 | 0x16] => Hello::Unfinished,
        // Some servers take any version below 16 for TLS, and pass over alerts; who greets so hides what follows.
        [0x16, ..16, ..] => tls(bytes),
        [0x15, ..16, ..] => Hello::Malformed,
        _ => match (without_blanks(bytes), bytes) {
            ([], _) if bytes.len() > 64 => Hello::Malformed,
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
    matches!(bytes, [0x15 | 0x16, ..]) || says_http(bytes)
}

fn http(bytes: &[u8]) -> Hello {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if bytes.starts_with(PREFACE) {
        return Hello::PlainHttp2;
    }
    // METHOD SP target SP HTTP/1.x: nothing is HTTP/1 that does not begin so (RFC 9112, section 3).
    let line = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => &bytes[..end],
        None => bytes,
    };
    let ended = line.len() < bytes.len();
    let method = line.iter().take_while(|byte| crate::http::is_token(**byte)).count();
    // Servers divide a line at more than the space (RFC 9112, section 3); but no line of theirs has a NUL, which others have
    // who write no lines at all.
    let target = without_blanks(&line[method..]).first();
    let is_divided = line.get(method).is_none_or(|byte| is_blank(*byte))
        && target.is_none_or(|byte| !byte.is_ascii_control());
    if method == 0 || !is_divided || line.contains(&0) {
        return Hello::Other;
    }
    if !ended {
        return if bytes.len() > crate::http::LONGEST_HEAD { Hello::Malformed } else { Hello::Unfinished };
    }
    if PREFACE.starts_with(bytes) {
        return Hello::Unfinished;
    }
    // Whatever a server could take for the version makes it HTTP, so that a crooked spelling is refused, not passed on.
    if says_http(line) { Hello::Http } else { Hello::Other }
}

fn says_http(bytes: &[u8]) -> bool {
    bytes.windows(5).any(|window| window.eq_ignore_ascii_case(b"HTTP/"))
}

fn without_blanks(bytes: &[u8]) -> &[u8] {
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
            if let Some(body) = body.get(..wanted) {
                return server_name(body).map_or(Hello::Malformed, Hello::Tls);
            }
        }
        if rest.len() < length {
            return Hello::Unfinished;
        }
        records = &rest[length..];
    }
}

/// The name in a ClientHello, if there is one; `None` if the message is not well formed.
fn server_name(body: &[u8]) -> Option<Option<HostName>> {
    let mut body = Reader(body);
    body.take(2 + 32)?;
    body.short_list()?;
    body.long_list()?;
    body.short_list()?;
    if body.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(body.long_list()?);
    if !body.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let data = extensions.long_list()?;
        if kind == 0 {
            // Two would be read by some as the first and by others as the last.
            if found.is_some() {
                return None;
            }
            found = Some(one_name(data)?);
        }
    }
    Some(found)
}

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
mod tests {
    use super::*;

    /// A ClientHello with these server_name entries, in records of at most `split` bytes.
    fn client_hello(names: &[&str], split: usize) -> Vec<u8> {
        let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
        let extension = |name: &&str| {
            let entry = [&[0][..], &long(name.as_bytes())].concat();
            [&[0, 0][..], &long(&long(&entry))].concat()
        };
        let extensions: Vec<u8> = names.iter().flat_map(extension).collect();
        let body = [&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 1]), &[1, 0], &long(&extensions)].concat();
        let length = (body.len() as u32).to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        message.chunks(split).flat_map(|part| [&[0x16, 3, 1][..], &long(part)].concat()).collect()
    }

    #[test]
    fn the_name_of_a_client_hello_is_found_however_it_is_cut() {
        let named = Hello::Tls(HostName::parse("api.example.org").ok());
        for split in [1, 3, 7, 50, 10_000] {
            let bytes = client_hello(&["API.example.org"], split);
            assert_eq!(hello(&bytes), named, "{split}");
            for end in 0..bytes.len() {
                assert_eq!(hello(&bytes[..end]), Hello::Unfinished, "{split} {end}");
            }
        }
        assert_eq!(hello(&client_hello(&[], 10_000)), Hello::Tls(None));
    }

    #[test]
    fn a_name_that_two_readers_would_read_differently_is_refused() {
        for names in [&["a.org", "b.org"][..], &["a.org\0.b.org"], &["1.2.3.4"], &["a..org"], &[""]] {
            assert_eq!(hello(&client_hello(names, 10_000)), Hello::Malformed, "{names:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = hello(&bytes);
            let _ = hello(&[&[0x16, 3, 1, 0, bytes.len().min(255) as u8, 1, 0, 0][..], &bytes].concat());
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
        ] {
            assert_eq!(hello(bytes), what, "{}", bytes.escape_ascii());
        }
    }
}
