//! Any bytes as requests of HTTP: what is read as a request, another strict reader reads alike, as far as the same byte;
//! and it does not matter in which pieces it came.
//!
//! Not which requests may pass, which is the gateway's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_egress::http::{Body, Follow, Head, Host, authority, head, without};

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, step) = input;
    let read = head(bytes);
    for end in 0..bytes.len() {
        let so_far = head(&bytes[..end]);
        match &read {
            Ok(Some(head)) if end < head.length => assert_eq!(so_far, Ok(None), "{end}"),
            Ok(None) => assert_eq!(so_far, Ok(None), "{end}"),
            Ok(Some(_)) => assert_eq!(so_far, read, "{end}"),
            // Why may change with more of it, but not that.
            Err(_) => assert!(!matches!(so_far, Ok(Some(_))), "{end}"),
        }
    }
    if let Ok(Some(head)) = &read {
        alike(head, bytes);
        let changed = without(&bytes[..head.length], &["upgrade", "http2-settings"]);
        let reread = self::head(&changed).expect("well formed still").expect("whole still");
        assert_eq!(
            (&reread.method, &reread.target, &reread.host, reread.body),
            (&head.method, &head.target, &head.host, head.body)
        );
        assert_eq!(reread.length, changed.len());
        follow(head.body, &bytes[head.length..], usize::from(step) + 1);
    }
});

/// The same by httparse, which serves many.
fn alike(head: &Head, bytes: &[u8]) {
    let mut fields = vec![httparse::EMPTY_HEADER; 4096];
    let mut other = httparse::Request::new(&mut fields);
    match other.parse(bytes) {
        Ok(length) => assert_eq!(length, httparse::Status::Complete(head.length)),
        Err(httparse::Error::TooManyHeaders) => return,
        Err(why) => panic!("{why} in {}", bytes.escape_ascii()),
    }
    assert_eq!(other.method, Some(head.method.as_str()));
    assert_eq!(other.path, Some(head.target.as_str()));
    let values = |name: &str| -> Vec<&[u8]> {
        other
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
            .collect()
    };
    let hosts = values("host");
    assert!(hosts.len() <= 1 && hosts.len() == usize::from(head.host.is_some()));
    if let (Some(text), Some(host)) = (hosts.first(), &head.host) {
        assert_eq!(std::str::from_utf8(text).ok().and_then(authority).as_ref(), Some(host));
        if let Host::Name(name) = &host.host {
            let spelled = String::from_utf8_lossy(text).to_lowercase();
            assert!(spelled.starts_with(name.as_str()), "{spelled}");
        }
    }
    match (values("content-length").as_slice(), values("transfer-encoding").as_slice(), head.body) {
        ([], [], Body::Length(0)) => {}
        ([text], [], Body::Length(length)) => {
            assert_eq!(std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()), Some(length));
        }
        ([], [text], Body::Chunked) => assert!(text.eq_ignore_ascii_case(b"chunked")),
        other => panic!("{other:?}"),
    }
}

/// A body ends where it ends, in whatever pieces it comes.
fn follow(body: Body, bytes: &[u8], step: usize) {
    let mut at_once = Follow::new(body);
    let whole = at_once.advance(bytes);
    let (mut in_pieces, mut taken) = (Follow::new(body), 0);
    for piece in bytes.chunks(step) {
        match in_pieces.advance(piece) {
            Ok(length) => {
                taken += length;
                if length < piece.len() {
                    break;
                }
            }
            Err(why) => return assert_eq!(whole, Err(why)),
        }
    }
    assert_eq!(whole, Ok(taken));
    assert_eq!(at_once, in_pieces);
}
