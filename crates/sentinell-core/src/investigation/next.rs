//! What comes next: read from the state, touching nothing.

use super::{ActionRecord, Effect, Investigation, Phase, Step};
use crate::ids::ActionId;
use crate::time::Timestamp;

impl Investigation {
    /// What to do now.
    pub fn next(&self) -> Step {
        match &self.phase {
            Phase::Queued | Phase::Reasoning { until: None, .. } if self.held.is_some() => Step::Do(Effect::Doubt),
            Phase::Queued | Phase::Reasoning { until: None, .. } => {
                Step::Do(Effect::Reason { conclude: self.must_conclude() })
            }
            Phase::Reasoning { until, .. } => wait(*until, "the reasoner asked for a pause"),
            Phase::Observing { open } => {
                let ready: Vec<_> = open.values().filter(|open| open.until.is_none()).collect();
                if ready.is_empty() {
                    return wait(open.values().filter_map(|open| open.until).min(), "a source is busy or away");
                }
                Step::Do(Effect::Observe(ready.into_iter().map(|open| open.query.clone()).collect()))
            }
            Phase::AwaitingApproval { action, asked: false } => self.act_on(action, Effect::Ask),
            Phase::AwaitingApproval { action, asked: true } => {
                let expires_at = self.action(action).map(|record| record.action.expires_at);
                wait(expires_at, "a person's approval")
            }
            Phase::Authorized { action, checked: false } => self.act_on(action, Effect::Verify),
            Phase::Authorized { action, checked: true } => self.act_on(action, Effect::Act),
            Phase::Acting { deadline, overdue: false, .. } => wait(Some(*deadline), "a deed that may be under way"),
            Phase::Acting { action, .. } => self.act_on(action, Effect::Reconcile),
            Phase::InDoubt { .. } => wait(None, "a person's word on whether the deed happened"),
            Phase::Verifying { action, wait: None, .. } => self.act_on(action, Effect::Verify),
            Phase::Verifying { wait: until, .. } => wait(*until, "the next look of the verification"),
            Phase::Resolved { .. } | Phase::Escalated { .. } | Phase::Dismissed | Phase::DeadLetter { .. } => {
                Step::Done
            }
        }
    }

    /// When a worker has to look at this incident again; none: not before somebody says something.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.next() {
            Step::Do(_) => Some(now),
            Step::Wait { until, .. } => until,
            Step::Done => None,
        }
    }

    fn act_on(&self, id: &ActionId, effect: fn(Box<crate::action::Action>) -> Effect) -> Step {
        match self.action(id) {
            Some(ActionRecord { action, .. }) => Step::Do(effect(Box::new(action.clone()))),
            // `fold` lets no phase name an action that was not proposed.
            None => Step::Done,
        }
    }
}

fn wait(until: Option<Timestamp>, why: &str) -> Step {
    Step::Wait { until, why: why.to_owned() }
}
