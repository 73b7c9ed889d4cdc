//! Windows of maintenance: `[[maintenance]]`.

use crate::store::{When, Window};
use sentinell_core::silence::{Matcher, Matchers};
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A window as it was typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindow {
    pub name: String,
    pub matchers: Vec<Matcher>,
    #[serde(default)]
    pub starts_at: Option<String>,
    #[serde(default)]
    pub ends_at: Option<String>,
    #[serde(default)]
    pub days: Vec<String>,
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub minutes: Option<u32>,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WEEK_MINUTES: u32 = 7 * 24 * 60;

pub(super) fn check(raw: Vec<RawWindow>, problems: &mut Vec<String>) -> Vec<Window> {
    let mut names = BTreeSet::new();
    let mut windows = vec![];
    for window in raw {
        if window.name.trim().is_empty() || !names.insert(window.name.clone()) {
            problems.push(format!("maintenance: the name `{}` is empty or used twice", window.name));
        }
        match finished(&window) {
            Ok(finished) => windows.push(finished),
            Err(why) => problems.push(format!("maintenance `{}`: {why}", window.name)),
        }
    }
    windows
}

fn finished(raw: &RawWindow) -> Result<Window, String> {
    let matchers =
        Matchers::new(&raw.matchers).map_err(|(place, why)| format!("matchers, number {}: {why}", place + 1))?;
    let once = raw.starts_at.is_some() || raw.ends_at.is_some();
    let weekly = raw.from.is_some() || raw.minutes.is_some() || !raw.days.is_empty();
    let when = match (once, weekly) {
        (true, false) => {
            let moment = |text: &Option<String>| Timestamp::parse(text.as_deref().unwrap_or_default());
            let (from, until) = (moment(&raw.starts_at), moment(&raw.ends_at));
            let (Ok(from), Ok(until)) = (from, until) else {
                return Err("starts_at and ends_at are times such as \"2026-11-22T02:00:00Z\"".into());
            };
            if from >= until {
                return Err("ends_at is not after starts_at".into());
            }
            When::Once(from, until)
        }
        (false, true) => {
            let from = raw.from.as_deref().and_then(minute);
            let minutes = raw.minutes.filter(|minutes| (1..=WEEK_MINUTES).contains(minutes));
            let (Some(from), Some(minutes)) = (from, minutes) else {
                return Err(format!("from is a time of day in UTC (\"02:30\"), minutes are 1 to {WEEK_MINUTES}"));
            };
            When::Weekly(from, minutes)
        }
        _ => return Err("either starts_at and ends_at, or from and minutes (and days)".into()),
    };
    let mut days = [raw.days.is_empty(); 7];
    for day in &raw.days {
        let place = DAYS.iter().position(|known| known == day);
        *place.and_then(|place| days.get_mut(place)).ok_or_else(|| format!("`{day}` is no day; mon, tue, …"))? = true;
    }
    Ok(Window { name: raw.name.clone(), matchers, days, when })
}

fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
