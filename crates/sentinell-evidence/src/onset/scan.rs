//! Without a told onset: where unusually many components leave their habits at once.

use super::channel::{Channel, Sort, step};
use crate::finding::Entity;
use crate::metrics::shift::{CLEAR, baseline, sure};
use std::collections::BTreeMap;

/// Habits are learnt from the beginning up to each of so many parts of a series.
const PARTS: usize = 8;

/// Fewest points that make a habit.
const FEWEST: usize = 6;

/// Trouble spreads within about a minute, and the slowest clock of a case is its sampling step.
const SPREADS_MS: i64 = 60_000;

/// Gatherings that are at least this share of the largest: the earliest of them is taken.
const EARLIER: f64 = 0.5;

/// Of recordings in which nothing happens, so many may seem to have an onset.
const CHANCE: f64 = 0.05;

/// A stretch in which a channel is out of its habits.
#[derive(Debug, Clone, Copy)]
struct Leave<'a> {
    who: &'a Entity,
    at: i64,
    weight: f64,
}

/// About when it began, to a step or a minute, and the share of all that ever changed which did so then; none if no more
/// components change together than chance would bring.
pub(super) fn rough(channels: &[Channel<'_>]) -> Option<(i64, f64)> {
    let mut leaves: Vec<Leave<'_>> = channels.iter().flat_map(leaves).collect();
    leaves.sort_by_key(|leave| leave.at);
    let width = step(channels).max(SPREADS_MS);
    let groups: Vec<(usize, usize, f64)> = (0..leaves.len())
        .filter(|at| *at == 0 || leaves[at - 1].at < leaves[*at].at)
        .map(|from| {
            let end = leaves[from].at.saturating_add(width);
            let to = from + leaves[from..].partition_point(|leave| leave.at <= end);
            (from, to, together(&leaves[from..to]))
        })
        .collect();
    let most = groups.iter().map(|group| group.2).fold(0.0, f64::max);
    if !gathers(&leaves, most, windows(channels, width)) {
        return None;
    }
    let (from, to, own) = *groups.iter().find(|group| group.2 >= EARLIER * most)?;
    // The middle of the group by weight; single early birds are left to chance.
    let half = leaves[from..to].iter().map(|leave| leave.weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    leaves[from..to]
        .iter()
        .find(|leave| {
            sum += leave.weight;
            sum >= half
        })
        .map(|leave| (leave.at, own / together(&leaves)))
}

/// The weight of a group: of each component its clearest channel.
fn together(group: &[Leave<'_>]) -> f64 {
    let mut clearest: BTreeMap<&Entity, f64> = BTreeMap::new();
    for leave in group {
        let known = clearest.entry(leave.who).or_insert(0.0);
        *known = known.max(leave.weight);
    }
    clearest.values().sum()
}

/// How many times so long a time goes into what was recorded.
fn windows(channels: &[Channel<'_>], width: i64) -> f64 {
    let times = || channels.iter().flat_map(|channel| channel.points.first().into_iter().chain(channel.points.last()));
    let (first, last) = (times().map(|(at, _)| *at).min(), times().map(|(at, _)| *at).max());
    let span = last.unwrap_or(0).saturating_sub(first.unwrap_or(0));
    (span / width.max(1)).saturating_add(1) as f64
}

/// Whether so many at once are more than chance: leaves strewn over the time (Poisson, Chernoff's bound), tried at every
/// step of it.
fn gathers(leaves: &[Leave<'_>], most: f64, windows: f64) -> bool {
    let sum = leaves.iter().map(|leave| leave.weight).sum::<f64>();
    let size = leaves.iter().map(|leave| leave.weight.powi(2)).sum::<f64>() / sum.max(f64::MIN_POSITIVE);
    let others = (sum - most).max(0.0);
    let expected = (others / windows).max(1.0 / windows);
    most > expected && most * (most / expected).ln() - most + expected >= size * (windows / CHANCE).ln()
}

fn leaves<'a>(channel: &'a Channel<'_>) -> Vec<Leave<'a>> {
    let who = &channel.who;
    match channel.sort {
        Sort::Events => {
            let Some(split) = channel.ranks.best(1, channel.points.len().saturating_sub(1)) else { return Vec::new() };
            let z = channel.ranks.squared(split).sqrt();
            let weight = sure(z) * channel.ranks.effect(split);
            let leave = Leave { who, at: channel.points[split].0, weight };
            if z >= CLEAR { vec![leave] } else { Vec::new() }
        }
        Sort::Level(kind) => {
            let mut runs: Vec<Run> = Vec::new();
            for part in 1..PARTS {
                let (from, to) = (channel.points.len() * part / PARTS, channel.points.len() * (part + 1) / PARTS);
                let Some((middle, scale)) = (from >= FEWEST).then(|| baseline(&channel.points[..from], kind)).flatten()
                else {
                    continue;
                };
                for (at, (_, value)) in (from..to).zip(&channel.points[from..to]) {
                    let out = (value - middle).abs() / scale;
                    if out < CLEAR {
                        continue;
                    }
                    match runs.last_mut() {
                        Some((_, end, sum)) if *end == at => {
                            *end = at + 1;
                            *sum += out.min(10.0);
                        }
                        _ => runs.push((at, at + 1, out.min(10.0))),
                    }
                }
            }
            lasting(channel, &runs)
        }
    }
}

/// What the runs of a channel say: a beginning counts by how much of all that is out of order comes from then on, and
/// by how much of the time since is out of order. What is over is not what is asked about.
fn lasting<'a>(channel: &'a Channel<'_>, runs: &[Run]) -> Vec<Leave<'a>> {
    let points = channel.points.len();
    let all: f64 = runs.iter().map(|run| run.2).sum();
    let (mut mass, mut out) = (0.0, 0);
    let mut leaves = Vec::new();
    for (from, to, size) in runs.iter().rev() {
        mass += size;
        out += to - from;
        if to - from > 1 || *to == points {
            let persists = out as f64 / (points - from) as f64;
            let weight = sure(mass / out as f64) * mass / all * persists;
            leaves.push(Leave { who: &channel.who, at: channel.points[*from].0, weight });
        }
    }
    leaves
}

/// First point, the one behind the last, and by how many deviations they are out in sum.
type Run = (usize, usize, f64);
