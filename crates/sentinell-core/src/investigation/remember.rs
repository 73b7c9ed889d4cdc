//! What an investigation keeps of each fact, beside its phase.

use super::talk::{Exchange, Rest};
use super::{ActionRecord, ActionState, AlertState, Event, Hint, Investigation, Outcome, Phase, Reading, Spent};
use crate::action::Action;
use crate::approval::{Given, Role};
use crate::hypothesis::Verdict;
use crate::ids::{ActionId, Actor};
use crate::policy::Ruling;
use crate::ports::Applied;
use crate::time::Timestamp;

impl Investigation {
    pub(super) fn remember(&mut self, at: Timestamp, event: &Event) {
        if let Some((_, usage)) = event.paid() {
            self.spent.tokens = self.spent.tokens.saturating_add(usage.tokens());
            self.spent.micro_usd = self.spent.micro_usd.saturating_add(usage.micro_usd);
        }
        match event {
            Event::AlertJoined { fingerprint, title, severity, .. } => {
                let alert = AlertState { title: title.clone(), firing: true, severity: *severity };
                self.alerts.insert(fingerprint.clone(), alert);
            }
            Event::Reopened { fingerprint, .. } => self.set_firing(fingerprint, true),
            Event::AlertResolved { fingerprint } => self.set_firing(fingerprint, false),
            Event::SplitOff { fingerprints, .. } => self.alerts.retain(|known, _| !fingerprints.contains(known)),
            Event::QueriesOpened { queries } => {
                self.refusals = 0;
                self.queries.extend(queries.iter().map(|query| (query.id.clone(), query.clone())));
            }
            Event::EvidenceGathered { evidence, gaps, .. } => {
                self.evidence.extend(evidence.iter().cloned());
                self.gaps.extend(gaps.iter().cloned());
            }
            Event::QueryFailed { gap, .. } => self.gaps.push(gap.clone()),
            Event::HypothesesFormed { hypotheses, ruled_out, .. } => {
                self.hypotheses.clone_from(hypotheses);
                self.ruled_out.clone_from(ruled_out);
                if !hypotheses.is_empty() {
                    self.first_hypothesis_at.get_or_insert(at);
                }
            }
            Event::ActionNotPlanned { draft, why } => self.not_planned.push((draft.clone(), why.clone())),
            Event::ActionProposed { action, .. } => self.actions.push(record(action)),
            Event::HintGiven { by, text, suspect, exclude } => {
                if self.phase.is_at_rest() {
                    self.begin_again(at);
                }
                let (by, text) = (by.to_string(), text.clone());
                self.hints.push(Hint { by, text, suspect: suspect.clone(), exclude: exclude.clone() });
            }
            Event::Retried { .. } => self.begin_again(at),
            _ => {
                self.remember_thought(event);
                self.remember_deed(at, event);
            }
        }
        if let Event::HypothesesFormed { gaps, .. } = event {
            let new: Vec<_> = gaps.iter().filter(|gap| !self.gaps.contains(gap)).cloned().collect();
            self.gaps.extend(new);
        }
        if let Event::Reopened { .. } = event {
            self.begin_again(at);
        }
    }

    /// What a language model said, what it cost, and what waits for a second look.
    fn remember_thought(&mut self, event: &Event) {
        match event {
            Event::TurnTaken { by, reply, .. } => {
                self.spent.turns += 1;
                if let Some(reply) = reply {
                    self.talk.push(Exchange::new(self, by, reply));
                }
            }
            Event::TurnRefused { why } => {
                self.refusals += 1;
                if let Some(last) = self.talk.last_mut() {
                    last.refused.get_or_insert_with(|| why.clone());
                }
            }
            Event::ModelFailed { until, why, .. } => self.model_rest = Some(Rest { until: *until, why: why.clone() }),
            Event::EvidenceShown { evidence } => self.shown.clone_from(evidence),
            Event::AnswerHeld { decision } => self.held = Some(decision.clone()),
            Event::Doubted { verdicts, .. } => self.doubt(verdicts),
            _ => {}
        }
    }

    fn remember_deed(&mut self, at: Timestamp, event: &Event) {
        let (id, state) = match event {
            Event::ActionRuled { action, ruling: Ruling::Allow { .. } } => (action, ActionState::Authorized),
            Event::ActionRuled { action, ruling: Ruling::Ask { .. } } => (action, ActionState::AwaitingApproval),
            Event::ActionRuled { action, ruling: Ruling::Deny { .. } } => (action, ActionState::Denied),
            Event::ApprovalGranted { action, by, role, .. } => return self.remember_approval(action, by, *role),
            Event::ApprovalRejected { action, .. } => (action, ActionState::Rejected),
            Event::ApprovalExpired { action } => (action, ActionState::Expired),
            Event::DeedBlocked { action, .. } => (action, ActionState::Blocked),
            Event::ActionStarted { action, .. } => (action, ActionState::Started),
            Event::ActionFinished { action, ok: true, .. } => (action, ActionState::Done),
            Event::ActionFinished { action, ok: false, .. } => (action, ActionState::Failed),
            Event::Reconciled { action, applied: Applied::Yes, .. } => (action, ActionState::Done),
            Event::Reconciled { action, applied: Applied::No, .. } => (action, ActionState::Authorized),
            Event::Reconciled { action, applied: Applied::Unknown, .. } => (action, ActionState::InDoubt),
            Event::Verified { action, outcome: Outcome::Fixed, .. } => (action, ActionState::Fixed),
            Event::Verified { action, .. } => (action, ActionState::Unhelpful),
            Event::StateChecked { action, reading, .. } => return self.remember_reading(action, at, reading),
            _ => return,
        };
        if let Event::ActionStarted { .. } = event {
            self.spent.deeds += 1;
        }
        let Some(record) = self.actions.iter_mut().find(|record| record.action.id == *id) else { return };
        record.state = state;
        match event {
            Event::ActionRuled { ruling, .. } => record.ruling = Some(ruling.clone()),
            Event::ApprovalRejected { by, .. } => record.decided_by = Some(by.to_string()),
            Event::ActionStarted { attempt, .. } => record.attempts = *attempt,
            Event::ActionFinished { output, .. } => record.output.clone_from(output),
            Event::Reconciled { note, .. } => record.output.clone_from(note),
            _ => {}
        }
    }

    /// Who approved, and whether these are enough people.
    fn remember_approval(&mut self, id: &ActionId, by: &Actor, role: Role) {
        let Some(record) = self.actions.iter_mut().find(|record| record.action.id == *id) else { return };
        record.approvals.push(Given { by: by.clone(), role });
        let names: Vec<&str> = record.approvals.iter().map(|given| given.by.as_str()).collect();
        record.decided_by = Some(names.join(", "));
        let (needed, role) = record.needed();
        if record.is_approved(needed, role) {
            record.state = ActionState::Authorized;
        }
    }

    /// An action that waited for permission or for its moment does not wait any longer when the case moves on without it.
    pub(super) fn withdraw_unless(&mut self, phase: &Phase) {
        if !matches!(phase, Phase::AwaitingApproval { .. } | Phase::Authorized { .. }) {
            let waits = |record: &&mut ActionRecord| {
                matches!(record.state, ActionState::AwaitingApproval | ActionState::Authorized)
            };
            self.actions.iter_mut().filter(waits).for_each(|record| record.state = ActionState::Withdrawn);
        }
    }

    /// Keeps the look before the deed and the newest one after it.
    fn remember_reading(&mut self, id: &ActionId, at: Timestamp, reading: &Reading) {
        let Some(record) = self.actions.iter_mut().find(|record| record.action.id == *id) else { return };
        record.readings.truncate(1);
        record.readings.push((at, reading.clone()));
    }

    fn set_firing(&mut self, fingerprint: &crate::ids::Fingerprint, firing: bool) {
        if let Some(alert) = self.alerts.get_mut(fingerprint) {
            alert.firing = firing;
        }
    }

    /// The lower confidence counts; what was believed most comes first again.
    fn doubt(&mut self, verdicts: &[Verdict]) {
        self.held = None;
        for verdict in verdicts {
            let Some(doubted) = self.hypotheses.iter_mut().find(|h| h.id == verdict.hypothesis) else { continue };
            doubted.confidence = doubted.confidence.min(verdict.confidence.max(0.0));
            let new = verdict.contradicts.iter().filter(|id| !doubted.contradicts.contains(id)).cloned();
            let new: Vec<_> = new.collect();
            doubted.contradicts.extend(new);
        }
        self.hypotheses.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    }

    fn begin_again(&mut self, at: Timestamp) {
        self.spent = Spent::default();
        self.stale = self.evidence.len();
        self.gaps.clear();
        self.refusals = 0;
        self.held = None;
        self.shown.clear();
        self.talk.clear();
        self.model_rest = None;
        self.started_at = at;
    }
}

fn record(action: &Action) -> ActionRecord {
    ActionRecord {
        action: action.clone(),
        hash: action.hash(),
        ruling: None,
        state: ActionState::Proposed,
        decided_by: None,
        approvals: vec![],
        attempts: 0,
        output: String::new(),
        readings: vec![],
    }
}
