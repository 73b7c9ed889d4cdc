//! What a language model said so far, and what the case held when it spoke: enough to tell it what happened since.

use super::{ActionState, Investigation};
use crate::ids::ActionId;
use crate::model::Reply;
use crate::time::Timestamp;
use serde::Serialize;

/// Why no language model is asked, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// None: until a person says "again".
    pub until: Option<Timestamp>,
    /// What stood in the way.
    pub why: String,
}

/// One turn of a language model.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Which model.
    pub by: String,
    /// What it said, as the journal keeps it.
    pub reply: Reply,
    /// What the case held when it spoke.
    pub mark: Mark,
    /// Why its answer was not accepted.
    pub refused: Option<String>,
}

/// How much a case held at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// Pieces of evidence.
    pub evidence: usize,
    /// Gaps.
    pub gaps: usize,
    /// Hints of people.
    pub hints: usize,
    /// Deeds that could not be planned.
    pub not_planned: usize,
    /// Where each action stood.
    pub actions: Vec<(ActionId, ActionState)>,
}

impl Mark {
    /// What a case holds now.
    pub fn of(case: &Investigation) -> Self {
        Self {
            evidence: case.evidence.len(),
            gaps: case.gaps.len(),
            hints: case.hints.len(),
            not_planned: case.not_planned.len(),
            actions: case.actions.iter().map(|record| (record.action.id.clone(), record.state)).collect(),
        }
    }
}

impl Exchange {
    pub(super) fn new(case: &Investigation, by: &str, reply: &Reply) -> Self {
        Self { by: by.to_owned(), reply: reply.clone(), mark: Mark::of(case), refused: None }
    }
}

impl Investigation {
    /// The case as far as it was known at `mark`: what a language model had before it when it spoke.
    #[must_use]
    pub fn as_of(&self, mark: &Mark) -> Self {
        let mut then = self.clone();
        then.evidence.truncate(mark.evidence);
        then.gaps.truncate(mark.gaps);
        then.hints.truncate(mark.hints);
        then.not_planned.truncate(mark.not_planned);
        then.actions.truncate(mark.actions.len());
        for (record, (_, state)) in then.actions.iter_mut().zip(&mark.actions) {
            record.state = *state;
        }
        then.talk.clear();
        then
    }
}
