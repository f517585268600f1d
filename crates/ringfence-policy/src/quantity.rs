//! Quantities as people write them: sizes, durations, processors.
//!
//! Not which quantity is sensible for which limit: `compose` refuses those that cannot work.

use ringfence_plan::{Bytes, Millicpus, Millis};

/// Why a text is no quantity; completes "`text` …".
pub(crate) type Why = String;

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const TIME_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `2GiB`, `1.5 GiB`, `512MB`, `4096`.
pub(crate) fn size(text: &str) -> Result<Bytes, Why> {
    let (number, unit) = split(text);
    // `2G` is refused: half the tools mean 10⁹ by it and half 2³⁰.
    let factor =
        SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
    let factor = factor.ok_or("is no size; write it as 512MB, 2GiB or a whole number of bytes")?;
    scaled(number, factor).map(Bytes)
}

/// `90s`, `1h30m`, `500ms`; a number alone is seconds, as for timeout(1).
pub(crate) fn duration(text: &str) -> Result<Millis, Why> {
    let why = "is no duration; write it as 90s, 10m, 1h30m or 500ms";
    if text.trim().is_empty() {
        return Err(why.into());
    }
    let (mut rest, mut total) = (text.trim(), 0u64);
    while !rest.is_empty() {
        let (number, tail) = split(rest);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let alone = tail.is_empty() && rest.len() == text.trim().len();
        let unit = if alone { "s" } else { &tail[..end] };
        let factor = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or(why)?.1;
        total = total.checked_add(scaled(number, factor)?).ok_or("is too long")?;
        rest = tail[end..].trim_start();
    }
    Ok(Millis(total))
}

/// `2`, `1.5`: processors, to a thousandth.
pub(crate) fn processors(text: &str) -> Result<Millicpus, Why> {
    let why = "is no number of processors; write it as 2 or 1.5";
    let value: f64 = text.trim().parse().map_err(|_| why)?;
    if !value.is_finite() {
        return Err(why.into());
    }
    let thousandths = (value * 1000.0).round();
    if thousandths < 10.0 {
        return Err("is less than a hundredth of a processor: nothing would run".into());
    }
    if thousandths > f64::from(u32::MAX) {
        return Err("is more processors than can be counted".into());
    }
    Ok(Millicpus(thousandths as u32))
}

/// A whole number above zero.
pub(crate) fn count(text: &str) -> Result<u32, Why> {
    let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
    match digits.parse::<u64>() {
        Ok(0) => Err("is zero: nothing could run".into()),
        Ok(number) => u32::try_from(number).map_err(|_| "is more than 4294967295".into()),
        Err(_) => Err("is no whole number".into()),
    }
}

/// The number at the start, and what follows.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `number` × `factor`, exactly where it can be: no floating point, so that `0.1GiB` is the same on every machine.
fn scaled(number: &str, factor: u64) -> Result<u64, Why> {
    let digits: String = number.chars().filter(|c| *c != '_').collect();
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let shape = !whole.is_empty() && !digits.ends_with('.');
    if !shape || part.contains('.') || part.len() > 9 {
        return Err("is no number".into());
    }
    let too_large = || Why::from("is too large");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let scale = 10u128.pow(part.len() as u32);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().map_err(|_| too_large())? };
    let total = u128::from(whole) * u128::from(factor) + part * u128::from(factor) / scale;
    u64::try_from(total).map_err(|_| too_large())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("2GiB", 2 << 30),
            ("2 gib", 2 << 30),
            ("512MB", 512_000_000),
            ("1.5KiB", 1536),
            ("1_000", 1000),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(Bytes(bytes)), "{text}");
        }
        for bad in ["", "GiB", "2G", "-1", "1.", "1.2.3", "2 Gi B", "99999999999TiB", "NaN", "1e3"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        let cases = [
            ("90", 90_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1.5s", 1500),
            ("1h 5s", 3_605_000),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Millis(millis)), "{text}");
        }
        for bad in ["", " ", "m", "10x", "1h30", "-5s", "1h-5m", "999999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn processor_counts() {
        assert_eq!(processors("2"), Ok(Millicpus(2000)));
        assert_eq!(processors("0.5"), Ok(Millicpus(500)));
        for bad in ["0", "-1", "NaN", "inf", "0.001", "1e300", "two", ""] {
            assert!(processors(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count("4_096"), Ok(4096));
        for bad in ["0", "-1", "1.5", "", "4294967296", "99999999999999999999"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
