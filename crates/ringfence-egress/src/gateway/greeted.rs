//! What passes behind the first greeting of TLS, until the server has answered it. If it asks for another greeting, that
//! one has to name the same host.
//!
//! And behind a first line that names nobody, until the line ends. What both let through is nobody's business afterwards.

use super::gate::{Judge, Stop};
use crate::hello::{self, ClientHello, Hello, hello, says_http};
use crate::http::LONGEST_HEAD;
use crate::retry::{self, Answer, answer};

/// Whether more has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// What follows, too.
    More,
    /// Nothing.
    Nothing,
}

/// A client that has greeted, and whose server has not answered.
#[derive(Debug)]
pub(crate) struct Greeted {
    first: ClientHello,
    /// The server's bytes.
    heard: Vec<u8>,
    /// Whether the server has asked for another greeting.
    retried: bool,
    /// Bytes of the client's from the start of a record on.
    held: Vec<u8>,
    /// How much of a record is still to pass.
    passing: usize,
}

/// Types of records (RFC 8446, section 5.1; RFC 6520).
const CHANGE_CIPHER: u8 = 0x14;
const HANDSHAKE: u8 = 0x16;
const HEARTBEAT: u8 = 0x18;

impl Greeted {
    pub(crate) fn new(first: ClientHello) -> Greeted {
        Greeted { first, heard: Vec::new(), retried: false, held: Vec::new(), passing: 0 }
    }

    /// How much it holds.
    pub(crate) fn holds(&self) -> usize {
        self.heard.capacity() + self.held.capacity()
    }

    /// Takes bytes of the client and gives on to `out` what may pass.
    pub(crate) fn feed(&mut self, judge: &Judge<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Stop> {
        self.held.extend_from_slice(bytes);
        self.advance(judge, out)
    }

    /// Hears the server.
    pub(crate) fn hear(&mut self, judge: &Judge<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Stop> {
        if self.retried {
            return Ok(Left::More);
        }
        let room = retry::LONGEST - self.heard.len().min(retry::LONGEST);
        self.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
        match answer(&self.heard) {
            Answer::Unfinished => Ok(Left::More),
            Answer::Other => {
                out.append(&mut self.held);
                Ok(Left::Nothing)
            }
            Answer::Retry => {
                self.retried = true;
                self.heard = Vec::new();
                self.advance(judge, out)
            }
        }
    }

    /// Data that was sent early passes, and so does what is only said to please others on the way. A second greeting waits
    /// for the server to ask for it.
    fn advance(&mut self, judge: &Judge<'_>, out: &mut Vec<u8>) -> Result<Left, Stop> {
        loop {
            let step = self.passing.min(self.held.len());
            out.extend(self.held.drain(..step));
            self.passing -= step;
            if self.passing > 0 {
                return Ok(Left::More);
            }
            match self.held.as_slice() {
                [HANDSHAKE, ..] if self.retried => return self.second(judge, out),
                [HANDSHAKE, ..] if self.held.len() > hello::LONGEST => {
                    return Err(judge.crooked("much sent before TLS was answered"));
                }
                [] | [HANDSHAKE, ..] => return Ok(Left::More),
                [CHANGE_CIPHER..=HEARTBEAT, _, _, high, low, ..] => {
                    self.passing = 5 + usize::from(u16::from_be_bytes([*high, *low]));
                }
                [CHANGE_CIPHER..=HEARTBEAT, ..] => return Ok(Left::More),
                _ => return Err(judge.crooked("no TLS behind a greeting of TLS")),
            }
        }
    }

    fn second(&mut self, judge: &Judge<'_>, out: &mut Vec<u8>) -> Result<Left, Stop> {
        match hello(&self.held) {
            Hello::Unfinished => Ok(Left::More),
            Hello::Tls(ClientHello { name, hides, .. })
                if (&name, hides) == (&self.first.name, self.first.hides) =>
            {
                out.append(&mut self.held);
                Ok(Left::Nothing)
            }
            Hello::Tls(_) => Err(Stop { refusal: judge.rules.mismatch(), http: false }),
            _ => Err(judge.crooked("the second greeting of TLS is crooked")),
        }
    }
}

/// A first line that is none of HTTP's, as far as HTTP is written by the book. Some servers take any word for a method. So
/// it passes as it comes, since its sender may wait for an answer before it ends; but not its end, if it says that it is
/// HTTP: without one no server heeds it.
#[derive(Debug, Default)]
pub(crate) struct FirstLine {
    /// The last of what has passed, in which a word may have begun.
    last: Vec<u8>,
    seen: usize,
}

impl FirstLine {
    /// Takes bytes of the client and gives on to `out` what may pass.
    pub(crate) fn feed(&mut self, judge: &Judge<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Stop> {
        let blanks = if self.seen == 0 { bytes.len() - hello::without_blanks(bytes).len() } else { 0 };
        let text = &bytes[blanks..];
        // No server has a NUL in a line, and others have who write no lines.
        let end = text.iter().position(|byte| matches!(byte, b'\n' | 0));
        self.last.extend_from_slice(&text[..end.unwrap_or(text.len())]);
        if says_http(&self.last) {
            return Err(judge.malformed("a bad request line"));
        }
        self.last.drain(..self.last.len().saturating_sub(4));
        self.seen += text.len();
        out.extend_from_slice(bytes);
        Ok(if end.is_some() || self.seen > LONGEST_HEAD { Left::Nothing } else { Left::More })
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Barrier, HostName, Network, RuleId};

    use super::super::gate::{Expected, Gate};
    use super::super::spend::Spending;
    use super::*;
    use crate::budget::{Charges, Ledger};
    use crate::hello::tests::greeting;
    use crate::retry::tests::{retry_request, server_hello};
    use crate::rules::Rules;

    /// Who says something.
    enum Says<'a> {
        Client(&'a [u8]),
        Server(&'a [u8]),
    }
    use Says::{Client, Server};

    fn through(said: &[Says<'_>]) -> Result<Vec<u8>, Barrier> {
        let rules = Rules::new(Network::none(RuleId(0)), Vec::new());
        let names = ["a.org", "b.org"].iter().map(|name| HostName::parse(name).unwrap()).collect();
        let expected = Expected::OneOf(names);
        let (ledger, charges) = (Ledger::new(Vec::new()).unwrap(), Charges::default());
        let spending = Spending { ledger: &ledger, charges: &charges };
        let judge = Judge { rules: &rules, expected: &expected, address: None, port: 443, spending };
        let (mut gate, mut out) = (Gate::new(&expected), Vec::new());
        for said in said {
            match said {
                Client(bytes) => gate.feed(&judge, bytes, &mut out),
                Server(bytes) => gate.hear(&judge, bytes, &mut out),
            }
            .map_err(|stop| stop.refusal.barrier)?;
        }
        Ok(out)
    }

    const EARLY: &[u8] = &[0x17, 3, 3, 0, 3, 1, 2, 3];
    const CHANGE: &[u8] = &[0x14, 3, 3, 0, 1, 1];

    #[test]
    fn a_second_greeting_names_whom_the_first_named() {
        let (good, other, none) =
            (greeting(&["a.org"], &[], 900), greeting(&["b.org"], &[], 900), greeting(&[], &[], 900));
        let retry = retry_request();
        let all = [&good[..], EARLY, CHANGE, &good, EARLY].concat();
        assert_eq!(
            through(&[
                Client(&good),
                Client(EARLY),
                Server(&retry),
                Client(&all[good.len() + EARLY.len()..])
            ]),
            Ok(all.clone())
        );
        for bad in [&other, &none, &greeting(&["a.org"], &[0xfe, 0x0d, 0, 1, 0], 900)] {
            assert_eq!(through(&[Client(&good), Server(&retry), Client(bad)]), Err(Barrier::OtherName));
            assert_eq!(
                through(&[Client(&good), Client(EARLY), Client(bad), Server(&retry)]),
                Err(Barrier::OtherName)
            );
            let at_once = [&good[..], EARLY, CHANGE, bad].concat();
            assert_eq!(through(&[Client(&at_once), Server(&retry)]), Err(Barrier::OtherName));
            // Before the server has asked, nobody has it.
            assert_eq!(through(&[Client(&at_once)]), Ok([&good[..], EARLY, CHANGE].concat()));
        }
        let bytewise: Vec<Says<'_>> = good
            .chunks(1)
            .map(Client)
            .chain(retry.chunks(1).map(Server))
            .chain(other.chunks(1).map(Client))
            .collect();
        assert_eq!(through(&bytewise), Err(Barrier::OtherName));
    }

    #[test]
    fn once_the_server_has_greeted_back_everything_passes() {
        let (good, back) = (greeting(&["a.org"], &[], 900), server_hello(&[7; 32], 100));
        let key = [0x16, 3, 3, 0, 4, 16, 0, 0, 0];
        assert_eq!(
            through(&[Client(&good), Server(&back), Client(&key), Client(b"any")]),
            Ok([&good[..], &key, b"any"].concat())
        );
        assert_eq!(through(&[Client(&good), Client(&key), Server(&back)]), Ok([&good[..], &key].concat()));
        assert_eq!(through(&[Client(&good), Client(b"GET / HTTP/1.1\r\n")]), Err(Barrier::Malformed));
    }

    #[test]
    fn a_crooked_line_of_http_does_not_end() {
        for line in
            ["G(T / HTTP/1.1\r\n", "\"GET\" / http/1.1\r\n", "\r\n{GET} / HTTP/1.1\n", "<x> HTTP/1.0\n"]
        {
            let pieces: Vec<Says<'_>> = line.as_bytes().chunks(1).map(Client).collect();
            assert_eq!(through(&pieces), Err(Barrier::Malformed), "{line}");
            assert_eq!(through(&[Client(line.as_bytes())]), Err(Barrier::Malformed), "{line}");
        }
        for line in [
            "<stream:stream to='a.org'>",
            "8=FIX.4.2\u{1}",
            "{\"a\":1}\n HTTP/",
            "0032git-upload-pack /x\0HTTP/",
        ] {
            assert_eq!(through(&[Client(line.as_bytes())]), Ok(line.as_bytes().to_vec()));
        }
    }
}
