//! Registered sources of logs.

use super::AppState;
use super::extract::{Id, Json, Page, Query};
use super::paging::page;
use super::problem::ApiError;
use super::signals::{at_most, empty, object, text_of};
use crate::auth::{Administering, Reading};
use crate::store::{LogSource, Whose};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A log source to register.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewLogSource {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The registered repository whose incidents it is asked about.
    repo_id: Option<String>,
    /// What it speaks; loki if left out.
    #[serde(default)]
    source_type: SourceType,
    /// Where it answers.
    #[schema(max_length = 2000)]
    endpoint: Option<String>,
    /// How one signs in.
    #[schema(max_length = 200)]
    auth_mode: Option<String>,
    /// Given back as sent.
    #[serde(default = "empty", deserialize_with = "object")]
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// What a log source speaks.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceType {
    /// Grafana Loki.
    #[default]
    Loki,
    /// AWS CloudWatch Logs.
    Cloudwatch,
    /// Elasticsearch.
    Elasticsearch,
    /// Files.
    File,
    /// Something else.
    Custom,
}

impl SourceType {
    fn word(self) -> &'static str {
        match self {
            Self::Loki => "loki",
            Self::Cloudwatch => "cloudwatch",
            Self::Elasticsearch => "elasticsearch",
            Self::File => "file",
            Self::Custom => "custom",
        }
    }
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LogSourcePatch {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A registered repository.
    repo_id: Option<String>,
    /// What it speaks.
    source_type: Option<SourceType>,
    /// Where it answers.
    #[schema(max_length = 2000)]
    endpoint: Option<String>,
    /// How one signs in.
    #[schema(max_length = 200)]
    auth_mode: Option<String>,
    /// Given back as sent.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// A registered source of logs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogSource)]
pub struct LogSourceView {
    /// Ours.
    id: String,
    /// Its name.
    name: String,
    /// The registered repository whose incidents it is asked about.
    repo_id: Option<String>,
    /// loki, cloudwatch, elasticsearch, file or custom.
    source_type: String,
    /// Where it answers.
    endpoint: Option<String>,
    /// How one signs in.
    auth_mode: Option<String>,
    /// As sent.
    #[schema(value_type = Object)]
    metadata: Value,
    /// When it was registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<LogSource> for LogSourceView {
    fn from(source: LogSource) -> Self {
        Self {
            id: source.id,
            name: source.name,
            repo_id: source.repo_id,
            source_type: source.source_type,
            endpoint: source.endpoint,
            auth_mode: source.auth_mode,
            metadata: source.metadata,
            created_at: source.created_at.to_string(),
            updated_at: source.updated_at.to_string(),
        }
    }
}

/// Registered log sources, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogSources {
    /// One page.
    log_sources: Vec<LogSourceView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Registers a log source.
#[utoipa::path(post, path = "/api/log-sources", tag = "registry", request_body = NewLogSource,
    responses((status = 201, description = "Registered", body = LogSourceView)))]
pub async fn create(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Json(body, _): Json<NewLogSource>,
) -> Result<(StatusCode, axum::Json<LogSourceView>), ApiError> {
    let (id, now) = app.new_id("src_");
    let source = LogSource {
        id,
        name: body.name,
        repo_id: body.repo_id,
        source_type: body.source_type.word().to_owned(),
        endpoint: body.endpoint,
        auth_mode: body.auth_mode,
        metadata: body.metadata,
        created_at: now,
        updated_at: now,
    };
    validate(&app, &source).await?;
    app.store.put_log_source(&source, principal.at(now)).await?;
    Ok((StatusCode::CREATED, axum::Json(source.into())))
}

async fn validate(app: &AppState, source: &LogSource) -> Result<(), ApiError> {
    text_of("/name", &source.name, 200)?;
    at_most("/endpoint", source.endpoint.as_deref(), 2000)?;
    at_most("/auth_mode", source.auth_mode.as_deref(), 200)?;
    plain("/endpoint", source.endpoint.as_deref())?;
    app.known_repo(source.repo_id.as_deref()).await
}

/// An address is shown to people and models: one line, and no password in it.
fn plain(pointer: &str, endpoint: Option<&str>) -> Result<(), ApiError> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    if endpoint.chars().any(char::is_control) {
        return Err(ApiError::invalid(pointer, "has control characters in it"));
    }
    let place = endpoint.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#', '\\']).next());
    if place.is_some_and(|place| place.contains('@')) {
        return Err(ApiError::invalid(pointer, "leave user and password out; they belong into the configuration"));
    }
    Ok(())
}

/// Lists registered log sources.
#[utoipa::path(get, path = "/api/log-sources", tag = "registry", params(Page),
    responses((status = 200, body = LogSources)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<LogSources>, ApiError> {
    let (sources, next_cursor) = page(app.store.log_sources().await?, &wanted, |source| &source.id)?;
    Ok(axum::Json(LogSources { log_sources: sources.into_iter().map(Into::into).collect(), next_cursor }))
}

async fn find(app: &AppState, id: &str) -> Result<LogSource, ApiError> {
    app.store.log_source(id).await?.ok_or_else(|| ApiError::not_found("log source"))
}

/// One registered log source.
#[utoipa::path(get, path = "/api/log-sources/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 200, body = LogSourceView)))]
pub async fn read(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<axum::Json<LogSourceView>, ApiError> {
    Ok(axum::Json(find(&app, &id).await?.into()))
}

/// Changes a registered log source.
#[utoipa::path(patch, path = "/api/log-sources/{id}", tag = "registry", params(("id" = String, Path)),
    request_body = LogSourcePatch, responses((status = 200, body = LogSourceView)))]
pub async fn change(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
    Json(patch, _): Json<LogSourcePatch>,
) -> Result<axum::Json<LogSourceView>, ApiError> {
    let old = find(&app, &id).await?;
    let source = LogSource {
        name: patch.name.unwrap_or(old.name),
        repo_id: patch.repo_id.or(old.repo_id),
        source_type: patch.source_type.map_or(old.source_type, |kind| kind.word().to_owned()),
        endpoint: patch.endpoint.or(old.endpoint),
        auth_mode: patch.auth_mode.or(old.auth_mode),
        metadata: patch.metadata.map_or(old.metadata, Value::Object),
        updated_at: app.clock.now(),
        ..old
    };
    validate(&app, &source).await?;
    app.store.put_log_source(&source, principal.at(source.updated_at)).await?;
    Ok(axum::Json(source.into()))
}

/// Forgets a registered log source.
#[utoipa::path(delete, path = "/api/log-sources/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 204, description = "Forgotten")))]
pub async fn remove(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    app.store.delete_log_source(&id, principal.at(app.clock.now())).await?;
    Ok(StatusCode::NO_CONTENT)
}
