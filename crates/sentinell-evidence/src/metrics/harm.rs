//! Harm is conserved along calls: the time and the failures of a callee come back in its caller. What of a component's
//! excess time or failures is not found in its callees is its own.

use super::kind::Kind;
use super::shift::Shift;
use crate::case::Series;
use crate::finding::Entity;
use crate::graph::{Graph, component};
use std::collections::BTreeMap;

/// One series that moved, as far as harm is concerned.
pub(super) struct Moved<'a> {
    pub(super) series: &'a Series,
    pub(super) kind: Kind,
    /// What was judged: cleaned, and for shares that succeed turned into shares that fail.
    pub(super) points: &'a [(i64, f64)],
    pub(super) shift: Shift,
}

/// How much of a component's excess is its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Own {
    /// 0 (all of it comes from callees) to 1.
    pub(super) share: f64,
    /// Its own part of its excess against the largest such part of the case, 0 to 1.
    pub(super) size: f64,
    /// The callee that brings the most, where callees bring anything.
    pub(super) through: Option<Entity>,
}

/// The own part of every component that got slower, and of every one that fails more.
///
/// Excess is per call times calls where calls are counted, so that a slow component nobody calls weighs little.
pub(super) fn own(moved: &[Moved<'_>], series: &[Series], graph: &Graph) -> BTreeMap<(Entity, Family), Own> {
    let calls = calls(series);
    let mut excess: BTreeMap<(Entity, Family), (u8, f64)> = BTreeMap::new();
    for one in moved {
        let Some(family) = Family::of(one.kind).filter(|_| one.shift.after > one.shift.before) else { continue };
        let who = component(&one.series.subject);
        let found = (typical(one.series), total(one, calls.get(&who)));
        let known = excess.entry((who, family)).or_insert(found);
        if found.0 > known.0 || (found.0 == known.0 && found.1 > known.1) {
            *known = found;
        }
    }
    let mut all = BTreeMap::new();
    for ((who, family), (_, amount)) in &excess {
        let of_callees = graph.callees(who).filter_map(|callee| {
            let (_, brought) = excess.get(&(callee.clone(), *family))?;
            Some((callee, *brought))
        });
        let of_callees: Vec<(&Entity, f64)> = of_callees.collect();
        let brought: f64 = of_callees.iter().map(|(_, brought)| brought).sum();
        let through = of_callees.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(callee, _)| callee.clone());
        let share = if *amount > 0.0 { (1.0 - brought / amount).clamp(0.0, 1.0) } else { 1.0 };
        all.insert((who.clone(), *family), Own { share, size: share * amount, through });
    }
    for family in [Family::Time, Family::Failures] {
        let largest =
            all.iter().filter(|((_, other), _)| *other == family).map(|(_, own)| own.size).fold(0.0, f64::max);
        for (_, own) in all.iter_mut().filter(|((_, other), _)| *other == family) {
            own.size = if largest > 0.0 { own.size / largest } else { 1.0 };
        }
    }
    all
}

/// What is conserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Time spent.
    Time,
    /// Calls that failed.
    Failures,
}

impl Family {
    pub(super) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Latency => Some(Self::Time),
            Kind::Success => Some(Self::Failures),
            _ => None,
        }
    }
}

/// The average adds up along calls; the middle does nearly; high quantiles do not.
fn typical(series: &Series) -> u8 {
    let mut text = series.name.to_ascii_lowercase();
    for value in series.labels.values() {
        text.push(' ');
        text.push_str(&value.to_ascii_lowercase());
    }
    let has = |wanted: &[&str]| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| wanted.contains(&word));
    match () {
        () if has(&["average", "avg", "mean"]) => 3,
        () if has(&["p50", "50", "median"]) => 2,
        () if has(&["p90", "90", "p95", "95", "p99", "99", "max"]) => 0,
        () => 1,
    }
}

/// Calls by component and time.
fn calls(series: &[Series]) -> BTreeMap<Entity, BTreeMap<i64, f64>> {
    let mut calls: BTreeMap<Entity, BTreeMap<i64, f64>> = BTreeMap::new();
    for one in series.iter().filter(|one| is_calls(&one.name)) {
        let own = calls.entry(component(&one.subject)).or_default();
        for (at, value) in one.points.iter().filter(|(_, value)| value.is_finite() && *value >= 0.0) {
            own.insert(*at, *value);
        }
    }
    calls
}

/// Calls as counted for each step; growing counters are left out, their last value says nothing about now.
fn is_calls(name: &str) -> bool {
    Kind::of(name) == Kind::Traffic && {
        let lower = name.to_ascii_lowercase();
        !lower.ends_with("_total") && ["request", "call", "rps", "qps"].iter().any(|word| lower.contains(word))
    }
}

/// Excess per call times calls, averaged over the time since.
fn total(moved: &Moved<'_>, calls: Option<&BTreeMap<i64, f64>>) -> f64 {
    let since = &moved.points[moved.shift.split.min(moved.points.len())..];
    let excess = since.iter().map(|(at, value)| {
        let weight = calls.map_or(1.0, |calls| calls.get(at).copied().unwrap_or(0.0));
        (value - moved.shift.normal.1).max(0.0) * weight
    });
    let sum: f64 = excess.sum();
    if sum.is_finite() { sum / since.len().max(1) as f64 } else { 0.0 }
}
