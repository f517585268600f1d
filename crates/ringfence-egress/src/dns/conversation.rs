//! What is said with a resolver on one stream: messages behind their lengths (RFC 1035, 4.2.2), with several questions under
//! way at once (RFC 7766, 6.2.1.1), which are told apart by their identities.
//!
//! No socket: bytes in, bytes out. What has no business there ends the stream, since whoever sends it either does not speak
//! this protocol or tries what we would believe.

use ringfence_plan::{Failure, HostName};

use super::message::{Kind, Reply, padded_query, reply};

/// Most questions under way at once; more wait for their turn.
pub const MOST: usize = 32;
/// Most that nobody waits for any more, and whose answers may still come.
const MOST_LEFT: usize = 32;
/// Shortest message: a header.
const SHORTEST: usize = 12;

/// The questions of one stream, and what has come of the next answer.
#[derive(Debug, Default)]
pub struct Conversation {
    asked: Vec<Asked>,
    /// Identities of questions that were given up.
    left: Vec<u16>,
    received: Vec<u8>,
}

#[derive(Debug)]
struct Asked {
    id: u16,
    /// What the asker knows it by.
    place: usize,
    name: HostName,
    kind: Kind,
}

/// An answer, and to which question.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the asker knows it by.
    pub place: usize,
    /// What it says.
    pub reply: Reply,
}

/// Something came that is no answer to what was asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

impl Conversation {
    /// Asks, under this identity or the next that is free; what is to be sent. `None` where it is another's turn.
    pub fn ask(&mut self, place: usize, name: &HostName, kind: Kind, mut id: u16) -> Option<Vec<u8>> {
        if self.asked.len() >= MOST {
            return None;
        }
        while self.left.contains(&id) || self.asked.iter().any(|asked| asked.id == id) {
            id = id.wrapping_add(1);
        }
        self.asked.push(Asked { id, place, name: name.clone(), kind });
        let question = padded_query(id, name, kind);
        Some([&(question.len() as u16).to_be_bytes(), question.as_slice()].concat())
    }

    /// Nobody waits for this any more. False where there are too many of these: such a stream is of no use.
    pub fn give_up(&mut self, place: usize) -> bool {
        if let Some(at) = self.asked.iter().position(|asked| asked.place == place) {
            self.left.push(self.asked.swap_remove(at).id);
        }
        self.left.len() < MOST_LEFT
    }

    /// Takes what has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next answer in it; `None` until more has come.
    ///
    /// # Errors
    /// When it is none of those that are waited for.
    pub fn next_answer(&mut self) -> Result<Option<Answer>, Broken> {
        loop {
            let [high, low, rest @ ..] = self.received.as_slice() else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length < SHORTEST {
                return Err(Broken);
            }
            let Some(message) = rest.get(..length) else { return Ok(None) };
            let id = u16::from_be_bytes([message[0], message[1]]);
            let answer = match self.asked.iter().position(|asked| asked.id == id) {
                Some(at) => {
                    let Asked { name, kind, .. } = &self.asked[at];
                    let reply = reply(message, id, name, *kind).ok_or(Broken)?;
                    Some(Answer { place: self.asked.swap_remove(at).place, reply: of_stream(reply) })
                }
                None => {
                    let at = self.left.iter().position(|left| *left == id).ok_or(Broken)?;
                    self.left.swap_remove(at);
                    None
                }
            };
            self.received.drain(..2 + length);
            if answer.is_some() {
                return Ok(answer);
            }
        }
    }

    /// Whether nothing is waited for.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// The questions that are under way.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.asked.iter().map(|asked| asked.place)
    }
}

/// The same answer, of this resolver's and not of the host's servers.
fn of_stream(reply: Reply) -> Reply {
    match reply {
        // There is no other way on which more would fit.
        Reply::Truncated | Reply::Failed(Failure::NamesFailed) => Reply::Failed(Failure::ResolverFailed),
        Reply::Failed(Failure::NamesRefused) => Reply::Failed(Failure::ResolverRefused),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::message::{Code, Record, question};

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    /// The answer of a server to what was sent, with this address.
    fn answer(sent: &[u8], address: &str) -> Vec<u8> {
        let record = Record { address: address.parse().unwrap(), ttl: 60 };
        framed(&question(&sent[2..]).unwrap().answer(Code::NoError, &[record]))
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u16).to_be_bytes(), message].concat()
    }

    fn addresses(answer: Option<Answer>) -> (usize, Vec<String>) {
        let Some(Answer { place, reply: Reply::Records(records) }) = answer else { panic!("{answer:?}") };
        (place, records.iter().map(|record| record.address.to_string()).collect())
    }

    #[test]
    fn answers_in_any_order_and_in_any_pieces_belong_to_their_questions() {
        let mut said = Conversation::default();
        // The same identity is wished for twice.
        let first = said.ask(5, &name("a.org"), Kind::A, 7).unwrap();
        let second = said.ask(6, &name("b.org"), Kind::A, 7).unwrap();
        assert_ne!(first[2..4], second[2..4]);
        let all = [answer(&second, "192.0.2.2"), answer(&first, "192.0.2.1")].concat();
        let mut heard = Vec::new();
        for byte in all {
            said.hear(&[byte]);
            if let Some(answer) = said.next_answer().unwrap() {
                heard.push(addresses(Some(answer)));
            }
        }
        assert_eq!(heard, [(6, vec!["192.0.2.2".to_owned()]), (5, vec!["192.0.2.1".to_owned()])]);
        assert!(said.is_idle() && said.received.is_empty());
    }

    #[test]
    fn what_is_no_answer_ends_the_stream() {
        let broken = |make: fn(&[u8]) -> Vec<u8>| {
            let mut said = Conversation::default();
            let sent = said.ask(0, &name("a.org"), Kind::A, 7).unwrap();
            said.hear(&make(&sent));
            said.next_answer() == Err(Broken)
        };
        assert!(!broken(|sent| answer(sent, "192.0.2.1")));
        // Another identity; another name, kind, and no question; the question itself; too short for a header; nothing.
        assert!(broken(
            |sent| [&answer(sent, "192.0.2.1")[..3], &[8], &answer(sent, "192.0.2.1")[4..]].concat()
        ));
        assert!(broken(|_| answer(&framed(&padded_query(7, &name("b.org"), Kind::A)), "192.0.2.1")));
        assert!(broken(|_| answer(&framed(&padded_query(7, &name("a.org"), Kind::Aaaa)), "192.0.2.1")));
        assert!(broken(|_| framed(&[0, 7, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0])));
        assert!(broken(|sent| sent.to_vec()));
        assert!(broken(|_| framed(&[0, 7, 0x81, 0x80])));
        assert!(broken(|_| vec![0, 0]));
    }

    #[test]
    fn an_answer_counts_once_and_for_no_other_name() {
        let mut said = Conversation::default();
        let sent = said.ask(0, &name("a.org"), Kind::A, 7).unwrap();
        said.hear(&[answer(&sent, "192.0.2.1"), answer(&sent, "192.0.2.9")].concat());
        assert_eq!(addresses(said.next_answer().unwrap()).1, ["192.0.2.1"]);
        assert_eq!(said.next_answer(), Err(Broken));
    }

    #[test]
    fn what_was_given_up_may_still_be_answered_and_is_passed_over() {
        let mut said = Conversation::default();
        let late = said.ask(0, &name("a.org"), Kind::A, 7).unwrap();
        assert!(said.give_up(0) && said.is_idle());
        let next = said.ask(0, &name("b.org"), Kind::A, 7).unwrap();
        said.hear(&[answer(&late, "192.0.2.9"), answer(&next, "192.0.2.1")].concat());
        assert_eq!(addresses(said.next_answer().unwrap()), (0, vec!["192.0.2.1".to_owned()]));
        for place in 1..MOST_LEFT {
            said.ask(place, &name("c.org"), Kind::A, 0).unwrap();
            assert!(said.give_up(place));
        }
        said.ask(0, &name("c.org"), Kind::A, 0).unwrap();
        assert!(!said.give_up(0));
    }

    #[test]
    fn no_more_is_under_way_than_may_be_and_the_longest_message_is_all_that_is_held() {
        let mut said = Conversation::default();
        for place in 0..MOST {
            assert!(said.ask(place, &name("a.org"), Kind::A, 7).is_some());
        }
        assert_eq!(said.ask(MOST, &name("a.org"), Kind::A, 7), None);
        said.hear(&[0xff, 0xff, 0, 7]);
        said.hear(&[0; 65_532]);
        assert_eq!(said.next_answer(), Ok(None));
        said.hear(&[0]);
        assert_eq!(said.next_answer(), Err(Broken));
    }

    #[test]
    fn what_a_server_cannot_or_would_not_say_is_told_of_the_resolver() {
        for (code, failure) in [(2, Failure::ResolverFailed), (5, Failure::ResolverRefused)] {
            let mut said = Conversation::default();
            let sent = said.ask(0, &name("a.org"), Kind::A, 7).unwrap();
            let mut answer = answer(&sent, "192.0.2.1");
            answer[5] |= code;
            said.hear(&answer);
            let reply = said.next_answer().unwrap().unwrap().reply;
            assert_eq!(reply, Reply::Failed(failure));
        }
        assert_eq!(of_stream(Reply::Truncated), Reply::Failed(Failure::ResolverFailed));
    }
}
