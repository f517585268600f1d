//! Roots of trust in the form in which Java keeps them: what a store holds that Java opens without a password, and a store
//! of those roots and more, of the kind that every Java reads (JKS).
//!
//! Not where such stores lie, which is `java`'s. Private keys are never carried over: no store of roots has any.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// How a store in the form JKS begins, and the version that Java has written since 1.2.
const MAGIC: [u8; 4] = 0xFEED_FEED_u32.to_be_bytes();
const VERSION: [u8; 4] = 2_u32.to_be_bytes();
/// The tag of an entry that is a certificate alone.
const TRUSTED: u32 = 2;
/// The one kind of certificates.
const KIND: &[u8] = b"X.509";
/// With this the digest at the end is begun, after the password: the password that everybody's store of roots has.
const PASSWORD: &str = "changeit";
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Object identifiers of PKCS #12 (RFC 7292) and of what it is made of, as DER has them.
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
const CERTIFICATE_BAG: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x03];
const X509_CERTIFICATE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01];
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const FIRST: u8 = 0xA0;

/// A store of what the store `own` holds, if it is one, and of the certificates in `pem`; for a JVM, which asks for no
/// password where it opens its roots, and for keytool(1), which checks the digest by the usual one.
#[must_use]
pub fn joined(own: &[u8], pem: &[u8]) -> Vec<u8> {
    let mut roots: Vec<&[u8]> = certificates(own).unwrap_or_default();
    let others: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    roots.extend(others.iter().map(AsRef::as_ref));
    let mut known = std::collections::HashSet::new();
    roots.retain(|root| !root.is_empty() && known.insert(*root));
    written(&roots)
}

/// Whether this begins as a store of Java's does, of either kind.
pub(crate) fn is_store(text: &[u8]) -> bool {
    text.starts_with(&MAGIC) || element(text, SEQUENCE).is_some_and(|(_, rest)| rest.is_empty())
}

/// The names are numbers: what a store called a root, nobody asks for but to list it.
fn written(roots: &[&[u8]]) -> Vec<u8> {
    let mut store = Vec::with_capacity(32 + roots.iter().map(|root| root.len() + 64).sum::<usize>());
    store.extend_from_slice(&MAGIC);
    store.extend_from_slice(&VERSION);
    push_length(&mut store, roots.len());
    for (number, root) in roots.iter().enumerate() {
        store.extend_from_slice(&TRUSTED.to_be_bytes());
        push_text(&mut store, format!("root{number}").as_bytes());
        // When it was put in: the same for all, so that the same roots are the same store.
        store.extend_from_slice(&0_u64.to_be_bytes());
        push_text(&mut store, KIND);
        push_length(&mut store, root.len());
        store.extend_from_slice(root);
    }
    let digest = digest(&store);
    store.extend_from_slice(digest.as_ref());
    store
}

/// What the form itself asks for; it proves nothing to anybody, since everybody knows the password.
fn digest(store: &[u8]) -> ring::digest::Digest {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        context.update(&unit.to_be_bytes());
    }
    context.update(WHITENER);
    context.update(store);
    context.finish()
}

fn push_length(store: &mut Vec<u8>, length: usize) {
    store.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn push_text(store: &mut Vec<u8>, text: &[u8]) {
    store.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend_from_slice(text);
}

/// The certificates of a store that needs no password. The caller's machine keeps it, or a project: nothing of its form is
/// taken for granted.
fn certificates(store: &[u8]) -> Option<Vec<&[u8]>> {
    if store.starts_with(&MAGIC) { of_jks(store) } else { of_pkcs12(store) }
}

/// An entry with a private key ends the reading: a store of roots has none.
fn of_jks(store: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = store.strip_prefix(&MAGIC)?.strip_prefix(&VERSION)?;
    let count = take_number(&mut rest)?;
    let mut found = Vec::new();
    for _ in 0..count {
        if take_number(&mut rest)? != TRUSTED {
            break;
        }
        let _name = take_text(&mut rest)?;
        let _time = take(&mut rest, 8)?;
        let kind = take_text(&mut rest)?;
        let length = take_number(&mut rest)?;
        let certificate = take(&mut rest, length as usize)?;
        if kind == KIND {
            found.push(certificate);
        }
    }
    Some(found)
}

/// What is encrypted is left out, as a JVM without a password leaves it out.
fn of_pkcs12(store: &[u8]) -> Option<Vec<&[u8]>> {
    let (store, _) = element(store, SEQUENCE)?;
    let (_version, rest) = element(store, INTEGER)?;
    let (safe, _) = element(rest, SEQUENCE)?;
    let mut found = Vec::new();
    for content in elements(element(data(safe)?, SEQUENCE)?.0, SEQUENCE) {
        let Some(bags) = data(content).and_then(|bags| element(bags, SEQUENCE)) else { continue };
        found.extend(elements(bags.0, SEQUENCE).filter_map(certificate));
    }
    Some(found)
}

/// What a ContentInfo of plain data holds.
fn data(content: &[u8]) -> Option<&[u8]> {
    Some(element(named(content, DATA)?, OCTETS)?.0)
}

/// The certificate of a SafeBag, if that is what it holds.
fn certificate(bag: &[u8]) -> Option<&[u8]> {
    let (bag, _) = element(named(bag, CERTIFICATE_BAG)?, SEQUENCE)?;
    Some(element(named(bag, X509_CERTIFICATE)?, OCTETS)?.0)
}

/// What follows this identifier.
fn named<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (said, rest) = element(text, OBJECT)?;
    if said == name { Some(element(rest, FIRST)?.0) } else { None }
}

fn elements(mut text: &[u8], tag: u8) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (content, rest) = element(text, tag)?;
        text = rest;
        Some(content)
    })
}

/// The content of the DER element (X.690) that `text` begins with, and what comes after it.
fn element(text: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, mut rest) = text.strip_prefix(&[tag])?.split_first()?;
    let length = match first {
        0..=0x7F => usize::from(first),
        0x81..=0x84 => {
            let digits = take(&mut rest, usize::from(first & 0x7F))?;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)?;
    take(rest, usize::from(length))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn pem(certificate: &[u8]) -> String {
        let text = STANDARD.encode(certificate);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut text = vec![tag, 0x83];
        text.extend_from_slice(&(content.len() as u32).to_be_bytes()[1..]);
        text.extend(content);
        text
    }

    fn content(name: &[u8], data: &[u8]) -> Vec<u8> {
        der(SEQUENCE, &[&der(OBJECT, &[name]), &der(FIRST, &[data])])
    }

    fn pkcs12(kind: &[u8], certificate: &[u8]) -> Vec<u8> {
        let certificate = content(X509_CERTIFICATE, &der(OCTETS, &[certificate]));
        let bags = der(SEQUENCE, &[&content(b"other", b"x"), &content(CERTIFICATE_BAG, &certificate)]);
        let safe = der(SEQUENCE, &[&content(b"encrypted", b"x"), &content(kind, &der(OCTETS, &[&bags]))]);
        der(SEQUENCE, &[&der(INTEGER, &[&[3]]), &content(DATA, &der(OCTETS, &[&safe]))])
    }

    #[test]
    fn a_store_keeps_its_own_roots_and_gains_the_others_once() {
        let own = written(&[b"one", b"two"]);
        let both = joined(&own, (pem(b"two") + &pem(b"three")).as_bytes());
        assert_eq!(certificates(&both), Some(vec![&b"one"[..], b"two", b"three"]));
        let both = joined(&pkcs12(DATA, b"one"), pem(b"two").as_bytes());
        assert_eq!(certificates(&both), Some(vec![&b"one"[..], b"two"]));
    }

    #[test]
    fn what_is_encrypted_or_no_store_gives_nothing() {
        for own in [pkcs12(b"encrypted", b"one"), b"-----BEGIN".to_vec(), Vec::new(), MAGIC.to_vec()] {
            assert_eq!(certificates(&joined(&own, pem(b"two").as_bytes())), Some(vec![&b"two"[..]]));
        }
    }

    #[test]
    fn no_private_key_is_carried_over() {
        let mut own = written(&[b"one", b"key"]);
        let name = own.windows(5).rposition(|part| part == b"root1").unwrap();
        own[name - 3] = 1;
        assert_eq!(certificates(&joined(&own, b"")), Some(vec![&b"one"[..]]));
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_reading(text in proptest::collection::vec(any::<u8>(), 0..200), at in 0..400_usize, by: u8) {
            let _ = joined(&text, &text);
            for mut store in [written(&[b"one", b"two"]), pkcs12(DATA, b"one")] {
                let at = at % store.len();
                store[at] = by;
                let _ = joined(&store, b"");
                let _ = joined(&store[..at], b"");
            }
        }
    }
}
