//! Durations as people write them: `450us`, `200ms`, `1.5s`, `5m`, `72h`.

use std::time::Duration;

/// Each unit in nanoseconds, longest first.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration in the longest unit that holds it whole, such as `1500ms`; [`parse_duration`] reads it back. Of more than
/// 584 years, that much.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let whole = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let (unit, size) = UNITS.into_iter().find(|(_, size)| whole % size == 0 && whole >= *size).unwrap_or(("s", 1));
    format!("{}{unit}", whole / size)
}

/// Reads a duration: a number, with a decimal point or without, and `h`, `m`, `s`, `ms`, `us` or `ns`. None if it is
/// not one, is longer than 584 years or finer than a nanosecond.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;

    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if part.is_empty() {
        return None;
    }
    let part = part.trim_end_matches('0');
    let of_part = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = if part.is_empty() { 0 } else { part.parse::<u128>().ok()?.checked_mul(u128::from(size))? };
    if part % of_part != 0 {
        return None;
    }

    let part = u64::try_from(part / of_part).ok()?;
    let nanos = whole.parse::<u64>().ok()?.checked_mul(size)?.checked_add(part)?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for written in ["450us", "200ms", "3s", "5m", "72h", "1500ms", "0s", "7ns"] {
            assert_eq!(duration_text(parse_duration(written).unwrap()), written);
        }
        assert_eq!(duration_text(Duration::MAX), "18446744073709551615ns");
    }

    #[test]
    fn a_decimal_point_is_exact_and_the_rest_is_refused() {
        for (written, same) in [
            ("1.5s", "1500ms"),
            ("0.25m", "15s"),
            ("1.000001ms", "1000001ns"),
            ("2.0h", "2h"),
            ("0.5000000000h", "30m"),
            ("1.00000000000000000000s", "1s"),
        ] {
            assert_eq!(parse_duration(written), parse_duration(same), "{written}");
        }
        for bad in [
            "",
            "3",
            "s",
            "-1s",
            "+1s",
            "1 s",
            "1.s",
            ".5s",
            "1.2.3s",
            "0.5ns",
            "1.0000000001s",
            "3 µs",
            "99999999999999999999ms",
            "18446744073709551615h",
            "0.00000000000000000000001h",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }
}
