//! Which kinds of line stand out: the search without a known onset, and the comparison across a known one.

use super::clock::{Occurrences, gaps, occurrences};
use super::score::{novelty, shift, shift_at, surprise_of_silence, vanished};
use super::stream::Sequence;
use crate::finding::FindingKind;

/// Most claims of one stream.
const MOST_CLAIMS: usize = 40;

/// Rounds of the search: after each, the claimed kind's lines are taken out and the rest is looked at afresh.
const ROUNDS: usize = 6;

/// How many of the strongest claims of a round are tried against each other.
const RIVALS: usize = 4;

/// Fewest lines a search without an onset says anything about.
const FEWEST_LINES: usize = 100;

/// One kind that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Claim {
    pub(super) kind: u32,
    pub(super) shape: FindingKind,
    /// How far beyond the bar: 1 is just there.
    pub(super) ratio: f64,
    /// Lines per thousand lines of other kinds, before and after.
    pub(super) before: f64,
    pub(super) after: f64,
}

/// What stands out in a sequence, strongest first.
pub(super) fn claims(sequence: &Sequence<'_>) -> Vec<Claim> {
    let mut claims = match sequence.split {
        Some(split) if split > 0 => across(sequence, split),
        _ => search(sequence),
    };
    // Stable: of claims that were capped alike the one found first stays first.
    claims.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    claims.truncate(MOST_CLAIMS);
    claims
}

fn search(sequence: &Sequence<'_>) -> Vec<Claim> {
    let mut order = sequence.order.clone();
    let mut found: Vec<Claim> = Vec::new();
    let mut standing = standing_out(sequence, &order);
    while found.len() < ROUNDS && order.len() >= FEWEST_LINES && order.len() * 2 >= sequence.order.len() {
        // Lines are the clock, so a kind that stops makes its neighbours look busier. The claim that leaves the
        // least to be explained once its kind is taken out is the one that happened.
        let tried = standing.iter().take(RIVALS).map(|claim| {
            let rest: Vec<u32> = order.iter().copied().filter(|kind| *kind != claim.kind).collect();
            let left = standing_out(sequence, &rest);
            (*claim, rest, left)
        });
        let weight = |left: &[Claim]| left.first().map_or(0.0, |claim| claim.ratio);
        let Some((mut claim, rest, left)) = tried.min_by(|a, b| weight(&a.2).total_cmp(&weight(&b.2))) else { break };
        // What is found in the remainder is less certain than what was taken out to get there.
        claim.ratio = found.last().map_or(claim.ratio, |before| claim.ratio.min(0.9 * before.ratio));
        found.push(claim);
        (order, standing) = (rest, left);
    }
    found
}

/// The kinds beyond the bar, strongest first.
fn standing_out(sequence: &Sequence<'_>, order: &[u32]) -> Vec<Claim> {
    if order.len() < FEWEST_LINES {
        return Vec::new();
    }
    let all = occurrences(order, sequence.kinds.len(), None);
    let bars = Bars::of(&all);
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
}

/// What a silence or a change of rate must score; both are already measured by the kind's own past.
const VANISHED: f64 = 5.2;
const SHIFTED: f64 = 3.4;

impl Bars {
    fn of(all: &[Occurrences]) -> Self {
        let newcomers = all.iter().filter(|kind| {
            let late = kind.at.first().is_some_and(|first| f64::from(*first) > 0.3 * f64::from(kind.end));
            late && kind.at.len() >= 5 && kind.runs().len() >= 5
        });
        Self { novelty: 4.5 + 1.35 * (newcomers.count() as f64).ln_1p() }
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
            before: 0.0,
            after: share(first, end + 1.0),
        };
        let gone = vanished(occurrences);
        if gone / VANISHED > best.ratio {
            let shape = FindingKind::LogVanished;
            best = Claim { shape, ratio: gone / VANISHED, before: share(first, last), after: 0.0, ..best };
        }
        if let Some(shift) = shift(occurrences) {
            let ratio = positive(shift.score, weight.min(0.5)) / SHIFTED;
            // Less and less until there is nothing is a stop, not a new rate.
            let stopped = gone > 0.0 && shift.after < shift.before && end - last > 0.5 * end * (1.0 - shift.at);
            if ratio > best.ratio {
                let shape = if stopped { FindingKind::LogVanished } else { FindingKind::LogRateChange };
                let after = if stopped { 0.0 } else { shift.after * 1000.0 };
                best = Claim { shape, ratio, before: shift.before * 1000.0, after, ..best };
            }
        }
        Some(best)
    }
}

/// The weight of what a line says raises a score, it does not make one.
fn positive(score: f64, weight: f64) -> f64 {
    if score > 0.0 { score + weight } else { 0.0 }
}

/// Compares the lines before a known split with those after it.
fn across(sequence: &Sequence<'_>, split: usize) -> Vec<Claim> {
    let all = occurrences(&sequence.order, sequence.kinds.len(), Some(split));
    let before = split as f64;
    let after = (sequence.order.len() - split.min(sequence.order.len())) as f64;
    if after < 1.0 {
        return Vec::new();
    }
    let once = all.iter().filter(|kind| kind.before == 1).count();
    // Good and Turing: kinds seen once tell how often a kind never seen turns up.
    let usual_newcomers = once as f64 * after / before;
    let mut found = Vec::new();
    for ((kind, occurrences), facts) in (0_u32..).zip(&all).zip(&sequence.kinds) {
        let known = Known { kind, occurrences, weight: facts.weight(), usual_newcomers };
        found.extend(known.judge().filter(|claim| claim.ratio >= 1.0));
    }
    found
}

/// One kind on both sides of a known split.
struct Known<'a> {
    kind: u32,
    occurrences: &'a Occurrences,
    weight: f64,
    usual_newcomers: f64,
}

impl Known<'_> {
    fn judge(&self) -> Option<Claim> {
        let split = f64::from(self.occurrences.split?);
        let end = f64::from(self.occurrences.end);
        let seen = self.occurrences.before;
        let now = self.occurrences.at.len() - seen;
        let share = |count: usize, span: f64| 1000.0 * count as f64 / span.max(1.0);
        let (before, after) = (share(seen, split), share(now, end - split));
        let claim = |shape, ratio| Some(Claim { kind: self.kind, shape, ratio, before, after });
        if seen == 0 {
            let mut runs: Vec<u32> = self.occurrences.at.clone();
            runs.dedup();
            let (runs, now) = (runs.len() as f64, now as f64);
            let score = 2.0 + 1.5 * runs.ln() + 0.3 * (now / runs).ln() + 2.0 * self.weight
                - 1.2 * self.usual_newcomers.ln_1p();
            return claim(FindingKind::LogNovelty, score / 3.5);
        }
        if now == 0 {
            let runs: Vec<u32> = self.occurrences.runs();
            let (first, last) = (f64::from(*runs.first()?), f64::from(*runs.last()?));
            // A kind that had left before the split, or was only passing through, did not stop at the split.
            let there = runs.len() >= 6 && last - first >= 0.2 * split;
            let score = if there && surprise_of_silence(&gaps(&runs), split - last) <= 0.0 {
                surprise_of_silence(&gaps(&runs), end - last)
            } else {
                0.0
            };
            return claim(FindingKind::LogVanished, score / 4.5);
        }
        let shift = shift_at(self.occurrences, split)?;
        claim(FindingKind::LogRateChange, positive(shift.score, self.weight.min(0.5)) / SHIFTED)
    }
}
