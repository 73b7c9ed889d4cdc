//! What all incidents of this process share about one model: whether it may be asked now. The day's money is shared by all
//! processes and kept in the store.

use sentinell_core::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A gate before one model.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Only a person can open it again, or time.
    closed: Option<(Timestamp, String)>,
    /// The provider asked for quiet until then.
    quiet: Option<(Timestamp, String)>,
}

/// Why the model is not asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shut {
    /// Nothing comes of waiting.
    Closed(String),
    /// It may be asked then.
    Quiet(Timestamp, String),
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the model may be asked at `now`.
    pub(super) fn is_open(&self, now: Timestamp) -> Result<(), Shut> {
        let state = self.state();
        if let Some((until, why)) = &state.closed
            && now < *until
        {
            return Err(Shut::Closed(format!("{why}; it is not asked again before {until}")));
        }
        match &state.quiet {
            Some((until, why)) if now < *until => Err(Shut::Quiet(*until, why.clone())),
            _ => Ok(()),
        }
    }

    /// Nobody asks before `until`: what stands in the way does not go away by asking.
    pub(super) fn close(&self, until: Timestamp, why: String) {
        self.state().closed = Some((until, why));
    }

    /// Nobody asks before `until`, because the provider said so.
    pub(super) fn quiet(&self, until: Timestamp, why: String) {
        let mut state = self.state();
        if state.quiet.as_ref().is_none_or(|(known, _)| *known < until) {
            state.quiet = Some((until, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_quiet_that_was_asked_for_is_kept() {
        let gate = Gate::default();
        gate.quiet(Timestamp(9_000), "429".into());
        gate.quiet(Timestamp(5_000), "429".into());
        assert!(matches!(gate.is_open(Timestamp(8_999)), Err(Shut::Quiet(Timestamp(9_000), _))));
        assert_eq!(gate.is_open(Timestamp(9_000)), Ok(()));
        gate.close(Timestamp(20_000), "no money".into());
        assert!(matches!(gate.is_open(Timestamp(10_000)), Err(Shut::Closed(_))));
    }
}
