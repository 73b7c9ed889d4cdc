//! Where a series left its baseline, and how far.

use super::kind::Kind;
use crate::onset::ranks::Ranks;

/// Fewest points on either side of a change.
const FEWEST_BEFORE: usize = 6;
const FEWEST_AFTER: usize = 2;

/// Most points of the search for a change point; a longer series is averaged into this many steps.
const SEARCH_POINTS: usize = 160;

/// How many robust deviations a change must have.
pub(crate) const CLEAR: f64 = 4.0;

/// An alert comes with the delay of its rule, and clocks differ: so far around a given onset the series may turn.
const AROUND_MS: i64 = 300_000;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    /// The first point that is out of the baseline for good.
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The median before, and the level that a third of the points since reach.
    pub(super) before: f64,
    pub(super) after: f64,
    /// How far beyond every normal profile, in robust deviations of the baseline.
    pub(crate) deviations: f64,
    /// Where the baseline ends.
    pub(super) split: usize,
    /// The lowest and highest centre of the normal profiles.
    pub(super) normal: (f64, f64),
}

impl Shift {
    /// Whether it is real (half at eight deviations) and whether it is large (relative to the larger level): a metric
    /// with a tiny variance is always sure, but not always large.
    pub(crate) fn strength(&self) -> f64 {
        let sure = sure(self.deviations);
        let larger = self.before.abs().max(self.after.abs());
        let large = if larger > 0.0 { ((self.after - self.before).abs() / larger).min(1.0) } else { 0.0 };
        (sure * (0.5 + 0.5 * large)).min(0.99)
    }
}

/// How sure so many deviations make: half at eight.
pub(crate) fn sure(deviations: f64) -> f64 {
    let beyond = (deviations - 2.0).max(0.0);
    beyond / (beyond + 6.0)
}

/// The change of level near `onset`, or at the point that divides the series best.
pub(super) fn detect(points: &[(i64, f64)], ranks: &Ranks, onset: Option<i64>, kind: Kind) -> Option<Shift> {
    let split = match onset {
        Some(onset) => near(points, ranks, onset),
        None => search(points, kind)?,
    };
    let shift = across(points, split, kind)?;
    (shift.deviations >= CLEAR).then_some(shift)
}

/// The point near the given onset that divides the series best: where the sum of ranks differs most (Pettitt 1979).
fn near(points: &[(i64, f64)], ranks: &Ranks, onset: i64) -> usize {
    let given = points.partition_point(|(at, _)| *at < onset);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return given };
    // At least half of the baseline and of what came since stay what they are.
    let sides = [onset.saturating_sub(first.0) / 2, last.0.saturating_sub(onset) / 2, AROUND_MS];
    let width = sides.into_iter().min().unwrap_or(0).max(0);
    let from = points.partition_point(|(at, _)| *at < onset.saturating_sub(width)).max(1);
    let to = points.partition_point(|(at, _)| *at <= onset.saturating_add(width)).min(points.len());
    if from < to { ranks.best(from, to - 1).unwrap_or(given) } else { given }
}

/// Tries every division of the (averaged) series and takes the one with the clearest change.
fn search(points: &[(i64, f64)], kind: Kind) -> Option<usize> {
    let step = points.len().div_ceil(SEARCH_POINTS).max(1);
    let averaged: Vec<(i64, f64)> = points
        .chunks(step)
        .map(|chunk| (chunk[0].0, chunk.iter().map(|(_, value)| value / chunk.len() as f64).sum()))
        .collect();
    let places = FEWEST_BEFORE..averaged.len().saturating_sub(FEWEST_AFTER - 1);
    let best = places
        .filter_map(|split| {
            let shift = across(&averaged, split, kind)?;
            // A division is better the more points it explains; otherwise the last outlier would always win.
            let explained = split.min(averaged.len() - split) as f64;
            Some((split, shift.deviations * explained.min(12.0).sqrt()))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    // Averaging blurs where it began; the raw series around the step tells.
    let coarse = best.0 * step;
    let around = coarse.saturating_sub(step)..(coarse + step).min(points.len());
    let (before, scale) = baseline(&points[..around.start.max(FEWEST_BEFORE).min(points.len())], kind)?;
    Some(around.into_iter().find(|at| (points[*at].1 - before).abs() > 3.0 * scale).unwrap_or(coarse))
}

/// How the points from `split` on differ from those before.
pub(crate) fn across(points: &[(i64, f64)], split: usize, kind: Kind) -> Option<Shift> {
    let split = split.min(points.len());
    let (past, now) = points.split_at(split);
    if past.len() < FEWEST_BEFORE || now.len() < FEWEST_AFTER {
        return None;
    }
    let (before, scale) = baseline(past, kind)?;
    let normal = profiles(past, now, before);
    // What a third of the time since reaches, and more than one point: spikes do not count, recoveries may.
    let enough = now.len().div_ceil(3).max(FEWEST_AFTER) - 1;
    let mut values: Vec<f64> = now.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[enough], values[values.len() - 1 - enough]);
    let (rise, fall) = ((high - normal.1).max(0.0), (normal.0 - low).max(0.0));
    let after = if rise >= fall { high } else { low };
    let out = |value: f64| {
        let beyond = if rise >= fall { value - normal.1 } else { normal.0 - value };
        beyond > 3.0 * scale
    };
    let lasting = (0..now.len()).find(|at| out(now[*at].1) && now.get(at + 1).is_none_or(|(_, value)| out(*value)));
    Some(Shift {
        start_ms: now[lasting.unwrap_or(0)].0,
        end_ms: now[now.len() - 1].0,
        before,
        after,
        deviations: rise.max(fall) / scale,
        split,
        normal,
    })
}

/// The centres of several normal profiles: all that came before, the last hour, and the same hour of other days. What
/// lies between two of them is normal.
fn profiles(past: &[(i64, f64)], now: &[(i64, f64)], all: f64) -> (f64, f64) {
    let (first, end, begin) = (past[0].0, past[past.len() - 1].0, now[0].0);
    let lately = past.partition_point(|(at, _)| *at < begin.saturating_sub(HOUR_MS));
    let mut centres = vec![all];
    if lately < past.len() {
        centres.push(median(past[lately..].iter().map(|(_, value)| *value)));
    }
    if end.saturating_sub(first) >= DAY_MS {
        let apart = |at: i64| begin.saturating_sub(at).rem_euclid(DAY_MS);
        let near = |at: i64| apart(at) <= HOUR_MS / 2 || apart(at) >= DAY_MS - HOUR_MS / 2;
        let same: Vec<f64> = past[..lately].iter().filter(|(at, _)| near(*at)).map(|(_, value)| *value).collect();
        if same.len() >= FEWEST_BEFORE {
            centres.push(median(same.into_iter()));
        }
    }
    let lowest = centres.iter().copied().fold(f64::INFINITY, f64::min);
    (lowest, centres.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// Median and robust deviation, with floors so that what hardly ever moves may move a little.
pub(crate) fn baseline(past: &[(i64, f64)], kind: Kind) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = past.iter().map(|(_, value)| *value).collect();
    let last = values.len().checked_sub(1)?;
    let middle = middle(&mut values);
    let mut inner = |share: f64| *values.select_nth_unstable_by((last as f64 * share) as usize, f64::total_cmp).1;
    let spread = (inner(0.95) - inner(0.05)) / 3.3;
    // Where most values are equal the median deviation is 0; then the mean one tells (Iglewicz and Hoaglin 1993).
    let deviation = match 1.4826 * median(values.iter().map(|value| (value - middle).abs())) {
        0.0 => 1.2533 * past.iter().map(|(_, value)| (value - middle).abs() / past.len() as f64).sum::<f64>(),
        deviation => deviation,
    };
    let floor = match kind {
        // What arrives at random varies by its root (Poisson).
        Kind::Traffic => middle.abs().sqrt().max(1.0),
        // One failed call among a thousand.
        Kind::Success => 0.1,
        // A segment a second; a twentieth of the time (kubernetes-mixin's CPUThrottlingHigh begins at a quarter).
        Kind::Resent => 1.0,
        Kind::Throttled => 0.05,
        _ => 1e-9,
    };
    let scale = deviation.max(spread).max(0.02 * middle.abs()).max(floor);
    (middle.is_finite() && scale.is_finite()).then_some((middle, scale))
}

/// The middle value; 0 of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    middle(&mut values.collect::<Vec<f64>>())
}

/// The same, of values that may change their places.
fn middle(values: &mut [f64]) -> f64 {
    let (half, even) = (values.len() / 2, values.len().is_multiple_of(2));
    if values.is_empty() {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if even => lower / 2.0 + upper / 2.0,
        _ => upper,
    }
}
