//! Whether confidences are what they say.

use crate::grade::Outcome;

/// From here on a wrong answer costs trust.
const CONFIDENT: f64 = 0.8;

const BINS: usize = 10;

/// How confidence and truth agree, over the first predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Expected calibration error over ten equal bins (Guo et al. 2017, arXiv 1706.04599).
    pub error: f64,
    /// The share of all cases in which the first prediction was confident (0.8 or more) and wrong.
    pub confident_and_wrong: f64,
    /// The share of all cases in which the first prediction was confident.
    pub confident: f64,
}

/// Of graded outcomes.
pub(crate) fn calibration<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Calibration {
    of(outcomes.map(|outcome| (outcome.confidence(), outcome.hit())))
}

/// Of first predictions, each with its confidence (0 to 1) and whether it was right.
pub fn of(said: impl Iterator<Item = (f64, bool)>) -> Calibration {
    let mut bins = [(0.0, 0.0, 0.0); BINS];
    let (mut all, mut confident, mut wrong) = (0.0, 0.0, 0.0);
    for (confidence, hit) in said {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 9")]
        let bin = ((confidence * 10.0).floor().clamp(0.0, 9.0)) as usize;
        let hit = if hit { 1.0 } else { 0.0 };
        bins[bin] = (bins[bin].0 + 1.0, bins[bin].1 + confidence, bins[bin].2 + hit);
        all += 1.0;
        if confidence >= CONFIDENT {
            confident += 1.0;
            wrong += 1.0 - hit;
        }
    }
    let all = f64::max(all, 1.0);
    let error = bins.iter().map(|(_, confidence, hits)| (confidence - hits).abs()).sum::<f64>() / all;
    Calibration { error, confident_and_wrong: wrong / all, confident: confident / all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_that_is_kept_costs_nothing_and_one_that_is_not_is_counted() {
        let kept = (0..10).map(|n| (0.7, n < 7));
        assert!(of(kept).error < 1e-9);
        let boast = of([(0.9, true), (0.9, false), (0.1, false), (0.1, false)].into_iter());
        assert!((boast.error - (0.8 + 0.2) / 4.0).abs() < 1e-9, "{boast:?}");
        assert!((boast.confident_and_wrong - 0.25).abs() < 1e-9 && (boast.confident - 0.5).abs() < 1e-9);
    }
}
