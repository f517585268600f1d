//! Messages of the domain name system (RFC 1035), as far as addresses are asked for. Answers are composed anew: no byte
//! of what a server said is passed on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringfence_plan::{Failure, HostName};

/// A question as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The identity that the answer has to bear.
    pub id: u16,
    /// Whether recursion was desired, which the answer repeats.
    recursion: bool,
    /// The name, if it is one of a host.
    pub name: Option<HostName>,
    /// What of it.
    pub kind: Kind,
    /// Name, type and class as they were spelled.
    spelled: Vec<u8>,
}

/// The types of records that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Any other.
    Other(u16),
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
            Kind::Other(number) => number,
        }
    }
}

/// Outcomes of a question (RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Answered, perhaps by nothing.
    NoError = 0,
    /// The question is not understood.
    FormErr = 1,
    /// No server answered well.
    ServFail = 2,
    /// There is no such name.
    NxDomain = 3,
    /// The kind of question is not answered here.
    NotImp = 4,
}

/// Why a question has no answer from an upstream server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such name.
    NxDomain,
    /// It failed on the way.
    Failed(Failure),
    /// Too many questions are under way.
    Busy,
}

impl Unanswered {
    /// The outcome for who asked: what failed may succeed later, and a client must not believe that the name is none.
    pub fn code(self) -> Code {
        match self {
            Unanswered::NxDomain => Code::NxDomain,
            Unanswered::Failed(_) | Unanswered::Busy => Code::ServFail,
        }
    }
}

/// An address and for how many seconds it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The address.
    pub address: IpAddr,
    /// Seconds.
    pub ttl: u32,
}

/// What an upstream server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// These addresses, perhaps none.
    Records(Vec<Record>),
    /// There is no such name.
    NxDomain,
    /// The answer did not fit; it has to be asked for by TCP.
    Truncated,
    /// The server could or would not.
    Failed(Failure),
}

const HEADER: usize = 12;
const IN: u16 = 1;

/// A question of a client.
///
/// # Errors
/// With the identity and the code to answer, if there is enough to answer at all.
pub fn question(bytes: &[u8]) -> Result<Question, Option<(u16, Code)>> {
    let head = bytes.get(..HEADER).ok_or(None)?;
    let id = word(head, 0).ok_or(None)?;
    let flags = word(head, 2).ok_or(None)?;
    if flags & 0x8000 != 0 {
        return Err(None);
    }
    if flags & 0x7800 != 0 {
        return Err(Some((id, Code::NotImp)));
    }
    let bad = Some((id, Code::FormErr));
    if word(head, 4) != Some(1) || word(head, 6) != Some(0) || word(head, 8) != Some(0) {
        return Err(bad);
    }
    let (name, end) = plain_name(bytes, HEADER).ok_or(bad)?;
    let (kind, class) = (word(bytes, end).ok_or(bad)?, word(bytes, end + 2).ok_or(bad)?);
    let kind = match (kind, class) {
        (1, IN) => Kind::A,
        (28, IN) => Kind::Aaaa,
        (kind, _) => Kind::Other(kind),
    };
    let name = String::from_utf8(name).ok().and_then(|name| HostName::parse(&name).ok());
    Ok(Question { id, recursion: flags & 0x100 != 0, name, kind, spelled: bytes[HEADER..end + 4].to_vec() })
}

/// Most records in an answer: with the longest name they stay within 512 bytes, which every client takes.
const MOST: usize = 8;

impl Question {
    /// The answer to it.
    pub fn answer(&self, code: Code, records: &[Record]) -> Vec<u8> {
        let records = &records[..records.len().min(MOST)];
        let mut bytes = header(
            self.id,
            0x8080 | u16::from(self.recursion) << 8 | code as u16,
            1,
            records.len() as u16,
            0,
        );
        bytes.extend_from_slice(&self.spelled);
        for record in records {
            // The name of the question, by a pointer.
            bytes.extend_from_slice(&(0xc000 | HEADER as u16).to_be_bytes());
            let (kind, data) = match record.address {
                IpAddr::V4(address) => (Kind::A, address.octets().to_vec()),
                IpAddr::V6(address) => (Kind::Aaaa, address.octets().to_vec()),
            };
            bytes.extend_from_slice(&kind.number().to_be_bytes());
            bytes.extend_from_slice(&IN.to_be_bytes());
            bytes.extend_from_slice(&record.ttl.to_be_bytes());
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&data);
        }
        bytes
    }
}

/// The answer to what was no question.
pub fn refusal(id: u16, code: Code) -> Vec<u8> {
    header(id, 0x8080 | code as u16, 0, 0, 0)
}

/// A question to an upstream server.
pub fn query(id: u16, name: &HostName, kind: Kind) -> Vec<u8> {
    let mut bytes = header(id, 0x0100, 1, 0, 1);
    for label in name.as_str().split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.number().to_be_bytes());
    bytes.extend_from_slice(&IN.to_be_bytes());
    // OPT: answers of up to 1,232 bytes, which no path cuts in pieces (RFC 6891, 6.2.5).
    bytes.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// The same for a way on which nobody reads it: as long as many others, since its length would tell something of the name
/// (RFC 7830; RFC 8467, 4.1).
pub fn padded_query(id: u16, name: &HostName, kind: Kind) -> Vec<u8> {
    let mut bytes = query(id, name, kind);
    // The last two bytes are the length of OPT's options, and an option is headed by four.
    let options = bytes.len() - 2;
    let padding = (bytes.len() + 4).next_multiple_of(PADDED) - bytes.len() - 4;
    bytes[options..].copy_from_slice(&(padding as u16 + 4).to_be_bytes());
    bytes.extend_from_slice(&[0, 12]);
    bytes.extend_from_slice(&(padding as u16).to_be_bytes());
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

const PADDED: usize = 128;

fn header(id: u16, flags: u16, questions: u16, answers: u16, additional: u16) -> Vec<u8> {
    [id, flags, questions, answers, 0, additional].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An upstream server's answer to [`query`]; `None` for what is no answer to it.
pub fn reply(bytes: &[u8], id: u16, name: &HostName, kind: Kind) -> Option<Reply> {
    let flags = word(bytes, 2)?;
    let (asked, mut at) = packed_name(bytes, HEADER)?;
    let is_ours = word(bytes, 0)? == id
        && flags & 0x8000 != 0
        && word(bytes, 4)? == 1
        && asked == name.as_str().as_bytes()
        && word(bytes, at)? == kind.number()
        && word(bytes, at + 2)? == IN;
    if !is_ours {
        return None;
    }
    at += 4;
    if flags & 0x0200 != 0 {
        return Some(Reply::Truncated);
    }
    match flags & 0xf {
        0 => {}
        3 => return Some(Reply::NxDomain),
        5 => return Some(Reply::Failed(Failure::NamesRefused)),
        _ => return Some(Reply::Failed(Failure::NamesFailed)),
    }
    Some(answers(bytes, at, kind, asked).map_or(Reply::Failed(Failure::NamesFailed), Reply::Records))
}

/// The addresses at the end of the chain of aliases that begins with `name`; `None` for a malformed message.
fn answers(bytes: &[u8], mut at: usize, kind: Kind, mut name: Vec<u8>) -> Option<Vec<Record>> {
    let mut aliases = Vec::new();
    let mut found = Vec::new();
    for _ in 0..word(bytes, 6)? {
        let (owner, end) = packed_name(bytes, at)?;
        let (record, class) = (word(bytes, end)?, word(bytes, end + 2)?);
        let ttl = u32::from(word(bytes, end + 4)?) << 16 | u32::from(word(bytes, end + 6)?);
        // RFC 2181, section 8: the first bit set means 0; a week is long enough for anybody.
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl.min(604_800) };
        let length = usize::from(word(bytes, end + 8)?);
        let start = end + 10;
        let data = bytes.get(start..start + length)?;
        at = start + length;
        if class != IN {
            continue;
        }
        let address = match (record, kind) {
            (5, _) => {
                aliases.push((owner, packed_name(bytes, start)?.0, ttl));
                continue;
            }
            (1, Kind::A) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
            (28, Kind::Aaaa) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
            _ => continue,
        };
        found.push((owner, Record { address, ttl }));
    }
    let mut least = u32::MAX;
    // Longer chains than this no resolver follows.
    for _ in 0..16 {
        let Some((_, target, ttl)) = aliases.iter().find(|(owner, _, _)| *owner == name) else { break };
        (name, least) = (target.clone(), least.min(*ttl));
    }
    let of_name = found.into_iter().filter(|(owner, _)| *owner == name);
    Some(of_name.map(|(_, record)| Record { ttl: record.ttl.min(least), ..record }).collect())
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// A name without pointers, and where it ends. Its bytes in lower case, labels joined by dots; a dot within a label is
/// malformed, or two names would look the same.
fn plain_name(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some((name, at + 1)),
            length @ 1..=63 => {
                push_label(&mut name, bytes.get(at + 1..at + 1 + length)?)?;
                at += 1 + length;
            }
            _ => return None,
        }
    }
}

/// The same with pointers, each of which leads further back (RFC 1035, 4.1.4), so that there is an end.
fn packed_name(bytes: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at, mut end) = (Vec::new(), start, None);
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((name, end.unwrap_or(at + 1))),
            1..=63 => {
                push_label(&mut name, bytes.get(at + 1..at + 1 + usize::from(length))?)?;
                at += 1 + usize::from(length);
            }
            192.. => {
                let target = usize::from(word(bytes, at)? & 0x3fff);
                end = end.or(Some(at + 2));
                if target >= at {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
}

fn push_label(name: &mut Vec<u8>, label: &[u8]) -> Option<()> {
    if !name.is_empty() {
        name.push(b'.');
    }
    name.extend(label.iter().map(u8::to_ascii_lowercase));
    (!label.contains(&b'.') && name.len() <= 253).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    /// A reply with aliases and addresses, written plainly.
    fn upstream(id: u16, asked: &HostName, records: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let mut bytes = query(id, asked, Kind::A);
        bytes.truncate(bytes.len() - 11);
        bytes[2] = 0x81;
        bytes[7] = records.len() as u8;
        bytes[11] = 0;
        for (owner, kind, data) in records {
            bytes.extend(wire(owner));
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    fn wire(text: &str) -> Vec<u8> {
        let labels = text.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
        labels.chain([0]).collect()
    }

    #[test]
    fn a_question_is_read_and_answered_in_its_own_spelling() {
        let mut bytes = query(7, &name("api.example.org"), Kind::A);
        bytes[13] = b'A';
        let question = question(&bytes).unwrap();
        assert_eq!((question.name.clone(), question.kind), (Some(name("api.example.org")), Kind::A));
        let record = Record { address: "1.2.3.4".parse().unwrap(), ttl: 60 };
        let answer = question.answer(Code::NoError, &[record]);
        assert_eq!(answer[13], b'A');
        assert_eq!(reply(&answer, 7, &name("api.example.org"), Kind::A), Some(Reply::Records(vec![record])));
        assert!(question.answer(Code::NoError, &[record; 100]).len() <= 512);
    }

    #[test]
    fn addresses_are_those_of_the_end_of_the_chain_and_of_no_other_name() {
        let asked = name("www.example.org");
        let bytes = upstream(
            1,
            &asked,
            &[
                ("www.example.org", 5, &wire("a_b.cdn.net")),
                ("a_b.cdn.net", 1, &[1, 2, 3, 4]),
                ("other.org", 1, &[9, 9, 9, 9]),
            ],
        );
        let Some(Reply::Records(records)) = reply(&bytes, 1, &asked, Kind::A) else { panic!() };
        assert_eq!(records, [Record { address: "1.2.3.4".parse().unwrap(), ttl: 60 }]);
        assert_eq!(reply(&bytes, 2, &asked, Kind::A), None);
        assert_eq!(reply(&bytes, 1, &name("www.example.net"), Kind::A), None);
        assert_eq!(reply(&bytes, 1, &asked, Kind::Aaaa), None);
    }

    #[test]
    fn a_padded_question_is_the_same_question_and_its_length_tells_little() {
        for text in ["a", "www.example.org", &["a".repeat(60).as_str(); 4].join(".")] {
            let (plain, padded) = (query(7, &name(text), Kind::A), padded_query(7, &name(text), Kind::A));
            assert_eq!((padded.len() % PADDED, question(&padded)), (0, question(&plain)), "{text}");
            let options = usize::from(word(&padded, plain.len() - 2).unwrap());
            assert_eq!(plain.len() + options, padded.len());
            assert_eq!(usize::from(word(&padded, plain.len() + 2).unwrap()) + 4, options);
        }
    }

    #[test]
    fn a_name_with_a_dot_or_nul_in_a_label_is_no_host() {
        let with = |label: &[u8]| {
            let mut bytes = header(1, 0x100, 1, 0, 0);
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label);
            bytes.extend_from_slice(b"\x03org\0\0\x01\0\x01");
            question(&bytes)
        };
        assert!(with(b"a.b").is_err());
        assert_eq!(with(b"a\0b").unwrap().name, None);
        assert_eq!(with(b"ok").unwrap().name, Some(name("ok.org")));
    }

    proptest! {
        #[test]
        fn what_is_answered_is_what_was_put_in(
            name in "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}",
            sixth: bool,
            addresses in proptest::collection::vec((any::<u128>(), any::<u32>()), 0..12),
        ) {
            let Ok(name) = HostName::parse(&name) else { return Ok(()) };
            let kind = if sixth { Kind::Aaaa } else { Kind::A };
            let record = |(bits, ttl): &(u128, u32)| {
                let sixth = IpAddr::V6(Ipv6Addr::from(*bits));
                let address = if kind == Kind::A { IpAddr::V4(Ipv4Addr::from(*bits as u32)) } else { sixth };
                Record { address, ttl: ttl % 604_800 }
            };
            let records: Vec<Record> = addresses.iter().map(record).collect();
            let asked = question(&query(9, &name, kind)).unwrap();
            let answer = asked.answer(Code::NoError, &records);
            let told = records[..records.len().min(MOST)].to_vec();
            prop_assert_eq!(reply(&answer, 9, &name, kind), Some(Reply::Records(told)));
            prop_assert_eq!(reply(&answer, 8, &name, kind), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = question(&bytes);
            let mut bytes = bytes;
            if bytes.len() > 12 {
                bytes[..6].copy_from_slice(&[0, 1, 0x80, 0, 0, 1]);
                bytes[12] = 0;
            }
            let _ = reply(&bytes, 1, &name("a.org"), Kind::A);
            let _ = answers(&bytes, 12.min(bytes.len()), Kind::A, b"a.org".to_vec());
        }
    }
}
