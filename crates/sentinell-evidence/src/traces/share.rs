//! How surely a share of requests changed.

/// `k` of `n`; requests that belong together count in parts, so neither needs to be whole.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Share {
    pub(super) k: f64,
    pub(super) n: f64,
}

impl Share {
    pub(super) fn add(&mut self, hit: bool, weight: f64) {
        self.n += weight;
        if hit {
            self.k += weight;
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { k: self.k + other.k, n: self.n + other.n }
    }

    pub(super) fn value(self) -> f64 {
        if self.n > 0.0 { self.k / self.n } else { 0.0 }
    }

    fn entropy(self) -> f64 {
        let p = (self.k + 0.5) / (self.n + 1.0);
        -(p * p.log2() + (1.0 - p) * (1.0 - p).log2())
    }

    fn likelihood(self, p: f64) -> f64 {
        let part = |count: f64, p: f64| if count > 0.0 { count * p.max(1e-12).ln() } else { 0.0 };
        part(self.k, p) + part(self.n - self.k, 1.0 - p)
    }
}

/// By how much (natural log of the likelihood ratio, Dunning 1993) two shares are likelier two than one.
pub(super) fn apart(before: Share, after: Share) -> f64 {
    if before.n <= 0.0 || after.n <= 0.0 {
        return 0.0;
    }
    let both = before.plus(after);
    let two = before.likelihood(before.value()) + after.likelihood(after.value());
    (two - both.likelihood(both.value())).max(0.0)
}

/// The same, less where the share was neither always nor never before: what comes and goes says little by its absence.
pub(super) fn broke(before: Share, after: Share) -> f64 {
    apart(before, after) * (1.0 - before.entropy()).max(0.0)
}

/// [`broke`] against the clearer of two normal times. What the other one was like speaks against it, unless it lies
/// between: a fault may have begun before its onset is dated, but a share that moves to and fro has no onset.
pub(super) fn broke_from(earlier: Share, before: Share, after: Share) -> f64 {
    if earlier.n <= 0.0 || before.n <= 0.0 {
        return broke(earlier.plus(before), after);
    }
    let clearest = broke(earlier, after).max(broke(earlier.plus(before), after));
    let (from, to) = (earlier.value(), after.value());
    let outside = (from.min(to) - before.value()).max(before.value() - from.max(to)).max(0.0);
    clearest * (1.0 - outside / (to - from).abs().max(1e-9)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(k: f64, n: f64) -> Share {
        Share { k, n }
    }

    #[test]
    fn what_always_was_and_no_longer_is_counts_most() {
        let never = share(0.0, 20.0);
        assert!(broke(share(20.0, 20.0), never) > 3.0 * broke(share(14.0, 20.0), never));
        assert!(broke(share(20.0, 20.0), share(19.0, 20.0)) < 1.0);
        assert_eq!(broke(share(0.0, 0.0), never), 0.0);
    }

    #[test]
    fn two_normal_times_that_disagree_say_less() {
        let after = share(0.0, 20.0);
        let steady = broke_from(share(20.0, 20.0), share(20.0, 20.0), after);
        let begun = broke_from(share(20.0, 20.0), share(5.0, 20.0), after);
        let restless = broke_from(share(10.0, 20.0), share(20.0, 20.0), after);
        assert!(steady > begun && begun > 5.0 && restless < 1.0, "{steady} {begun} {restless}");
    }
}
