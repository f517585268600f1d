//! What counts as a signature: those of the `minisign` program's own making, and every way to spoil one.

use proptest::prelude::*;

use super::*;

/// Made with minisign 0.11: two keys without a password, signatures of [`TEXT`] by the first.
const ANN: &str = "RWRoo04v9CpUikTR3mi5bgiPGkQNdlwXMQhit6pTMzVVlWfE9rAVCCQI";
const BOB: &str = "untrusted comment: minisign public key C616B7DFB1E4C2BA\nRWS6wuSx37cWxnmM61vVj2n/uGOWoqNGpks90suSvoUQ7ScM0QJflPrs\n";
const TEXT: &str = "version = 1\nkind = \"ceiling\"\n\n[network]\nmode = \"none\"\n";
const HASHED: &str = "untrusted comment: signature from minisign secret key\n\
    RURoo04v9CpUim+UOVtUgsHXp7QTw/Yj1A0YSjy0JCQMiLpVCiyxpOOwuWcmYMTjhr/65nLcpdrxeGMUgohq1Vba6cAi9R0Xugw=\n\
    trusted comment: timestamp:1790000000\tfile:t.toml\thashed\n\
    d847bTvkd8XZB3LJeedS0bAziidnvNWSEsT62v0kgRWXE7O4MWbGaPv2DK+nGhi8WA3hKY8LGaBZE3pkiFcHCw==\n";
const LEGACY: &str = "untrusted comment: signature from minisign secret key\n\
    RWRoo04v9CpUitj8eHdcUtwhsyWI2tMdfOvuu9qT4CTEw6A2Gzd2fjL0KDpn08qoJ1XBIDL0Pg5f5t97NNifoZ0//r7olFfMRA0=\n\
    trusted comment: timestamp:1790000000\tfile:t.toml\n\
    OSf/gIGmZViOElJqfv7PUL0NNXfCkYq8nK1t0KLIoWJe+9M48DxJyK0PPlkAoTv3qfheWRHzpLYqF1sZNRMhCQ==\n";

fn key(text: &str) -> PublicKey {
    PublicKey::parse(text).unwrap()
}

fn verified(text: &str, signature: &str) -> Result<Signed, Why> {
    verify(text.as_bytes(), signature, &[key(BOB), key(ANN)])
}

#[test]
fn a_signature_of_minisigns_counts() {
    let signed = verified(TEXT, HASHED).unwrap();
    assert_eq!(signed.key.to_string(), "8A542AF42F4EA368");
    assert_eq!(signed.comment, "timestamp:1790000000 file:t.toml hashed");
    let with_carriage_returns = HASHED.replace('\n', "\r\n");
    assert!(verified(TEXT, &with_carriage_returns).is_ok());
}

#[test]
fn a_key_is_a_line_or_a_file() {
    assert_eq!(key(BOB).id().to_string(), "C616B7DFB1E4C2BA");
    assert_eq!(key(BOB), key(BOB.lines().nth(1).unwrap()));
    assert_eq!(key(&format!("  {ANN}\n")), key(ANN));
    let secret = format!("RWQAAEIy{}=", "A".repeat(203));
    for (text, part) in [
        ("", "not one line"),
        (&format!("{ANN}\n{ANN}"), "not one line"),
        (&ANN[..40], "no public key"),
        (&ANN.replace("RW", "QW"), "no public key"),
        ("untrusted comment: nothing else", "not one line"),
        (&secret, "is a secret key"),
    ] {
        assert!(PublicKey::parse(text).unwrap_err().contains(part), "{text}");
    }
}

#[test]
fn a_signature_of_another_text_does_not_count() {
    let altered = Err(Why::Altered(key(ANN).id()));
    for text in
        ["", "x", &TEXT[1..], &TEXT.replace("none", "host"), &format!("{TEXT} "), &format!("{TEXT}\0")]
    {
        assert_eq!(verified(text, HASHED), altered, "{text:?}");
    }
}

#[test]
fn a_changed_comment_spoils_a_signature_and_the_untrusted_one_does_not() {
    let changed = HASHED.replace("timestamp:1790000000", "timestamp:1990000000");
    assert_eq!(verified(TEXT, &changed), Err(Why::Altered(key(ANN).id())));
    let changed = HASHED.replace("signature from minisign secret key", "anything");
    assert!(verified(TEXT, &changed).is_ok());
}

#[test]
fn a_key_that_is_not_pinned_does_not_count() {
    assert_eq!(verify(TEXT.as_bytes(), HASHED, &[key(BOB)]), Err(Why::UnknownKey(key(ANN).id())));
    assert_eq!(verify(TEXT.as_bytes(), HASHED, &[]), Err(Why::UnknownKey(key(ANN).id())));
    // Another key under the pinned one's number, and a signature under a number that is not its key's.
    let mut posing = decode(BOB.lines().nth(1).unwrap()).unwrap();
    posing[2..10].copy_from_slice(&decode(ANN).unwrap()[2..10]);
    let posing = PublicKey { key: key(BOB).key, id: KeyId::in_front_of(&posing).unwrap() };
    assert_eq!(verify(TEXT.as_bytes(), HASHED, &[posing]), Err(Why::Altered(key(ANN).id())));
    let renumbered = HASHED.replace("RURoo04v9CpUi", "RUS6wuSx37cWx");
    assert_eq!(verified(TEXT, &renumbered), Err(Why::Altered(key(BOB).id())));
}

#[test]
fn the_older_kind_does_not_count_under_either_name() {
    assert_eq!(verified(TEXT, LEGACY), Err(Why::Legacy));
    // Which kind it is, is not signed: neither may pass for the other.
    let posing = LEGACY.replace("\nRWRoo", "\nRURoo");
    assert_eq!(verified(TEXT, &posing), Err(Why::Altered(key(ANN).id())));
    let posing = HASHED.replace("\nRURoo", "\nRWRoo");
    assert_eq!(verified(TEXT, &posing), Err(Why::Legacy));
}

#[test]
fn a_part_of_a_signature_is_none() {
    for length in 0..HASHED.len() - 1 {
        let result = verified(TEXT, &HASHED[..length]);
        assert!(matches!(result, Err(Why::Malformed | Why::Altered(_))), "{length}: {result:?}");
    }
    let lines: Vec<_> = HASHED.lines().collect();
    for missing in 0..4 {
        let mut fewer = lines.clone();
        fewer.remove(missing);
        assert_eq!(verified(TEXT, &fewer.join("\n")), Err(Why::Malformed), "{missing}");
    }
}

#[test]
fn every_byte_of_a_signature_counts() {
    for (place, byte) in HASHED.bytes().enumerate().skip(HASHED.find('\n').unwrap() + 1) {
        let mut changed = HASHED.as_bytes().to_vec();
        changed[place] = byte ^ 1 << (place % 7);
        let changed = String::from_utf8(changed).unwrap();
        // The line's end is no part of it.
        if !changed.lines().eq(HASHED.lines()) {
            assert!(verified(TEXT, &changed).is_err(), "{changed}");
        }
    }
}

#[test]
fn an_unsigned_file_counts_only_where_no_signature_is_demanded() {
    let keys = [key(ANN)];
    let check = |text, signature, demand| check("50-net.toml", text, signature, (&keys, demand));
    assert_eq!(check(TEXT, None, Demand::RightIfThere), Ok(None));
    let unsigned = check(TEXT, None, Demand::Signature).unwrap_err();
    assert!(unsigned.title.contains("`50-net.toml` is not signed"), "{unsigned:?}");
    assert!(
        unsigned.help.iter().any(|help| help.contains("ringfence policy sign --key KEYFILE 50-net.toml"))
    );
    for demand in [Demand::Signature, Demand::RightIfThere] {
        assert!(check(TEXT, Some(HASHED), demand).unwrap().is_some());
        let wrong = check("other", Some(HASHED), demand).unwrap_err();
        assert!(wrong.title.contains("8A542AF42F4EA368"), "{wrong:?}");
        assert!(check(TEXT, Some(""), demand).is_err());
    }
}

proptest! {
    #[test]
    fn nothing_that_is_read_stops_the_program(text in any::<String>(), line in "[A-Za-z0-9+/=]{0,220}") {
        let _ = PublicKey::parse(&text);
        let _ = PublicKey::parse(&line);
        prop_assert!(verified(TEXT, &text).is_err());
        let signature = format!("c\n{line}\ntrusted comment: \n{line}");
        prop_assert!(verified(TEXT, &signature).is_err());
    }
}

#[cfg(feature = "sign")]
mod making {
    use super::*;

    /// The key of [`ANN`], as minisign writes one without a password, and locked with few rounds for a short test.
    const ANN_SECRET: &str = "untrusted comment: minisign encrypted secret key\n\
        RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAaKNOL/QqVIqDt/OHp5GcSbD5vDS5DLr4U/JBhMOCd8zAu3gvgiG7UkTR3mi5bgiPGkQNdlwXMQhit6pTMzVVlWfE9rAVCCQIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const ANN_LOCKED: &str = "untrusted comment: minisign encrypted secret key\nRWRTY0IyAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AgAAAAAAAAAAABAAAAAAA+RPPSyjgxp+p9lWdnX95aKl2PV0Z7obT01/p2/QjGDTd+ClAaqbVRnxKhuMJtRmQtYfTMuNSz/so6Rpd1fdtj3htuYggpn6iw1Gla9k0/0XS130vrefd1er+MjqfG4N8xhkPkPtA0dk=\n";

    #[test]
    fn what_a_key_signs_counts_for_its_other_half() {
        let signature = sign(TEXT.as_bytes(), "t.toml", ANN_SECRET, None).unwrap();
        let signed = verified(TEXT, &signature).unwrap();
        assert_eq!(signed.key, key(ANN).id());
        assert!(signed.comment.contains("file:t.toml"), "{}", signed.comment);
        assert!(verified("other", &signature).is_err());
    }

    #[test]
    fn a_locked_key_signs_with_its_password_only() {
        let signature = sign(TEXT.as_bytes(), "t.toml", ANN_LOCKED, Some("correct horse")).unwrap();
        assert!(verified(TEXT, &signature).is_ok());
        let refusal = |secret, password| sign(b"", "t", secret, password).unwrap_err().to_string();
        assert!(refusal(ANN_LOCKED, None).contains("needs its password"));
        assert!(refusal(ANN_LOCKED, Some("wrong")).contains("cannot be used"));
        assert!(refusal(ANN_SECRET, Some("any")).contains("has no password"));
        for none in ["", "x", "x\ny", BOB, HASHED, &ANN_SECRET[..200]] {
            assert!(refusal(none, None).contains("no secret key"), "{none}");
        }
    }

    #[test]
    fn a_new_key_is_one_of_minisigns() {
        let pair = generate(None).unwrap();
        let public = key(&pair.public);
        let signature = sign(TEXT.as_bytes(), "a\nb", &pair.secret, None).unwrap();
        let signed = verify(TEXT.as_bytes(), &signature, std::slice::from_ref(&public)).unwrap();
        assert_eq!(signed.key, public.id());
        assert!(pair.public.contains(&public.id().to_string()), "{}", pair.public);
        assert!(!format!("{pair:?}").contains(pair.secret.lines().nth(1).unwrap()));
        assert_ne!(generate(None).unwrap().public, pair.public);
    }

    /// That it opens with its password is tried with minisign (tests/minisign.rs): to derive a key from one takes long.
    #[test]
    fn a_locked_new_key_is_locked() {
        let pair = generate(Some("pässword")).unwrap();
        assert!(matches!(sign(b"", "t", &pair.secret, None), Err(NotSigned::Locked)));
        assert!(PublicKey::parse(&pair.public).is_ok());
    }
}
