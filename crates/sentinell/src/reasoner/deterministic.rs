//! The deterministic reasoner: the engine's ranking and the runbooks. No key, no model, nothing invented.

use crate::digest;
use sentinell_core::action::ActionDraft;
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::investigation::{ActionState, Decision, Doubt, Investigation, Turn};
use sentinell_core::ports::{BoxFuture, Question, ReasonError, Reasoner, Tool};
use sentinell_core::runbook::Runbook;
use std::sync::Arc;

/// The name in its turns.
const NAME: &str = "deterministic";

/// Ranking plus runbooks.
pub struct Deterministic {
    tools: Vec<Arc<dyn Tool>>,
    runbooks: Vec<Runbook>,
}

impl Deterministic {
    /// Looks with these tools and acts by these runbooks.
    pub fn new(tools: Vec<Arc<dyn Tool>>, runbooks: Vec<Runbook>) -> Self {
        Self { tools, runbooks }
    }

    pub(super) fn turn(&self, case: &Investigation, conclude: bool) -> Turn {
        if let Some(first) = self.first_look(case).filter(|_| !conclude) {
            return first;
        }
        let (hypotheses, ruled_out) = digest::rank(case);
        let decision = self.decide(case, &hypotheses);
        Turn::free(NAME, decision, hypotheses, ruled_out)
    }

    /// The first turn of a case: what every tool wants to see first. None later, or if no tool has anything to say.
    pub(super) fn first_look(&self, case: &Investigation) -> Option<Turn> {
        let looks = |tool: &Arc<dyn Tool>| tool.first_look(case);
        let questions: Vec<Question> =
            if case.spent.turns == 0 { self.tools.iter().flat_map(looks).collect() } else { vec![] };
        (!questions.is_empty()).then(|| Turn::free(NAME, Decision::LookAt(questions), vec![], vec![]))
    }

    /// The tools that it looks with.
    pub(super) fn tools(&self) -> &[Arc<dyn Tool>] {
        &self.tools
    }

    /// The runbooks that it acts by.
    pub(super) fn runbooks(&self) -> &[Runbook] {
        &self.runbooks
    }

    fn decide(&self, case: &Investigation, hypotheses: &[Hypothesis]) -> Decision {
        // Where the runbook for what is most likely is advice for a person, the next best guess is no reason to act.
        let advised = hypotheses.first().is_some_and(|leading| {
            let mut applying = self.runbooks.iter().filter(|runbook| runbook.applies_to(leading)).peekable();
            applying.peek().is_some() && applying.all(|runbook| runbook.action.is_none())
        });
        let acting = if advised { &[] } else { hypotheses };
        let drafts = acting.iter().flat_map(|hypothesis| {
            let fitting = self.runbooks.iter().filter(move |runbook| runbook.applies_to(hypothesis));
            fitting.filter_map(move |runbook| runbook.draft(hypothesis))
        });
        let open: Vec<ActionDraft> = drafts.filter(|draft| !was_tried(case, draft)).collect();
        // What could not be planned may be possible later; another cure is better now.
        let refused = |draft: &ActionDraft| {
            let same = |old: &ActionDraft| old.kind == draft.kind && old.target == draft.target;
            case.not_planned.iter().any(|(old, _)| same(old))
        };
        let first = open.iter().find(|draft| !refused(draft)).or(open.first());
        if let Some(draft) = first {
            return Decision::Act(draft.clone());
        }
        Decision::Conclude(match hypotheses.first() {
            None => "not enough evidence for a cause; see what was ruled out and what could not be read".into(),
            Some(leading) => {
                let advice = self.runbooks.iter().find(|runbook| runbook.applies_to(leading));
                let advice = advice.map_or_else(
                    || "no runbook knows a cure".to_owned(),
                    |runbook| format!("a person should follow the runbook \"{}\"", runbook.name),
                );
                format!("most likely {} on {}; {advice}", leading.fault, leading.component)
            }
        })
    }
}

/// What did not help, failed or was refused is not proposed again.
fn was_tried(case: &Investigation, draft: &ActionDraft) -> bool {
    case.actions.iter().any(|record| {
        let spent = matches!(record.state, ActionState::Rejected | ActionState::Failed | ActionState::Unhelpful);
        spent && record.action.kind == draft.kind && record.action.target == draft.target
    })
}

impl Reasoner for Deterministic {
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(async move { Ok(self.turn(case, conclude)) })
    }

    /// It is its own sceptic already: the ranking weighs what speaks against a cause.
    fn doubt<'a>(&'a self, _: &'a Investigation) -> BoxFuture<'a, Doubt> {
        let why = "there was no second look: no language model is set up".to_owned();
        Box::pin(async move { Doubt { why, ..Doubt::default() } })
    }
}
