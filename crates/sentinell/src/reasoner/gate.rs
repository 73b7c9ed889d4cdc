//! What all incidents of this process share about one model: whether it may be asked now, and the day's money.

use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long an answer's price is held beside what the store knows, milliseconds: by then it has been booked.
const HELD: i64 = 60_000;

/// A gate before one model.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Only a person can open it again, or time.
    closed: Option<(Timestamp, String)>,
    /// The provider asked for quiet until then.
    quiet: Option<(Timestamp, String)>,
    /// What calls under way may cost at most, and what calls cost that are not booked yet.
    held: BTreeMap<IncidentId, (Timestamp, u64)>,
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

    /// Holds `worst` for a call, if what was spent today and is held for others leaves anything of `budget`.
    pub(super) fn reserve(
        &self,
        incident: &IncidentId,
        now: Timestamp,
        worst: u64,
        spent: u64,
        budget: u64,
    ) -> Option<Held<'_>> {
        let mut state = self.state();
        state.held.retain(|other, (since, _)| other != incident && now.millis_since(*since) < HELD);
        let others: u64 = state.held.values().fold(0, |sum, (_, held)| sum.saturating_add(*held));
        if spent.saturating_add(others) >= budget {
            return None;
        }
        // A call may take minutes; it is held until it says what it cost.
        state.held.insert(incident.clone(), (Timestamp(i64::MAX / 2), worst));
        Some(Held { gate: self, incident: incident.clone(), from: now, cost: None })
    }
}

/// A call under way. One that is broken off counts with all that it may have cost, for as long as a price is held.
#[derive(Debug)]
pub(super) struct Held<'g> {
    gate: &'g Gate,
    incident: IncidentId,
    from: Timestamp,
    cost: Option<u64>,
}

impl Held<'_> {
    /// The call has ended; its price is held until the store knows it.
    pub(super) fn settle(mut self, now: Timestamp, cost: u64) {
        (self.from, self.cost) = (now, Some(cost));
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.gate.state().held.get_mut(&self.incident) {
            *held = (self.from, self.cost.unwrap_or(held.1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_the_days_budget_is_exceeded_by_one_call_at_most() {
        let (gate, now) = (Gate::default(), Timestamp(0));
        let id = |n: u32| IncidentId(format!("i{n}"));
        let (price, budget) = (30, 100);
        let mut begun: Vec<_> = (0..50).filter_map(|n| gate.reserve(&id(n), now, price, 0, budget)).collect();
        assert_eq!(begun.len(), 4, "four calls of 30 exceed 100 by less than one of them");
        begun.drain(..2).for_each(|call| call.settle(now, 1));
        let next = gate.reserve(&id(60), now, price, 0, budget);
        assert!(next.is_some(), "what a call did not cost is free again");
        assert!(
            gate.reserve(&id(0), Timestamp(HELD), price, 2, budget).is_some(),
            "nor counted twice when it comes again"
        );
    }

    #[test]
    fn a_call_that_was_broken_off_counts_for_a_while_and_not_for_ever() {
        let (gate, price) = (Gate::default(), 100);
        drop(gate.reserve(&"i1".into(), Timestamp(0), price, 0, price));
        assert!(gate.reserve(&"i2".into(), Timestamp(HELD - 1), price, 0, price).is_none());
        assert!(gate.reserve(&"i2".into(), Timestamp(HELD), price, 0, price).is_some());
    }

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
