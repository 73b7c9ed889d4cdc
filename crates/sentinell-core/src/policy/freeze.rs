//! Freezes: times at which nothing is done, or nothing without a person.

use super::question::{DAYS, Question};
use super::{RuleEffect, fits};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

const DAY_MINUTES: i64 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * 24 * 60;

/// One freeze: between two moments, or every week. Empty lists match everything; patterns may end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Named in the ruling.
    pub name: String,
    /// `deny` (the default) or `ask`.
    #[serde(default = "deny")]
    pub effect: RuleEffect,
    /// Environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// When it begins, if it comes once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// When it ends, if it comes once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// The days that it begins on, if it comes every week (`fri`); empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// The time of day in UTC that it begins at, if it comes every week (`16:00`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How long it lasts then, minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
}

fn deny() -> RuleEffect {
    RuleEffect::Deny
}

/// When a freeze holds, read.
enum When {
    Once(Timestamp, Timestamp),
    Weekly { begins: u32, minutes: u32 },
}

impl Freeze {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.effect == RuleEffect::Allow {
            return Err("a freeze denies or asks".into());
        }
        if let Some(day) = self.days.iter().find(|day| !DAYS.contains(&day.as_str())) {
            return Err(format!("`{day}` is no day; mon, tue, …"));
        }
        self.when().map(|_| ())
    }

    fn when(&self) -> Result<When, String> {
        let once = self.starts_at.is_some() || self.ends_at.is_some();
        let weekly = self.from.is_some() || self.minutes.is_some() || !self.days.is_empty();
        match (self.starts_at, self.ends_at, once, weekly) {
            (Some(from), Some(until), true, false) if from < until => Ok(When::Once(from, until)),
            (_, _, true, false) => Err("starts_at and ends_at are two times, the second one later".into()),
            (_, _, false, true) => {
                let begins = self.from.as_deref().and_then(minute);
                let minutes = self.minutes.filter(|minutes| (1..=WEEK_MINUTES).contains(minutes));
                let why = || format!("from is a time of day in UTC (\"02:30\"), minutes are 1 to {WEEK_MINUTES}");
                begins.zip(minutes).map(|(begins, minutes)| When::Weekly { begins, minutes }).ok_or_else(why)
            }
            _ => Err("either starts_at and ends_at, or from and minutes (and days)".into()),
        }
    }

    /// Whether it is about this action, now. One that cannot be read always holds.
    pub(super) fn holds(&self, question: &Question) -> bool {
        let about = fits(&self.environments, &question.environment) && fits(&self.services, &question.service);
        about
            && match self.when() {
                Err(_) => true,
                Ok(When::Once(from, until)) => from <= question.at && question.at < until,
                Ok(When::Weekly { begins, minutes }) => self.is_open(question.at, begins, minutes),
            }
    }

    fn is_open(&self, at: Timestamp, begins: u32, minutes: u32) -> bool {
        let now = at.0.div_euclid(60_000);
        // One that began on a day before may last until now.
        let back = i64::from(minutes) / DAY_MINUTES + 1;
        (0..=back.min(7)).any(|back| {
            let day = now.div_euclid(DAY_MINUTES) - back;
            let begun = day * DAY_MINUTES + i64::from(begins);
            // 1970 began on a Thursday.
            let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
            let named = |known: &&str| self.days.iter().any(|day| day == known);
            let on = self.days.is_empty() || DAYS.get(weekday).is_some_and(named);
            on && begun <= now && now < begun + i64::from(minutes)
        })
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
