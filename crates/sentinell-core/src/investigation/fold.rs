//! The only way an investigation changes: one fact at a time, each of which must fit.

use super::{ActionState, AlertState, Event, Health, Investigation, OpenQuery, Outcome, Phase, Spent};
use crate::approval::Role;
use crate::evidence::Query;
use crate::ids::{ActionId, Actor, IncidentId, QueryId};
use crate::policy::Ruling;
use crate::ports::Applied;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// An event that does not fit the state it met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` does not fit the phase `{phase}`")]
pub struct Illegal {
    phase: String,
    event: String,
}

impl Illegal {
    pub(super) fn new(phase: &str, event: &str) -> Self {
        Self { phase: phase.into(), event: event.into() }
    }
}

impl Investigation {
    /// An investigation whose journal has one entry.
    ///
    /// # Errors
    /// [`Illegal`] if `event` is not `opened`.
    pub fn open(id: IncidentId, at: Timestamp, event: &Event) -> Result<Self, Illegal> {
        let Event::Opened { signal, fingerprint, budget } = event else {
            return Err(Illegal::new("nothing", &event.name()));
        };
        let alert = AlertState { title: signal.title.clone(), firing: true, severity: signal.severity };
        Ok(Self {
            id,
            seq: 1,
            signal: (**signal).clone(),
            fingerprint: fingerprint.clone(),
            budget: *budget,
            spent: Spent::default(),
            phase: Phase::Queued,
            alerts: BTreeMap::from([(fingerprint.clone(), alert)]),
            queries: BTreeMap::new(),
            evidence: vec![],
            stale: 0,
            gaps: vec![],
            hypotheses: vec![],
            ruled_out: vec![],
            actions: vec![],
            not_planned: vec![],
            hints: vec![],
            refusals: 0,
            held: None,
            shown: vec![],
            talk: vec![],
            model_rest: None,
            opened_at: at,
            started_at: at,
            updated_at: at,
            first_hypothesis_at: None,
        })
    }

    /// Takes one fact in. On an error nothing has changed.
    ///
    /// # Errors
    /// [`Illegal`] if the event does not fit the present state.
    pub fn fold(&mut self, at: Timestamp, event: &Event) -> Result<(), Illegal> {
        let phase = self.phase_after(at, event).ok_or_else(|| Illegal::new(self.phase.word(), &event.name()))?;
        self.remember(at, event);
        self.withdraw_unless(&phase);
        self.phase = phase;
        self.seq += 1;
        self.updated_at = at;
        Ok(())
    }

    /// The phase after `event`; none if it does not fit.
    fn phase_after(&self, at: Timestamp, event: &Event) -> Option<Phase> {
        if let Some(phase) = self.phase_after_anywhere(event) {
            return phase;
        }
        match (&self.phase, event) {
            (Phase::Queued | Phase::Reasoning { .. }, event) => self.after_thinking(event),
            (Phase::Observing { open }, event) => after_reading(open, event),
            (Phase::AwaitingApproval { action, asked }, event) => self.after_asking(action, *asked, event),
            (Phase::Authorized { action, checked }, event) => after_permission(action, *checked, event),
            (Phase::Acting { .. } | Phase::InDoubt { .. }, event) => self.after_deed(at, event),
            (Phase::Verifying { .. }, event) => self.after_check(at, event),
            (Phase::Resolved { .. } | Phase::Dismissed | Phase::Escalated { .. } | Phase::DeadLetter { .. }, event) => {
                after_rest(event)
            }
        }
    }

    /// Events that fit in (nearly) every phase. `None`: not one of them; `Some(None)`: one, but it does not fit here.
    fn phase_after_anywhere(&self, event: &Event) -> Option<Option<Phase>> {
        let deed = matches!(self.phase, Phase::Acting { .. });
        let over = matches!(self.phase, Phase::Resolved { .. } | Phase::Dismissed);
        let unless = |closed: bool, phase: Phase| Some((!closed).then_some(phase));
        match event {
            Event::Opened { .. } => Some(None),
            Event::AlertJoined { .. } | Event::AlertResolved { .. } | Event::NoteAdded { .. } => {
                Some(Some(self.phase.clone()))
            }
            Event::SplitOff { .. } => Some(Some(self.phase.clone())),
            Event::MergedInto { .. } => unless(deed, Phase::Dismissed),
            Event::Dismissed { .. } => unless(deed || over, Phase::Dismissed),
            Event::Resolved { resolution, .. } => unless(deed || over, Phase::Resolved { resolution: *resolution }),
            Event::Escalated { why } => unless(deed || over, Phase::Escalated { why: why.clone() }),
            Event::DeadLettered { why } => unless(self.phase.is_at_rest(), Phase::DeadLetter { why: why.clone() }),
            Event::HintGiven { .. } if over => Some(None),
            // A hint to a case that a person has taken over sets it going again.
            Event::HintGiven { .. } if self.phase.is_at_rest() => Some(Some(Phase::Queued)),
            Event::HintGiven { .. } => Some(Some(self.phase.clone())),
            _ => None,
        }
    }

    fn after_thinking(&self, event: &Event) -> Option<Phase> {
        let reasoning = Phase::Reasoning { failures: 0, until: None };
        match event {
            Event::TurnTaken { .. } | Event::HypothesesFormed { .. } | Event::TurnRefused { .. } => Some(reasoning),
            Event::ActionNotPlanned { .. } | Event::EvidenceShown { .. } => Some(reasoning),
            Event::AnswerHeld { .. } => self.held.is_none().then_some(reasoning),
            Event::Doubted { .. } => self.held.is_some().then_some(reasoning),
            // The failures in a row go on being counted.
            Event::ModelFailed { .. } => Some(self.phase.clone()),
            Event::ActionProposed { action, hash } => {
                (self.action(&action.id).is_none() && action.hash() == *hash).then_some(reasoning)
            }
            Event::WaitEnded {} => match &self.phase {
                Phase::Reasoning { failures, until: Some(_) } => {
                    Some(Phase::Reasoning { failures: *failures, until: None })
                }
                _ => None,
            },
            Event::ReasonerFailed { until, .. } => {
                let failures = match &self.phase {
                    Phase::Reasoning { failures, .. } => failures + 1,
                    _ => 1,
                };
                Some(Phase::Reasoning { failures, until: Some(*until) })
            }
            Event::QueriesOpened { queries } if !queries.is_empty() => {
                let open =
                    |query: &Query| (query.id.clone(), OpenQuery { query: query.clone(), failures: 0, until: None });
                let fresh = queries.iter().all(|query| !self.queries.contains_key(&query.id));
                fresh.then(|| Phase::Observing { open: queries.iter().map(open).collect() })
            }
            Event::ActionRuled { action, ruling } => {
                let proposed = self.action(action)?.state == ActionState::Proposed;
                let phase = match ruling {
                    Ruling::Allow { .. } => self.authorized(action),
                    Ruling::Ask { .. } => Phase::AwaitingApproval { action: action.clone(), asked: false },
                    Ruling::Deny { .. } => reasoning,
                };
                proposed.then_some(phase)
            }
            _ => None,
        }
    }

    /// An undo needs no look before it: the look that called for it has just been taken.
    fn authorized(&self, id: &ActionId) -> Phase {
        let checked = self.action(id).is_some_and(|record| record.action.undoes.is_some());
        Phase::Authorized { action: id.clone(), checked }
    }

    fn after_deed(&self, at: Timestamp, event: &Event) -> Option<Phase> {
        match (&self.phase, event) {
            (Phase::Acting { action, deadline, overdue: false }, Event::WaitEnded {}) => {
                Some(Phase::Acting { action: action.clone(), deadline: *deadline, overdue: true })
            }
            (Phase::Acting { action, .. }, Event::ActionFinished { action: done, ok, .. }) if action == done => {
                Some(if *ok { self.done(action, at)? } else { Phase::Reasoning { failures: 0, until: None } })
            }
            (Phase::Acting { action, overdue: true, .. }, Event::Reconciled { action: seen, applied, .. })
                if action == seen =>
            {
                match applied {
                    Applied::Yes => self.done(action, at),
                    Applied::No => Some(self.authorized(action)),
                    Applied::Unknown => Some(Phase::InDoubt { action: action.clone() }),
                }
            }
            (Phase::InDoubt { action }, Event::Retried { .. }) => {
                Some(Phase::Acting { action: action.clone(), deadline: at, overdue: true })
            }
            _ => None,
        }
    }

    /// A cure is verified; an undo hands the case back to the reasoner.
    fn done(&self, id: &ActionId, at: Timestamp) -> Option<Phase> {
        let action = &self.action(id)?.action;
        if action.undoes.is_some() {
            return Some(Phase::Reasoning { failures: 0, until: None });
        }
        let give_up_at = at.plus_seconds(i64::from(action.plan.verification.within_seconds));
        Some(Phase::Verifying { action: id.clone(), wait: None, healthy_since: None, give_up_at })
    }

    fn after_asking(&self, action: &ActionId, asked: bool, event: &Event) -> Option<Phase> {
        match event {
            Event::ApprovalRequested { action: about, .. } if about == action && !asked => {
                Some(Phase::AwaitingApproval { action: action.clone(), asked: true })
            }
            Event::ApprovalGranted { action: about, by, role, .. } if about == action => {
                self.after_approval(action, asked, by, *role)
            }
            Event::ApprovalRejected { action: about, .. } | Event::ApprovalExpired { action: about }
                if about == action =>
            {
                Some(Phase::Reasoning { failures: 0, until: None })
            }
            _ => None,
        }
    }

    /// The last approval that was needed sets the deed going. Nobody approves twice.
    fn after_approval(&self, action: &ActionId, asked: bool, by: &Actor, role: Role) -> Option<Phase> {
        let record = self.action(action)?;
        let (needed, least) = record.needed();
        let fit = record.approvals.iter().filter(|given| given.role >= least).count() + usize::from(role >= least);
        if record.has_approved(by) {
            return None;
        }
        Some(match u32::try_from(fit).is_ok_and(|fit| fit < needed) {
            true => Phase::AwaitingApproval { action: action.clone(), asked },
            false => Phase::Authorized { action: action.clone(), checked: false },
        })
    }

    fn after_check(&self, at: Timestamp, event: &Event) -> Option<Phase> {
        let Phase::Verifying { action, wait, healthy_since, give_up_at } = &self.phase else { return None };
        let verifying = |wait, healthy_since| Phase::Verifying {
            action: action.clone(),
            wait,
            healthy_since,
            give_up_at: *give_up_at,
        };
        match event {
            Event::WaitEnded {} if wait.is_some() => Some(verifying(None, *healthy_since)),
            Event::StateChecked { action: seen, reading, next_at } if seen == action => {
                let since = (reading.health == Health::Healthy).then(|| healthy_since.unwrap_or(at));
                Some(verifying(Some(*next_at), since))
            }
            Event::Verified { action: seen, outcome, .. } if seen == action => match outcome {
                Outcome::Unchanged => Some(Phase::Reasoning { failures: 0, until: None }),
                // The resolution or escalation follows in the same append.
                Outcome::Fixed | Outcome::Unknown => Some(self.phase.clone()),
            },
            _ => None,
        }
    }
}

fn after_reading(open: &BTreeMap<QueryId, OpenQuery>, event: &Event) -> Option<Phase> {
    let mut open = open.clone();
    match event {
        Event::EvidenceGathered { query, .. } | Event::QueryFailed { query, .. } => {
            open.remove(query)?;
        }
        Event::QueryDeferred { query, until, .. } => {
            let state = open.get_mut(query)?;
            state.failures += 1;
            state.until = Some(*until);
        }
        Event::WaitEnded {} => open.values_mut().for_each(|state| state.until = None),
        _ => return None,
    }
    if open.is_empty() {
        return Some(Phase::Reasoning { failures: 0, until: None });
    }
    Some(Phase::Observing { open })
}

fn after_permission(action: &ActionId, checked: bool, event: &Event) -> Option<Phase> {
    match event {
        Event::StateChecked { action: about, .. } if about == action && !checked => {
            Some(Phase::Authorized { action: action.clone(), checked: true })
        }
        Event::DeedBlocked { action: about, why } if about == action => Some(Phase::Escalated { why: why.clone() }),
        Event::ActionStarted { action: about, deadline, .. } if about == action && checked => {
            Some(Phase::Acting { action: action.clone(), deadline: *deadline, overdue: false })
        }
        _ => None,
    }
}

fn after_rest(event: &Event) -> Option<Phase> {
    match event {
        Event::Retried { .. } | Event::Reopened { .. } => Some(Phase::Queued),
        _ => None,
    }
}
