//! When a kind of line comes, measured in lines of the other kinds.
//!
//! Lines are the clock because every log has them, timestamps or not; lines of the kind itself do not move its
//! clock, so that a flood of one kind neither slows its own clock down nor counts as many events when it comes in
//! one burst.

/// The occurrences of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Occurrences {
    /// Clock reading of each line, never falling.
    pub(super) at: Vec<u32>,
    /// Clock reading at the end of the stream.
    pub(super) end: u32,
    /// Clock reading at the known split, if there is one.
    pub(super) split: Option<u32>,
    /// How many of its lines came before the split.
    pub(super) before: usize,
}

/// All kinds' occurrences in one pass. `split` is a line number.
pub(super) fn occurrences(order: &[u32], kinds: usize, split: Option<usize>) -> Vec<Occurrences> {
    let mut all = vec![Occurrences::default(); kinds];
    for (line, kind) in order.iter().enumerate() {
        let Some(occurrences) = all.get_mut(*kind as usize) else { continue };
        let own = occurrences.at.len();
        occurrences.at.push(u32::try_from(line - own).unwrap_or(u32::MAX));
        occurrences.before += usize::from(split.is_some_and(|split| line < split));
    }
    for occurrences in &mut all {
        let reading = |line: usize, own: usize| u32::try_from(line.min(order.len()) - own).unwrap_or(u32::MAX);
        occurrences.end = reading(order.len(), occurrences.at.len());
        occurrences.split = split.map(|line| reading(line, occurrences.before));
    }
    all
}

impl Occurrences {
    /// The clock reading from which on something is looked for: the known split, or where the later part begins. A
    /// change that fills more than the later part is a stream's ordinary state, unless what came before is known.
    pub(super) fn later(&self) -> f64 {
        const LATER_PART: f64 = 0.6;
        self.split.map_or(LATER_PART * f64::from(self.end), f64::from)
    }

    /// Distinct clock readings: a burst without other lines in between is one run.
    pub(super) fn runs(&self) -> Vec<u32> {
        let mut runs = self.at.clone();
        runs.dedup();
        runs
    }

    /// Lines with a clock reading in `from..to`.
    pub(super) fn count(&self, from: f64, to: f64) -> f64 {
        let below = |limit: f64| self.at.partition_point(|at| f64::from(*at) < limit);
        (below(to) - below(from).min(below(to))) as f64
    }
}

/// Clock readings between neighbours.
pub(super) fn gaps(runs: &[u32]) -> Vec<f64> {
    runs.windows(2).map(|pair| f64::from(pair[1] - pair[0])).collect()
}
