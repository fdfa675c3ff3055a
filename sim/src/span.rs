//! Durations as scenarios write them: `450us`, `200ms`, `3s`, `5m`, `72h`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::random::nanos;

/// Each unit in nanoseconds, longest first.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration in the longest unit that holds it whole.
#[must_use]
pub fn text(duration: Duration) -> String {
    let whole = nanos(duration);
    let (unit, size) = UNITS.into_iter().find(|(_, size)| whole % size == 0 && whole >= *size).unwrap_or(("s", 1));
    format!("{}{unit}", whole / size)
}

/// Reads a duration; none when it is not one.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_nanos(number.parse::<u64>().ok()?.checked_mul(*size)?))
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let written = String::deserialize(deserializer)?;
    parse(&written).ok_or_else(|| D::Error::custom(format!("{written:?} is no duration; write 450us, 200ms, 3s or 5m")))
}

/// The same for a duration that may be missing.
pub(crate) mod optional {
    use super::*;

    #[allow(clippy::ref_option)] // The shape that serde asks for.
    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for written in ["450us", "200ms", "3s", "5m", "72h", "1500ms", "0s", "7ns"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
        for bad in ["", "3", "s", "-1s", "1 s", "1.5s", "99999999999999999999ms", "18446744073709551615h"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
