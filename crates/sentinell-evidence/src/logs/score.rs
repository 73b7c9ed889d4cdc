//! How far beyond the stream's own habits something is. Scores are natural-log odds, roughly: 0 is ordinary.
//!
//! Natural logs come in bursts, and kinds come and go. So nothing is compared with an ideal random process, only
//! with the kind's own longest silences (a Weissman tail over its gaps) and its own largest shifts so far, and the
//! bar rises with how restless the whole stream has been.

use super::clock::{Occurrences, gaps};

/// Fewest runs by which a new kind is told from a passing burst.
const FEWEST_NEW_RUNS: usize = 4;

/// Fewest runs by which a kind counts as established.
const FEWEST_KNOWN_RUNS: usize = 10;

/// A change of a known kind's rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    pub(super) score: f64,
    /// Share of the clock at which it begins.
    pub(super) at: f64,
    /// Lines per clock unit before and after.
    pub(super) before: f64,
    pub(super) after: f64,
}

/// `-ln` of the chance that a kind with these gaps stays away for `silence`, by extrapolating its largest gaps as
/// a power law whose index is pulled towards 2 when few gaps are known. 0 where its own gaps came near that long.
pub(super) fn surprise_of_silence(gaps: &[f64], silence: f64) -> f64 {
    const CALM: f64 = 2.0;
    const PRIOR: f64 = 4.0;
    let mut sorted: Vec<f64> = gaps.iter().copied().filter(|gap| *gap > 0.0).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let tail = (sorted.len() / 4).clamp(3, 25).min(sorted.len().saturating_sub(1));
    if tail < 2 || silence < 1.3 * sorted[0] {
        return 0.0;
    }
    let threshold = sorted[tail];
    let spread: f64 = sorted[..tail].iter().map(|gap| (gap / threshold).ln()).sum();
    let index = (tail as f64 - 1.0 + PRIOR) / (PRIOR / CALM + spread);
    ((sorted.len() + 1) as f64 / tail as f64).ln() + index.min(4.0) * (silence / threshold).ln()
}

/// How surprising it is that a kind is there at all since its first line, and stays.
pub(super) fn novelty(kind: &Occurrences) -> f64 {
    let runs = kind.runs();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return 0.0 };
    let (first, last, end) = (f64::from(*first), f64::from(*last), f64::from(kind.end));
    if runs.len() < FEWEST_NEW_RUNS || first < kind.later() {
        return 0.0;
    }
    let gaps = gaps(&runs);
    let lasting = ((end - first) / (0.1 * end)).max(1e-9).ln() * 1.5;
    surprise_of_silence(&gaps, first) - surprise_of_silence(&gaps, end - last) + lasting.clamp(-3.0, 1.5)
}

/// How surprising it is that an established kind does not come any more.
pub(super) fn vanished(kind: &Occurrences) -> f64 {
    let runs = kind.runs();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return 0.0 };
    let (first, last, end) = (f64::from(*first), f64::from(*last), f64::from(kind.end));
    if runs.len() < FEWEST_KNOWN_RUNS || last - first < 0.2 * end {
        return 0.0;
    }
    let gaps = gaps(&runs);
    // What had left before the time that is looked at did not stop in it.
    let gone_before = match kind.split {
        None => last < kind.later(),
        Some(_) => surprise_of_silence(&gaps, kind.later() - last) > 0.0 || !throughout(kind),
    };
    if gone_before { 0.0 } else { surprise_of_silence(&gaps, end - last) }
}

/// Whether a kind never stayed away for long in the stretch that is known to be good: what was away for a quarter of
/// it by itself comes in phases, and may be away again.
fn throughout(kind: &Occurrences) -> bool {
    const QUARTER: f64 = 0.25;
    let good = kind.at.iter().map(|at| f64::from(*at)).take_while(|at| *at < kind.later());
    let (mut last, mut away) = (0.0, 0.0_f64);
    for at in good {
        away = away.max(at - last);
        last = at;
    }
    away <= QUARTER * kind.later()
}

/// Windows the later part is cut into.
const WINDOWS: usize = 5;

/// By how many times a rate must differ.
const FOLD: f64 = 3.0;

/// The most surprising lasting change of a known kind's rate in the later part.
pub(super) fn shift(kind: &Occurrences) -> Option<Shift> {
    const PLACES: u32 = 12;
    if kind.at.len() < 12 {
        return None;
    }
    let end = f64::from(kind.end);
    let from = kind.split.map_or(0.65 * end, f64::from);
    let step = (0.925 * end - from).max(0.0) / f64::from(PLACES - 1);
    let places = (0..PLACES).map(|n| from + step * f64::from(n));
    places.filter_map(|place| shift_at(kind, place)).max_by(|a, b| a.score.total_cmp(&b.score))
}

/// The change of rate at a clock reading, if there is one: the part after it against what the part before lets
/// expect, as far as it holds all along, less one and a half times the largest change the kind went through before.
pub(super) fn shift_at(kind: &Occurrences, place: f64) -> Option<Shift> {
    let end = f64::from(kind.end);
    let width = match kind.split {
        None => (end - place) / WINDOWS as f64,
        // The past needs windows enough to show how much it moved by itself.
        Some(_) => ((end - place) / WINDOWS as f64).min(place / (2 * WINDOWS) as f64),
    };
    if width < 1.0 || place < width {
        return None;
    }
    let before_count = ((place / width) as usize).min(10_000);
    let windows = (((end - place) / width).round() as usize).clamp(WINDOWS, 10_000);
    let window = |from: f64, last: bool| kind.count(from, if last { end + 1.0 } else { from + width });
    let before: Vec<f64> = (1..=before_count).rev().map(|back| window(place - back as f64 * width, false)).collect();
    let after: Vec<f64> = (0..windows).map(|n| window(place + n as f64 * width, n + 1 == windows)).collect();
    let (seen, now): (f64, f64) = (before.iter().sum(), after.iter().sum());
    let occupied = before.iter().filter(|count| **count > 0.0).count();
    if before.len() < WINDOWS || seen < 8.0 || occupied * 4 < before.len() || now < 1.0 {
        return None;
    }
    let expected = seen / before.len() as f64 * windows as f64;
    let fold = fold(expected / (end - place), now / (end - place));
    let outside = if fold >= FOLD {
        let high = quantile(&before, 0.9);
        after.iter().filter(|count| **count > high).count()
    } else if fold <= 1.0 / FOLD {
        let low = quantile(&before, 0.1);
        after.iter().filter(|count| **count < low).count()
    } else {
        return None;
    };
    let contrast = (steady(now) - steady(expected)).abs();
    let score = contrast * (outside as f64 / windows as f64).powf(1.5) - 1.5 * largest_past_shift(&before, windows);
    let per_unit = |count: f64, windows: usize| count / (windows as f64 * width);
    (score > 0.0).then(|| Shift {
        score,
        at: place / end,
        before: per_unit(seen, before.len()),
        after: per_unit(now, windows),
    })
}

/// The largest contrast between the two sides of any split of the past, scaled to one block.
pub(super) fn largest_past_shift(before: &[f64], block: usize) -> f64 {
    let total: f64 = before.iter().sum();
    let margin = WINDOWS.div_ceil(2);
    let (mut left, mut largest) = (0.0, 0.0_f64);
    for (n, count) in before.iter().enumerate() {
        left += count;
        let (done, rest) = (n + 1, before.len() - n - 1);
        if done >= margin && rest >= margin {
            let scale = |sum: f64, windows: usize| steady(sum / windows as f64 * block as f64);
            largest = largest.max((scale(total - left, rest) - scale(left, done)).abs());
        }
    }
    largest
}

/// Anscombe's transform: a count's chance variation becomes about 1, whatever the count.
fn steady(count: f64) -> f64 {
    2.0 * (count + 0.375).sqrt()
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// By how many times a rate changed: midway between lines per line of other kinds and lines per line of any kind,
/// because the first exaggerates for a kind that is most of the stream and the second hides it.
fn fold(before: f64, after: f64) -> f64 {
    let share = |rate: f64| rate / (1.0 + rate);
    (after / before * share(after) / share(before)).sqrt()
}
