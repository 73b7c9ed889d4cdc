//! An incident as the contract shows it: a reading of its investigation.

use crate::ids::{Fingerprint, IncidentId};
use crate::investigation::{Investigation, Resolution};
use crate::signal::{Severity, SignalType};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The contract's incident object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What kind of sender opened it.
    pub signal_type: SignalType,
    /// One line.
    pub title: String,
    /// The opening signal's text.
    pub description: String,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// The gravest among its alerts.
    pub severity: Severity,
    /// queued, processing or resolved.
    pub status: String,
    /// Where its investigation stands.
    pub phase: String,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// Where the opening signal can be looked up.
    pub source_ref: Option<String>,
    /// The opening alert's fingerprint.
    pub fingerprint: Fingerprint,
    /// When it opened.
    pub created_at: Timestamp,
    /// When its journal last grew.
    pub updated_at: Timestamp,
    /// The sender's tags, as they came.
    pub tags: Vec<String>,
    /// The sender's data, as it came.
    pub metadata: Value,
}

impl Incident {
    /// Reads an incident off its investigation.
    pub fn of(case: &Investigation) -> Self {
        let signal = &case.signal;
        Self {
            id: case.id.clone(),
            signal_type: signal.signal_type,
            title: signal.title.clone(),
            description: signal.text.clone(),
            repo_id: signal.repo_id.clone(),
            severity: case.severity(),
            status: case.phase.status().to_owned(),
            phase: case.phase.word().to_owned(),
            resolution: case.resolution(),
            source_ref: signal.source_ref.clone(),
            fingerprint: case.fingerprint.clone(),
            created_at: case.opened_at,
            updated_at: case.updated_at,
            tags: signal.tags.clone(),
            metadata: signal.metadata.clone(),
        }
    }
}
