//! Signatures of ceilings, in the format of minisign: checked here, made in `sign`.
//!
//! A signature says that a text is what a holder of the key wrote. It does not say that all of his texts are here, nor
//! that none is an older one: whoever may remove files of /etc can still do that.
//!
//! Only signatures over the hash of the text (`ED`, what minisign makes since 0.10) count. The older kind (`Ed`) is over
//! the text itself, and which kind one is, is not signed: with both allowed, a text that happens to be a hash could be
//! passed off. The trusted comment is signed too, and checked.

use std::fmt;

use minisign_verify as minisign;

use super::guarded::shell;
use crate::diagnostic::{Diagnostic, printable, quoted};

#[cfg(feature = "sign")]
mod sign;
#[cfg(test)]
mod tests;

#[cfg(feature = "sign")]
pub use sign::{KeyPair, NotSigned, generate, sign};

/// What the name of a signature's file adds to the file's.
pub const SUFFIX: &str = ".minisig";

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: minisign::PublicKey,
    id: KeyId,
}

/// The number of a key, in minisign's own writing: sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// By which key.
    pub key: KeyId,
    /// What the signer wrote beside it (signed as well), fit for one line.
    pub comment: String,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is no signature, or a part of one.
    Malformed,
    /// It is of the older kind, over the text itself.
    Legacy,
    /// It was made with a key that is not among those that count.
    UnknownKey(KeyId),
    /// It is of another text, or it or its comment was changed.
    Altered(KeyId),
}

/// Whether a file without a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// It does not.
    Signature,
    /// It does; but a signature that is there must be right.
    RightIfThere,
}

impl PublicKey {
    /// Reads a key: the line of a policy (`RWQ…`), or a whole `.pub` file.
    ///
    /// # Errors
    /// It is no public key of minisign's; the text says what is wrong.
    pub fn parse(text: &str) -> Result<PublicKey, &'static str> {
        const COMMENT: &str = "untrusted comment:";
        let mut lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(COMMENT));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err("is not one line of a key");
        };
        let bytes = decode(line).unwrap_or_default();
        let key = minisign::PublicKey::from_base64(line).map_err(|_| match bytes.len() {
            SECRET_KEY => "is a secret key: it must not be here",
            _ => "is no public key as minisign writes them (`RW` and 54 characters more)",
        })?;
        let id = KeyId::in_front_of(&bytes).ok_or("is too short for a key")?;
        Ok(PublicKey { key, id })
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// Whether `signature` (the text of a `.minisig` file) is one of `text` by one of `keys`.
///
/// # Errors
/// Why it does not count.
pub fn verify(text: &[u8], signature: &str, keys: &[PublicKey]) -> Result<Signed, Why> {
    let bytes = signature.lines().nth(1).and_then(decode).ok_or(Why::Malformed)?;
    let parsed = minisign::Signature::decode(signature).map_err(|_| Why::Malformed)?;
    if bytes.starts_with(b"Ed") {
        return Err(Why::Legacy);
    }
    let id = KeyId::in_front_of(&bytes).ok_or(Why::Malformed)?;
    let mut why = Why::UnknownKey(id);
    for key in keys.iter().filter(|key| key.id == id) {
        match key.key.verify(text, &parsed, LEGACY_IS_REFUSED) {
            Ok(()) => {
                // minisign parts its words by tabs.
                let letters = parsed.trusted_comment().chars().map(|c| if c == '\t' { ' ' } else { c });
                let comment = letters.flat_map(printable).collect();
                return Ok(Signed { key: id, comment });
            }
            Err(_) => why = Why::Altered(id),
        }
    }
    Err(why)
}

/// The same for the file called `name`, for people. Without a signature that was asked for, or needed, there is none.
///
/// # Errors
/// The signature is missing and demanded, or wrong: with what mends it.
pub fn check(
    name: &str,
    text: &str,
    signature: Option<&str>,
    (keys, demand): (&[PublicKey], Demand),
) -> Result<Option<Signed>, Diagnostic> {
    let sign = format!("whoever holds the key signs it: ringfence policy sign --key KEYFILE {}", shell(name));
    let Some(signature) = signature else {
        return match demand {
            Demand::RightIfThere => Ok(None),
            Demand::Signature => Err(Diagnostic::error(format!(
                "the ceiling {} is not signed: there is no {}",
                quoted(name),
                quoted(format!("{name}{SUFFIX}"))
            ))
            .help("the machine ceiling pins `signing.keys`, so nothing runs with an unsigned one")
            .help(sign)),
        };
    };
    verify(text.as_bytes(), signature, keys).map(Some).map_err(|why| {
        let counted: Vec<_> = keys.iter().map(|key| key.id().to_string()).collect();
        let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
        Diagnostic::error(format!("the signature of the ceiling {} {why}", quoted(name)))
            .help(format!("nothing runs; keys that count (`signing.keys` of the machine ceiling): {counted}"))
            .help(sign)
    })
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Malformed => f.write_str("is no signature as minisign writes them"),
            Why::Legacy => {
                f.write_str("is of an older kind that does not count (sign with minisign 0.10 or later)")
            }
            Why::UnknownKey(id) => write!(f, "is by the key {id}, which does not count"),
            Why::Altered(id) => {
                write!(
                    f,
                    "is not right for the key {id}: the file, or the signature, was changed after signing"
                )
            }
        }
    }
}

impl std::error::Error for Why {}

impl KeyId {
    /// Keys and signatures begin with two bytes for their kind and eight for the number.
    fn in_front_of(bytes: &[u8]) -> Option<KeyId> {
        bytes.get(2..10)?.try_into().ok().map(KeyId)
    }
}

const LEGACY_IS_REFUSED: bool = false;
/// The bytes of a secret key's line.
const SECRET_KEY: usize = 158;

/// The bytes that `line`, in base 64 with its padding (RFC 4648), stands for: whose key, and of which kind, is in them.
/// The crate that checks signatures reads the same line again, and does not tell.
fn decode(line: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = line.trim_end_matches('=');
    if !line.len().is_multiple_of(4) || line.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(line.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | ALPHABET.iter().position(|known| known == digit)? as u32;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}
