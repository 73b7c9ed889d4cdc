//! Where ranks say that a series changed: the sum of ranks before a division against what chance gives (Pettitt 1979).

/// Running sums of a series' ranks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranks {
    /// Sum of the centred ranks of the first `n` values, for every `n`.
    sums: Vec<f64>,
    /// Of one rank; less than usual where values are equal.
    variance: f64,
}

impl Ranks {
    /// Of values in the order of time; equal values share their middle rank.
    pub(crate) fn of(points: &[(i64, f64)]) -> Self {
        let mut order: Vec<(u64, u32)> = (0..).zip(points).map(|(at, (_, value))| (ordered(*value), at)).collect();
        order.sort_unstable();
        let n = order.len() as f64;
        let mut ranks = vec![0.0; points.len()];
        let (mut below, mut squares) = (0.0, 0.0);
        for same in order.chunk_by(|a, b| a.0 == b.0) {
            let many = same.len() as f64;
            let centred = below + (many - 1.0) / 2.0 - (n - 1.0) / 2.0;
            for (_, at) in same {
                ranks[*at as usize] = centred;
            }
            below += many;
            squares += many * centred * centred;
        }
        let mut sums = Vec::with_capacity(ranks.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for rank in ranks {
            sum += rank;
            sums.push(sum);
        }
        Self { sums, variance: squares / (n - 1.0).max(1.0) }
    }

    /// How many standard deviations the values before `split` differ from those since, squared. 0 where nothing divides.
    pub(crate) fn squared(&self, split: usize) -> f64 {
        let n = self.sums.len().saturating_sub(1);
        if split == 0 || split >= n || self.variance <= 0.0 {
            return 0.0;
        }
        let (left, all) = (split as f64, n as f64);
        self.sums[split].powi(2) / (self.variance * left * (all - left) / all)
    }

    /// How far the values on both sides are apart whatever their number: 0 mixed, 1 every one of them beyond the others
    /// (rank-biserial correlation, Cureton 1956).
    pub(crate) fn effect(&self, split: usize) -> f64 {
        let n = self.sums.len().saturating_sub(1);
        if split == 0 || split >= n {
            return 0.0;
        }
        let (left, all) = (split as f64, n as f64);
        (2.0 * self.sums[split].abs() / (left * (all - left))).min(1.0)
    }

    /// The division between `from` and `to` (both included) at which the sides differ most; the first of equals.
    pub(crate) fn best(&self, from: usize, to: usize) -> Option<usize> {
        let mut best = None;
        let mut most = 0.0;
        for split in from..=to.min(self.sums.len().saturating_sub(1)) {
            let squared = self.squared(split);
            if squared > most {
                (most, best) = (squared, Some(split));
            }
        }
        best
    }
}

/// A number whose order is that of the values; both zeros are one.
fn ordered(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}
