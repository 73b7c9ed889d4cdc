//! Where a series left its baseline, and how far.

/// Fewest points on either side of a change.
const FEWEST_BEFORE: usize = 6;
const FEWEST_AFTER: usize = 2;

/// Most points of the search for a change point; a longer series is averaged into this many steps.
const SEARCH_POINTS: usize = 160;

/// How many robust deviations a change must have.
const CLEAR: f64 = 4.0;

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// The first point that is out of the baseline for good.
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Medians on either side.
    pub(super) before: f64,
    pub(super) after: f64,
    /// Difference in robust deviations of the baseline.
    pub(super) deviations: f64,
}

impl Shift {
    /// 0.5 for ten deviations, towards 1 beyond.
    pub(super) fn strength(&self) -> f64 {
        let beyond = (self.deviations - 2.0).max(0.0);
        (beyond / (beyond + 8.0)).min(0.98)
    }
}

/// The change of level at `onset`, or at the point that divides the series best.
pub(super) fn detect(points: &[(i64, f64)], onset: Option<i64>) -> Option<Shift> {
    let split = match onset {
        Some(onset) => points.partition_point(|(at, _)| *at < onset),
        None => search(points)?,
    };
    let shift = across(points, split)?;
    (shift.deviations >= CLEAR).then_some(shift)
}

/// Tries every division of the (averaged) series and takes the one with the clearest change.
fn search(points: &[(i64, f64)]) -> Option<usize> {
    let step = points.len().div_ceil(SEARCH_POINTS).max(1);
    let averaged: Vec<(i64, f64)> = points
        .chunks(step)
        .map(|chunk| (chunk[0].0, chunk.iter().map(|(_, value)| value / chunk.len() as f64).sum()))
        .collect();
    let places = FEWEST_BEFORE..averaged.len().saturating_sub(FEWEST_AFTER - 1);
    let best = places
        .filter_map(|split| {
            let shift = across(&averaged, split)?;
            // A division is better the more points it explains; otherwise the last outlier would always win.
            let explained = split.min(averaged.len() - split) as f64;
            Some((split, shift.deviations * explained.min(12.0).sqrt()))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    // Averaging blurs where it began; the raw series around the step tells.
    let coarse = best.0 * step;
    let around = coarse.saturating_sub(step)..(coarse + step).min(points.len());
    let (before, scale) = baseline(&points[..around.start.max(FEWEST_BEFORE).min(points.len())])?;
    Some(around.into_iter().find(|at| (points[*at].1 - before).abs() > 3.0 * scale).unwrap_or(coarse))
}

fn across(points: &[(i64, f64)], split: usize) -> Option<Shift> {
    let (past, now) = points.split_at(split.min(points.len()));
    if past.len() < FEWEST_BEFORE || now.len() < FEWEST_AFTER {
        return None;
    }
    let (before, scale) = baseline(past)?;
    let after = median(now.iter().map(|(_, value)| *value));
    let out = |value: f64| (value - before).abs() > 3.0 * scale && (value > before) == (after > before);
    let outside = now.iter().filter(|(_, value)| out(*value)).count();
    let share = outside as f64 / now.len() as f64;
    let start_ms = now.iter().find(|(_, value)| out(*value)).map_or(now[0].0, |(at, _)| *at);
    Some(Shift {
        start_ms,
        end_ms: now[now.len() - 1].0,
        before,
        after,
        deviations: (after - before).abs() / scale * share,
    })
}

/// Median and robust deviation, with a floor so that a constant series may move a little.
fn baseline(past: &[(i64, f64)]) -> Option<(f64, f64)> {
    let middle = median(past.iter().map(|(_, value)| *value));
    let deviation = 1.4826 * median(past.iter().map(|(_, value)| (value - middle).abs()));
    let mut sorted: Vec<f64> = past.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    // Where most values are equal the median deviation is 0; the spread of the rest still counts.
    let inner = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let spread = (inner(0.95) - inner(0.05)) / 3.3;
    let scale = deviation.max(spread).max(0.02 * middle.abs()).max(1e-9);
    (middle.is_finite() && scale.is_finite()).then_some((middle, scale))
}

/// The middle value; 0 of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => sorted[n / 2 - 1] / 2.0 + sorted[n / 2] / 2.0,
    }
}
