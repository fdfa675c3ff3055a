//! Durations in a configuration file, in whole milliseconds.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::time::parse_duration;

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", duration.as_millis()))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let whole_ms = parse_duration(&text).filter(|duration| duration.subsec_nanos() % 1_000_000 == 0);
    whole_ms.ok_or_else(|| {
        D::Error::custom(format!("{text:?} is no duration of whole milliseconds; write 200ms, 3s, 5m or 72h"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Written(#[serde(with = "super")] Duration);

    #[test]
    fn whole_milliseconds_are_read_and_nothing_finer() {
        for (text, ms) in [("200ms", 200), ("1.5s", 1_500), ("1000us", 1), ("72h", 259_200_000)] {
            let Written(read) = serde_json::from_str(&format!("{text:?}")).unwrap();
            assert_eq!(read, Duration::from_millis(ms), "{text}");
        }
        for text in ["1500us", "1ns", "0.5ms", "5 s", "3"] {
            assert!(serde_json::from_str::<Written>(&format!("{text:?}")).is_err(), "{text}");
        }
    }
}
