//! What candidates are worth: words by how rare they are, meaning by its cosine, and how the rankings are merged.

use super::keep::SHIFT;
use super::recall::LIST;
use super::words::Word;

/// How much the first places of a ranking are worth more than the next: the usual constant of rank fusion.
const FUSION: f64 = 60.0;
/// Below this cosine nothing is alike.
const ALIKE: f64 = 0.3;
/// Places of a ranking that count.
const PLACES: usize = 200;
/// How many times as far back as its newest [`LIST`] records reach a common word is looked for together with others.
const WALK: i64 = 60;

/// What ranks a candidate.
#[derive(Debug, Clone, Default)]
pub(super) struct Mark {
    pub(super) n: i64,
    pub(super) by_words: f64,
    pub(super) words: Vec<usize>,
    pub(super) meaning: Option<f64>,
    pub(super) same_alert: bool,
}

/// How many records have a word whose newest are these: all of them, or as many as if it went on like that.
pub(super) fn estimated(list: &[i64], (first, last): (i64, i64)) -> f64 {
    let count = list.len() as f64;
    match (list.first(), list.last()) {
        (Some(newest), Some(oldest)) if list.len() == LIST => {
            let (all, seen) = ((last - first) >> SHIFT, (newest - oldest) >> SHIFT);
            count * (all as f64 / seen.max(1) as f64).clamp(1.0, 1e6)
        }
        _ => count,
    }
}

/// From where on common words are looked for together: they are walked side by side, and two that never meet would be walked
/// to their ends.
pub(super) fn reach(list: &[i64]) -> i64 {
    match (list.first(), list.last()) {
        (Some(newest), Some(oldest)) => oldest.saturating_sub((newest - oldest).saturating_mul(WALK)),
        _ => 0,
    }
}

/// Which of the words asked for a record has; its hashes are sorted, four bytes each.
pub(super) fn common(hashes: &[u8], asked: &[Word]) -> Vec<usize> {
    let hashes: Vec<u32> = hashes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    (0..asked.len()).filter(|at| hashes.binary_search(&asked[*at].hash).is_ok()).collect()
}

pub(super) fn cosine(a: &[u8], b: &[u8]) -> Option<f64> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let (mut both, mut one, mut other) = (0_i32, 0_i32, 0_i32);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (i32::from(a.cast_signed()), i32::from(b.cast_signed()));
        both += a * b;
        one += a * a;
        other += b * b;
    }
    let lengths = (f64::from(one) * f64::from(other)).sqrt();
    (lengths > 0.0).then(|| f64::from(both) / lengths)
}

/// Merges the rankings: by words, by meaning, by being of the same alert; or the newest first, where nothing was asked.
pub(super) fn fuse(marks: Vec<Mark>, of_meaning: f64, newest: bool) -> Vec<(f64, Mark)> {
    let mut score = vec![0.0; marks.len()];
    let mut rank = |worth: f64, mut order: Vec<(f64, usize)>| {
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(marks[b.1].n.cmp(&marks[a.1].n)));
        for (place, (_, at)) in order.into_iter().take(PLACES).enumerate() {
            score[at] += worth / (FUSION + place as f64 + 1.0);
        }
    };
    let all = || marks.iter().enumerate();
    rank(1.0, all().filter(|(_, mark)| mark.by_words > 0.0).map(|(at, mark)| (mark.by_words, at)).collect());
    let alike = |(at, mark): (usize, &Mark)| Some((mark.meaning.filter(|near| *near >= ALIKE)?, at));
    rank(of_meaning, all().filter_map(alike).collect());
    // The same alert is worth both other rankings together.
    rank(2.0, all().filter(|(_, mark)| mark.same_alert).map(|(at, mark)| (mark.n as f64, at)).collect());
    if newest {
        rank(1.0, all().map(|(at, mark)| (mark.n as f64, at)).collect());
    }
    let mut ranked: Vec<(f64, Mark)> = score.into_iter().zip(marks).filter(|(score, _)| *score > 0.0).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.n.cmp(&a.1.n)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_looked_for_together_no_further_than_sixty_times_as_far_back_as_their_newest() {
        let dense: Vec<i64> = (0..300).map(|n| 1_000_000 - n).collect();
        assert_eq!(reach(&dense), 1_000_000 - 299 - 60 * 299);
        assert_eq!(reach(&[i64::MAX, 0]), -i64::MAX, "no overflow");
        assert_eq!(reach(&[]), 0);
    }
}
