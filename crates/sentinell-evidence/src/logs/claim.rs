//! Which kinds of line stand out: the search without a known onset, and the comparison across a known one.

use super::clock::{Occurrences, gaps, occurrences};
use super::score::{largest_past_shift_of, novelty, shift, shift_at, surprise_of_silence, vanished};
use super::stream::Sequence;
use crate::finding::FindingKind;

/// Most claims of one stream.
const MOST_CLAIMS: usize = 40;

/// Rounds of the search: after each, the claimed kind's lines are taken out and the rest is looked at afresh.
const ROUNDS: usize = 8;

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
    claims.sort_by(|a, b| b.ratio.total_cmp(&a.ratio).then(a.kind.cmp(&b.kind)));
    claims.truncate(MOST_CLAIMS);
    claims
}

fn search(sequence: &Sequence<'_>) -> Vec<Claim> {
    let mut order = sequence.order.clone();
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        if order.len() < FEWEST_LINES {
            break;
        }
        let all = occurrences(&order, sequence.kinds.len(), None);
        let bars = Bars::of(&all);
        let best = (0_u32..)
            .zip(all.iter().zip(&sequence.kinds))
            .filter_map(|(kind, (occurrences, facts))| bars.best(kind, occurrences, facts.weight()))
            .max_by(|a, b| a.ratio.total_cmp(&b.ratio).then(b.kind.cmp(&a.kind)));
        let Some(claim) = best.filter(|claim| claim.ratio >= 1.0) else { break };
        order.retain(|kind| *kind != claim.kind);
        found.push(claim);
    }
    found
}

/// How much is needed before something is said, by how restless the stream has been so far.
struct Bars {
    novelty: f64,
    vanished: f64,
    shift: f64,
}

impl Bars {
    fn of(all: &[Occurrences]) -> Self {
        let newcomers = all.iter().filter(|kind| {
            let late = kind.at.first().is_some_and(|first| f64::from(*first) > 0.3 * f64::from(kind.end));
            late && kind.at.len() >= 5 && kind.runs().len() >= 5
        });
        let mut habits: Vec<f64> = all.iter().filter_map(largest_past_shift_of).collect();
        habits.sort_by(f64::total_cmp);
        let median = habits.get(habits.len() / 2).copied().unwrap_or(0.0);
        Self { novelty: 4.5 + 1.2 * (newcomers.count() as f64).ln_1p(), vanished: 5.2, shift: 3.5 + 0.4 * median }
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
        let gone = vanished(occurrences) / self.vanished;
        if gone > best.ratio {
            best =
                Claim { shape: FindingKind::LogVanished, ratio: gone, before: share(first, last), after: 0.0, ..best };
        }
        if let Some(shift) = shift(occurrences) {
            let ratio = positive(shift.score, weight.min(0.5)) / self.shift;
            if ratio > best.ratio {
                let shape = FindingKind::LogRateChange;
                best = Claim { shape, ratio, before: shift.before * 1000.0, after: shift.after * 1000.0, ..best };
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
    let once = all.iter().filter(|kind| kind.split.is_some_and(|s| kind.count(0.0, f64::from(s)) == 1.0)).count();
    // Good and Turing: kinds seen once tell how often a kind never seen turns up.
    let usual_newcomers = once as f64 * after / before;
    let mut habits: Vec<f64> = all.iter().filter_map(largest_past_shift_of).collect();
    habits.sort_by(f64::total_cmp);
    let shift_bar = 3.5 + 0.4 * habits.get(habits.len() / 2).copied().unwrap_or(0.0);
    let mut found = Vec::new();
    for ((kind, occurrences), facts) in (0_u32..).zip(&all).zip(&sequence.kinds) {
        let known = Known { kind, occurrences, weight: facts.weight(), usual_newcomers, shift_bar };
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
    shift_bar: f64,
}

impl Known<'_> {
    fn judge(&self) -> Option<Claim> {
        let split = f64::from(self.occurrences.split?);
        let end = f64::from(self.occurrences.end);
        let seen = self.occurrences.at.iter().filter(|at| f64::from(**at) < split).count();
        let now = self.occurrences.at.len() - seen;
        let share = |count: usize, span: f64| 1000.0 * count as f64 / span.max(1.0);
        let (before, after) = (share(seen, split), share(now, end - split));
        let claim = |shape, ratio| Some(Claim { kind: self.kind, shape, ratio, before, after });
        if seen == 0 {
            let mut runs: Vec<u32> = self.occurrences.at.clone();
            runs.dedup();
            let (runs, now) = (runs.len() as f64, now as f64);
            let score = 2.0 + 1.5 * runs.ln() + 0.3 * (now / runs).ln() + 1.33 * self.weight
                - 1.2 * self.usual_newcomers.ln_1p();
            return claim(FindingKind::LogNovelty, score / 3.5);
        }
        if now == 0 {
            let runs: Vec<u32> = self.occurrences.runs();
            let score =
                if runs.len() < 6 { 0.0 } else { surprise_of_silence(&gaps(&runs), end - f64::from(*runs.last()?)) };
            return claim(FindingKind::LogVanished, score / 4.5);
        }
        let shift = shift_at(self.occurrences, split)?;
        claim(FindingKind::LogRateChange, positive(shift.score, self.weight.min(0.5)) / self.shift_bar)
    }
}
