//! The stretch of time that a look is about: the trouble, and a calm stretch before it to compare with.

use crate::text::arg;
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// An alert comes later than what it tells of: so long before the onset the trouble may have begun, milliseconds.
const MARGIN: i64 = 5 * 60_000;
/// Neither stretch is longer than this, milliseconds.
const LONGEST: i64 = 24 * 3_600_000;

/// From and to, Unix milliseconds.
pub type Stretch = (i64, i64);

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The calm before; none if no onset was given.
    pub calm: Option<Stretch>,
    /// The trouble.
    pub trouble: Stretch,
}

/// The arguments that [`Window::of`] reads.
pub const ARGS: [&str; 3] = ["onset", "minutes", "until"];
/// What a description says of them.
pub const HELP: &str = "onset (RFC 3339, default now), minutes (of calm before the onset to compare with, default 60), until (RFC 3339, default now)";

impl Window {
    /// Of the arguments `onset`, `minutes` and `until`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(args: &BTreeMap<String, String>, now: Timestamp) -> Result<Self, String> {
        let time = |name: &str| arg(args, name).map(Timestamp::parse).transpose();
        let minutes = arg(args, "minutes").unwrap_or("60").parse::<u32>().ok();
        let minutes = minutes.filter(|minutes| matches!(minutes, 1..=1440));
        let length = i64::from(minutes.ok_or("minutes must be a number from 1 to 1440")?) * 60_000;
        let until = time("until")?.unwrap_or(now).0.min(now.0);
        let Some(onset) = time("onset")? else {
            return Ok(Self { calm: None, trouble: (until.saturating_sub(length).max(0), until) });
        };
        let began = onset.0.min(until).saturating_sub(MARGIN).max(0);
        let calm = (began > 0).then_some((began.saturating_sub(length).max(0), began));
        Ok(Self { calm, trouble: (began.max(until.saturating_sub(LONGEST)), until) })
    }

    /// From the beginning of the calm to the end of the trouble.
    pub fn whole(&self) -> Stretch {
        (self.calm.map_or(self.trouble.0, |calm| calm.0), self.trouble.1)
    }
}

/// A stretch for people.
pub fn spelled((from, to): Stretch) -> String {
    format!("from {} to {}", Timestamp(from), Timestamp(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Window, String> {
        let args = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Window::of(&args, Timestamp(100 * 3_600_000))
    }

    #[test]
    fn the_calm_ends_before_the_alert_was_raised_and_the_trouble_ends_now() {
        let hour = 3_600_000;
        let onset = Timestamp(99 * hour).to_string();
        let window = of(&[("onset", &onset), ("minutes", "30")]).unwrap();
        let began = 99 * hour - MARGIN;
        assert_eq!((window.calm, window.trouble), (Some((began - hour / 2, began)), (began, 100 * hour)));
        assert_eq!(of(&[]).unwrap(), Window { calm: None, trouble: (99 * hour, 100 * hour) });
        let (future, long_ago) = (Timestamp(200 * hour).to_string(), Timestamp(0).to_string());
        assert_eq!(of(&[("until", &future)]).unwrap().trouble.1, 100 * hour);
        assert_eq!(of(&[("onset", &long_ago)]).unwrap(), Window { calm: None, trouble: (76 * hour, 100 * hour) });
        for odd in [("minutes", "0"), ("minutes", "a"), ("onset", "noon"), ("until", "-1")] {
            assert!(of(&[odd]).is_err(), "{odd:?}");
        }
    }
}
