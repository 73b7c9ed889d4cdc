//! What clients see: the contract's objects, read off what is stored.

use crate::auth::secret;
use crate::store::Stored;
use sentinell_core::incident::Incident;
use sentinell_core::investigation::{ActionRecord, Entry};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct IncidentView {
    /// Its id.
    pub id: String,
    /// manual, slack, log, github or alert.
    pub signal_type: Value,
    /// One line.
    pub title: String,
    /// The opening signal's text.
    pub description: String,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// low, medium, high or critical: the gravest among its alerts.
    pub severity: Value,
    /// queued, processing or resolved.
    pub status: String,
    /// queued, observing, reasoning, awaiting_approval, acting, in_doubt, verifying, resolved, escalated, dismissed or
    /// dead_letter.
    pub phase: String,
    /// verified_fix, self_recovered, person, false_alarm or null.
    pub resolution: Value,
    /// Where the opening signal can be looked up.
    pub source_ref: Option<String>,
    /// Of the opening alert.
    pub fingerprint: String,
    /// When it opened.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its journal last grew.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// As sent.
    pub tags: Vec<String>,
    /// As sent.
    #[schema(value_type = Object)]
    pub metadata: Value,
}

impl From<Incident> for IncidentView {
    fn from(incident: Incident) -> Self {
        Self {
            id: incident.id.0,
            signal_type: json_of(&incident.signal_type),
            title: incident.title,
            description: incident.description,
            repo_id: incident.repo_id,
            severity: json_of(&incident.severity),
            status: incident.status,
            phase: incident.phase,
            resolution: json_of(&incident.resolution),
            source_ref: incident.source_ref,
            fingerprint: incident.fingerprint.0,
            created_at: incident.created_at.to_string(),
            updated_at: incident.updated_at.to_string(),
            tags: incident.tags,
            metadata: incident.metadata,
        }
    }
}

/// One fact of a journal, as streams and lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryView {
    /// Place over all journals, without gaps: what a stream resumes by.
    pub position: u64,
    /// Whose journal.
    pub incident_id: String,
    /// Place in that journal, from 1 without gaps.
    pub seq: u64,
    /// When it was appended.
    #[schema(format = DateTime)]
    pub at: String,
    /// observe, reason, act or evaluate.
    pub node: Value,
    /// What happened, past tense (`evidence_gathered`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Its particulars.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl From<Stored> for EntryView {
    fn from(stored: Stored) -> Self {
        let Entry { incident, seq, at, event } = stored.entry;
        let mut data = json_of(&event);
        let kind = data.as_object_mut().and_then(|fields| fields.remove("type"));
        Self {
            position: stored.position,
            incident_id: incident.0,
            seq,
            at: at.to_string(),
            node: json_of(&event.node()),
            kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
            data,
        }
    }
}

/// A proposed deed and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Action)]
pub struct ActionView {
    /// Unique within its incident.
    pub id: String,
    /// The incident it belongs to.
    pub incident_id: String,
    /// What an approval must repeat: SHA-256 over the RFC 8785 form of `{incident_id, action_id, deed, target,
    /// environment, undo, verification, blast_radius, evidence, expires_at}`.
    pub hash: String,
    /// What to do.
    pub kind: String,
    /// `{"argv": […]}` or `{"http": {method, url, headers, body, expect}}`: what exactly runs or is sent.
    #[schema(value_type = Object)]
    pub deed: Value,
    /// What it is done to.
    pub target: String,
    /// production, staging, …
    pub environment: String,
    /// What would take it back, or null.
    pub undo: Value,
    /// How one will know that it helped.
    #[schema(value_type = Object)]
    pub verification: Value,
    /// How far it reaches.
    #[schema(value_type = Object)]
    pub blast_radius: Value,
    /// Ids of the evidence it rests on.
    pub evidence: Vec<String>,
    /// What the policy said, or null.
    pub ruling: Value,
    /// proposed, denied, awaiting_approval, authorized, rejected, expired, blocked, started, in_doubt, done, failed, fixed
    /// or unhelpful.
    pub state: Value,
    /// After this moment an approval is void.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Why it should help.
    pub why: String,
    /// The hypothesis it would cure.
    pub hypothesis_id: String,
    /// What the world must look like for it to be right.
    pub precondition: String,
    /// Who approved or rejected it.
    pub decided_by: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
    /// What it said.
    pub output: String,
}

impl From<&ActionRecord> for ActionView {
    fn from(record: &ActionRecord) -> Self {
        let (action, plan) = (&record.action, &record.action.plan);
        Self {
            id: action.id.to_string(),
            incident_id: action.incident.to_string(),
            hash: record.hash.to_string(),
            kind: action.kind.clone(),
            deed: json_of(&plan.deed),
            target: action.target.clone(),
            environment: plan.environment.clone(),
            undo: json_of(&plan.undo),
            verification: json_of(&plan.verification),
            blast_radius: json_of(&plan.blast_radius),
            evidence: action.evidence.iter().map(ToString::to_string).collect(),
            ruling: json_of(&record.ruling),
            state: json_of(&record.state),
            expires_at: action.expires_at.to_string(),
            why: action.why.clone(),
            hypothesis_id: action.because.to_string(),
            precondition: plan.precondition.clone(),
            decided_by: record.decided_by.clone(),
            attempts: record.attempts,
            output: record.output.clone(),
        }
    }
}

/// Any of our types as JSON.
pub(crate) fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A new id: sortable by time, unique without asking anybody.
pub fn new_id(prefix: &str, now: sentinell_core::time::Timestamp) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    let (seconds, nanos) = (millis / 1000, u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000);
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
    format!("{prefix}{}", secret::hex(uuid::Uuid::new_v7(time).as_bytes()))
}
