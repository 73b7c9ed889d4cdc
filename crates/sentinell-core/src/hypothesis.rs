//! Claims about a cause. Every claim cites evidence; a citation that does not resolve is refused.

use crate::ids::{EvidenceId, HypothesisId};
use serde::{Deserialize, Serialize};

/// One possible cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// Unique within the incident.
    pub id: HypothesisId,
    /// The component at fault (`service/shop/cart`).
    pub component: String,
    /// What is wrong with it, in the engine's vocabulary (`out_of_memory`).
    pub fault: String,
    /// Calibrated probability, 0 to 1.
    pub confidence: f64,
    /// One sentence for a person.
    pub statement: String,
    /// Evidence for it; never empty.
    pub supports: Vec<EvidenceId>,
    /// Evidence against it.
    pub contradicts: Vec<EvidenceId>,
}

/// What a second, sceptical look makes of one hypothesis. It can only take away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which one.
    pub hypothesis: HypothesisId,
    /// The sceptic's confidence, 0 to 1; the lower one of both counts.
    pub confidence: f64,
    /// Evidence against it.
    pub contradicts: Vec<EvidenceId>,
}

/// A cause that was considered and dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuledOut {
    /// What was suspected (`service/shop/web: out_of_memory`).
    pub what: String,
    /// Why it is out.
    pub why: String,
    /// The evidence that says so.
    pub because: Vec<EvidenceId>,
}
