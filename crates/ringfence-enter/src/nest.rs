//! A sandbox in a sandbox. Over one process the kernel lets one listener stand (seccomp(2)), which is the outer sandbox's;
//! its broker makes the calls that change names, with the outer fence's rights. So the inner sandbox hands it what it
//! lets its own command change, and the outer broker holds both. Here are the words for that; the holding is the
//! broker's.
//!
//! Whoever sends such bounds binds himself and what he starts, and nobody can take them back: to the workload the call is
//! of no use.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use ringfence_plan::{AbsPath, Match, PathPattern, Segment};

use crate::sys::nest;

/// What is around this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// A sandbox in the host's namespaces.
    Process,
    /// One with namespaces of its own.
    Namespaces,
}

/// The sandbox around this process, if its broker can hold a fence within its own.
pub fn around() -> Option<Around> {
    match nest::ask(ASKS, &[]).ok()? {
        PROCESS => Some(Around::Process),
        NAMESPACES => Some(Around::Namespaces),
        _ => None,
    }
}

/// Asks it for this process and all that it starts.
pub(crate) fn narrow(bounds: &Bounds) -> io::Result<()> {
    nest::ask(NARROWS, &bounds.encode()).map(drop)
}

/// The name of the question what is around.
pub(crate) const ASKS: &std::ffi::CStr = c"ringfence.around";
/// The name under which bounds are sent.
pub(crate) const NARROWS: &std::ffi::CStr = c"ringfence.narrow";
/// The answer of a sandbox in the host's namespaces.
pub(crate) const PROCESS: i32 = 1;
/// The answer of one with namespaces.
pub(crate) const NAMESPACES: i32 = 2;

/// What the command of an inner sandbox may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Only below these, by their real paths.
    pub(crate) writable: Vec<AbsPath>,
    /// And of that nothing here,
    pub(crate) protect: Vec<PathPattern>,
    /// but for what lies below one of these.
    pub(crate) except: Vec<PathPattern>,
}

/// First item of the encoding. Another version is refused, and with it the run that sent it.
const VERSION: &[u8] = b"1";

impl Bounds {
    /// Items of a letter and a text, each ended by a NUL. The segments of a pattern follow its base.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = [VERSION, b"\0"].concat();
        let mut put = |tag: &[u8], text: &[u8]| bytes.extend([tag, text, b"\0"].concat());
        for path in &self.writable {
            put(b"w", path.as_path().as_os_str().as_bytes());
        }
        let marked = |patterns| std::iter::repeat(patterns);
        let all =
            self.protect.iter().zip(marked([b"P", b"p"])).chain(self.except.iter().zip(marked([b"E", b"e"])));
        for (pattern, [folded, exact]) in all {
            let tag = if pattern.matching == Match::Folded { folded } else { exact };
            put(tag, pattern.base.as_path().as_os_str().as_bytes());
            for segment in &pattern.segments {
                match segment {
                    Segment::AnyDepth => put(b"*", b""),
                    Segment::Glob(text) => put(b"g", text.as_bytes()),
                    Segment::Name(text) => put(b"n", text.as_bytes()),
                }
            }
        }
        bytes
    }

    /// What was sent; `None` if it is not such bounds, whole.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Bounds> {
        let mut items = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
        if items.next() != Some(VERSION) {
            return None;
        }
        let mut bounds = Bounds::default();
        let mut exempts = false;
        for item in items {
            let (tag, text) = item.split_first()?;
            let path = || AbsPath::new(OsStr::from_bytes(text)).ok();
            let pattern = |matching| Some(PathPattern { base: path()?, segments: Vec::new(), matching });
            match tag {
                b'w' => bounds.writable.push(path()?),
                b'P' | b'p' | b'E' | b'e' => {
                    let matching = if tag.is_ascii_uppercase() { Match::Folded } else { Match::Exact };
                    exempts = tag.eq_ignore_ascii_case(&b'e');
                    bounds.last_list(exempts).push(pattern(matching)?);
                }
                b'*' | b'g' | b'n' => {
                    let text = String::from_utf8(text.to_vec()).ok()?;
                    let segment = match tag {
                        b'*' => Segment::AnyDepth,
                        b'g' => Segment::Glob(text),
                        _ => Segment::Name(text),
                    };
                    bounds.last_list(exempts).last_mut()?.segments.push(segment);
                }
                _ => return None,
            }
        }
        let whole = |pattern: &PathPattern| !pattern.segments.is_empty();
        bounds.protect.iter().chain(&bounds.except).all(whole).then_some(bounds)
    }

    fn last_list(&mut self, exempts: bool) -> &mut Vec<PathPattern> {
        if exempts { &mut self.except } else { &mut self.protect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        let path = |text: &str| AbsPath::new(text).unwrap();
        let pattern = |text, matching| PathPattern::new(path("/w"), text, matching).unwrap();
        let literal = PathPattern {
            base: AbsPath::root(),
            segments: vec![Segment::Name("a*\nb".into())],
            matching: Match::Exact,
        };
        Bounds {
            writable: vec![path("/w"), AbsPath::new(OsStr::from_bytes(b"/\xff\n")).unwrap()],
            protect: vec![pattern("**/.git/hooks", Match::Folded), pattern("*.key", Match::Exact), literal],
            except: vec![pattern("**/refs", Match::Folded)],
        }
    }

    #[test]
    fn bounds_arrive_as_they_were_sent() {
        for sent in [bounds(), Bounds::default()] {
            assert_eq!(Bounds::decode(&sent.encode()), Some(sent));
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_no_bounds() {
        let whole = bounds().encode();
        // Cut between two items it may be whole again, but then it ends in another pattern or path less.
        for len in 0..whole.len() {
            assert_ne!(Bounds::decode(&whole[..len]), Some(bounds()), "{len}");
        }
        let bad: [&[u8]; 8] =
            [b"", b"\0", b"2\0", b"1", b"1\0wrelative\0", b"1\0nname\0", b"1\0p/w\0", b"1\0x/w\0"];
        for bytes in bad {
            assert_eq!(Bounds::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn outside_of_every_sandbox_nobody_answers() {
        assert!(narrow(&bounds()).is_err() || around().is_some());
    }
}
