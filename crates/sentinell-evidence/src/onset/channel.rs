//! Everything that was measured over time, made alike: metrics, requests, lines that tell of trouble.

use super::ranks::Ranks;
use crate::case::{Level, LogStream};
use crate::finding::Entity;
use crate::graph::component;
use crate::logs::level::level_of;
use crate::logs::parse_timestamp;
use crate::metrics::Prepared;
use crate::metrics::kind::Kind;
use crate::traces::{Forest, measured};
use std::borrow::Cow;

/// Most lines of one stream that are looked at, the latest.
const MOST_LINES: usize = 50_000;

/// Requests and lines with so long a pause between them were not recorded together.
const APART_MS: i64 = 600_000;

/// How a channel is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A level with habits: a metric.
    Level(Kind),
    /// Single events, many of them and each of its own size: requests, lines.
    Events,
}

/// One series of whatever kind.
#[derive(Debug)]
pub(crate) struct Channel<'a> {
    /// Whose it is.
    pub(super) who: Entity,
    pub(super) sort: Sort,
    /// By time.
    pub(super) points: Cow<'a, [(i64, f64)]>,
    pub(super) ranks: Cow<'a, Ranks>,
}

impl Channel<'_> {
    /// How many points lie before an instant.
    pub(super) fn before(&self, at: i64) -> usize {
        self.points.partition_point(|(time, _)| *time < at)
    }
}

/// All channels of a case.
pub(crate) fn channels<'a>(metrics: &'a [Prepared<'_>], logs: &[LogStream], forest: &Forest<'_>) -> Vec<Channel<'a>> {
    let metrics = metrics.iter().map(|one| Channel {
        who: component(&one.series.subject),
        sort: Sort::Level(one.kind),
        points: Cow::Borrowed(&one.clean.points[..]),
        ranks: Cow::Borrowed(&one.ranks),
    });
    let requests = measured(forest).into_iter();
    let lines = logs.iter().map(|stream| (component(&stream.subject), trouble(stream)));
    let events = requests.chain(lines).map(|(who, mut points)| {
        points.sort_by_key(|(at, _)| *at);
        latest(&mut points);
        let ranks = Cow::Owned(Ranks::of(&points));
        Channel { who, sort: Sort::Events, points: Cow::Owned(points), ranks }
    });
    metrics.chain(events).collect()
}

/// Events that stand together with the last one; those of another day are of another kind of day.
fn latest(points: &mut Vec<(i64, f64)>) {
    let apart = |pair: &[(i64, f64)]| pair[1].0.saturating_sub(pair[0].0) > APART_MS;
    let from = points.windows(2).rposition(apart).map_or(0, |before| before + 1);
    points.drain(..from);
}

/// 1 for a line that tells of trouble, 0 for another.
fn trouble(stream: &LogStream) -> Vec<(i64, f64)> {
    let all = stream.baseline.iter().chain(&stream.lines);
    let timed = all.rev().filter_map(|line| {
        let at = line.at_ms.or_else(|| parse_timestamp(&line.text))?;
        let level = line.level.or_else(|| level_of(&line.text));
        Some((at, f64::from(u8::from(matches!(level, Some(Level::Error | Level::Fatal))))))
    });
    timed.take(MOST_LINES).collect()
}

/// The usual time between two points of a metric, milliseconds; 0 without metrics.
pub(super) fn step(channels: &[Channel<'_>]) -> i64 {
    let levels = channels.iter().filter(|channel| matches!(channel.sort, Sort::Level(_)));
    let mut steps: Vec<i64> = levels
        .filter_map(|channel| {
            let last = channel.points.len().checked_sub(1)?;
            let pair = last.checked_sub(1).map(|before| (channel.points[before].0, channel.points[last].0))?;
            Some(pair.1.saturating_sub(pair.0))
        })
        .collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(0)
}
