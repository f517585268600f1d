//! Values that nobody may see, and what stands in for them inside the sandbox.
//!
//! Not where they come from.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A value that is never shown: wiped when it is dropped, and without a way to be printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// What every stand-in begins with: whoever finds one reads what it is.
pub const PREFIX: &str = "ringfence-placeholder-";
/// Fewer characters than this are found in all sorts of texts by chance.
pub const SHORTEST: usize = 8;
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

    /// The forms in which a server could send it back without meaning to: as it is, within base64 wherever it stands there,
    /// in hexadecimal digits, and as URLs and JSON have it; of a scheme or a user with it, also what stands behind.
    pub fn forms(&self) -> Vec<Vec<u8>> {
        let mut forms = Vec::new();
        let behind =
            self.bytes().iter().position(|byte| b": ".contains(byte)).map(|at| &self.bytes()[at + 1..]);
        for value in
            [Some(self.bytes()), behind.filter(|behind| behind.len() >= SHORTEST)].into_iter().flatten()
        {
            forms.push(value.to_vec());
            forms.extend((0..3).flat_map(|before| in_base64(value, before)));
            forms.extend(in_digits(value));
            forms.extend(escaped(value));
            forms.extend(HTML.map(|spellings| in_html(value, spellings)));
            forms.extend([1, 3].map(|zeros| apart(value, zeros)));
        }
        let mut known = std::collections::HashSet::new();
        forms.retain(|form| known.insert(form.clone()));
        forms
    }
}

/// In both alphabets (RFC 4648): the characters that hold nothing but the value, which stands behind so many bytes.
fn in_base64(value: &[u8], before: usize) -> Vec<Vec<u8>> {
    let padded = [&vec![0; before][..], value].concat();
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    let texts = [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)];
    texts.iter().filter_map(|text| text.as_bytes().get(first..last).map(<[u8]>::to_vec)).collect()
}

fn in_digits(value: &[u8]) -> [Vec<u8>; 2] {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    [digits.to_uppercase().into_bytes(), digits.into_bytes()]
}

/// What of a text stays as it is in URLs, beside letters and digits: as most write it, as JavaScript does
/// (encodeURIComponent), in a path of several segments, and in one segment (RFC 3986, section 3.3).
const KEPT: [&[u8]; 4] = [b"-._~", b"-._~!'()*", b"-._~/", b"-._~!$&'()*+,;=:@"];
/// What libraries write as `\uXXXX` in JSON, so that it can stand in HTML: nothing, and what those of Go, Java and .NET do.
const SPELLED: [&[u8]; 4] = [b"", b"<>&", b"<>&='", b"<>&'\"+`"];

/// As in URLs and forms, with either kind of digits, and in JSON, with and without care for slashes and HTML.
fn escaped(value: &[u8]) -> Vec<Vec<u8>> {
    let each = |escape: &dyn Fn(u8) -> Option<String>| -> Vec<u8> {
        value.iter().flat_map(|byte| escape(*byte).map_or(vec![*byte], String::into_bytes)).collect()
    };
    let in_url = |byte: u8, kept: &[u8]| !byte.is_ascii_alphanumeric() && !kept.contains(&byte);
    let quoted = |byte: u8| b"\"\\".contains(&byte).then(|| format!("\\{}", char::from(byte)));
    let mut forms = Vec::new();
    for kept in KEPT {
        forms.push(each(&|byte| in_url(byte, kept).then(|| format!("%{byte:02X}"))));
        forms.push(each(&|byte| in_url(byte, kept).then(|| format!("%{byte:02x}"))));
    }
    let in_form = |byte: u8| if byte == b' ' { "+".into() } else { format!("%{byte:02X}") };
    forms.push(each(&|byte| in_url(byte, b"-._*").then(|| in_form(byte))));
    for spelled in SPELLED {
        let is_spelled = |byte: u8| spelled.contains(&byte);
        forms.push(each(&|byte| {
            if is_spelled(byte) { Some(format!("\\u{byte:04x}")) } else { quoted(byte) }
        }));
        forms.push(each(&|byte| {
            if is_spelled(byte) { Some(format!("\\u{byte:04X}")) } else { quoted(byte) }
        }));
    }
    forms.push(each(&|byte| if byte == b'/' { Some("\\/".into()) } else { quoted(byte) }));
    forms
}

/// What of a text is spelled otherwise in HTML, by the libraries of PHP, Python, Java and Jinja, of Go, and of JavaScript's
/// templates.
const HTML: [&[(u8, &str)]; 6] = [
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#039;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#x27;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&#34;"), (b'\'', "&#39;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&#34;"), (b'\'', "&#39;"), (b'+', "&#43;")],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#x27;"),
        (b'`', "&#x60;"),
        (b'=', "&#x3D;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#39;"),
        (b'`', "&#x60;"),
        (b'=', "&#x3D;"),
        (b'/', "&#x2F;"),
    ],
];

fn in_html(value: &[u8], spellings: &[(u8, &str)]) -> Vec<u8> {
    let spelled = |byte: &u8| spellings.iter().find(|(known, _)| known == byte).map(|(_, text)| *text);
    value.iter().flat_map(|byte| spelled(byte).map_or(vec![*byte], |text| text.into())).collect()
}

/// In UTF-16 and UTF-32, in either order of their bytes: a client may ask for an answer in those.
fn apart(value: &[u8], zeros: usize) -> Vec<u8> {
    let mut text: Vec<u8> = value.iter().flat_map(|byte| [&[*byte][..], &vec![0; zeros]].concat()).collect();
    text.truncate(text.len() - zeros);
    text
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
    fn what_a_server_makes_of_a_value_is_recognised() {
        let value = secret("user:a/b+c\"d\\e?f~g").unwrap();
        let back = [
            "password=a%2Fb%2Bc%22d%5Ce%3Ff~g",
            "password=a%2fb%2bc%22d%5ce%3ff~g",
            r#"{"user":"user","password":"a/b+c\"d\\e?f~g"}"#,
            r#"{"user":"user","password":"a\/b+c\"d\\e?f~g"}"#,
            "757365723a612f622b632264",
            "757365723A612F622B632264",
        ];
        for text in back {
            let found = value.forms().iter().any(|form| {
                let form = if text.starts_with('7') { &form[..form.len().min(24)] } else { form };
                memchr::memmem::find(text.as_bytes(), form).is_some()
            });
            assert!(found, "{text}");
        }
        let value = secret("ab/c+d=e f&g'h").unwrap();
        let back = [
            "ab%2Fc%2Bd%3De%20f%26g%27h",
            "ab%2Fc%2Bd%3De%20f%26g'h",
            "ab/c%2Bd%3De%20f%26g%27h",
            "ab%2Fc+d=e%20f&g'h",
            "ab%2Fc%2Bd%3De+f%26g%27h",
            r"ab\/c+d=e f&g'h",
            r"ab/c+d=e f\u0026g'h",
            r"ab/c+d\u003de f\u0026g\u0027h",
            r"ab/c\u002Bd=e f\u0026g\u0027h",
            "ab/c+d=e f&amp;g&#039;h",
            "ab/c&#43;d=e f&amp;g&#39;h",
            "ab&#x2F;c+d&#x3D;e f&amp;g&#39;h",
            "a\0b\0/\0c\0+\0d\0=\0e\0 \0f\0&\0g\0'\0h",
        ];
        for text in back {
            assert!(value.forms().contains(&text.as_bytes().to_vec()), "{text}");
        }
        let url = secret("~~~~>>>>????").unwrap();
        assert!(url.forms().contains(&URL_SAFE_NO_PAD.encode("~~~~>>>>????").into_bytes()));
    }

    #[test]
    fn a_stand_in_says_what_it_is() {
        let text = placeholder(&[0xa5; 20]);
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 40);
    }
}
