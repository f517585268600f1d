//! How a parent proxy is asked for a connection: CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, 1929), the side
//! of the client. What it answers is not believed further than its first words.
//!
//! No socket: bytes in, bytes out.

use std::net::IpAddr;

use ringfence_plan::{Failure, ProxyScheme};

use crate::http::Host;
use crate::parent::{Credentials, Parent};

/// A proxy that is being asked.
#[derive(Debug)]
pub struct Handshake {
    to: Host,
    port: u16,
    credentials: Option<Credentials>,
    next: Next,
    /// What it has said that is not understood yet.
    held: Vec<u8>,
}

/// What a proxy's words lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More of them are needed.
    Wait,
    /// This is to be said.
    Say(Vec<u8>),
    /// It is connected; these bytes are the server's.
    Connected(Vec<u8>),
    /// It will not be.
    Failed(Failure),
}

/// What is to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The head of an answer of HTTP.
    Head,
    /// SOCKS: the method.
    Method,
    /// SOCKS: whether the password is right.
    Password,
    /// SOCKS: the reply.
    Reply,
}

/// Longest head of an answer, bytes: what proxies say in one is a few lines.
const LONGEST: usize = 16 * 1024;

impl Handshake {
    /// Begins to ask for a connection; the second is to be said first.
    pub fn start(parent: &Parent, to: Host, port: u16) -> (Handshake, Vec<u8>) {
        let credentials = parent.credentials.clone();
        let (next, first) = match parent.scheme {
            ProxyScheme::Http | ProxyScheme::Https => (Next::Head, connect(&to, port, credentials.as_ref())),
            // Without authentication, or by a password where there is one.
            ProxyScheme::Socks5 if credentials.is_some() => (Next::Method, vec![5, 2, 0, 2]),
            ProxyScheme::Socks5 => (Next::Method, vec![5, 1, 0]),
        };
        (Handshake { to, port, credentials, next, held: Vec::new() }, first)
    }

    /// Bytes that it holds.
    pub fn holds(&self) -> usize {
        self.held.capacity()
    }

    /// Hears what the proxy says.
    pub fn hear(&mut self, bytes: &[u8]) -> Step {
        self.held.extend_from_slice(bytes);
        match self.next {
            Next::Head => self.head(),
            Next::Method => self.method(),
            Next::Password => self.password(),
            Next::Reply => self.reply(),
        }
    }

    fn head(&mut self) -> Step {
        let known = self.held.len().min(7);
        if self.held[..known] != b"HTTP/1."[..known] {
            return Step::Failed(Failure::ParentMalformed);
        }
        let searched = &self.held[..self.held.len().min(LONGEST)];
        let Some(end) = searched.windows(4).position(|window| window == b"\r\n\r\n") else {
            let too_long = self.held.len() >= LONGEST;
            return if too_long { Step::Failed(Failure::ParentMalformed) } else { Step::Wait };
        };
        match status(&self.held[..end]) {
            // Whatever fields it has, no body follows (RFC 9110, section 9.3.6).
            Some(200..=299) => Step::Connected(self.held.split_off(end + 4)),
            Some(407) => Step::Failed(Failure::ParentCredentials),
            // An interim answer would be to a wish that was not made.
            Some(300..=599) => Step::Failed(Failure::ParentRefused),
            _ => Step::Failed(Failure::ParentMalformed),
        }
    }

    fn method(&mut self) -> Step {
        match (self.held.as_slice(), &self.credentials) {
            ([] | [5], _) => Step::Wait,
            ([5, 0, ..], _) => self.say(2, Next::Reply, request(&self.to, self.port)),
            ([5, 2, ..], Some(Credentials { user, password })) => {
                let words =
                    [&[1, user.len() as u8], &user[..], &[password.len() as u8], &password[..]].concat();
                self.say(2, Next::Password, words)
            }
            ([5, 0xff, ..], _) => Step::Failed(Failure::ParentCredentials),
            _ => Step::Failed(Failure::ParentMalformed),
        }
    }

    fn password(&mut self) -> Step {
        match self.held.as_slice() {
            [] | [1] => Step::Wait,
            [1, 0, ..] => self.say(2, Next::Reply, request(&self.to, self.port)),
            [1, ..] => Step::Failed(Failure::ParentCredentials),
            _ => Step::Failed(Failure::ParentMalformed),
        }
    }

    fn reply(&mut self) -> Step {
        let length = match self.held.as_slice() {
            [5, 1..=8, ..] => return Step::Failed(Failure::ParentRefused),
            [5] | [5, 0] | [5, 0, _] | [5, 0, _, 1 | 3 | 4] | [] => return Step::Wait,
            [5, 0, _, 1, ..] => 4 + 4 + 2,
            [5, 0, _, 3, length, ..] => 4 + 1 + usize::from(*length) + 2,
            [5, 0, _, 4, ..] => 4 + 16 + 2,
            _ => return Step::Failed(Failure::ParentMalformed),
        };
        if self.held.len() < length { Step::Wait } else { Step::Connected(self.held.split_off(length)) }
    }

    /// Goes on behind what was understood.
    fn say(&mut self, understood: usize, next: Next, words: Vec<u8>) -> Step {
        self.held.drain(..understood);
        self.next = next;
        // Who speaks out of turn says what is no answer to what follows.
        if self.held.is_empty() { Step::Say(words) } else { Step::Failed(Failure::ParentMalformed) }
    }
}

/// The status of an answer's first line.
fn status(head: &[u8]) -> Option<u16> {
    let [b'0'..=b'9', b' ', digits @ ..] = head.strip_prefix(b"HTTP/1.")? else { return None };
    let (digits, rest) = digits.split_at_checked(3)?;
    let ends = matches!(rest.first(), None | Some(b' ' | b'\r'));
    let number =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.filter(|_| ends)?.parse().ok()
}

/// A host that was read is canonical: letters, digits, hyphens, dots and colons, so that nothing in it ends a line.
fn connect(to: &Host, port: u16, credentials: Option<&Credentials>) -> Vec<u8> {
    let host = match to {
        Host::Name(name) => name.as_str().to_owned(),
        Host::Address(IpAddr::V4(address)) => address.to_string(),
        Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
    };
    let credentials = credentials.map(|known| format!("Proxy-Authorization: {}\r\n", known.basic()));
    let credentials = credentials.unwrap_or_default();
    format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{credentials}\r\n").into_bytes()
}

fn request(to: &Host, port: u16) -> Vec<u8> {
    let mut bytes = vec![5, 1, 0];
    match to {
        Host::Name(name) => {
            // At most 253 (RFC 1035).
            bytes.extend([3, name.as_str().len() as u8]);
            bytes.extend_from_slice(name.as_str().as_bytes());
        }
        Host::Address(IpAddr::V4(address)) => {
            bytes.push(1);
            bytes.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            bytes.push(4);
            bytes.extend(address.octets());
        }
    }
    bytes.extend(port.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_plan::HostName;

    use super::*;

    fn start(url: &str, to: Host) -> (Handshake, String) {
        let (handshake, first) = Handshake::start(&Parent::of_url(url).unwrap(), to, 443);
        (handshake, first.escape_ascii().to_string())
    }

    fn name() -> Host {
        Host::Name(HostName::parse("a.example").unwrap())
    }

    #[test]
    fn a_tunnel_is_asked_for_by_name_or_address() {
        let (mut asked, first) = start("http://u:p@proxy:3128", name());
        assert_eq!(
            first,
            r"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
        assert_eq!(asked.hear(b"HTTP/1.1 200 Conn"), Step::Wait);
        assert_eq!(
            asked.hear(b"ection established\r\nX: y\r\n\r\nSSH-2"),
            Step::Connected(b"SSH-2".to_vec())
        );
        let (_, first) = start("http://proxy:3128", Host::Address("2001:db8::1".parse().unwrap()));
        assert_eq!(first, r"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    }

    #[test]
    fn an_answer_that_is_no_yes_is_told_as_what_it_is() {
        let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; LONGEST]].concat();
        for (answer, failure) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], Failure::ParentCredentials),
            (b"HTTP/1.0 403 Forbidden\r\n\r\n", Failure::ParentRefused),
            (b"HTTP/1.1 502\r\n\r\n", Failure::ParentRefused),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Failure::ParentMalformed),
            (b"HTTP/1.1 2000 OK\r\n\r\n", Failure::ParentMalformed),
            (b"HTTP/1.1 +20 OK\r\n\r\n", Failure::ParentMalformed),
            (b"HTTP/2 200\r\n\r\n", Failure::ParentMalformed),
            (b"SSH-2.0-x\r\n", Failure::ParentMalformed),
            (&long, Failure::ParentMalformed),
        ] {
            let (mut asked, _) = start("http://proxy:3128", name());
            assert_eq!(asked.hear(answer), Step::Failed(failure), "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn socks_is_asked_by_name_with_a_password_where_there_is_one() {
        let (mut asked, first) = start("socks5h://u:pw@proxy", name());
        assert_eq!(first, r"\x05\x02\x00\x02");
        assert_eq!(asked.hear(&[5]), Step::Wait);
        assert_eq!(asked.hear(&[2]), Step::Say(b"\x01\x01u\x02pw".to_vec()));
        assert_eq!(asked.hear(&[1, 0]), Step::Say(b"\x05\x01\x00\x03\x09a.example\x01\xbb".to_vec()));
        assert_eq!(asked.hear(&[5, 0, 0, 1, 0, 0, 0, 0]), Step::Wait);
        assert_eq!(asked.hear(&[0, 0, b'x']), Step::Connected(b"x".to_vec()));
    }

    #[test]
    fn socks_that_says_no_is_told_as_what_it_is() {
        for (answers, failure) in [
            (&[&[5, 0xff][..]][..], Failure::ParentCredentials),
            // A password that nobody has.
            (&[&[5, 2]], Failure::ParentMalformed),
            (&[&[4, 0]], Failure::ParentMalformed),
            (&[&[5, 0, 5, 0]], Failure::ParentMalformed),
            (&[&[5, 0], &[5, 2, 0, 1]], Failure::ParentRefused),
            (&[&[5, 0], &[5, 0, 0, 9, 0]], Failure::ParentMalformed),
        ] {
            let (mut asked, _) = start("socks5://proxy", name());
            let last = answers.iter().map(|answer| asked.hear(answer)).last().unwrap();
            assert_eq!(last, Step::Failed(failure), "{answers:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6), socks: bool) {
            let (mut asked, _) = start(if socks { "socks5://u:p@proxy" } else { "http://proxy" }, name());
            for piece in pieces {
                if !matches!(asked.hear(&piece), Step::Wait | Step::Say(_)) {
                    break;
                }
            }
        }
    }
}
