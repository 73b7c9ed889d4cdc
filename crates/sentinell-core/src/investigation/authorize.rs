//! Permission for a deed: given at the moment of the deed, by the live loop, and by nobody else.

use super::{ActionState, Event, Investigation, Phase};
use crate::action::Action;
use crate::approval::Warrant;
use crate::ids::{ActionHash, HypothesisId};
use crate::policy::{Gate, Question, Ruling};
use crate::time::Timestamp;

/// The intent of one deed. Its event has to be in the journal before it becomes a [`Warrant`].
#[derive(Debug)]
pub struct Intent {
    event: Event,
    hash: ActionHash,
    deadline: Timestamp,
}

impl Intent {
    /// What to append before the deed.
    pub fn event(&self) -> Event {
        self.event.clone()
    }

    /// The permission, once the intent has been appended: the caller's promise, kept in one place, the worker's loop.
    pub fn into_warrant(self) -> Warrant {
        Warrant::new(self.hash, self.deadline)
    }
}

impl Investigation {
    /// Judges the authorized action once more, under the policy of this moment: freeze, kill switch and limits may have
    /// changed while a person slept.
    ///
    /// # Errors
    /// The event that says why the deed must not happen.
    pub fn authorize<'g>(&self, gate: impl Into<Gate<'g>>, now: Timestamp) -> Result<Intent, Box<Event>> {
        let Gate { policy, deeds } = gate.into();
        let Phase::Authorized { action: id, checked: true } = &self.phase else {
            return Err(Box::new(Event::Escalated { why: "no authorized action".into() }));
        };
        let blocked = |why: String| Box::new(Event::DeedBlocked { action: id.clone(), why });
        let record = self.action(id).ok_or_else(|| blocked("no such action".into()))?;
        let action = &record.action;
        if self.spent.deeds >= self.budget.deeds {
            return Err(blocked(format!("the budget of {} deeds is spent", self.budget.deeds)));
        }
        let confidence = self.confidence_in(&action.because);
        match policy.rule(&Question::about(action, confidence, self.is_trusted(action), deeds, now)) {
            Ruling::Deny { why } => return Err(blocked(why)),
            // It may ask for more by now than when people were asked.
            Ruling::Ask { why, approvals, role } if !record.is_approved(approvals, role) => {
                let given = record.approvals.len();
                return Err(blocked(format!("{why}; {given} of {approvals} approved")));
            }
            // What the journal has seen pass stays past, whatever a clock that was set back says.
            Ruling::Ask { .. } if action.expires_at <= now.max(self.updated_at) => {
                return Err(blocked("the approval has expired".into()));
            }
            Ruling::Ask { .. } | Ruling::Allow { .. } => {}
        }
        let deadline = now.plus_seconds(i64::from(policy.deed_seconds));
        let event = Event::ActionStarted { action: id.clone(), attempt: record.attempts + 1, deadline };
        Ok(Intent { event, hash: record.hash.clone(), deadline })
    }

    /// What is believed of a hypothesis now.
    pub(super) fn confidence_in(&self, id: &HypothesisId) -> f64 {
        self.hypotheses.iter().find(|hypothesis| hypothesis.id == *id).map_or(0.0, |hypothesis| hypothesis.confidence)
    }

    /// Whether some of an action's evidence comes from a source that an outsider cannot write.
    pub(super) fn is_trusted(&self, action: &Action) -> bool {
        let cited = self.evidence.iter().filter(|evidence| action.evidence.contains(&evidence.id));
        cited.into_iter().any(|evidence| !evidence.outsider_can_write)
    }

    /// Whether the same deed was tried or refused before in this incident, and what became of it.
    pub(super) fn tried_before(&self, action: &Action) -> Option<ActionState> {
        // Denied, expired and blocked deeds may be proposed again: policy and people change their minds.
        let spent = |state| matches!(state, ActionState::Rejected | ActionState::Failed | ActionState::Unhelpful);
        self.actions.iter().find(|old| spent(old.state) && old.action.same_deed(action)).map(|old| old.state)
    }
}
