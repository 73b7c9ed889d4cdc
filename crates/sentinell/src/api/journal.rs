//! One incident from the inside: its journal and the readings of it.

use super::AppState;
use super::extract::{Id, Page, Query};
use super::incidents::load;
use super::problem::ApiError;
use super::views::{ActionView, EntryView, json_of};
use crate::auth::Reading;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::Entry;
use sentinell_core::postmortem::{postmortem as reading, to_markdown};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// The most entries of one journal that a postmortem reads.
const WHOLE: u32 = 10_000;

/// A page of a journal, oldest first: a story is read from its beginning.
#[derive(Debug, Serialize, ToSchema)]
pub struct Journal {
    /// One page.
    entries: Vec<EntryView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// The journal of an incident, oldest first.
#[utoipa::path(get, path = "/api/incidents/{id}/journal", tag = "incidents", params(("id" = String, Path), Page),
    responses((status = 200, body = Journal)))]
pub async fn journal(
    State(app): State<AppState>,
    _: Reading,
    Id(id): Id,
    Query(page): Query<Page>,
) -> Result<Json<Journal>, ApiError> {
    let id = IncidentId(id);
    super::incidents::find(&app, &id).await?;
    let limit = page.limit()?;
    let after = match page.cursor.as_deref().map(|cursor| cursor.strip_prefix('s').and_then(|seq| seq.parse().ok())) {
        None => 0,
        Some(Some(seq @ 0..=0xffff_ffff)) => seq,
        Some(_) => return Err(ApiError::bad_request("the cursor is not one that this list gave out; leave it out")),
    };
    let mut entries = app.store.journal(&id, after, limit + 1).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next_cursor = entries.last().filter(|_| more).map(|last| format!("s{}", last.entry.seq));
    Ok(Json(Journal { entries: entries.into_iter().map(Into::into).collect(), next_cursor }))
}

/// What was found, in order, and what could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceList {
    /// `{id, query, subject, kind, summary, strength, source, outsider_can_write, finding}`.
    #[schema(value_type = Vec<Object>)]
    evidence: Vec<Value>,
    /// `{what, why}`.
    #[schema(value_type = Vec<Object>)]
    gaps: Vec<Value>,
}

/// What was found, and what could not be read.
#[utoipa::path(get, path = "/api/incidents/{id}/evidence", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = EvidenceList)))]
pub async fn evidence(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<Json<EvidenceList>, ApiError> {
    let case = load(&app, &IncidentId(id)).await?;
    let (evidence, gaps) = (case.evidence.iter().map(json_of), case.gaps.iter().map(json_of));
    Ok(Json(EvidenceList { evidence: evidence.collect(), gaps: gaps.collect() }))
}

/// What is believed, and what was ruled out.
#[derive(Debug, Serialize, ToSchema)]
pub struct HypothesisList {
    /// Best first: `{id, component, fault, confidence, statement, supports, contradicts}`.
    #[schema(value_type = Vec<Object>)]
    hypotheses: Vec<Value>,
    /// `{what, why, because}`.
    #[schema(value_type = Vec<Object>)]
    ruled_out: Vec<Value>,
}

/// What is believed, best first, and what was ruled out.
#[utoipa::path(get, path = "/api/incidents/{id}/hypotheses", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = HypothesisList)))]
pub async fn hypotheses(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<Json<HypothesisList>, ApiError> {
    let case = load(&app, &IncidentId(id)).await?;
    let (hypotheses, ruled_out) = (case.hypotheses.iter().map(json_of), case.ruled_out.iter().map(json_of));
    Ok(Json(HypothesisList { hypotheses: hypotheses.collect(), ruled_out: ruled_out.collect() }))
}

/// Proposed deeds, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionList {
    /// What was proposed and what became of it.
    actions: Vec<ActionView>,
    /// Deeds that would help but could not be planned: `{kind, target, why}`.
    #[schema(value_type = Vec<Object>)]
    not_planned: Vec<Value>,
}

/// Proposed deeds, in order, each with the hash that an approval repeats.
#[utoipa::path(get, path = "/api/incidents/{id}/actions", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = ActionList)))]
pub async fn actions(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<Json<ActionList>, ApiError> {
    let case = load(&app, &IncidentId(id)).await?;
    let not_planned = case.not_planned.iter();
    let not_planned =
        not_planned.map(|(draft, why)| serde_json::json!({ "kind": draft.kind, "target": draft.target, "why": why }));
    let actions = case.actions.iter().map(Into::into).collect();
    Ok(Json(ActionList { actions, not_planned: not_planned.collect() }))
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Form {
    /// `markdown` or `json`; without it the Accept header decides, and JSON is the default.
    #[param(inline)]
    format: Option<FormWord>,
}

/// A form of a postmortem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormWord {
    /// For people.
    Markdown,
    /// For machines.
    Json,
}

/// What happened, why, what was done and whether it helped: a reading of the journal so far.
#[utoipa::path(get, path = "/api/incidents/{id}/postmortem", tag = "incidents", params(("id" = String, Path), Form),
    responses((status = 200, description = "As JSON or Markdown",
        content((Object = "application/json"), (String = "text/markdown")))))]
pub async fn postmortem(
    State(app): State<AppState>,
    _: Reading,
    Id(id): Id,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = IncidentId(id);
    let case = load(&app, &id).await?;
    let stored = app.store.journal(&id, 0, WHOLE).await?;
    let entries: Vec<Entry> = stored.into_iter().map(|stored| stored.entry).collect();
    let postmortem = reading(&case, &entries);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let markdown = form.format.map_or(accept.contains("text/markdown"), |form| form == FormWord::Markdown);
    if !markdown {
        return Ok(Json(postmortem).into_response());
    }
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], to_markdown(&postmortem)).into_response())
}
