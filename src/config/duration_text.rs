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
