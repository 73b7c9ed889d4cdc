//! What an answer means: facts for the journal, changing nothing itself. An answer that comes too late means nothing,
//! or a note.

use super::{Event, Health, Input, Investigation, Outcome, Phase, Reading, Resolution};
use crate::action::Action;
use crate::evidence::{Evidence, Gap};
use crate::ids::{ActionId, Actor, EvidenceId, QueryId};
use crate::policy::Gate;
use crate::ports::Applied;
use crate::time::Timestamp;

/// How often a read or a turn may fail before it is given up.
pub(super) const TRIES: u32 = 3;
/// Intents that one action may have: a deed that certainly did not happen is tried again.
const ATTEMPTS: u32 = 3;

impl Investigation {
    /// What `input` means, in facts that fit the present state. Empty if it means nothing any more.
    pub fn interpret<'g>(&self, input: Input, gate: impl Into<Gate<'g>>, now: Timestamp) -> Vec<Event> {
        let gate = gate.into();
        match input {
            Input::Observed { query, evidence, gaps, call, raw, millis } if self.is_open(&query) => {
                let evidence = self.number(evidence);
                vec![Event::EvidenceGathered { query, evidence, gaps, call, raw, millis }]
            }
            Input::NotObserved { query, why, again } => self.not_observed(query, why, again, now),
            Input::Turned { turn, planned } if self.may_turn() && self.held.is_none() => {
                self.turned(*turn, planned, gate, now)
            }
            Input::NotTurned { by, usage, why, after_millis } if self.may_turn() => {
                self.not_turned(by, usage, why, after_millis, now)
            }
            Input::Doubted { doubt, planned } if self.may_turn() => self.doubted(*doubt, planned, gate, now),
            Input::Asked(action) => self.asked(action),
            Input::NotApplied { action, why } => self.not_applied(action, why),
            Input::Applied { action, ok, output } => self.applied(action, ok, output),
            Input::AppliedUnclear { action, why } => self.unclear(action, why),
            Input::Reconciled { action, applied, note } => self.reconciled(action, applied, note),
            Input::Checked { action, reading } => self.checked(&action, reading, gate, now),
            Input::TimedOut => self.timed_out(),
            Input::AlertJoined { signal, fingerprint, why } => {
                let signal = *signal;
                let (title, severity) = (signal.title, signal.severity);
                vec![Event::AlertJoined { signal: signal.id, fingerprint, title, severity, why }]
            }
            Input::AlertResolved { fingerprint } => self.alert_resolved(fingerprint),
            Input::AlertReturned { signal, fingerprint } if self.phase.is_at_rest() => {
                vec![Event::Reopened { signal: signal.id, fingerprint }]
            }
            Input::GivenUp { why } if !self.phase.is_at_rest() => vec![Event::DeadLettered { why }],
            Input::Person(command) => self.decide(command, now).unwrap_or_default(),
            Input::Observed { .. } | Input::Turned { .. } | Input::NotTurned { .. } => vec![],
            Input::Doubted { .. } => vec![],
            Input::AlertReturned { .. } | Input::GivenUp { .. } => vec![],
        }
    }

    fn is_open(&self, query: &QueryId) -> bool {
        matches!(&self.phase, Phase::Observing { open } if open.contains_key(query))
    }

    fn may_turn(&self) -> bool {
        matches!(self.phase, Phase::Queued | Phase::Reasoning { .. })
    }

    /// Gives new evidence its ids: `e1`, `e2`, … in the order of the journal.
    fn number(&self, evidence: Vec<Evidence>) -> Vec<Evidence> {
        let start = self.evidence.len() + 1;
        let id = |offset: usize| EvidenceId(format!("e{}", start + offset));
        evidence.into_iter().enumerate().map(|(at, evidence)| Evidence { id: id(at), ..evidence }).collect()
    }

    fn not_observed(&self, query: QueryId, why: String, again: bool, now: Timestamp) -> Vec<Event> {
        let Phase::Observing { open } = &self.phase else { return vec![] };
        let Some(state) = open.get(&query) else { return vec![] };
        if again && state.failures + 1 < TRIES {
            let until = now.plus_seconds(5 << state.failures);
            return vec![Event::QueryDeferred { query, why, until }];
        }
        let what = format!("{}: {}", state.query.tool, state.query.why);
        vec![Event::QueryFailed { query, gap: Gap { what, why } }]
    }

    fn asked(&self, action: ActionId) -> Vec<Event> {
        match &self.phase {
            Phase::AwaitingApproval { action: waiting, asked: false } if *waiting == action => {
                let expires_at = self.action(&action).map(|record| record.action.expires_at).unwrap_or_default();
                vec![Event::ApprovalRequested { action, expires_at }]
            }
            _ => vec![],
        }
    }

    fn is_acting(&self, action: &ActionId) -> bool {
        matches!(&self.phase, Phase::Acting { action: acting, .. } if acting == action)
    }

    fn not_applied(&self, action: ActionId, why: String) -> Vec<Event> {
        if !self.is_acting(&action) {
            return self.too_late(&action, &format!("never started: {why}"));
        }
        vec![Event::ActionFinished { action, ok: false, output: format!("never started: {why}") }]
    }

    fn applied(&self, action: ActionId, ok: bool, output: String) -> Vec<Event> {
        if !self.is_acting(&action) {
            return self.too_late(&action, if ok { "succeeded" } else { "failed" });
        }
        vec![Event::ActionFinished { action, ok, output }]
    }

    /// A sleeper's outcome is not lost, but it no longer decides anything: somebody has looked meanwhile.
    fn too_late(&self, action: &ActionId, what: &str) -> Vec<Event> {
        let text = format!("a late word on {action}: {what}");
        vec![Event::NoteAdded { by: Actor("worker".into()), text }]
    }

    fn unclear(&self, action: ActionId, why: String) -> Vec<Event> {
        if !self.is_acting(&action) {
            return self.too_late(&action, &why);
        }
        let text = format!("the end of {action} is unclear: {why}");
        let mut events = vec![Event::NoteAdded { by: Actor("worker".into()), text }];
        // The deed's process has been stopped by then, so nothing is gained by waiting for the deadline.
        events.extend(self.timed_out());
        events
    }

    fn reconciled(&self, action: ActionId, applied: Applied, note: String) -> Vec<Event> {
        if !matches!(&self.phase, Phase::Acting { action: acting, overdue: true, .. } if *acting == action) {
            return vec![];
        }
        let mut events = vec![Event::Reconciled { action: action.clone(), applied, note }];
        let attempts = self.action(&action).map_or(0, |record| record.attempts);
        if applied == Applied::No && attempts >= ATTEMPTS {
            let why = format!("{action} did not happen in {attempts} attempts");
            events.push(Event::Escalated { why });
        }
        events
    }

    fn checked(&self, action: &ActionId, reading: Reading, gate: Gate<'_>, now: Timestamp) -> Vec<Event> {
        match &self.phase {
            Phase::Authorized { action: waiting, checked: false } if waiting == action => before(action, reading, now),
            Phase::Verifying { action: waiting, wait: None, healthy_since, give_up_at } if waiting == action => {
                self.after(action, reading, *healthy_since, *give_up_at, gate, now)
            }
            _ => vec![],
        }
    }

    fn after(
        &self,
        id: &ActionId,
        reading: Reading,
        healthy_since: Option<Timestamp>,
        give_up_at: Timestamp,
        gate: Gate<'_>,
        now: Timestamp,
    ) -> Vec<Event> {
        let Some(record) = self.action(id) else { return vec![] };
        let check = &record.action.plan.verification;
        let next_at = now.plus_seconds(i64::from(check.every_seconds.max(1)));
        let (health, note) = (reading.health, reading.note.clone());
        let mut events = vec![Event::StateChecked { action: id.clone(), reading, next_at }];
        let verified = |outcome| Event::Verified { action: id.clone(), outcome, note: note.clone() };
        let held = now.millis_since(healthy_since.unwrap_or(now)) >= i64::from(check.hold_seconds) * 1000;
        match health {
            Health::Healthy if held => {
                let why = format!("{} helped: {note}, for {} s", record.action.kind, check.hold_seconds);
                events.push(verified(Outcome::Fixed));
                events.push(Event::Resolved { resolution: Resolution::VerifiedFix, by: "sentinell".into(), why });
            }
            Health::Healthy => {}
            _ if now < give_up_at => {}
            Health::Unknown => {
                events.push(verified(Outcome::Unknown));
                events.push(Event::Escalated {
                    why: format!("{id} was done, but whether it helped cannot be read: {note}"),
                });
            }
            Health::Unhealthy => {
                events.push(verified(Outcome::Unchanged));
                events.extend(self.take_back(&record.action, gate, now));
            }
        }
        events
    }

    fn take_back(&self, action: &Action, gate: Gate<'_>, now: Timestamp) -> Vec<Event> {
        if !action.plan.undo_if_unhelpful {
            return vec![];
        }
        let id = ActionId(format!("a{}", self.actions.len() + 1));
        let confidence = self.confidence_in(&action.because);
        let expires_at = now.plus_seconds(i64::from(gate.policy.approval_seconds));
        action.undo(id, expires_at).map(|undo| self.ruled(undo, confidence, gate, now)).unwrap_or_default()
    }

    fn timed_out(&self) -> Vec<Event> {
        match &self.phase {
            Phase::AwaitingApproval { action, asked: true } => {
                let why = format!("nobody answered about {action} in time");
                vec![Event::ApprovalExpired { action: action.clone() }, Event::Escalated { why }]
            }
            Phase::Reasoning { until: Some(_), .. }
            | Phase::Acting { overdue: false, .. }
            | Phase::Verifying { wait: Some(_), .. } => vec![Event::WaitEnded {}],
            Phase::Observing { open } if open.values().all(|open| open.until.is_some()) => vec![Event::WaitEnded {}],
            _ => vec![],
        }
    }

    fn alert_resolved(&self, fingerprint: crate::ids::Fingerprint) -> Vec<Event> {
        if !self.alerts.get(&fingerprint).is_some_and(|alert| alert.firing) {
            return vec![];
        }
        let others = self.alerts.iter().any(|(other, alert)| *other != fingerprint && alert.firing);
        let mut events = vec![Event::AlertResolved { fingerprint }];
        // While a deed is under way or being verified, the verification decides, not the sender.
        let busy = matches!(
            self.phase,
            Phase::Authorized { .. } | Phase::Acting { .. } | Phase::InDoubt { .. } | Phase::Verifying { .. }
        );
        let over = matches!(self.phase, Phase::Resolved { .. } | Phase::Dismissed);
        if !others && !busy && !over {
            let why = "every alert of this incident was resolved by its sender".to_owned();
            events.push(Event::Resolved { resolution: Resolution::SelfRecovered, by: "sentinell".into(), why });
        }
        events
    }
}

/// The last look before a deed: is there still something to cure, and could one tell afterwards?
fn before(id: &ActionId, reading: Reading, now: Timestamp) -> Vec<Event> {
    let (health, note) = (reading.health, reading.note.clone());
    let mut events = vec![Event::StateChecked { action: id.clone(), reading, next_at: now }];
    match health {
        Health::Unhealthy => {}
        Health::Healthy => {
            events.push(Event::DeedBlocked { action: id.clone(), why: format!("nothing left to cure: {note}") });
            let why = format!("healthy before anything was done: {note}");
            events.push(Event::Resolved { resolution: Resolution::SelfRecovered, by: "sentinell".into(), why });
        }
        Health::Unknown => {
            let why = format!("without a check there is no cure, and the state cannot be read: {note}");
            events.push(Event::DeedBlocked { action: id.clone(), why: why.clone() });
            events.push(Event::Escalated { why });
        }
    }
    events
}
