//! Signals by REST: a person's report, a log line, a Slack message. Each answers after it is on disk.

pub mod alertmanager;
pub mod check;
pub mod cloudwatch;
pub mod collected;
pub mod github;
pub mod list;
pub mod many;
pub mod senders;
pub mod slack;

use crate::api::AppState;
use crate::api::extract::Json;
use crate::api::problem::ApiError;
use crate::api::views::{IncidentView, new_id};
use crate::auth::Posting;
use crate::intake::{Incoming, Receipt, issue, logs, slack as message};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use sentinell_core::ids::SignalId;
use sentinell_core::signal::Severity;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A person's report.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewIssue {
    /// One line.
    #[schema(min_length = 1, max_length = 1000)]
    title: String,
    /// The whole story.
    #[schema(min_length = 1)]
    description: String,
    /// A registered repository.
    repo_id: Option<String>,
    /// How bad; medium if left out.
    #[schema(value_type = Option<SeverityWord>)]
    severity: Option<Severity>,
    /// Who reports.
    reporter: Option<String>,
    /// Given back as sent.
    #[serde(default)]
    tags: Vec<String>,
    /// Given back as sent.
    #[serde(default = "empty", deserialize_with = "object")]
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// How bad.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Severity)]
pub enum SeverityWord {
    /// Can wait.
    Low,
    /// Within the day.
    Medium,
    /// Now.
    High,
    /// Wake somebody.
    Critical,
}

/// A log message.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewLog {
    /// The text.
    #[schema(min_length = 1)]
    message: String,
    /// A registered repository.
    repo_id: Option<String>,
    /// A registered log source.
    source_id: Option<String>,
    /// debug, info, warn(ing), error, critical, fatal.
    level: Option<String>,
    /// When it was written; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// Given back as sent.
    #[serde(default = "empty", deserialize_with = "object")]
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// A Slack message.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSlackMessage {
    /// The workspace.
    #[schema(min_length = 1, max_length = 200)]
    team_id: String,
    /// The channel.
    #[schema(min_length = 1, max_length = 200)]
    channel_id: String,
    /// Slack's name of the message.
    #[schema(min_length = 1, max_length = 200)]
    message_ts: String,
    /// The text.
    #[schema(min_length = 1)]
    text: String,
    /// Who wrote it.
    user: Option<String>,
    /// A registered repository; the channel's if left out.
    repo_id: Option<String>,
    /// The thread it belongs to.
    thread_ts: Option<String>,
    /// When it was written; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// Given back as sent.
    #[serde(default = "empty", deserialize_with = "object")]
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// A person reports an incident. Every report opens one.
#[utoipa::path(post, path = "/api/issues", tag = "signals", request_body = NewIssue,
    responses((status = 201, description = "The incident that it opened", body = IncidentView)))]
pub async fn post_issue(
    State(app): State<AppState>,
    _: Posting,
    headers: HeaderMap,
    Json(body, raw): Json<NewIssue>,
) -> Result<(StatusCode, axum::Json<IncidentView>), ApiError> {
    text_of("/title", &body.title, 1000)?;
    text_of("/description", &body.description, usize::MAX)?;
    app.known_repo(body.repo_id.as_deref()).await?;
    let report = issue::Report {
        title: body.title,
        description: body.description,
        repo_id: body.repo_id,
        severity: body.severity.unwrap_or(Severity::Medium),
        reporter: body.reporter,
        tags: body.tags,
        metadata: body.metadata,
    };
    let incoming = issue::incoming(report, receipt(&app, &headers)?);
    Ok((StatusCode::CREATED, axum::Json(take_in(&app, incoming, raw).await?)))
}

/// A log message joins the incident of its kind or opens one.
#[utoipa::path(post, path = "/api/signals/logs", tag = "signals", request_body = NewLog,
    responses((status = 202, description = "The incident that it opened or joined", body = IncidentView)))]
pub async fn post_log(
    State(app): State<AppState>,
    _: Posting,
    headers: HeaderMap,
    Json(body, raw): Json<NewLog>,
) -> Result<(StatusCode, axum::Json<IncidentView>), ApiError> {
    text_of("/message", &body.message, usize::MAX)?;
    app.known_repo(body.repo_id.as_deref()).await?;
    let log = logs::LogMessage {
        message: body.message,
        repo_id: body.repo_id,
        source_id: body.source_id,
        level: body.level,
        occurred_at: body.occurred_at,
        metadata: body.metadata,
    };
    let incoming = logs::incoming(log, receipt(&app, &headers)?);
    Ok((StatusCode::ACCEPTED, axum::Json(take_in(&app, incoming, raw).await?)))
}

/// A Slack message joins the incident of its thread or opens one.
#[utoipa::path(post, path = "/api/signals/slack", tag = "signals", request_body = NewSlackMessage,
    responses((status = 202, description = "The incident that it opened or joined", body = IncidentView)))]
pub async fn post_slack(
    State(app): State<AppState>,
    _: Posting,
    headers: HeaderMap,
    Json(body, raw): Json<NewSlackMessage>,
) -> Result<(StatusCode, axum::Json<IncidentView>), ApiError> {
    for (pointer, text) in
        [("/team_id", &body.team_id), ("/channel_id", &body.channel_id), ("/message_ts", &body.message_ts)]
    {
        text_of(pointer, text, 200)?;
    }
    text_of("/text", &body.text, usize::MAX)?;
    app.known_repo(body.repo_id.as_deref()).await?;
    let repo_id = match body.repo_id {
        Some(id) => Some(id),
        None => app.repo_of_channel(&body.team_id, &body.channel_id).await?,
    };
    let written = message::SlackMessage {
        team_id: body.team_id,
        channel_id: body.channel_id,
        message_ts: body.message_ts,
        thread_ts: body.thread_ts,
        text: body.text,
        user: body.user,
        repo_id,
        occurred_at: body.occurred_at,
        metadata: body.metadata,
    };
    let incoming = message::incoming(written, receipt(&app, &headers)?);
    Ok((StatusCode::ACCEPTED, axum::Json(take_in(&app, incoming, raw).await?)))
}

/// The arrival of one signal.
pub(super) fn receipt(app: &AppState, headers: &HeaderMap) -> Result<Receipt, ApiError> {
    let at = app.clock.now();
    let delivery_id = match headers.get("x-webhook-id") {
        Some(id) => Some(header_text(id)?.to_owned()),
        None => None,
    };
    Ok(Receipt { id: SignalId(new_id("sig_", at)), at, delivery_id })
}

/// A header's text, of a length that an id may have.
pub(super) fn header_text(value: &HeaderValue) -> Result<&str, ApiError> {
    let text = value.to_str().ok().filter(|text| (1..=200).contains(&text.len()));
    text.ok_or_else(|| ApiError::bad_request("a delivery id is 1 to 200 printable ASCII characters"))
}

/// Stores a signal and answers the incident it opened or belongs to; none if it was over before it began.
/// `raw` is the SHA-256 of the bytes as they came in.
pub(crate) async fn accept(
    app: &AppState,
    incoming: Incoming,
    raw: [u8; 32],
) -> Result<Option<IncidentView>, ApiError> {
    let receipt = crate::ears::take(&app.store, &app.metrics, incoming, raw).await?;
    Ok(receipt.incident.map(IncidentView::from))
}

async fn take_in(app: &AppState, incoming: Incoming, raw: [u8; 32]) -> Result<IncidentView, ApiError> {
    let taken = accept(app, incoming, raw).await?;
    taken.ok_or_else(|| ApiError::internal(&"a firing signal belongs to no incident"))
}

/// A required text of 1 to `limit` bytes.
pub(super) fn text_of(pointer: &str, text: &str, limit: usize) -> Result<(), ApiError> {
    match text.chars().count() {
        0 => Err(ApiError::invalid(pointer, "must not be empty")),
        length if length > limit => {
            Err(ApiError::invalid(pointer, format!("must not be longer than {limit} characters")))
        }
        _ => Ok(()),
    }
}

/// An optional text of at most `limit` characters.
pub(super) fn at_most(pointer: &str, text: Option<&str>, limit: usize) -> Result<(), ApiError> {
    match text {
        Some(text) if text.chars().count() > limit => {
            Err(ApiError::invalid(pointer, format!("must not be longer than {limit} characters")))
        }
        _ => Ok(()),
    }
}

/// No metadata.
pub(super) fn empty() -> Value {
    json!({})
}

/// A JSON object; null counts as empty.
pub(super) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(empty()),
        value @ Value::Object(_) => Ok(value),
        _ => Err(serde::de::Error::custom("expected an object")),
    }
}

/// A text that somebody wants looked into, as an incident of its own.
pub(crate) fn investigate(app: &AppState, text: &str) -> Incoming {
    let (id, at) = app.new_id("sig_");
    logs::investigation(text, Receipt { id: SignalId(id), at, delivery_id: None })
}
