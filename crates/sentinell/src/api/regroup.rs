//! What belongs together, as people see it: an incident becomes a part of another, or some of its alerts one of their own.

use super::AppState;
use super::extract::{Id, Json};
use super::problem::ApiError;
use super::signals::text_of;
use super::views::IncidentView;
use crate::auth::Responding;
use crate::store::{CommandError, SplitOff};
use axum::extract::State;
use axum::http::StatusCode;
use sentinell_core::ids::{Fingerprint, IncidentId};
use serde::Deserialize;
use utoipa::ToSchema;

/// Alerts that may be split off at once.
const MOST: usize = 1000;

/// Where an incident belongs.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Merge {
    /// The incident that it becomes a part of.
    #[schema(min_length = 1, max_length = 200)]
    into: String,
}

/// What is another matter.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Split {
    /// Fingerprints of alerts of this incident; at least one other must stay.
    #[schema(min_items = 1, max_items = 1000)]
    fingerprints: Vec<String>,
}

/// Makes an incident a part of another: its alerts belong there from now on, and it is dismissed.
#[utoipa::path(post, path = "/api/incidents/{id}/merge", tag = "commands", params(("id" = String, Path)),
    request_body = Merge, responses((status = 200, description = "The other one", body = IncidentView)))]
pub async fn merge(
    State(app): State<AppState>,
    Responding(principal): Responding,
    Id(id): Id,
    Json(body, _): Json<Merge>,
) -> Result<axum::Json<IncidentView>, ApiError> {
    text_of("/into", &body.into, 200)?;
    let (from, into) = (IncidentId(id), IncidentId(body.into));
    if into.as_str().contains('\0') {
        return Err(ApiError::not_found("incident"));
    }
    let done = app.store.merge(from.clone(), into, principal.actor.clone(), app.clock.now()).await;
    tracing::info!(incident = %from, actor = %principal.actor, taken = done.is_ok(), "an incident was merged");
    shown(&app, done.map_err(refused)?.id).await
}

/// Opens an incident of some alerts of this one.
#[utoipa::path(post, path = "/api/incidents/{id}/split", tag = "commands", params(("id" = String, Path)),
    request_body = Split, responses((status = 201, description = "The new one", body = IncidentView)))]
pub async fn split(
    State(app): State<AppState>,
    Responding(principal): Responding,
    Id(id): Id,
    Json(body, _): Json<Split>,
) -> Result<(StatusCode, axum::Json<IncidentView>), ApiError> {
    if body.fingerprints.is_empty() || body.fingerprints.len() > MOST {
        return Err(ApiError::invalid("/fingerprints", format!("1 to {MOST} alerts")));
    }
    let mut fingerprints: Vec<Fingerprint> = body.fingerprints.into_iter().map(Fingerprint).collect();
    let (into, now) = app.new_id("inc_");
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let split = SplitOff { from: IncidentId(id), fingerprints, into: IncidentId(into), by: principal.actor.clone() };
    let from = split.from.clone();
    let done = app.store.split(split, now).await;
    tracing::info!(incident = %from, actor = %principal.actor, taken = done.is_ok(), "an incident was split");
    Ok((StatusCode::CREATED, shown(&app, done.map_err(refused)?.id).await?))
}

async fn shown(app: &AppState, id: IncidentId) -> Result<axum::Json<IncidentView>, ApiError> {
    Ok(axum::Json(super::incidents::find(app, &id).await?.into()))
}

fn refused(error: CommandError) -> ApiError {
    match error {
        CommandError::NotFound => ApiError::not_found("incident"),
        CommandError::Refused(refusal) => refusal.into(),
        CommandError::Store(error) => error.into(),
    }
}
