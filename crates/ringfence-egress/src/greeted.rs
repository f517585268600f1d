//! What passes behind the first greeting of TLS, until the server has answered it. If it asks for another greeting, that
//! one has to name the same host.
//!
//! And behind a first line that names nobody, until the line ends. What both let through is nobody's business afterwards.

use crate::hello::{self, ClientHello, Hello, hello, says_http};
use crate::http::LONGEST_HEAD;
use crate::retry::{self, Answer, answer};

/// Why what follows does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crooked {
    /// The second greeting is for another host than the first.
    OtherName,
    /// Somebody could read it otherwise.
    Malformed(&'static str),
}

/// Whether more has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// What follows, too.
    More,
    /// Nothing.
    Nothing,
}

/// A client that has greeted, and whose server has not answered.
#[derive(Debug)]
pub struct Greeted {
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
    /// One that has greeted so.
    pub fn new(first: ClientHello) -> Greeted {
        Greeted { first, heard: Vec::new(), retried: false, held: Vec::new(), passing: 0 }
    }

    /// How much it holds.
    pub fn holds(&self) -> usize {
        self.heard.capacity() + self.held.capacity()
    }

    /// Takes bytes of the client and gives on to `out` what may pass.
    ///
    /// # Errors
    /// When what follows does not pass.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Crooked> {
        self.held.extend_from_slice(bytes);
        self.advance(out)
    }

    /// Hears the server.
    ///
    /// # Errors
    /// When what the client has said meanwhile does not pass.
    pub fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Crooked> {
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
                self.advance(out)
            }
        }
    }

    /// Data that was sent early passes, and so does what is only said to please others on the way. A second greeting waits
    /// for the server to ask for it.
    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Left, Crooked> {
        loop {
            let step = self.passing.min(self.held.len());
            out.extend(self.held.drain(..step));
            self.passing -= step;
            if self.passing > 0 {
                return Ok(Left::More);
            }
            match self.held.as_slice() {
                [HANDSHAKE, ..] if self.retried => return self.second(out),
                [HANDSHAKE, ..] if self.held.len() > hello::LONGEST => {
                    return Err(Crooked::Malformed("much sent before TLS was answered"));
                }
                [] | [HANDSHAKE, ..] => return Ok(Left::More),
                [CHANGE_CIPHER..=HEARTBEAT, _, _, high, low, ..] => {
                    self.passing = 5 + usize::from(u16::from_be_bytes([*high, *low]));
                }
                [CHANGE_CIPHER..=HEARTBEAT, ..] => return Ok(Left::More),
                _ => return Err(Crooked::Malformed("no TLS behind a greeting of TLS")),
            }
        }
    }

    fn second(&mut self, out: &mut Vec<u8>) -> Result<Left, Crooked> {
        match hello(&self.held) {
            Hello::Unfinished => Ok(Left::More),
            Hello::Tls(ClientHello { name, hides, .. })
                if (&name, hides) == (&self.first.name, self.first.hides) =>
            {
                out.append(&mut self.held);
                Ok(Left::Nothing)
            }
            Hello::Tls(_) => Err(Crooked::OtherName),
            _ => Err(Crooked::Malformed("the second greeting of TLS is crooked")),
        }
    }
}

/// A first line that is none of HTTP's, as far as HTTP is written by the book. Some servers take any word for a method. So
/// it passes as it comes, since its sender may wait for an answer before it ends; but not its end, if it says that it is
/// HTTP: without one no server heeds it.
#[derive(Debug, Default)]
pub struct FirstLine {
    /// The last of what has passed, in which a word may have begun.
    last: Vec<u8>,
    seen: usize,
}

impl FirstLine {
    /// Takes bytes of the client and gives on to `out` what may pass.
    ///
    /// # Errors
    /// When what follows does not pass.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Left, Crooked> {
        let blanks = if self.seen == 0 { bytes.len() - hello::without_blanks(bytes).len() } else { 0 };
        let text = &bytes[blanks..];
        // No server has a NUL in a line, and others have who write no lines.
        let end = text.iter().position(|byte| matches!(byte, b'\n' | 0));
        self.last.extend_from_slice(&text[..end.unwrap_or(text.len())]);
        if says_http(&self.last) {
            return Err(Crooked::Malformed("a bad request line"));
        }
        self.last.drain(..self.last.len().saturating_sub(4));
        self.seen += text.len();
        out.extend_from_slice(bytes);
        Ok(if end.is_some() || self.seen > LONGEST_HEAD { Left::Nothing } else { Left::More })
    }
}
