//! Finds texts in a stream that comes in pieces, also across their borders.
//!
//! Not what follows from it.

use std::sync::Arc;

/// Texts to look for.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    texts: Vec<Vec<u8>>,
    /// Whether whoever gets the stream must not learn them.
    unknown: bool,
}

/// A stream under watch.
#[derive(Debug, Default)]
pub struct Scan {
    /// The end of what was seen: what could be the start of a text.
    seen: Vec<u8>,
    /// How much of that was given.
    given: usize,
}

/// A stream under watch of which nothing is held back.
#[derive(Debug)]
pub struct Watch {
    needles: Arc<Needles>,
    /// The end of what was seen.
    tail: Vec<u8>,
}

/// One of the texts was found: which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found(pub usize);

/// Of a text that nobody may learn, so many bytes at its end are never given, nor told one by one.
const UNTOLD: usize = 16;

impl Needles {
    /// These, none of them empty.
    pub fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Needles {
        Needles { texts: texts.into_iter().filter(|text| !text.is_empty()).collect(), unknown: false }
    }

    /// These, which whoever gets the stream must not learn. Holding back whatever could be their start would tell him:
    /// he has a server say `a`, `b`, `c` to him, and sees which of them is late. So a start is held back only where it is
    /// most of the text, which nobody can guess at once; of a text that comes in pieces, that much may be given, and the
    /// rest is not.
    pub fn unknown(texts: impl IntoIterator<Item = Vec<u8>>) -> Needles {
        Needles { unknown: true, ..Needles::new(texts) }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The first that stands in `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Option<Found> {
        let found = |needle: &Vec<u8>| memchr::memmem::find(bytes, needle).is_some();
        self.texts.iter().position(found).map(Found)
    }

    /// How many bytes at the end of `bytes` could be the start of one, and how many of them are not to be given.
    fn begun(&self, bytes: &[u8]) -> (usize, usize) {
        let (mut begun, mut held) = (0, 0);
        for needle in &self.texts {
            let longest = (needle.len() - 1).min(bytes.len());
            let starts = |length: &usize| needle.starts_with(&bytes[bytes.len() - length..]);
            let Some(length) = (1..=longest).rev().find(starts) else { continue };
            begun = begun.max(length);
            if !self.unknown || length >= needle.len().saturating_sub(UNTOLD).max(needle.len().div_ceil(2)) {
                held = held.max(length);
            }
        }
        (begun, held)
    }
}

impl Scan {
    /// Takes the next piece, and gives what may go on: all but an end that could be the start of a text.
    ///
    /// # Errors
    /// When one was found. Nothing of what was held back, and nothing after it, was given.
    pub fn feed(&mut self, needles: &Needles, piece: &[u8]) -> Result<Vec<u8>, Found> {
        self.seen.extend_from_slice(piece);
        if let Some(found) = needles.find(&self.seen) {
            return Err(found);
        }
        let (begun, held) = needles.begun(&self.seen);
        let until = (self.seen.len() - held).max(self.given);
        let out = self.seen[self.given..until].to_vec();
        let start = self.seen.len() - begun;
        self.seen.drain(..start);
        self.given = until.saturating_sub(start);
        Ok(out)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.seen.len() == self.given
    }

    /// The stream is over: what was held is no text.
    pub fn end(&mut self) -> Vec<u8> {
        let held = self.seen.split_off(self.given);
        *self = Scan::default();
        held
    }
}

impl Watch {
    /// Looks for these.
    pub fn new(needles: Arc<Needles>) -> Watch {
        Watch { needles, tail: Vec::new() }
    }

    /// Sees the next piece: which text ends in it, if one does.
    pub fn see(&mut self, piece: &[u8]) -> Option<Found> {
        let longest = self.needles.texts.iter().map(Vec::len).max()?;
        // Across the border, and then within the piece, which is not copied.
        let border = piece.len().min(longest - 1);
        self.tail.extend_from_slice(&piece[..border]);
        let found = self.needles.find(&self.tail).or_else(|| self.needles.find(piece));
        if border < piece.len() {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - (longest - 1)..]);
        }
        let surplus = self.tail.len().saturating_sub(longest - 1);
        self.tail.drain(..surplus);
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(needles: &[&str], pieces: &[Vec<u8>]) -> Result<Vec<u8>, Vec<u8>> {
        over(&Needles::new(needles.iter().map(|text| text.as_bytes().to_vec())), pieces)
    }

    fn over(needles: &Needles, pieces: &[Vec<u8>]) -> Result<Vec<u8>, Vec<u8>> {
        let (mut scan, mut out) = (Scan::default(), Vec::new());
        for piece in pieces {
            match scan.feed(needles, piece) {
                Ok(bytes) => out.extend(bytes),
                Err(_) => return Err(out),
            }
        }
        out.extend(scan.end());
        Ok(out)
    }

    #[test]
    fn a_text_is_found_across_borders_and_none_of_it_is_given() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        assert_eq!(through(&["secret"], &[bytes("a sec"), bytes("ret b")]), Err(bytes("a ")));
        assert_eq!(through(&["secret"], &[bytes("a sec"), bytes("ond")]), Ok(bytes("a second")));
        assert_eq!(through(&["aab"], &[bytes("aa"), bytes("ab")]), Err(bytes("")));
        assert_eq!(through(&[], &[bytes("x")]), Ok(bytes("x")));
    }

    #[test]
    fn what_is_held_back_does_not_tell_a_text_byte_by_byte() {
        let value = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let needles = Needles::unknown([value.to_vec(), b"shorter-value".to_vec()]);
        for told in ["0", "0123456789", "0123456789abcdefghi", "sho", "shorte"] {
            let mut scan = Scan::default();
            assert_eq!(scan.feed(&needles, told.as_bytes()), Ok(told.as_bytes().to_vec()), "{told}");
            assert!(scan.is_empty());
        }
        // However it is cut, no more of it comes than that.
        for first in 0..=value.len() {
            for second in first..=value.len() {
                let pieces = [b"x ", &value[..first]].concat();
                let pieces = [pieces, value[first..second].to_vec(), value[second..].to_vec()];
                let out = over(&needles, &pieces).unwrap_err();
                assert!(out.len() < 2 + 20, "{first} {second} {out:?}");
            }
        }
    }

    #[test]
    fn a_watch_sees_across_borders() {
        let needles = Arc::new(Needles::new([b"secret".to_vec()]));
        for cut in 0..=10 {
            let (first, second) = b"a secret b".split_at(cut);
            let mut watch = Watch::new(needles.clone());
            assert!(watch.see(first).or(watch.see(second)).is_some(), "{cut}");
        }
        let mut bytewise = Watch::new(needles.clone());
        assert_eq!(b"a secret".iter().filter(|byte| bytewise.see(&[**byte]).is_some()).count(), 1);
        let mut clean = Watch::new(needles);
        assert!(
            [&b"secre"[..], b"x", b"", b"ecret", b"a longer piece than it"]
                .iter()
                .all(|piece| clean.see(piece).is_none())
        );
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[ab]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<Vec<u8>> = cuts.windows(2).map(|cut| text.as_bytes()[cut[0]..cut[1]].to_vec()).collect();
            for (needle, unknown) in [("abab", false), ("aaa", false), ("b", false), ("abab", true), ("aabbaab", true)] {
                let needles = Needles { unknown, ..Needles::new([needle.as_bytes().to_vec()]) };
                match over(&needles, &pieces) {
                    Ok(out) => {
                        prop_assert!(!text.contains(needle));
                        prop_assert_eq!(out, text.as_bytes());
                    }
                    Err(out) => {
                        let at = text.find(needle);
                        prop_assert!(at.is_some_and(|at| out.len() < at + needle.len()));
                        prop_assert!(text.as_bytes().starts_with(&out));
                        prop_assert!(!String::from_utf8(out).unwrap().contains(needle));
                    }
                }
            }
        }
    }
}
