//! What came in, newest first.

use crate::api::AppState;
use crate::api::extract::{Page, Query};
use crate::api::problem::ApiError;
use crate::api::views::json_of;
use crate::auth::Reading;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Signals, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Signals {
    /// One page: `{id, signal_type, source, delivery_id, state, severity, title, text, labels, repo_id, source_ref,
    /// occurred_at, received_at, tags, metadata, incident_id, decision}`.
    #[schema(value_type = Vec<Object>)]
    signals: Vec<Value>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Lists what came in and where triage put it.
#[utoipa::path(get, path = "/api/signals", tag = "signals", params(Page), responses((status = 200, body = Signals)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(page): Query<Page>,
) -> Result<Json<Signals>, ApiError> {
    let limit = page.limit()?;
    let before = match page.cursor.as_deref().map(|cursor| cursor.strip_prefix('n').and_then(|n| n.parse::<i64>().ok()))
    {
        None => None,
        Some(Some(n)) => Some(n),
        Some(None) => return Err(ApiError::bad_request("the cursor is not one that this list gave out; leave it out")),
    };
    let mut taken = app.store.signals(before, limit.saturating_add(1)).await?;
    let more = taken.len() > limit as usize;
    taken.truncate(limit as usize);
    let next_cursor = taken.last().filter(|_| more).map(|last| format!("n{}", last.n));
    let view = |taken: crate::store::TakenSignal| {
        let mut view = json_of(&taken.signal);
        if let Some(fields) = view.as_object_mut() {
            fields.insert("incident_id".into(), json_of(&taken.incident));
            fields.insert("decision".into(), json_of(&taken.decision));
        }
        view
    };
    Ok(Json(Signals { signals: taken.into_iter().map(view).collect(), next_cursor }))
}
