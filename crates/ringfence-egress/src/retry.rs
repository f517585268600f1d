//! What a server of TLS says first, as far as it asks for the client's greeting once more: a HelloRetryRequest (RFC 8446,
//! section 4.1.4). The second greeting is sent as openly as the first, and could name another host.
//!
//! Not the second greeting: it is read like the first, by [`crate::hello`].

/// What a server's first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// More bytes are needed to tell.
    Unfinished,
    /// It asks for another greeting.
    Retry,
    /// It does not: no second greeting will be heeded.
    Other,
}

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Where the random stands in a message: behind its type, length and version.
const RANDOM: usize = 1 + 3 + 2;

/// Bytes within which a server has said it; more are no TLS that anybody speaks.
pub const LONGEST: usize = 4096;

/// Looks at a server's first bytes.
pub fn answer(bytes: &[u8]) -> Answer {
    let mut message = Vec::new();
    let mut records = &bytes[..bytes.len().min(LONGEST)];
    while let Some((header, rest)) = records.split_at_checked(5) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        match header[0] {
            // A warning, that the name is unknown to it for one, may come before.
            0x15 => {}
            0x16 => message.extend_from_slice(&rest[..rest.len().min(length)]),
            _ => return Answer::Other,
        }
        if message.first().is_some_and(|kind| *kind != SERVER_HELLO) {
            return Answer::Other;
        }
        if let Some(random) = message.get(RANDOM..RANDOM + RETRY.len()) {
            return if random == RETRY { Answer::Retry } else { Answer::Other };
        }
        if rest.len() < length {
            break;
        }
        records = &rest[length..];
    }
    if bytes.len() >= LONGEST { Answer::Other } else { Answer::Unfinished }
}

const SERVER_HELLO: u8 = 2;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A ServerHello of this random, in records of at most `split` bytes.
    pub(crate) fn server_hello(random: &[u8; 32], split: usize) -> Vec<u8> {
        let message = [&[SERVER_HELLO, 0, 0, 40, 3, 3][..], random, &[0, 0x13, 1, 0, 0, 0]].concat();
        message
            .chunks(split)
            .flat_map(|part| [&[0x16, 3, 3, 0, part.len() as u8][..], part].concat())
            .collect()
    }

    /// One that asks for another greeting.
    pub(crate) fn retry_request() -> Vec<u8> {
        server_hello(&RETRY, 100)
    }

    #[test]
    fn a_request_for_another_greeting_is_known_however_it_is_cut() {
        let warning = [0x15, 3, 3, 0, 2, 1, 112];
        for split in [1, 7, 100] {
            for (random, is) in [(&RETRY, Answer::Retry), (&[7; 32], Answer::Other)] {
                let bytes = [&warning[..], &server_hello(random, split)].concat();
                assert_eq!(answer(&bytes), is, "{split}");
                let said = (0..bytes.len()).map(|end| answer(&bytes[..end]));
                assert!(said.clone().all(|said| said == Answer::Unfinished || said == is), "{split}");
            }
        }
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\x14\x03\x03\x00\x01\x01",
            &[0x16, 3, 3, 0, 4, 0, 0, 0, 0],
        ] {
            assert_eq!(answer(other), Answer::Other);
        }
        assert_eq!(answer(&[0x15, 3, 3, 0, 2, 1, 1].repeat(1000)), Answer::Other);
    }
}
