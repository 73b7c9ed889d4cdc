//! What a reasoner's answer means: checked, perhaps held for a second look, then reads, a proposal or a word to people.

use super::interpret::TRIES;
use super::{Decision, Doubt, Event, Investigation, Lost, Phase, Turn, Usage};
use crate::action::{Action, ActionDraft, Plan};
use crate::evidence::Query;
use crate::hypothesis::{Hypothesis, Verdict};
use crate::ids::{ActionId, EvidenceId, HypothesisId, QueryId};
use crate::policy::{Gate, Question as Asked, Ruling};
use crate::ports::Question;
use crate::time::Timestamp;

/// Reads that one turn may ask for; the rest is left out.
const READS_PER_TURN: usize = 16;
/// Answers that cannot be used, in a row, after which a person takes over. A reasoner with a fallback uses it before.
const REFUSALS: u32 = 3;
/// A deed whose reason a second look leaves less likely than this is not proposed.
const REFUTED: f64 = 0.3;

impl Investigation {
    pub(super) fn turned(
        &self,
        turn: Turn,
        planned: Option<Result<Plan, String>>,
        gate: Gate<'_>,
        now: Timestamp,
    ) -> Vec<Event> {
        let wrong = self.wrong_with(&turn);
        let Turn { by, usage, hypotheses, ruled_out, gaps, decision, reply, show, doubt, lost } = turn;
        let mut events: Vec<Event> = lost.into_iter().map(|lost| failed(lost, now)).collect();
        events.push(Event::TurnTaken { by, usage, reply });
        if let Some(why) = wrong {
            return self.refuse(events, why);
        }
        let only_looks = matches!(decision, Decision::LookAt(_)) && hypotheses.is_empty() && gaps.is_empty();
        if !only_looks {
            events.push(Event::HypothesesFormed { hypotheses: hypotheses.clone(), ruled_out, gaps });
        }
        if !show.is_empty() {
            events.push(Event::EvidenceShown { evidence: show.clone() });
        }
        match decision {
            Decision::LookAt(questions) if questions.is_empty() && !show.is_empty() && !self.must_conclude() => {}
            Decision::LookAt(_) if self.must_conclude() => {
                events.push(Event::Escalated { why: "the budget is spent; this is the best answer so far".into() });
            }
            Decision::LookAt(questions) => events.push(self.look_at(questions)),
            decision if doubt => events.push(Event::AnswerHeld { decision }),
            decision => events.extend(self.follow(decision, &hypotheses, planned, gate, now)),
        }
        events
    }

    /// Why a turn cannot be accepted, in words that are sent back.
    fn wrong_with(&self, turn: &Turn) -> Option<String> {
        let Turn { hypotheses, ruled_out, decision, show, .. } = turn;
        if let Decision::Unclear(why) = decision {
            return Some(why.clone());
        }
        let cited = hypotheses.iter().flat_map(|h| h.supports.iter().chain(&h.contradicts));
        let cited = cited.chain(ruled_out.iter().flat_map(|out| &out.because)).chain(show);
        if let Some(unknown) = cited.into_iter().find(|id| !self.knows(id)) {
            return Some(format!("it cites evidence {unknown}, which does not exist"));
        }
        if let Some(unfounded) = hypotheses.iter().find(|hypothesis| hypothesis.supports.is_empty()) {
            return Some(format!("hypothesis {} cites no evidence", unfounded.id));
        }
        if let Some(odd) = hypotheses.iter().find(|hypothesis| !(0.0..=1.0).contains(&hypothesis.confidence)) {
            return Some(format!("the confidence of {} is not between 0 and 1", odd.id));
        }
        match decision {
            Decision::Act(draft) if !hypotheses.iter().any(|hypothesis| hypothesis.id == draft.because) => {
                Some(format!("it wants to act because of {}, which it does not hold", draft.because))
            }
            _ => None,
        }
    }

    fn refuse(&self, mut events: Vec<Event>, why: String) -> Vec<Event> {
        events.push(Event::TurnRefused { why: why.clone() });
        if self.refusals + 1 >= REFUSALS {
            events.push(Event::Escalated { why: format!("the reasoner's answer was refused: {why}") });
        }
        events
    }

    /// The answer that was held, after a second look at it.
    pub(super) fn doubted(
        &self,
        doubt: Doubt,
        planned: Option<Result<Plan, String>>,
        gate: Gate<'_>,
        now: Timestamp,
    ) -> Vec<Event> {
        let Some(held) = self.held.clone() else { return vec![] };
        let Doubt { by, usage, verdicts, why, lost } = doubt;
        let verdicts: Vec<Verdict> = verdicts.into_iter().filter_map(|verdict| self.weigh(verdict)).collect();
        let mut events: Vec<Event> = lost.into_iter().map(|lost| failed(lost, now)).collect();
        events.push(Event::Doubted { by, usage, verdicts: verdicts.clone(), why: why.clone() });
        let left = |id: &HypothesisId| {
            let believed = self.hypotheses.iter().find(|h| h.id == *id).map_or(0.0, |h| h.confidence);
            verdicts.iter().filter(|verdict| verdict.hypothesis == *id).map(|v| v.confidence).fold(believed, f64::min)
        };
        match &held {
            Decision::Act(draft) if !verdicts.is_empty() && left(&draft.because) < REFUTED => {
                let (kind, target) = (&draft.kind, &draft.target);
                let why = format!("`{kind}` on {target} was considered, but a second look speaks against it: {why}");
                events.push(Event::Escalated { why });
            }
            _ => {
                let doubted = |h: &Hypothesis| Hypothesis { confidence: left(&h.id), ..h.clone() };
                let hypotheses: Vec<Hypothesis> = self.hypotheses.iter().map(doubted).collect();
                events.extend(self.follow(held, &hypotheses, planned, gate, now));
            }
        }
        events
    }

    /// A verdict about a hypothesis that is held, with evidence that exists.
    fn weigh(&self, mut verdict: Verdict) -> Option<Verdict> {
        let known = self.hypotheses.iter().any(|hypothesis| hypothesis.id == verdict.hypothesis);
        verdict.contradicts.retain(|id| self.knows(id));
        (known && (0.0..=1.0).contains(&verdict.confidence)).then_some(verdict)
    }

    fn follow(
        &self,
        decision: Decision,
        hypotheses: &[Hypothesis],
        planned: Option<Result<Plan, String>>,
        gate: Gate<'_>,
        now: Timestamp,
    ) -> Vec<Event> {
        match decision {
            Decision::Conclude(why) | Decision::Unclear(why) => vec![Event::Escalated { why }],
            Decision::LookAt(questions) => vec![self.look_at(questions)],
            Decision::Act(draft) => {
                let because = hypotheses.iter().find(|hypothesis| hypothesis.id == draft.because);
                let confidence = because.map_or(0.0, |hypothesis| hypothesis.confidence);
                let evidence = because.map(|hypothesis| hypothesis.supports.clone()).unwrap_or_default();
                self.proposed(draft, planned, (evidence, confidence), gate, now)
            }
        }
    }

    fn look_at(&self, questions: Vec<Question>) -> Event {
        let start = self.queries.len() + 1;
        let query = |(offset, question): (usize, Question)| {
            let Question { tool, args, why } = question;
            Query { id: QueryId(format!("q{}", start + offset)), tool, args, why }
        };
        let queries: Vec<Query> = questions.into_iter().take(READS_PER_TURN).enumerate().map(query).collect();
        if queries.is_empty() {
            return Event::Escalated { why: "not enough evidence, and nothing more that could be read".into() };
        }
        Event::QueriesOpened { queries }
    }

    fn proposed(
        &self,
        draft: ActionDraft,
        planned: Option<Result<Plan, String>>,
        (evidence, confidence): (Vec<EvidenceId>, f64),
        gate: Gate<'_>,
        now: Timestamp,
    ) -> Vec<Event> {
        let plan = match planned.unwrap_or_else(|| Err(format!("nothing here can do `{}`", draft.kind))) {
            Ok(plan) => plan,
            Err(why) => {
                let escalated =
                    Event::Escalated { why: format!("`{}` on {} would help, but: {why}", draft.kind, draft.target) };
                return vec![Event::ActionNotPlanned { draft, why }, escalated];
            }
        };
        let ActionDraft { kind, target, params, because, why } = draft;
        let action = Action {
            id: ActionId(format!("a{}", self.actions.len() + 1)),
            incident: self.id.clone(),
            kind,
            target,
            params,
            because,
            why,
            evidence,
            plan,
            undoes: None,
            expires_at: now.plus_seconds(i64::from(gate.policy.approval_seconds)),
        };
        if let Some(state) = self.tried_before(&action) {
            let why =
                format!("`{}` on {} was tried before ({state:?}); a person has to decide", action.kind, action.target);
            return vec![Event::Escalated { why }];
        }
        self.ruled(action, confidence, gate, now)
    }

    pub(super) fn ruled(&self, action: Action, confidence: f64, gate: Gate<'_>, now: Timestamp) -> Vec<Event> {
        let question = Asked::about(&action, confidence, self.is_trusted(&action), gate.deeds, now);
        let ruling = gate.policy.rule(&question);
        let (id, hash) = (action.id.clone(), action.hash());
        let escalated = match &ruling {
            Ruling::Deny { why } => {
                Some(Event::Escalated { why: format!("`{}` on {} would help, but: {why}", action.kind, action.target) })
            }
            Ruling::Allow { .. } | Ruling::Ask { .. } => None,
        };
        let mut events = vec![Event::ActionProposed { action: Box::new(action), hash }];
        events.push(Event::ActionRuled { action: id, ruling });
        events.extend(escalated);
        events
    }

    pub(super) fn not_turned(
        &self,
        by: String,
        usage: Usage,
        why: String,
        after_millis: Option<u64>,
        now: Timestamp,
    ) -> Vec<Event> {
        let failures = self.failures();
        match after_millis {
            Some(millis) if failures + 1 < TRIES => {
                let pause = i64::try_from(millis).unwrap_or(i64::MAX).max(1000 << failures);
                vec![Event::ReasonerFailed { why, until: now.plus_millis(pause), by, usage }]
            }
            _ => {
                let asked = !by.is_empty();
                let failed = Event::ModelFailed { by, why: why.clone(), usage, until: None };
                let escalated = Event::Escalated { why: format!("the reasoner did not answer: {why}") };
                asked.then_some(failed).into_iter().chain([escalated]).collect()
            }
        }
    }

    /// How often the reasoner failed to answer in a row.
    pub fn failures(&self) -> u32 {
        match &self.phase {
            Phase::Reasoning { failures, .. } => *failures,
            _ => 0,
        }
    }

    /// Whether one more failure to answer would be the last: who has a fallback takes it then.
    pub fn is_last_try(&self) -> bool {
        self.failures() + 1 >= TRIES
    }
}

fn failed(lost: Lost, now: Timestamp) -> Event {
    let Lost { by, why, usage, after_millis } = lost;
    let until = after_millis.map(|millis| now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
    Event::ModelFailed { by, why, usage, until }
}
