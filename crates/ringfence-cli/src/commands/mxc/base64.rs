//! The standard alphabet of RFC 4648, section 4, read into bytes.
//! Not written, and no other alphabet: a request comes in one form.

/// The bytes that `text` stands for; none if it is no whole Base64 with its padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if !bytes.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let digits = &bytes[..bytes.len() - padding];
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut word = 0u32;
        for place in 0..4 {
            word = word << 6 | u32::from(group.get(place).map_or(Some(0), |byte| value(*byte))?);
        }
        let [_, first, second, third] = word.to_be_bytes();
        let held = group.len() - 1;
        // Bits behind the last byte say nothing, and two texts for the same bytes would be one too many.
        if [first, second, third][held..].iter().any(|byte| *byte != 0) {
            return None;
        }
        decoded.extend_from_slice(&[first, second, third][..held]);
    }
    Some(decoded)
}

fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_vectors_of_the_standard() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn what_is_cut_off_padded_wrongly_or_of_another_alphabet_is_refused() {
        for text in ["Zg", "Zg=", "Z===", "====", "Zm9v\n", " Zm9", "Zm-_", "Zh==", "Zm9=", "Zg==Zg=="] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
