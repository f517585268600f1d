//! Where the body of a request ends (RFC 9112, sections 6 and 7), read as strictly as its head.
//!
//! Not what is in it.

use super::{Malformed, Version};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// After so many bytes, none included.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// What the fields say of it.
pub(super) fn of(lengths: &[&str], codings: &[&str], version: Version) -> Result<Body, Malformed> {
    match (lengths, codings) {
        ([], []) => Ok(Body::Length(0)),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Body::Length).map_err(|_| Malformed("a length that is too large"))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == Version::OneOne => {
            Ok(Body::Chunked)
        }
        ([], _) => Err(Malformed("a transfer coding that is not chunked alone")),
        (_, []) => Err(Malformed("more than one length, or a bad one")),
        _ => Err(Malformed("both a length and a transfer coding")),
    }
}

/// Follows one request's body to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// So many bytes are left.
    Length(u64),
    /// In the line before a chunk, of which so much was seen.
    Size(Vec<u8>),
    /// In a chunk, of which so many bytes are left, the line end behind it included.
    Chunk(u64),
    /// In the trailer, in whose line so many bytes were seen.
    Trailer(Vec<u8>),
    /// At the end.
    Done,
}

impl Follow {
    /// At the start of a body.
    pub fn new(body: Body) -> Follow {
        match body {
            Body::Length(0) => Follow::Done,
            Body::Length(length) => Follow::Length(length),
            Body::Chunked => Follow::Size(Vec::new()),
        }
    }

    /// How many of `bytes` belong to the body.
    ///
    /// # Errors
    /// When the chunks are not as they should be.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            match self {
                Follow::Done => break,
                Follow::Length(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    taken += step;
                    *left -= step as u64;
                    if *left == 0 {
                        *self = Follow::Done;
                    }
                }
                Follow::Chunk(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    // The last two bytes are the line end.
                    for (index, byte) in rest[..step].iter().enumerate().rev().take(2) {
                        let behind = *left - index as u64;
                        if (behind == 2 && *byte != b'\r') || (behind == 1 && *byte != b'\n') {
                            return Err(Malformed("a chunk without its end"));
                        }
                    }
                    taken += step;
                    *left -= step as u64;
                    if *left == 0 {
                        *self = Follow::Size(Vec::new());
                    }
                }
                Follow::Size(line) | Follow::Trailer(line) => {
                    line.push(rest[0]);
                    taken += 1;
                    if line.len() > 4096 {
                        return Err(Malformed("a long line between chunks"));
                    }
                    if line.ends_with(b"\n") {
                        *self = self.after_line()?;
                    }
                }
            }
        }
        Ok(taken)
    }

    fn after_line(&self) -> Result<Follow, Malformed> {
        let (Follow::Size(line) | Follow::Trailer(line)) = self else { return Ok(self.clone()) };
        let text = line.strip_suffix(b"\r\n").ok_or(Malformed("a bare line feed"))?;
        if text.contains(&b'\r') {
            return Err(Malformed("a bare carriage return"));
        }
        if matches!(self, Follow::Trailer(_)) {
            return Ok(if text.is_empty() { Follow::Done } else { Follow::Trailer(Vec::new()) });
        }
        // No extensions: nobody uses them, and readers differ about them.
        let digits = std::str::from_utf8(text).ok().filter(|text| {
            (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match size.ok_or(Malformed("a bad chunk size"))? {
            0 => Ok(Follow::Trailer(Vec::new())),
            size => Ok(Follow::Chunk(size + 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_followed_to_their_end_and_no_further() {
        let body = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n";
        let end = body.len() - b"GET / HTTP/1.1\r\n".len();
        for step in 1..body.len() {
            let mut follow = Follow::new(Body::Chunked);
            let mut at = 0;
            while follow != Follow::Done {
                let piece = &body[at..(at + step).min(body.len())];
                at += follow.advance(piece).unwrap();
            }
            assert_eq!(at, end, "{step}");
        }
        for bad in [&b"5;x=y\r\n"[..], b"5\nhello", b"g\r\n", b"\r\n", b"5\r\nhelloXX", b"-1\r\n", b"0x5\r\n"]
        {
            assert!(Follow::new(Body::Chunked).advance(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
