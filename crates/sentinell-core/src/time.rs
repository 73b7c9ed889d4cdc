//! Points in time, handed in from outside.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// Unix milliseconds; written as RFC 3339 in UTC with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A day far enough away to mean "never" and near enough to be printable: 9999-12-31.
const LATEST: i64 = 253_402_214_400_000;

impl Timestamp {
    /// This moment and `seconds` more (fewer, if negative).
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// This moment and `millis` more (fewer, if negative).
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis).clamp(0, LATEST))
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 in any zone.
    ///
    /// # Errors
    /// A sentence saying what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = DateTime::parse_from_rfc3339(text.trim());
        let millis = parsed.map_err(|_| "expected a time such as 2026-11-22T14:00:00Z (RFC 3339)".to_owned())?;
        match millis.timestamp_millis() {
            at @ 0..=LATEST => Ok(Self(at)),
            _ => Err("expected a time between 1970 and 9999".to_owned()),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = self.0.clamp(0, LATEST);
        let at = DateTime::<Utc>::from_timestamp_millis(clamped).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_writing_and_reading() {
        let at = Timestamp::parse("2026-11-22T15:00:00.250+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-22T14:00:00.250Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        assert!(Timestamp::parse("yesterday").unwrap_err().contains("RFC 3339"));
    }
}
