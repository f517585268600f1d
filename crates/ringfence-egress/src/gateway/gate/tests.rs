//! What passes a gate: by hand, and of any bytes in any pieces, by another reader of HTTP.
//!
//! Not greetings of TLS, which are `greeted`'s.

use proptest::prelude::*;
use ringfence_plan::{Barrier, Network, NetworkMode, RuleId};

use super::*;

fn through(pieces: &[&[u8]], answers: &[(usize, &[u8])]) -> Result<Vec<u8>, Barrier> {
    let (out, barrier) = passes(pieces, answers);
    barrier.map_or(Ok(out), Err)
}

/// What passes, and what then stood in the way.
fn passes(pieces: &[&[u8]], answers: &[(usize, &[u8])]) -> (Vec<u8>, Option<Barrier>) {
    let network = Network { mode: NetworkMode::Rules, ..Network::none(RuleId(0)) };
    let rules = Rules::new(network, Vec::new());
    let expected = Expected::OneOf(vec![HostName::parse("a.org").unwrap()]);
    let ledger = crate::budget::Ledger::new(Vec::new()).unwrap();
    let spending = Spending { ledger: &ledger, charges: &Default::default() };
    let judge = Judge {
        rules: &rules,
        expected: &expected,
        address: None,
        port: 80,
        spending,
        named: Default::default(),
    };
    let mut gate = Gate::new(&expected);
    let mut out = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if let Err(stop) = gate.feed(&judge, piece, &mut out) {
            return (out, Some(stop.refusal.barrier));
        }
        for (_, answer) in answers.iter().filter(|(after, _)| *after == index) {
            if let Err(stop) = gate.hear(&judge, answer, &mut out) {
                return (out, Some(stop.refusal.barrier));
            }
        }
    }
    (out, None)
}

#[test]
fn every_request_has_to_name_the_host() {
    let good = b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n";
    let evil = b"GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n";
    let post = b"POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(through(&[good, post, good], &[]).unwrap(), [&good[..], post, good].concat());
    assert_eq!(through(&[good, evil], &[]), Err(Barrier::OtherName));
    assert_eq!(through(&[&[&good[..], evil].concat()], &[]), Err(Barrier::OtherName));
    assert_eq!(through(&[&[&post[..], evil].concat()], &[]), Err(Barrier::OtherName));
    assert_eq!(
        through(&[b"GET http://evil.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n"], &[]),
        Err(Barrier::OtherName)
    );
    assert_eq!(through(&[b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"], &[]), Err(Barrier::OtherName));
    let bytewise: Vec<&[u8]> = post.chunks(1).collect();
    assert_eq!(through(&bytewise, &[]).unwrap(), post);
}

#[test]
fn a_changed_protocol_passes_once_the_server_agrees_and_not_before() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let evil = b"GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n";
    let yes = (0, &b"HTTP/1.1 101 Switching Protocols\r\n\r\n"[..]);
    assert_eq!(
        through(&[upgrade, b"\x81\x05hello"], &[yes]).unwrap(),
        [&upgrade[..], b"\x81\x05hello"].concat()
    );
    assert_eq!(through(&[upgrade, evil], &[]).unwrap(), upgrade);
    assert_eq!(through(&[upgrade, evil], &[(1, b"HTTP/1.1 400 Bad\r\n\r\n")]), Err(Barrier::OtherName));
    assert_eq!(through(&[upgrade, evil], &[(0, b"HTTP/1.1 200 OK\r\n\r\n")]), Err(Barrier::OtherName));
    assert_eq!(
        through(&[&[&upgrade[..], evil].concat()], &[(0, b"HTTP/1.1 200 OK\r\n\r\n")]),
        Err(Barrier::OtherName)
    );
    let hints = (0, &b"HTTP/1.1 103 Early Hints\r\n\r\n"[..]);
    assert_eq!(through(&[upgrade, b"\x81"], &[hints, yes]).unwrap(), [&upgrade[..], b"\x81"].concat());
    let body = (1, yes.1);
    let ended = (0, &b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"[..]);
    assert_eq!(through(&[upgrade, b"", evil], &[ended, body]), Err(Barrier::OtherName));
    let good = b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n";
    assert_eq!(through(&[good, upgrade, evil], &[(1, yes.1)]), Err(Barrier::OtherName));
    let connect = b"CONNECT a.org:80 HTTP/1.1\r\nHost: a.org\r\n\r\n";
    assert_eq!(through(&[connect, evil], &[(0, b"HTTP/1.1 200 OK\r\n\r\n")]), Err(Barrier::Malformed));
    let plain2 = b"GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: h2c\r\nX: y\r\n\r\n";
    let without = b"GET / HTTP/1.1\r\nHost: a.org\r\nX: y\r\n\r\n";
    assert_eq!(through(&[plain2], &[]).unwrap(), without);
    let tls = b"GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: websocket, TLS/1.2\r\nX: y\r\n\r\n";
    assert_eq!(through(&[tls], &[]).unwrap(), without);
}

#[test]
fn what_has_ended_and_named_nobody_passes() {
    let ended = |held: &[u8]| {
        let mut out = Vec::new();
        Gate::Hello(held.to_vec()).end(&mut out);
        out
    };
    assert_eq!(ended(b"hello"), b"hello");
    assert_eq!(ended(b"GET / HTTP/1.1"), b"");
    assert_eq!(ended(b"GET http://evil.org/"), b"");
    assert_eq!(ended(b"\x16\x03\x01"), b"");
}

#[test]
fn what_names_nobody_passes_and_what_hides_its_names_does_not() {
    assert_eq!(through(&[b"SSH-2.0-x\r\n"], &[]).unwrap(), b"SSH-2.0-x\r\n");
    assert_eq!(through(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], &[]), Err(Barrier::Malformed));
}

/// Pieces of requests, of which some make one.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST /x HTTP/1.1\r\n",
        b"GET http://a.org/ HTTP/1.1\r\n",
        b"GET http://evil.org/ HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"G\"T / HTTP/1.1\r\n",
        b"CONNECT a.org:80 HTTP/1.1\r\n",
        b"Host: a.org\r\n",
        b"Host: a.org\r\n",
        b"Host: a.org\r\n\r\n",
        b"Host: evil.org\r\n",
        b"Host : evil.org\r\n",
        b"host:\tA.ORG.\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Upgrade: h2c\r\n",
        b"X: y\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"x",
    ]);
    let any = prop::collection::vec(any::<u8>(), 1..3);
    prop::collection::vec(prop_oneof![20 => words.prop_map(<[u8]>::to_vec), 1 => any], 0..14)
        .prop_map(|words| words.concat())
}

/// Whom the whole requests in `bytes` name, as httparse and a plain count of their bodies read them.
fn named(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return names };
        bytes = &bytes[length..];
        let target = request.path.unwrap_or_default();
        names.extend(
            target.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default().to_owned()),
        );
        let (mut left, mut chunked) = (0, false);
        for field in request.headers.iter() {
            let value = String::from_utf8_lossy(field.value).trim().to_lowercase();
            match field.name.to_lowercase().as_str() {
                "host" => names.push(value),
                "content-length" => left = value.parse().unwrap_or(0),
                "transfer-encoding" => chunked = true,
                _ => {}
            }
        }
        while chunked {
            let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(bytes) else {
                return names;
            };
            // No trailer is among the words.
            let end = start + size as usize + 2;
            bytes = bytes.get(end..).unwrap_or_default();
            chunked = size > 0;
        }
        bytes = bytes.get(left..).unwrap_or_default();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_passes_names_nobody_else_to_another_reader(bytes in words()) {
        let (out, _) = passes(&[&bytes], &[]);
        for name in named(&out) {
            prop_assert_eq!(name.trim_end_matches('.'), "a.org", "{}", out.escape_ascii());
        }
    }

    #[test]
    fn what_passes_is_the_same_in_whatever_pieces_it_comes(bytes in words(), step in 1_usize..9) {
        let (whole, barrier) = passes(&[&bytes], &[]);
        let pieces: Vec<&[u8]> = bytes.chunks(step).collect();
        let (in_pieces, stopped) = passes(&pieces, &[]);
        prop_assert_eq!(stopped, barrier);
        // Of what turns out to be bad, more of the beginning may have passed.
        prop_assert!(in_pieces.starts_with(&whole), "{}", in_pieces.escape_ascii());
        prop_assert!(barrier.is_some() || in_pieces == whole, "{}", in_pieces.escape_ascii());
    }
}
