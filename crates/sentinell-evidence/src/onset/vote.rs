//! The division of time that most components agree on.

use super::channel::{Channel, Sort};
use crate::finding::{Entity, Window};
use crate::metrics::shift::{CLEAR, across, sure};
use std::collections::BTreeMap;

/// Most divisions that are tried; of more, every so many-th is.
const MOST_TRIED: usize = 400;

/// Without a hint, a gathering before another one counts that is at most so many times as large: effects outnumber causes.
const EARLIER: f64 = 2.0;

/// The most that the statistic of events counts: requests that hang together make ranks surer than they are.
const MOST_SQUARED: f64 = CLEAR * CLEAR;

/// Natural log of the likelihood ratio from which on another onset is taken than the one told: 50 to 1.
const OVERRULES: f64 = 3.9;

/// How fast another onset becomes unlikely the farther it is from the one told, milliseconds: alerts come minutes late
/// and hardly ever early.
const LATE_MS: f64 = 150_000.0;
const EARLY_MS: f64 = 75_000.0;

/// A channel that changed.
struct Ballot<'a> {
    channel: &'a Channel<'a>,
    /// 0 to 1.
    weight: f64,
    /// Its rank statistic at the best division.
    most: f64,
}

impl Ballot<'_> {
    /// How well a division does for the channel: the likelihood ratio against its best one, times its weight.
    fn accepts(&self, at: i64) -> f64 {
        self.weight * self.nats(at).exp()
    }

    /// Logarithm of the likelihood ratio of a division against the best one.
    fn nats(&self, at: i64) -> f64 {
        let squared = self.channel.ranks.squared(self.channel.before(at));
        let temper = if self.channel.sort == Sort::Events { (MOST_SQUARED / self.most).min(1.0) } else { 1.0 };
        (temper * (squared - self.most) / 2.0).min(0.0)
    }
}

/// What the channels agree on.
pub(super) struct Agreed<'a> {
    /// After `start_ms`, at `end_ms` at the latest.
    pub(super) window: Window,
    ballots: BTreeMap<&'a Entity, Vec<Ballot<'a>>>,
}

impl Agreed<'_> {
    /// How much of what the components' channels can say they say for it, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        let most = |own: &Vec<Ballot<'_>>| 1.0 - own.iter().map(|one| 1.0 - one.weight).product::<f64>();
        let all: f64 = self.ballots.values().map(most).sum();
        if all > 0.0 { (votes(&self.ballots, self.window.end_ms) / all).min(1.0) } else { 0.0 }
    }

    /// Whether the evidence for it against another instant is clear: the likelihood ratios of all components together.
    pub(super) fn overrules(&self, other: i64) -> bool {
        let prefers = |own: &Vec<Ballot<'_>>| {
            let sum: f64 = own.iter().map(|one| one.weight).sum();
            let all = 1.0 - own.iter().map(|one| 1.0 - one.weight).product::<f64>();
            let nats = own.iter().map(|one| one.weight * (one.nats(self.window.end_ms) - one.nats(other))).sum::<f64>();
            all * nats / sum
        };
        self.ballots.values().map(prefers).sum::<f64>() >= OVERRULES
    }
}

/// How many votes of a component's channels, which repeat each other, an instant has: 0 to 1.
fn component(own: &[Ballot<'_>], at: i64) -> f64 {
    1.0 - own.iter().map(|one| 1.0 - one.accepts(at)).product::<f64>()
}

fn votes(ballots: &BTreeMap<&Entity, Vec<Ballot<'_>>>, at: i64) -> f64 {
    ballots.values().map(|own| component(own, at)).sum()
}

/// Looks for the division between `around.0` and `around.1` that most components agree on.
pub(super) fn gather<'a>(channels: &'a [Channel<'a>], around: (i64, i64), told: Option<i64>) -> Option<Agreed<'a>> {
    let mut ballots: BTreeMap<&Entity, Vec<Ballot<'a>>> = BTreeMap::new();
    let mut times: Vec<i64> = Vec::new();
    for channel in channels {
        let Some(ballot) = ballot(channel, around) else { continue };
        let (from, to) = (channel.before(around.0), channel.before(around.1.saturating_add(1)));
        times.extend(channel.points[from..to].iter().map(|(at, _)| *at));
        ballots.entry(&channel.who).or_default().push(ballot);
    }
    times.sort_unstable();
    times.dedup();
    let skip = times.len().div_ceil(MOST_TRIED).max(1);
    let tried: Vec<(i64, f64)> = times.iter().step_by(skip).map(|at| (*at, votes(&ballots, *at))).collect();
    let tried: Vec<(i64, f64)> = tried.into_iter().map(|(at, votes)| (at, votes * likely(at, told))).collect();
    let most = tried.iter().map(|(_, votes)| *votes).fold(0.0, f64::max);
    let enough = if told.is_some() { most } else { most / EARLIER };
    // The earliest peak that is high enough.
    let peak = |at: &usize| {
        let own = tried[*at].1;
        let rises = at.checked_sub(1).is_none_or(|before| tried[before].1 <= own);
        own > 0.0 && own >= enough && rises && tried.get(at + 1).is_none_or(|(_, next)| *next < own)
    };
    let at = (0..tried.len()).find(peak)?;
    let end_ms = tried[at].0;
    let before = times.partition_point(|time| *time < end_ms).checked_sub(1).map(|before| times[before]);
    let window = Window { start_ms: before.unwrap_or(around.0), end_ms };
    Some(Agreed { window, ballots })
}

/// How likely it is that it began then, by what was told alone.
fn likely(at: i64, told: Option<i64>) -> f64 {
    let late = told.map_or(0.0, |told| told as f64 - at as f64);
    (-(late / LATE_MS).max(-late / EARLY_MS)).exp()
}

fn ballot<'a>(channel: &'a Channel<'a>, around: (i64, i64)) -> Option<Ballot<'a>> {
    let (from, to) = (channel.before(around.0), channel.before(around.1.saturating_add(1)));
    let split = channel.ranks.best(from.max(1), to)?;
    let most = channel.ranks.squared(split);
    let weight = match channel.sort {
        Sort::Level(kind) => across(&channel.points, split, kind).filter(|shift| shift.deviations >= CLEAR)?.strength(),
        Sort::Events if most < MOST_SQUARED => return None,
        Sort::Events => sure(most.sqrt()) * channel.ranks.effect(split),
    };
    (weight > 0.0).then_some(Ballot { channel, weight, most })
}
