//! The named laws: what must be true of a whole night, whatever happened in it.

use super::plan::Plan;
use crate::stories::books::Kept;
use crate::stories::house::House;
use crate::stories::saboteur::Saboteur;
use sentinell_core::ids::ActionId;
use sentinell_core::investigation::{Event, Health, Investigation, Outcome, Resolution};
use sentinell_core::policy::Ruling;
use sentinell_core::postmortem::postmortem;
use std::fmt;

/// What seeds were made of, added up: laws that are never put to the test prove nothing.
#[derive(Debug, Default)]
pub struct Tally {
    nights: u64,
    incidents: u64,
    entries: u64,
    deeds: u64,
    refused: u64,
    struck: u64,
    fixed: u64,
    recovered: u64,
    escalated: u64,
    in_doubt: u64,
    dead: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.nights += other.nights;
        self.incidents += other.incidents;
        self.entries += other.entries;
        self.deeds += other.deeds;
        self.refused += other.refused;
        self.struck += other.struck;
        self.fixed += other.fixed;
        self.recovered += other.recovered;
        self.escalated += other.escalated;
        self.in_doubt += other.in_doubt;
        self.dead += other.dead;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nights, incidents, entries, deeds, refused, struck, .. } = self;
        write!(f, "{nights} nights, {incidents} incidents, {entries} entries, {deeds} deeds ({refused} refused), ")?;
        let Self { fixed, recovered, escalated, in_doubt, dead, .. } = self;
        write!(f, "{struck} calls struck; {fixed} fixed, {recovered} recovered, {escalated} escalated, ")?;
        write!(f, "{in_doubt} in doubt, {dead} dead letters")
    }
}

macro_rules! law {
    ($holds:expr, $name:literal, $($words:tt)+) => { assert!($holds, "law `{}`: {}", $name, format!($($words)+)) };
}

pub async fn hold(house: &House, plan: &Plan, saboteur: &Saboteur) -> Tally {
    let books = house.books.lock().await;
    let mut tally = Tally { nights: 1, struck: saboteur.struck(), ..Tally::default() };
    for kept in books.cases.values() {
        for length in 1..=kept.entries.len() {
            every_step(kept, length);
        }
        let report = house.store.verify_chain(&kept.case.id).await.unwrap();
        law!(report.broken_at.is_none(), "the chain holds", "{report:?}");
        let replayed = Investigation::replay(&kept.entries).unwrap();
        let loaded = house.store.load(&kept.case.id).await.unwrap();
        law!(Some(&replayed) == loaded.as_ref() && replayed == kept.case, "replay is life", "{}", kept.case.id);
        within_budget(kept);
        cites_what_it_found(kept);
        tally.incidents += 1;
        tally.entries += kept.case.seq;
        match kept.case.phase.word() {
            "escalated" => tally.escalated += 1,
            "in_doubt" => tally.in_doubt += 1,
            "dead_letter" => tally.dead += 1,
            _ => match kept.case.resolution() {
                Some(Resolution::VerifiedFix) => tally.fixed += 1,
                Some(Resolution::SelfRecovered) => tally.recovered += 1,
                _ => {}
            },
        }
    }
    let deeds = house.town.deeds();
    for deed in &deeds {
        let times = house.town.times_done(&deed.hash);
        law!(times == 1, "a deed at most once", "{:?} was done {times} times", deed.argv);
        let kept = books.cases.get(&deed.incident);
        let known = kept.is_some_and(|kept| permitted(kept, &deed.action));
        law!(known, "no deed without permission", "{:?}", deed.argv);
    }
    let lost: Vec<_> = house.acknowledged.iter().filter(|delivery| !books.signals.contains_key(*delivery)).collect();
    law!(lost.is_empty(), "nothing acknowledged is lost", "{lost:?}");
    let all = plan.story.beats.iter().map(|beat| beat.delivery).collect::<std::collections::BTreeSet<_>>().len();
    let all = all + plan.coincidences.len();
    law!(books.signals.len() == all, "every signal arrives once", "{} of {all}", books.signals.len());
    tally.deeds += deeds.len() as u64;
    tally.refused += house.town.refused().len() as u64;
    tally
}

/// Laws about one entry and the state before it.
fn every_step(kept: &Kept, length: usize) {
    let entry = &kept.entries[length - 1];
    let before = || Investigation::replay(&kept.entries[..length - 1]).unwrap();
    match &entry.event {
        Event::ActionStarted { action, .. } => {
            law!(permitted_by(kept, length, action), "no deed without permission", "{action} of {}", kept.case.id);
        }
        Event::Resolved { resolution: Resolution::VerifiedFix, .. } => {
            let case = before();
            law!(held(kept, length), "a fix is a verification that held", "{} at {length}", case.id);
        }
        Event::Resolved { resolution: Resolution::SelfRecovered, .. } => {
            let sender = !before().alerts.values().any(|alert| alert.firing);
            let healthy = kept.entries[..length - 1].iter().rev().find_map(|entry| match &entry.event {
                Event::StateChecked { reading, .. } => Some(reading.health == Health::Healthy),
                _ => None,
            });
            law!(sender || healthy == Some(true), "what recovers was seen to", "{} at {length}", kept.case.id);
        }
        Event::Resolved { resolution: Resolution::Person, by, .. } => {
            law!(by.as_str() != "sentinell", "a person is a person", "{} at {length}", kept.case.id);
        }
        Event::Escalated { why } => {
            let case = before();
            let cited = case.hypotheses.iter().flat_map(|belief| &belief.supports);
            law!(!why.is_empty(), "an escalation says why", "{}", case.id);
            law!(cited.into_iter().all(|id| case.knows(id)), "an escalation cites what is there", "{}", case.id);
        }
        _ => {}
    }
}

/// Whether the newest word on an action before its intent was a permission.
fn permitted_by(kept: &Kept, length: usize, action: &ActionId) -> bool {
    let started = &kept.entries[length - 1];
    let record = kept.case.action(action).expect("an action of the journal");
    let mut allowed = false;
    for entry in &kept.entries[..length - 1] {
        match &entry.event {
            Event::ActionRuled { action: about, ruling } if about == action => {
                allowed = matches!(ruling, Ruling::Allow { .. });
            }
            Event::ApprovalGranted { action: about, hash, .. } if about == action => {
                allowed = *hash == record.hash && started.at < record.action.expires_at;
            }
            Event::ApprovalRejected { action: about, .. } | Event::ApprovalExpired { action: about }
                if about == action =>
            {
                allowed = false;
            }
            Event::DeedBlocked { action: about, .. } if about == action => allowed = false,
            _ => {}
        }
    }
    allowed
}

fn permitted(kept: &Kept, action: &ActionId) -> bool {
    let started = |(_, entry): &(usize, &sentinell_core::investigation::Entry)| matches!(&entry.event, Event::ActionStarted { action: about, .. } if about == action);
    let intents = kept.entries.iter().enumerate().filter(started);
    intents.into_iter().any(|(at, _)| permitted_by(kept, at + 1, action))
}

/// Healthy without a break for as long as was agreed, and said so right before.
fn held(kept: &Kept, length: usize) -> bool {
    let entries = &kept.entries[..length - 1];
    let Some(Event::Verified { action, outcome: Outcome::Fixed, .. }) = entries.last().map(|entry| &entry.event) else {
        return false;
    };
    let record = kept.case.action(action).expect("an action of the journal");
    let looks = entries.iter().rev().take_while(|entry| !matches!(entry.event, Event::ActionStarted { .. }));
    let looks: Vec<_> = looks
        .filter_map(|entry| match &entry.event {
            Event::StateChecked { reading, .. } => Some((entry.at, reading.health)),
            _ => None,
        })
        .take_while(|(_, health)| *health == Health::Healthy)
        .collect();
    let (Some((last, _)), Some((first, _))) = (looks.first(), looks.last()) else { return false };
    last.millis_since(*first) >= i64::from(record.action.plan.verification.hold_seconds) * 1000 && looks.len() >= 2
}

/// No round of turns or deeds exceeds its budget by more than one.
fn within_budget(kept: &Kept) {
    let (mut turns, mut deeds) = (0, 0);
    for entry in &kept.entries {
        match &entry.event {
            Event::TurnTaken { .. } => turns += 1,
            Event::ActionStarted { .. } => deeds += 1,
            Event::Retried { .. } | Event::Reopened { .. } | Event::HintGiven { .. } => (turns, deeds) = (0, 0),
            _ => {}
        }
        let budget = kept.case.budget;
        law!(turns <= budget.turns + 1 && deeds <= budget.deeds, "the budget holds", "{turns} turns, {deeds} deeds");
    }
}

/// The postmortem shows the leading cause with all that supports it.
fn cites_what_it_found(kept: &Kept) {
    let told = postmortem(&kept.case, &kept.entries);
    let leading = kept.case.hypotheses.first();
    let supported = leading.map_or(0, |belief| belief.supports.len());
    law!(told.cause.is_some() == leading.is_some(), "an escalation cites what is there", "{:?}", told.cause);
    law!(told.supported_by.len() == supported, "an escalation cites what is there", "{:?}", told.supported_by);
}

/// One line about an event.
pub fn short(event: &Event) -> String {
    let text = format!("{event:?}");
    text.chars().take(160).collect()
}
