//! Which kinds of line stand out: the search, and what a known split adds to it.

mod baseline;

use super::clock::{Occurrences, occurrences};
use super::score::{novelty, shift, vanished};
use super::stream::Sequence;
use crate::finding::FindingKind;

/// Most claims of one stream.
const MOST_CLAIMS: usize = 40;

/// Rounds of the search: after each, the claimed kind's lines are taken out and the rest is looked at afresh.
const ROUNDS: usize = 6;

/// How many of the strongest claims of a round are tried against each other.
const RIVALS: usize = 4;

/// Fewest lines a search without a known split says anything about.
const FEWEST_LINES: usize = 100;

/// One kind that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Claim {
    pub(super) kind: u32,
    pub(super) shape: FindingKind,
    /// How far beyond the bar: 1 is just there.
    pub(super) ratio: f64,
    /// Share of the stream at which it begins.
    pub(super) at: f64,
    /// Lines per thousand lines of other kinds, before and after.
    pub(super) before: f64,
    pub(super) after: f64,
}

/// What stands out in a sequence, strongest first.
pub(super) fn claims(sequence: &Sequence<'_>) -> Vec<Claim> {
    let mut whole = Part { order: sequence.order.clone(), split: None };
    let mut claims = search(sequence, &mut whole, Habits::default());
    if let Some(split) = sequence.split.filter(|split| *split > 0) {
        claims = baseline::compare(sequence, split, claims);
    }
    // Stable: of claims that were capped alike the one found first stays first.
    claims.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    claims.truncate(MOST_CLAIMS);
    claims
}

/// Takes the claims out of a part one after the other.
fn search(sequence: &Sequence<'_>, part: &mut Part, habits: Habits) -> Vec<Claim> {
    let mut found: Vec<Claim> = Vec::new();
    let mut standing = standing_out(sequence, part, habits);
    while found.len() < ROUNDS && part.order.len() * 2 >= sequence.order.len() {
        // Lines are the clock, so a kind that stops makes its neighbours look busier. The claim that leaves the
        // least to be explained once its kind is taken out is the one that happened.
        let tried = standing.iter().take(RIVALS).map(|claim| {
            let rest = part.without(claim.kind);
            let left = standing_out(sequence, &rest, habits);
            (*claim, rest, left)
        });
        let weight = |left: &[Claim]| left.first().map_or(0.0, |claim| claim.ratio);
        let Some((mut claim, rest, left)) = tried.min_by(|a, b| weight(&a.2).total_cmp(&weight(&b.2))) else { break };
        // What is found in the remainder is less certain than what was taken out to get there.
        claim.ratio = found.last().map_or(claim.ratio, |before| claim.ratio.min(0.9 * before.ratio));
        found.push(claim);
        (*part, standing) = (rest, left);
    }
    found
}

/// The lines that are still to be explained, as kinds, and where the time under suspicion begins among them.
struct Part {
    order: Vec<u32>,
    split: Option<usize>,
}

impl Part {
    fn without(&self, kind: u32) -> Self {
        let kept = |lines: &[u32]| lines.iter().filter(|other| **other != kind).count();
        Self {
            order: self.order.iter().copied().filter(|other| *other != kind).collect(),
            split: self.split.map(|split| kept(&self.order[..split.min(self.order.len())])),
        }
    }
}

/// The kinds beyond the bar, strongest first.
fn standing_out(sequence: &Sequence<'_>, part: &Part, habits: Habits) -> Vec<Claim> {
    if part.split.is_none() && part.order.len() < FEWEST_LINES {
        return Vec::new();
    }
    let all = occurrences(&part.order, sequence.kinds.len(), part.split);
    let bars = Bars::of(&all, habits);
    let mut standing: Vec<Claim> = (0_u32..)
        .zip(all.iter().zip(&sequence.kinds))
        .filter_map(|(kind, (occurrences, facts))| bars.best(kind, occurrences, facts.weight()))
        .filter(|claim| claim.ratio >= 1.0)
        .collect();
    standing.sort_by(|a, b| b.ratio.total_cmp(&a.ratio).then(a.kind.cmp(&b.kind)));
    standing
}

/// How much is needed before something is said, by how restless the stream has been so far.
struct Bars {
    novelty: f64,
    vanished: f64,
    shifted: f64,
}

/// By how many times the bars are higher because of what the stream did while it was known to be good.
#[derive(Debug, Clone, Copy)]
struct Habits {
    novelty: f64,
    vanished: f64,
    shifted: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { novelty: 1.0, vanished: 1.0, shifted: 1.0 }
    }
}

/// What a silence or a change of rate must score; both are already measured by the kind's own past.
const VANISHED: f64 = 5.2;
const SHIFTED: f64 = 3.4;

impl Bars {
    fn of(all: &[Occurrences], habits: Habits) -> Self {
        let newcomers = all.iter().filter(|kind| {
            let late = kind.at.first().is_some_and(|first| f64::from(*first) > 0.3 * f64::from(kind.end));
            late && kind.at.len() >= 5 && kind.runs().len() >= 5
        });
        Self {
            novelty: (4.5 + 1.35 * (newcomers.count() as f64).ln_1p()) * habits.novelty,
            vanished: VANISHED * habits.vanished,
            shifted: SHIFTED * habits.shifted,
        }
    }

    fn best(&self, kind: u32, occurrences: &Occurrences, weight: f64) -> Option<Claim> {
        if occurrences.at.len() < 4 {
            return None;
        }
        let share = |from: f64, to: f64| 1000.0 * occurrences.count(from, to) / (to - from).max(1.0);
        let end = f64::from(occurrences.end);
        let first = f64::from(*occurrences.at.first()?);
        let last = f64::from(*occurrences.at.last()?);
        let mut best = Claim {
            kind,
            shape: FindingKind::LogNovelty,
            ratio: positive(novelty(occurrences), weight) / self.novelty,
            at: first / end.max(1.0),
            before: 0.0,
            after: share(first, end + 1.0),
        };
        let gone = vanished(occurrences);
        if gone / self.vanished > best.ratio {
            let shape = FindingKind::LogVanished;
            best = Claim {
                shape,
                ratio: gone / self.vanished,
                before: share(first, last),
                after: 0.0,
                at: last / end.max(1.0),
                ..best
            };
        }
        if let Some(shift) = shift(occurrences) {
            let ratio = positive(shift.score, weight.min(0.5)) / self.shifted;
            // Less and less until there is nothing is a stop, not a new rate.
            let stopped = gone > 0.0 && shift.after < shift.before && end - last > 0.5 * end * (1.0 - shift.at);
            if ratio > best.ratio {
                let shape = if stopped { FindingKind::LogVanished } else { FindingKind::LogRateChange };
                let after = if stopped { 0.0 } else { shift.after * 1000.0 };
                best = Claim { shape, ratio, before: shift.before * 1000.0, after, at: shift.at, ..best };
            }
        }
        Some(best)
    }
}

/// The weight of what a line says raises a score, it does not make one.
fn positive(score: f64, weight: f64) -> f64 {
    if score > 0.0 { score + weight } else { 0.0 }
}
