//! A series made fit to be judged: sorted, without NaN and duplicates, counters turned into rates.

use crate::case::Series;

/// What a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A value that goes up and down.
    Gauge,
    /// A counter, given as its rate per second.
    Rate,
    /// 1 while a target answers, 0 while it does not.
    Up,
    /// Nothing left to judge.
    Nothing,
}

/// A cleaned series.
#[derive(Debug)]
pub(crate) struct Clean {
    pub(crate) shape: Shape,
    pub(crate) points: Vec<(i64, f64)>,
}

/// Most points looked at; a longer series is thinned to its latest ones.
const MOST_POINTS: usize = 100_000;

impl Clean {
    pub(super) fn of(series: &Series) -> Self {
        let mut points: Vec<(i64, f64)> =
            series.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        points.sort_by_key(|(at, _)| *at);
        // Of several values for one instant the last one written counts.
        points.reverse();
        points.dedup_by_key(|(at, _)| *at);
        points.reverse();
        let skip = points.len().saturating_sub(MOST_POINTS);
        points.drain(..skip);
        if points.is_empty() {
            return Self { shape: Shape::Nothing, points };
        }
        if is_up(&series.name) && points.iter().all(|(_, value)| *value == 0.0 || *value == 1.0) {
            return Self { shape: Shape::Up, points };
        }
        if is_counter(&series.name) {
            return Self { shape: Shape::Rate, points: rates(&points) };
        }
        Self { shape: Shape::Gauge, points }
    }
}

pub(super) fn is_up(name: &str) -> bool {
    name == "up" || name.ends_with("_up") || name == "probe_success"
}

/// By its name only: a leak rises as steadily as a counter does.
pub(crate) fn is_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

/// Rates per second between neighbours; a fall is a restart, and what was counted since is the increase.
fn rates(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    points
        .windows(2)
        .filter_map(|pair| {
            let seconds = pair[1].0.saturating_sub(pair[0].0) as f64 / 1000.0;
            let increase = if pair[1].1 >= pair[0].1 { pair[1].1 - pair[0].1 } else { pair[1].1.max(0.0) };
            (seconds > 0.0).then_some((pair[1].0, increase / seconds)).filter(|(_, rate)| rate.is_finite())
        })
        .collect()
}
