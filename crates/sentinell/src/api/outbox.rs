//! Notices on their way out: what waits, what arrived, what was given up, and another try for the latter.

use super::AppState;
use super::extract::{Id, Page, Query};
use super::problem::ApiError;
use crate::auth::{Operating, Reading};
use crate::store::{OutboxCount, OutboxRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which notices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only those that wait, were sent (kept a week) or are dead.
    #[param(inline)]
    state: Option<StateWord>,
}

/// Where a notice stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OutboxState)]
pub enum StateWord {
    /// Tried again, or for the first time, when it is due.
    Waiting,
    /// The receiver took it.
    Sent,
    /// Given up.
    Dead,
}

impl StateWord {
    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

/// One notice on its way to one destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxNotice)]
pub struct NoticeView {
    /// Ours.
    id: String,
    /// The `webhook-id` that its receiver sees, the same at every attempt.
    notice_id: String,
    /// Where it goes.
    destination: String,
    /// What it is about.
    incident_id: String,
    /// `opened`, `approval_wanted`, `escalated`, …
    kind: String,
    /// waiting, sent or dead.
    state: String,
    /// Attempts so far.
    attempts: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it is tried next, while it waits.
    #[schema(format = DateTime)]
    due_at: Option<String>,
    /// When it arrived or was given up.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// What the last attempt brought, in words.
    answer: Option<String>,
}

impl From<OutboxRow> for NoticeView {
    fn from(row: OutboxRow) -> Self {
        Self {
            id: row.n.to_string(),
            notice_id: row.notice,
            destination: row.destination,
            incident_id: row.incident.0,
            kind: row.kind,
            due_at: (row.state == "waiting").then(|| row.due_at.to_string()),
            state: row.state,
            attempts: row.attempts,
            created_at: row.made_at.to_string(),
            ended_at: row.ended_at.map(|at| at.to_string()),
            answer: row.said,
        }
    }
}

/// One destination for which something waits or was given up, or that is closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxDestination)]
pub struct DestinationView {
    /// Its name.
    name: String,
    /// Notices that wait.
    waiting: u64,
    /// Notices that were given up.
    dead: u64,
    /// When it said (410) that it wants nothing any more; retrying one of its notices opens it again.
    #[schema(format = DateTime)]
    closed_at: Option<String>,
}

impl From<OutboxCount> for DestinationView {
    fn from(count: OutboxCount) -> Self {
        let OutboxCount { destination: name, waiting, dead, closed_at, .. } = count;
        Self { name, waiting, dead, closed_at: closed_at.map(|at| at.to_string()) }
    }
}

/// Notices, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outbox {
    /// One page.
    outbox: Vec<NoticeView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
    /// Where something is not as it should be.
    destinations: Vec<DestinationView>,
}

/// Lists notices on their way out.
#[utoipa::path(get, path = "/api/outbox", tag = "operations", params(Wanted, Page),
    responses((status = 200, body = Outbox)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Wanted>,
    Query(page): Query<Page>,
) -> Result<Json<Outbox>, ApiError> {
    let limit = page.limit()?;
    let before = match page.cursor.as_deref().map(|cursor| cursor.strip_prefix('o').and_then(|n| n.parse::<u64>().ok()))
    {
        None => None,
        Some(Some(n)) => Some(n),
        Some(None) => return Err(ApiError::bad_request("the cursor is not one that this list gave out; leave it out")),
    };
    let state = wanted.state.map(StateWord::word);
    let mut rows = app.store.outbox(state, before, limit.saturating_add(1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|last| format!("o{}", last.n));
    let destinations = app.store.outbox_counts().await?.into_iter().map(Into::into).collect();
    Ok(Json(Outbox { outbox: rows.into_iter().map(Into::into).collect(), next_cursor, destinations }))
}

/// Sends a dead notice once more, under the same `webhook-id`, and opens its destination if that was closed.
#[utoipa::path(post, path = "/api/outbox/{id}/retry", tag = "operations", params(("id" = String, Path)),
    responses((status = 200, description = "It waits again", body = NoticeView)))]
pub async fn retry(
    State(app): State<AppState>,
    Operating(principal): Operating,
    Id(id): Id,
) -> Result<Json<NoticeView>, ApiError> {
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, "there is no such notice in the outbox");
    let n = id.parse::<u64>().map_err(|_| unknown())?;
    let row = app.store.retry_letter(n, app.clock.now()).await?;
    tracing::info!(actor = %principal.actor, notice = row.notice, destination = row.destination, "retried a notice");
    Ok(Json(row.into()))
}
