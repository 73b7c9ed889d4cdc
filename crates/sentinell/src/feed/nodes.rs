//! The first version's frames: `{"<node>": {state…}}`, one per finished step of one investigation.

use crate::api::views::{ActionView, json_of};
use sentinell_core::investigation::{Entry, Investigation, Node, Step};
use serde_json::{Value, json};

/// Folds a journal and tells its steps.
#[derive(Default)]
pub(super) struct Steps {
    case: Option<Investigation>,
    /// The step under way: its node and the position of its newest entry.
    open: Option<(Node, u64)>,
}

impl Steps {
    /// Takes an entry in; answers the frame of the step that it ended and that step's last position.
    pub(super) fn take(&mut self, position: u64, entry: &Entry) -> Option<(u64, Value)> {
        let node = entry.event.node();
        let ended = match self.open {
            Some((before, _)) if before != node => self.end(),
            _ => None,
        };
        match &mut self.case {
            None => self.case = Investigation::open(entry.incident.clone(), entry.at, &entry.event).ok(),
            Some(case) => {
                // A journal that does not fold is shown as far as it does.
                let _ = case.fold(entry.at, &entry.event);
            }
        }
        self.open = Some((node, position));
        ended
    }

    /// Ends the open step where nothing more happens for now: the investigation waits for somebody or is over.
    pub(super) fn pause(&mut self) -> Option<(u64, Value)> {
        let waits = self.case.as_ref().is_some_and(|case| !matches!(case.next(), Step::Do(_)));
        if waits { self.end() } else { None }
    }

    /// Whether the investigation has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.case.as_ref().is_some_and(|case| case.phase.is_at_rest())
    }

    fn end(&mut self) -> Option<(u64, Value)> {
        let (node, position) = self.open.take()?;
        let state = state(self.case.as_ref()?);
        let name = json_of(&node).as_str().unwrap_or_default().to_owned();
        Some((position, json!({ name: state })))
    }
}

fn state(case: &Investigation) -> Value {
    let actions: Vec<ActionView> = case.actions.iter().map(Into::into).collect();
    json!({
        "incident_id": case.id,
        "title": case.signal.title,
        "logs": case.signal.text,
        "status": case.phase.status(),
        "phase": case.phase.word(),
        "resolution": case.resolution(),
        "evidence": case.evidence,
        "gaps": case.gaps,
        "hypotheses": case.hypotheses,
        "actions": actions,
    })
}
