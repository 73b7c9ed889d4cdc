//! A sender's JSON, read by pointer: whatever is not there, or is of another kind, is an empty text.

use super::{TITLE_LIMIT, text};
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// A body whose shape its sender may change at any time.
#[derive(Clone, Copy)]
pub(super) struct Payload<'a>(pub(super) &'a Value);

impl<'a> Payload<'a> {
    /// The text at a JSON pointer (RFC 6901).
    pub(super) fn text(self, pointer: &str) -> &'a str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The same for what may be a number or a truth value as well, as ids are.
    pub(super) fn word(self, pointer: &str) -> String {
        match self.0.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(plain @ (Value::Number(_) | Value::Bool(_))) => plain.to_string(),
            _ => String::new(),
        }
    }

    /// The first of these texts that is not empty.
    pub(super) fn first(self, pointers: &[&str]) -> &'a str {
        pointers.iter().map(|pointer| self.text(pointer)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// The same as one bounded line, for labels and titles.
    pub(super) fn line(self, pointers: &[&str]) -> Option<String> {
        Some(text::line(self.first(pointers), TITLE_LIMIT)).filter(|text| !text.is_empty())
    }

    /// A time: RFC 3339, with or without a colon in its zone, or seconds or milliseconds since 1970.
    pub(super) fn time(self, pointer: &str) -> Option<Timestamp> {
        let value = self.0.pointer(pointer)?;
        if let Some(number) = value.as_f64().or_else(|| value.as_str()?.parse().ok()) {
            // Seconds reach this figure in the year 5138, milliseconds had it in 1973.
            let millis = if number.abs() < 1e11 { number * 1000.0 } else { number };
            #[expect(clippy::cast_possible_truncation, reason = "saturates, and strange times are left out below")]
            return Some(millis as i64).filter(|at| (1..=4_102_444_800_000).contains(at)).map(Timestamp);
        }
        let text = value.as_str()?;
        Timestamp::parse(text).ok().or_else(|| {
            let (rest, zone) = text.split_at_checked(text.len().checked_sub(5)?)?;
            let plain = zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit());
            let colon = format!("{rest}{}:{}", zone.get(..3)?, zone.get(3..)?);
            plain.then(|| Timestamp::parse(&colon).ok()).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_as_senders_write_them() {
        let at = |value: Value| Payload(&json!({ "at": value })).time("/at").map(|at| at.0);
        let noon = 1_795_348_800_000;
        for value in [
            json!("2026-11-22T12:00:00Z"),
            json!("2026-11-22T12:00:00.000+0000"),
            json!("2026-11-22T13:00:00+01:00"),
            json!(1_795_348_800),
            json!(1_795_348_800_000_i64),
            json!("1795348800000"),
            json!(1_795_348_800.0),
        ] {
            assert_eq!(at(value.clone()), Some(noon), "{value}");
        }
        for value in [json!(null), json!("noon"), json!("ä+123"), json!(-1), json!(1e300), json!([]), json!("+0000")] {
            assert_eq!(at(value.clone()), None, "{value}");
        }
    }
}
