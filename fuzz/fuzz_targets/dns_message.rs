//! Any bytes as a question and as a server's reply: an answer repeats the question byte for byte and holds the addresses
//! that were put in, and a reply is one to the question alone.
//!
//! Not which names may be asked for.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use ringfence_egress::dns::message::{Code, Kind, Question, Record, Reply, query, question, refusal, reply};
use ringfence_plan::HostName;

fuzz_target!(|input: (&[u8], &str, bool, Vec<(u128, u32)>)| {
    let (bytes, name, sixth, addresses) = input;
    let kind = if sixth { Kind::Aaaa } else { Kind::A };
    match question(bytes) {
        Ok(question) => answered(&question, bytes, &addresses),
        Err(Some((id, code))) => {
            assert_eq!(id.to_be_bytes(), bytes[..2]);
            assert_eq!(refusal(id, code).len(), 12);
        }
        Err(None) => {}
    }
    if let Ok(name) = HostName::parse(name) {
        let asked = query(7, &name, kind);
        let mut plain = asked.clone();
        // The question that is sent is read as itself, without what it adds for servers.
        plain[11] = 0;
        let read = question(&plain[..asked.len() - 11]).expect("a question");
        assert_eq!((read.id, read.name.as_ref(), read.kind), (7, Some(&name), kind));
        replied(&asked, bytes, &name, kind);
    }
});

fn answered(question: &Question, bytes: &[u8], addresses: &[(u128, u32)]) {
    let sixth = question.kind == Kind::Aaaa;
    let records: Vec<Record> = addresses
        .iter()
        .map(|(bits, ttl)| {
            let address = match sixth {
                true => IpAddr::V6(Ipv6Addr::from(*bits)),
                false => IpAddr::V4(Ipv4Addr::from(*bits as u32)),
            };
            Record { address, ttl: *ttl }
        })
        .collect();
    let told = if matches!(question.kind, Kind::Other(_)) { &[][..] } else { &records };
    let answer = question.answer(Code::NoError, told);
    assert!(answer.len() <= 512);
    assert_eq!(answer[..2], bytes[..2]);
    let mut end = 12;
    while bytes[end] != 0 {
        end += 1 + usize::from(bytes[end]);
    }
    assert_eq!(answer[12..end + 5], bytes[12..end + 5]);
    if let Some(name) = &question.name
        && !matches!(question.kind, Kind::Other(_))
    {
        let Some(Reply::Records(read)) = reply(&answer, question.id, name, question.kind) else {
            panic!("an answer of ours is none")
        };
        let longest = |ttl: u32| if ttl > i32::MAX as u32 { 0 } else { ttl.min(604_800) };
        let wanted: Vec<Record> = told
            .iter()
            .take(read.len())
            .map(|record| Record { ttl: longest(record.ttl), ..*record })
            .collect();
        assert_eq!(read, wanted);
        assert_eq!(read.len(), told.len().min(8));
    }
}

/// Bytes that anybody may have sent, behind the header and question that are looked for.
fn replied(asked: &[u8], bytes: &[u8], name: &HostName, kind: Kind) {
    let _ = reply(bytes, 7, name, kind);
    let mut message = asked[..asked.len() - 11].to_vec();
    message[2] = 0x80;
    message[11] = 0;
    if let Some((counts, records)) = bytes.split_at_checked(3) {
        message[3] = counts[0];
        message[7] = counts[1];
        message.extend_from_slice(records);
        if let Some(Reply::Records(records)) = reply(&message, 7, name, kind) {
            assert!(records.len() <= usize::from(counts[1]));
            assert!(
                records
                    .iter()
                    .all(|record| record.address.is_ipv6() == (kind == Kind::Aaaa) && record.ttl <= 604_800)
            );
        }
        assert_eq!(reply(&message, 8, name, kind), None);
        message[2] = 0;
        assert_eq!(reply(&message, 7, name, kind), None);
    }
}
