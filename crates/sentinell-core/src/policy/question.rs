//! What the gate is asked: one action and everything that bears on it, as flat facts with names.
//!
//! The same names stand in Cedar rules, in the examples that rules carry, and in what `policy test` and
//! `/api/policies/simulate` are asked.

use super::PastDeed;
use crate::action::Action;
use crate::time::Timestamp;
use chrono::{DateTime, Datelike, Timelike};
use serde_json::{Value, json};

/// Days as rules name them.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The window that deeds are counted in, milliseconds.
const HOUR: i64 = 3_600_000;

/// Deeds that were begun lately, and what is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Begun within the last hour.
    pub all: u32,
    /// Those of them on the same service.
    pub service: u32,
    /// Those of them of the same kind.
    pub kind: u32,
    /// Objects of deeds that have not ended.
    pub objects_under_way: u32,
}

/// One question to the gate. What is left out of a written one has the value of [`Question::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The action's kind (`kubernetes.rollout_undo`).
    pub kind: String,
    /// What it is done to (`deployment/shop/cart`).
    pub target: String,
    /// The target's namespace (`shop`); empty if it names none.
    pub namespace: String,
    /// The service that the target is or belongs to (`shop/cart`).
    pub service: String,
    /// production, staging, …; from the operator's configuration.
    pub environment: String,
    /// Whether there is a deed that takes it back, or it is such a deed itself.
    pub reversible: bool,
    /// Whether it takes back a deed of ours that did not help.
    pub is_undo: bool,
    /// Objects that it changes.
    pub objects: u32,
    /// Confidence in the cause, percent.
    pub confidence: u8,
    /// Whether some of its evidence comes from a source that an outsider cannot write.
    pub evidence_trusted: bool,
    /// When.
    pub at: Timestamp,
    /// Hour of the day in UTC, 0 to 23.
    pub hour: u8,
    /// mon, tue, … in UTC.
    pub weekday: String,
    /// Whether a freeze holds.
    pub frozen: bool,
    /// What was done lately.
    pub tally: Tally,
}

impl Default for Question {
    fn default() -> Self {
        // 2026-01-07, a Wednesday, at noon.
        let bare = Self {
            kind: "kubernetes.rollout_undo".into(),
            target: String::new(),
            namespace: String::new(),
            service: String::new(),
            environment: "production".into(),
            reversible: true,
            is_undo: false,
            objects: 1,
            confidence: 90,
            evidence_trusted: true,
            at: Timestamp(0),
            hour: 0,
            weekday: String::new(),
            frozen: false,
            tally: Tally::default(),
        };
        bare.on("deployment/shop/cart").when(Timestamp(1_767_787_200_000))
    }
}

impl Question {
    /// What is asked about an action of ours at `now`, after these deeds.
    pub(crate) fn about(action: &Action, confidence: f64, trusted: bool, deeds: &[PastDeed], now: Timestamp) -> Self {
        let percent = (confidence.clamp(0.0, 1.0) * 100.0).floor();
        let question = Self {
            kind: action.kind.clone(),
            environment: action.plan.environment.clone(),
            reversible: action.plan.undo.is_some() || action.undoes.is_some(),
            is_undo: action.undoes.is_some(),
            objects: action.plan.blast_radius.objects,
            confidence: percent as u8,
            evidence_trusted: trusted,
            ..Self::default()
        };
        question.on(&action.target).when(now).after(deeds)
    }

    /// The same with these deeds counted.
    #[must_use]
    pub fn after(self, deeds: &[PastDeed]) -> Self {
        Self { tally: self.count(deeds, self.at), ..self }
    }

    /// The same about another target, with the namespace and the service that it names.
    #[must_use]
    pub fn on(self, target: &str) -> Self {
        let (namespace, service) = place(target);
        Self { target: target.into(), namespace: namespace.into(), service: service.into(), ..self }
    }

    /// The same at another moment, with its hour and day.
    #[must_use]
    pub fn when(self, at: Timestamp) -> Self {
        let time = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        let day = usize::try_from(time.weekday().num_days_from_monday()).unwrap_or(0);
        let hour = u8::try_from(time.hour()).unwrap_or(0);
        Self { at, hour, weekday: DAYS.get(day).copied().unwrap_or_default().into(), ..self }
    }

    fn count(&self, deeds: &[PastDeed], now: Timestamp) -> Tally {
        // What seems to come from the future counts: clocks differ, and too much is safer than too little.
        let lately = || deeds.iter().filter(|deed| now.millis_since(deed.at) < HOUR);
        let number = |of: &dyn Fn(&PastDeed) -> bool| {
            u32::try_from(lately().filter(|deed| of(deed)).count()).unwrap_or(u32::MAX)
        };
        let under_way = deeds.iter().filter(|deed| deed.until > now).map(|deed| deed.objects);
        Tally {
            all: number(&|_| true),
            service: number(&|deed| deed.service == self.service),
            kind: number(&|deed| deed.kind == self.kind),
            objects_under_way: under_way.fold(0, u32::saturating_add),
        }
    }

    /// Reads `name=value, name=value, …` over `base`.
    ///
    /// # Errors
    /// Which pair is wrong, and what was expected.
    pub fn read(text: &str, base: &Self) -> Result<Self, String> {
        let mut question = base.clone();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}`: expected name=value"))?;
            question = question.with(name.trim(), value.trim()).map_err(|why| format!("`{pair}`: {why}"))?;
        }
        Ok(question)
    }

    fn with(mut self, name: &str, value: &str) -> Result<Self, String> {
        match name {
            "kind" => self.kind = value.into(),
            "target" => return Ok(self.on(value)),
            "namespace" => self.namespace = value.into(),
            "service" => self.service = value.into(),
            "environment" => self.environment = value.into(),
            "reversible" => self.reversible = flag(value)?,
            "is_undo" => self.is_undo = flag(value)?,
            "objects" => self.objects = number(value, u32::MAX)?,
            "confidence" => self.confidence = number(value, 100)?,
            "evidence_trusted" => self.evidence_trusted = flag(value)?,
            "at" => return Ok(self.when(Timestamp::parse(value)?)),
            "hour" => self.hour = number(value, 23)?,
            "weekday" if DAYS.contains(&value) => self.weekday = value.into(),
            "weekday" => return Err(format!("expected one of {}", DAYS.join(", "))),
            "frozen" => self.frozen = flag(value)?,
            "deeds_last_hour" => self.tally.all = number(value, u32::MAX)?,
            "deeds_last_hour_service" => self.tally.service = number(value, u32::MAX)?,
            "deeds_last_hour_kind" => self.tally.kind = number(value, u32::MAX)?,
            "objects_under_way" => self.tally.objects_under_way = number(value, u32::MAX)?,
            _ => return Err(format!("there is no such fact; there are {FACTS}")),
        }
        Ok(self)
    }

    /// What Cedar rules find as `resource`.
    pub fn resource(&self) -> Value {
        json!({
            "path": self.target, "namespace": self.namespace, "service": self.service, "environment": self.environment,
        })
    }

    /// What Cedar rules find as `context`.
    pub fn context(&self) -> Value {
        json!({
            "kind": self.kind, "reversible": self.reversible, "is_undo": self.is_undo, "objects": self.objects,
            "objects_under_way": self.tally.objects_under_way, "confidence": self.confidence,
            "evidence_trusted": self.evidence_trusted, "hour": self.hour, "weekday": self.weekday, "frozen": self.frozen,
            "deeds_last_hour": self.tally.all, "deeds_last_hour_service": self.tally.service,
            "deeds_last_hour_kind": self.tally.kind,
        })
    }
}

/// The facts that an example may name.
const FACTS: &str = "kind, target, namespace, service, environment, reversible, is_undo, objects, confidence, \
     evidence_trusted, at, hour, weekday, frozen, deeds_last_hour, deeds_last_hour_service, deeds_last_hour_kind, \
     objects_under_way";

fn flag(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "expected true or false".to_owned())
}

fn number<N: TryFrom<u32>>(value: &str, most: u32) -> Result<N, String> {
    let number: Option<u32> = value.parse().ok().filter(|number| *number <= most);
    number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| format!("expected a whole number up to {most}"))
}

/// Namespace and service of a target: `deployment/shop/cart` is `shop` and `shop/cart`, `node/n1` is `n1` of no namespace.
pub fn place(target: &str) -> (&str, &str) {
    match target.split_once('/') {
        Some((_, rest)) => (rest.split_once('/').map_or("", |(namespace, _)| namespace), rest),
        None => ("", target),
    }
}
