//! Silences: what is known to be out of order, or is being worked on, opens no incident for a while.

use super::AppState;
use super::extract::{Id, Json, Page, Query};
use super::paging::page;
use super::problem::ApiError;
use super::signals::text_of;
use crate::auth::{Reading, Responding};
use crate::store::Whose;
use axum::extract::State;
use axum::http::StatusCode;
use sentinell_core::silence::{LONGEST, MATCHERS, Matcher, Matchers, Op, Silence};
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest time that a silence may hold.
const LONGEST_DAYS: i64 = 366;

/// What one label has to be.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[schema(as = Matcher)]
pub struct MatcherView {
    /// The label; `source`, `severity` and `title` are the signal's own where it has no such label.
    #[schema(min_length = 1, max_length = 500)]
    name: String,
    /// How it is compared; patterns match whole values.
    #[serde(default)]
    #[schema(value_type = Option<OpWord>)]
    op: Op,
    /// With what; a label that is not there is an empty text.
    #[schema(max_length = 500)]
    value: String,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[schema(as = MatcherOp)]
pub enum OpWord {
    /// The same text.
    #[serde(rename = "=")]
    Equal,
    /// Another text, or no such label.
    #[serde(rename = "!=")]
    NotEqual,
    /// The whole value matches the pattern.
    #[serde(rename = "=~")]
    Matches,
    /// It does not.
    #[serde(rename = "!~")]
    MatchesNot,
}

/// A silence to make.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSilence {
    /// All of them have to hold; at least one must need a label to be there.
    #[schema(min_items = 1, max_items = 20)]
    matchers: Vec<MatcherView>,
    /// From when on; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Until when; at most 366 days after its begin.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
    /// Why.
    #[schema(min_length = 1, max_length = 1000)]
    comment: String,
}

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Silence)]
pub struct SilenceView {
    /// Its id; signals that it silenced name it.
    id: String,
    /// pending, active or over.
    state: &'static str,
    /// All of them have to hold.
    matchers: Vec<MatcherView>,
    /// From when on.
    #[schema(format = DateTime)]
    starts_at: String,
    /// Until when.
    #[schema(format = DateTime)]
    ends_at: String,
    /// Who made it.
    created_by: String,
    /// Why.
    comment: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl SilenceView {
    fn of(silence: Silence, now: Timestamp) -> Self {
        let state = match () {
            () if silence.holds_at(now) => "active",
            () if now < silence.starts_at => "pending",
            () => "over",
        };
        let view = |matcher: Matcher| MatcherView { name: matcher.name, op: matcher.op, value: matcher.value };
        Self {
            id: silence.id,
            state,
            matchers: silence.matchers.into_iter().map(view).collect(),
            starts_at: silence.starts_at.to_string(),
            ends_at: silence.ends_at.to_string(),
            created_by: silence.created_by,
            comment: silence.comment,
            created_at: silence.created_at.to_string(),
        }
    }
}

/// Silences, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Silences {
    /// One page.
    silences: Vec<SilenceView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Makes a silence: alerts, checks and collected log lines that it is about are kept and open nothing while it holds.
#[utoipa::path(post, path = "/api/silences", tag = "silences", request_body = NewSilence,
    responses((status = 201, description = "Made", body = SilenceView)))]
pub async fn create(
    State(app): State<AppState>,
    Responding(by): Responding,
    Json(body, _): Json<NewSilence>,
) -> Result<(StatusCode, axum::Json<SilenceView>), ApiError> {
    text_of("/comment", &body.comment, 1000)?;
    let (id, now) = app.new_id("sil_");
    let plain = |view: MatcherView| Matcher { name: view.name, op: view.op, value: view.value };
    let silence = Silence {
        id,
        matchers: body.matchers.into_iter().map(plain).collect(),
        starts_at: body.starts_at.unwrap_or(now),
        ends_at: body.ends_at,
        created_by: by.actor.to_string(),
        comment: body.comment,
        created_at: now,
    };
    check(&silence, now)?;
    app.store.put_silence(&silence, by.at(now)).await?;
    tracing::info!(id = silence.id, by = silence.created_by, until = %silence.ends_at, "a silence was made");
    Ok((StatusCode::CREATED, axum::Json(SilenceView::of(silence, now))))
}

fn check(silence: &Silence, now: Timestamp) -> Result<(), ApiError> {
    if silence.matchers.is_empty() || silence.matchers.len() > MATCHERS {
        return Err(ApiError::invalid("/matchers", format!("1 to {MATCHERS} matchers")));
    }
    for (index, matcher) in silence.matchers.iter().enumerate() {
        text_of(&format!("/matchers/{index}/name"), &matcher.name, LONGEST)?;
    }
    Matchers::new(&silence.matchers)
        .map_err(|(place, why)| ApiError::invalid(format!("/matchers/{place}/value"), why))?;
    if silence.ends_at <= silence.starts_at || silence.ends_at <= now {
        return Err(ApiError::invalid("/ends_at", "is not after its begin and this moment"));
    }
    if silence.ends_at.millis_since(silence.starts_at) > LONGEST_DAYS * 24 * 60 * 60 * 1000 {
        return Err(ApiError::invalid("/ends_at", format!("at most {LONGEST_DAYS} days after its begin")));
    }
    Ok(())
}

/// Which silences to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Also those that are over.
    #[serde(default)]
    #[param(default = false)]
    all: bool,
}

/// Lists silences that hold or are to come.
#[utoipa::path(get, path = "/api/silences", tag = "silences", params(Which, Page),
    responses((status = 200, body = Silences)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(which): Query<Which>,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<Silences>, ApiError> {
    let now = app.clock.now();
    let silences = app.store.silences((!which.all).then_some(now)).await?;
    let (silences, next_cursor) = page(silences, &wanted, |silence| &silence.id)?;
    let silences = silences.into_iter().map(|silence| SilenceView::of(silence, now)).collect();
    Ok(axum::Json(Silences { silences, next_cursor }))
}

/// Ends a silence now. What still fires opens an incident when its sender tells again.
#[utoipa::path(delete, path = "/api/silences/{id}", tag = "silences", params(("id" = String, Path)),
    responses((status = 200, description = "Over", body = SilenceView)))]
pub async fn end(
    State(app): State<AppState>,
    Responding(by): Responding,
    Id(id): Id,
) -> Result<axum::Json<SilenceView>, ApiError> {
    let now = app.clock.now();
    let ended = app.store.end_silence(&id, by.at(now)).await?.ok_or_else(|| ApiError::not_found("silence"))?;
    tracing::info!(id, by = %by.actor, "a silence was ended");
    Ok(axum::Json(SilenceView::of(ended, now)))
}
