//! Time that stands still until somebody moves it.

use sentinell_core::ports::Clock;
use sentinell_core::time::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock for tests; the demo gives the town a real one instead.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicI64);

impl VirtualClock {
    /// A clock that shows this moment.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves on by this many milliseconds and says what it shows now.
    pub fn advance_millis(&self, millis: u32) -> Timestamp {
        Timestamp(self.0.fetch_add(i64::from(millis), Ordering::SeqCst) + i64::from(millis))
    }

    /// Moves on by this many seconds and says what it shows now.
    pub fn advance(&self, seconds: u32) -> Timestamp {
        self.advance_millis(seconds.saturating_mul(1000))
    }

    /// Moves on to this moment; never back.
    pub fn advance_to(&self, moment: Timestamp) -> Timestamp {
        Timestamp(self.0.fetch_max(moment.0, Ordering::SeqCst).max(moment.0))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
