//! Values that nobody may see, and what stands in for them inside the sandbox.
//!
//! Not where they come from.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

/// A value that is never shown: wiped when it is dropped, and without a way to be printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// What every stand-in begins with: whoever finds one reads what it is.
pub const PREFIX: &str = "ringfence-placeholder-";
/// Fewer characters than this are found in all sorts of texts by chance.
const SHORTEST: usize = 8;
/// Longest value that a field takes with ease.
const LONGEST: usize = 16 * 1024;

impl Secret {
    /// Takes a value as a program printed it, or a file has it: blanks and line ends around it are not part of it.
    ///
    /// # Errors
    /// When it could not stand in a field, or not be recognised in an answer.
    pub fn new(text: Zeroizing<Vec<u8>>) -> Result<Secret, &'static str> {
        let bytes = Zeroizing::new(text.trim_ascii().to_vec());
        match bytes.len() {
            0 => Err("is empty"),
            1..SHORTEST => Err("has fewer than 8 characters, too few to be recognised in an answer"),
            LONGEST.. => Err("is longer than 16 KiB"),
            _ if bytes.iter().any(|byte| !(b' '..=b'~').contains(byte)) => {
                Err("has characters that no field of HTTP has")
            }
            _ => Ok(Secret(bytes)),
        }
    }

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The forms in which a server could send it back without meaning to: as it is, and within base64, wherever it stands
    /// there.
    pub fn forms(&self) -> Vec<Vec<u8>> {
        let mut forms = vec![self.bytes().to_vec()];
        for before in 0..3_usize {
            let padded = [&vec![0; before][..], self.bytes()].concat();
            let text = STANDARD_NO_PAD.encode(&padded);
            // The characters that hold nothing but the value.
            let first = (before * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            forms.extend(text.as_bytes().get(first..last).map(<[u8]>::to_vec));
        }
        forms
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A stand-in, from random bytes.
pub fn placeholder(random: &[u8; 20]) -> String {
    let digits = random.iter().fold(String::new(), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    });
    format!("{PREFIX}{digits}")
}

/// What stands in `Basic …` (RFC 7617).
pub fn basic(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = rest.trim_ascii();
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok().map(Zeroizing::new)
}

/// `Basic …` for this.
pub fn as_basic(text: &[u8]) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<Secret, &'static str> {
        Secret::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_value_is_taken_without_what_is_around_it_and_never_shown() {
        let taken = secret(" token-1234\n").unwrap();
        assert_eq!(taken.bytes(), b"token-1234");
        assert_eq!(format!("{taken:?}"), "Secret(…)");
        for bad in ["", "\n", "short", "two\nlines-of-it", "nul\0nul\0nul", "tokén-1234"] {
            assert!(secret(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn base64_is_recognised_wherever_the_value_stands_in_it() {
        let value = secret("s3cr3t-value").unwrap();
        for user in ["", "u", "us", "use", "user:", "x:y:"] {
            let text = String::from_utf8(as_basic(format!("{user}s3cr3t-value!").as_bytes())).unwrap();
            let found = |form: &Vec<u8>| memchr::memmem::find(text.as_bytes(), form).is_some();
            assert!(value.forms().iter().any(found), "{user}");
        }
        assert_eq!(basic(b"Basic dTpw").unwrap().as_slice(), b"u:p");
        assert_eq!(basic(b"basic  dTpw ").unwrap().as_slice(), b"u:p");
        assert!(basic(b"Bearer dTpw").is_none() && basic(b"Basic %").is_none());
    }

    #[test]
    fn a_stand_in_says_what_it_is() {
        let text = placeholder(&[0xa5; 20]);
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 40);
    }
}
