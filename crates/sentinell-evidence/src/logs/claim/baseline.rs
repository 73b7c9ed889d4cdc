//! What a known split adds to the search: lines before it are good, so a change may begin right there, and what the
//! good lines did among themselves tells how much drift is no news.

use super::{Claim, Habits, Part, search, standing_out};
use crate::finding::FindingKind;
use crate::logs::clock::occurrences;
use crate::logs::stream::Sequence;

/// How far from the split, as a share of the stream, a change found without it may seem to begin.
const BLUR: f64 = 0.025;

/// Adds what a split at line `split` shows to what was found without it.
///
/// The search that does not know the split has the longest past to judge by and goes first; what only the split shows
/// is looked for in the rest.
pub(super) fn compare(sequence: &Sequence<'_>, split: usize, mut claims: Vec<Claim>) -> Vec<Claim> {
    let known = split as f64 / sequence.order.len().max(1) as f64;
    claims.retain(|claim| claim.at >= known - BLUR);
    let mut part = Part { order: sequence.order.clone(), split: Some(split) };
    for claim in &claims {
        part = part.without(claim.kind);
    }
    let cap = claims.last().map_or(f64::INFINITY, |claim| 0.9 * claim.ratio);
    let across = search(sequence, &mut part, habits(sequence, split)).into_iter();
    for mut claim in across.chain(newcomers(sequence, split)) {
        claim.ratio = claim.ratio.min(cap);
        if claim.ratio >= 1.0 && !claims.iter().any(|found| found.kind == claim.kind) {
            claims.push(claim);
        }
    }
    claims
}

/// The strongest claims that splits inside the good lines would have led to: no claim is worth more than those.
fn habits(sequence: &Sequence<'_>, split: usize) -> Habits {
    /// A few splits find less than the most that can happen.
    const MARGIN: f64 = 1.12;
    let good = &sequence.order[..split.min(sequence.order.len())];
    let mut habits = Habits { novelty: MARGIN, vanished: MARGIN, shifted: MARGIN };
    for share in [0.5, 0.6, 0.7, 0.8] {
        let part = Part { order: good.to_vec(), split: Some((share * good.len() as f64) as usize) };
        for claim in standing_out(sequence, &part, Habits::default()) {
            let habit = match claim.shape {
                FindingKind::LogVanished => &mut habits.vanished,
                FindingKind::LogRateChange => &mut habits.shifted,
                _ => &mut habits.novelty,
            };
            *habit = habit.max(MARGIN * claim.ratio);
        }
    }
    habits
}

/// Kinds that the good lines do not have at all, however few their lines are.
///
/// Good and Turing: the kinds seen once among the good lines tell how many kinds never seen turn up in as many lines
/// more. Of those as many grow as large as of the good lines' own kinds, which were all new once. What is so large that
/// less than one in twenty stretches would have one is news; a line that speaks of an error needs less.
fn newcomers(sequence: &Sequence<'_>, split: usize) -> Vec<Claim> {
    const BAR: f64 = 3.0;
    let all = occurrences(&sequence.order, sequence.kinds.len(), Some(split));
    let good = occurrences(&sequence.order[..split.min(sequence.order.len())], sequence.kinds.len(), None);
    let mut sizes: Vec<usize> = good.iter().map(|kind| kind.runs().len()).filter(|runs| *runs > 0).collect();
    sizes.sort_unstable();
    let later = sequence.order.len().saturating_sub(split) as f64;
    let once = good.iter().filter(|kind| kind.at.len() == 1).count() as f64;
    let usual = (once + 0.5) * later / split.max(1) as f64;
    let mut found = Vec::new();
    for ((kind, occurrences), facts) in (0_u32..).zip(&all).zip(&sequence.kinds) {
        if occurrences.before > 0 || occurrences.at.is_empty() {
            continue;
        }
        let (runs, count) = (occurrences.runs().len(), occurrences.at.len() as f64);
        let as_large = sizes.len() - sizes.partition_point(|size| *size < runs);
        let expected = usual * (as_large + 1) as f64 / (sizes.len() + 1) as f64;
        let score = -(-(-expected).exp_m1()).ln() + 2.0 * facts.weight();
        let end = f64::from(occurrences.end);
        let first = occurrences.at.first().map_or(end, |first| f64::from(*first));
        found.push(Claim {
            kind,
            shape: FindingKind::LogNovelty,
            ratio: score / BAR,
            at: first / end.max(1.0),
            before: 0.0,
            after: 1000.0 * count / (end - f64::from(occurrences.split.unwrap_or(0))).max(1.0),
        });
    }
    found
}
