//! What happened once before: shown to whoever reasons, and never ranked. It is no finding, so that no memory, however
//! alike, outranks what the eyes see now.

use sentinell_core::evidence::{Evidence, Observation, Query, Telemetry};
use sentinell_core::ids::EvidenceId;
use serde_json::json;

/// Kind of such a piece of evidence.
pub(super) const PRECEDENT: &str = "precedent";
/// Pieces of one observation.
const PIECES: usize = 8;
/// Characters of a part of one of them.
const PART: usize = 200;

/// The precedents of an observation, as evidence.
pub(super) fn precedents(query: &Query, observation: &Observation) -> Vec<Evidence> {
    let bounded = |text: &str| text.chars().take(PART).collect::<String>();
    let told = observation.telemetry.iter().filter_map(|telemetry| {
        let Telemetry::Precedent { precedent } = telemetry else { return None };
        let when = precedent.at.map(|at| format!(" of {at}")).unwrap_or_default();
        let (title, outcome, why) = (bounded(&precedent.title), bounded(&precedent.outcome), bounded(&precedent.why));
        Some(Evidence {
            id: EvidenceId(String::new()),
            query: query.id.clone(),
            subject: precedent.subject.clone(),
            kind: PRECEDENT.into(),
            summary: format!("{}{when} \"{title}\": {outcome} ({why})", precedent.kind),
            strength: 0.0,
            source: format!("{} {}", precedent.kind, bounded(&precedent.reference)),
            // Titles come out of alerts and messages.
            outsider_can_write: true,
            finding: json!({ "precedent": precedent }),
        })
    });
    told.take(PIECES).collect()
}
