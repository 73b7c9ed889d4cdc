//! The worker's hands: finds the actuator for a kind, and says in the machine's words what came back.

use sentinell_core::action::{Action, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::investigation::{Decision, Input};
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest output of a deed that the journal keeps, characters.
const OUTPUT: usize = 4_000;

/// Actuators by action kind.
pub(super) struct Hands {
    by_kind: BTreeMap<String, Arc<dyn Actuator>>,
}

impl Hands {
    pub(super) fn new(hands: Vec<Arc<dyn Actuator>>) -> Self {
        let kinds =
            hands.into_iter().flat_map(|hand| hand.kinds().into_iter().map(move |(kind, _)| (kind, hand.clone())));
        Self { by_kind: kinds.collect() }
    }

    /// What the actuator makes of a decision to act; none if it is no such decision.
    pub(super) async fn plan(&self, decision: &Decision) -> Option<Result<Plan, String>> {
        let Decision::Act(draft) = decision else { return None };
        let Some(hand) = self.by_kind.get(&draft.kind) else {
            return Some(Err(format!("nothing here can do `{}`; see the actuators in the configuration", draft.kind)));
        };
        Some(hand.plan(draft).await.map_err(|error| error.to_string()))
    }

    pub(super) async fn apply(&self, action: &Action, warrant: Warrant) -> Input {
        let id = action.id.clone();
        let Some(hand) = self.by_kind.get(&action.kind) else {
            return Input::NotApplied { action: id, why: format!("nothing here can do `{}`", action.kind) };
        };
        match hand.apply(action, warrant).await {
            Ok(output) => Input::Applied { action: id, ok: true, output: bounded(output) },
            Err(ActError::Failed(output)) => Input::Applied { action: id, ok: false, output: bounded(output) },
            Err(ActError::NotStarted(why)) => Input::NotApplied { action: id, why: bounded(why) },
            Err(ActError::Unknown(why)) => Input::AppliedUnclear { action: id, why: bounded(why) },
        }
    }

    pub(super) async fn reconcile(&self, action: &Action) -> Input {
        let looked = match self.by_kind.get(&action.kind) {
            Some(hand) => hand.was_applied(action).await,
            None => Err(ToolError::BadQuery(format!("nothing here knows `{}`", action.kind))),
        };
        let (applied, note) = match looked {
            Ok(applied) => (applied, "looked at the world".to_owned()),
            Err(error) => (Applied::Unknown, bounded(error.to_string())),
        };
        Input::Reconciled { action: action.id.clone(), applied, note }
    }
}

fn bounded(text: String) -> String {
    let clean = sentinell_core::redact::redact(&text);
    clean.chars().take(OUTPUT).collect()
}
