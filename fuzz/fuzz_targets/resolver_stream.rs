//! Any bytes as what a resolver says on a stream with questions under way: an answer is to one question that was asked, once,
//! and only if it bears its identity, name and kind; the pieces in which bytes come change nothing.
//!
//! Not what an answer holds: `dns_message`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringfence_egress::dns::conversation::{Answer, Broken, Conversation, MOST};
use ringfence_egress::dns::message::{Code, Kind, Record, question};
use ringfence_plan::HostName;

#[derive(Arbitrary, Debug)]
enum Act {
    Ask {
        name: u8,
        sixth: bool,
        id: u16,
    },
    GiveUp(u8),
    /// The answer to a question that was asked, under this identity if it is another, or cut short.
    Tell {
        of: u8,
        other: Option<u16>,
        cut: u8,
    },
    Say(Vec<u8>),
}

fuzz_target!(|input: (Vec<Act>, u8)| {
    let (acts, piece) = input;
    let whole = played(&acts, usize::MAX);
    assert_eq!(whole, played(&acts, usize::from(piece) + 1));
});

/// The answers that came, by their questions, and whether the stream was broken off.
fn played(acts: &[Act], piece: usize) -> (Vec<usize>, bool) {
    let mut said = Conversation::default();
    let (mut sent, mut open, mut came) = (Vec::<Vec<u8>>::new(), Vec::new(), Vec::new());
    for act in acts {
        let bytes = match act {
            Act::Ask { name, sixth, id } => {
                let host = HostName::parse(&format!("n{name}.example")).expect("a name");
                let kind = if *sixth { Kind::Aaaa } else { Kind::A };
                match said.ask(sent.len(), &host, kind, *id) {
                    Some(bytes) => {
                        assert!(open.len() < MOST);
                        let own = open.iter().any(|place: &usize| sent[*place][2..4] == bytes[2..4]);
                        assert!(!own, "two have one identity");
                        open.push(sent.len());
                        sent.push(bytes);
                    }
                    None => assert_eq!(open.len(), MOST),
                }
                continue;
            }
            Act::GiveUp(of) => {
                let place = usize::from(*of);
                open.retain(|known| *known != place);
                if !said.give_up(place) {
                    return (came, true);
                }
                continue;
            }
            Act::Tell { of, other, cut } => {
                let Some(asked) = sent.get(usize::from(*of)) else { continue };
                told(asked, *other, *cut)
            }
            Act::Say(bytes) => bytes.clone(),
        };
        for part in bytes.chunks(piece.min(4096)) {
            said.hear(part);
            loop {
                match said.next_answer() {
                    Ok(None) => break,
                    Ok(Some(Answer { place, .. })) => {
                        let known = open.iter().position(|known| *known == place);
                        open.swap_remove(known.expect("an answer to what nobody waits for"));
                        came.push(place);
                    }
                    Err(Broken) => return (came, true),
                }
            }
        }
        let mut under_way: Vec<usize> = said.places().collect();
        under_way.sort_unstable();
        open.sort_unstable();
        assert_eq!(under_way, open);
    }
    (came, false)
}

fn told(asked: &[u8], other: Option<u16>, cut: u8) -> Vec<u8> {
    let question = question(&asked[2..]).expect("a question of ours");
    let record = Record { address: "192.0.2.1".parse().expect("an address"), ttl: 60 };
    let mut message = question.answer(Code::NoError, &[record]);
    if let Some(id) = other {
        message[..2].copy_from_slice(&id.to_be_bytes());
    }
    let mut bytes = (message.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(&message[..message.len() - usize::from(cut) % message.len()]);
    bytes
}
