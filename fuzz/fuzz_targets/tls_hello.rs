//! Any bytes as the first of a connection: what is said of them is said of whatever begins so, in however many records a
//! greeting of TLS comes; and the name that is read stands in it.
//!
//! Not whether that name is allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_egress::hello::{ClientHello, Hello, LONGEST, hello};
use ringfence_egress::retry::{Answer, answer};

fuzz_target!(|input: (&[u8], u8, bool)| {
    let (raw, split, framed) = input;
    let split = usize::from(split) + 1;
    // Half of them as the body of a greeting, which few bytes are by chance.
    let message = [&[1, 0, (raw.len() >> 8) as u8, raw.len() as u8], raw].concat();
    let bytes = if framed && raw.len() < 10_000 { records(&message, 16_384) } else { raw.to_vec() };
    let said = hello(&bytes);
    for end in 0..bytes.len() {
        let so_far = hello(&bytes[..end]);
        assert!(so_far == Hello::Unfinished || so_far == said, "{end}: {so_far:?}, then {said:?}");
        let (heard, heard_all) = (answer(&bytes[..end]), answer(&bytes));
        assert!(heard == Answer::Unfinished || heard == heard_all, "{end}");
    }
    if let Hello::Tls(read) = &said {
        greeted(read, &bytes, split);
    }
});

fn records(message: &[u8], split: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[0x16, 3, 1, (part.len() >> 8) as u8, part.len() as u8], part].concat();
    message.chunks(split).flat_map(record).collect()
}

fn greeted(read: &ClientHello, bytes: &[u8], split: usize) {
    let mut message = Vec::new();
    let mut rest = &bytes[..read.length];
    while let Some((header, behind)) = rest.split_at_checked(5) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        message.extend_from_slice(&behind[..length]);
        rest = &behind[length..];
    }
    assert!(rest.is_empty());
    let wanted = usize::from(message[1]) << 16 | usize::from(message[2]) << 8 | usize::from(message[3]);
    assert_eq!((message[0], message.len()), (1, 4 + wanted));
    let again = records(&message, split);
    if again.len() <= LONGEST {
        assert_eq!(hello(&again), Hello::Tls(ClientHello { length: again.len(), ..read.clone() }));
    }
    if let Some(name) = &read.name {
        let name = name.as_str().as_bytes();
        assert!(message.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name)));
    }
}
