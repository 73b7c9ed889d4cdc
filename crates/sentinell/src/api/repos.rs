//! Registered repositories.

use super::extract::{Id, Json, Page, Query};
use super::paging::page;
use super::problem::ApiError;
use super::signals::{at_most, empty, object, text_of};
use super::{AppState, CheckError, repo_urls};
use crate::auth::{Administering, Reading, Responding};
use crate::store::{Repo, Whose};
use axum::extract::State;
use axum::http::StatusCode;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A repository to register.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewRepo {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// http or https; the operator's rules say which hosts.
    #[schema(example = "https://github.com/acme/shop", pattern = r"^https?://[^\s]+$", max_length = 2000)]
    repo_url: String,
    /// The branch that is deployed.
    #[serde(default = "main_branch")]
    #[schema(default = "main", min_length = 1, max_length = 200)]
    default_branch: String,
    /// A number or a string.
    #[serde(default)]
    #[schema(value_type = Option<InstallationId>)]
    github_app_installation_id: Option<InstallationId>,
    /// One line.
    #[serde(default)]
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// Given back as sent.
    #[serde(default = "empty", deserialize_with = "object")]
    #[schema(value_type = Option<Object>)]
    metadata: Value,
}

/// GitHub's id of an app's installation.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum InstallationId {
    /// As GitHub writes it.
    Number(i64),
    /// As some clients write it.
    Text(String),
}

fn main_branch() -> String {
    "main".into()
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RepoPatch {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// http or https; the operator's rules say which hosts.
    #[schema(example = "https://github.com/acme/shop", pattern = r"^https?://[^\s]+$", max_length = 2000)]
    repo_url: Option<String>,
    /// The branch that is deployed.
    #[schema(min_length = 1, max_length = 200)]
    default_branch: Option<String>,
    /// One line.
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// Given back as sent.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// A registered repository.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Repo)]
pub struct RepoView {
    /// Ours.
    id: String,
    /// Its name.
    name: String,
    /// Where it is.
    repo_url: String,
    /// The branch that is deployed.
    default_branch: String,
    /// A number or a string, as sent.
    github_app_installation_id: Value,
    /// One line.
    description: Option<String>,
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

impl From<Repo> for RepoView {
    fn from(repo: Repo) -> Self {
        Self {
            id: repo.id,
            name: repo.name,
            repo_url: repo.repo_url,
            default_branch: repo.default_branch,
            github_app_installation_id: repo.github_app_installation_id.unwrap_or_default(),
            description: repo.description,
            metadata: repo.metadata,
            created_at: repo.created_at.to_string(),
            updated_at: repo.updated_at.to_string(),
        }
    }
}

/// Registered repositories, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Repos {
    /// One page.
    repos: Vec<RepoView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Registers a repository.
#[utoipa::path(post, path = "/api/repos", tag = "registry", request_body = NewRepo,
    responses((status = 201, description = "Registered", body = RepoView)))]
pub async fn create(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Json(body, _): Json<NewRepo>,
) -> Result<(StatusCode, axum::Json<RepoView>), ApiError> {
    let (id, now) = app.new_id("repo_");
    let installation = body.github_app_installation_id.as_ref().map(super::views::json_of);
    let repo = Repo {
        id,
        name: body.name,
        repo_url: body.repo_url,
        default_branch: body.default_branch,
        github_app_installation_id: installation,
        description: body.description,
        metadata: body.metadata,
        created_at: now,
        updated_at: now,
    };
    validate(&app, &repo)?;
    app.store.put_repo(&repo, principal.at(now)).await?;
    Ok((StatusCode::CREATED, axum::Json(repo.into())))
}

fn validate(app: &AppState, repo: &Repo) -> Result<(), ApiError> {
    text_of("/name", &repo.name, 200)?;
    text_of("/default_branch", &repo.default_branch, 200)?;
    text_of("/repo_url", &repo.repo_url, 2000)?;
    at_most("/description", repo.description.as_deref(), 10_000)?;
    repo_urls::check(&repo.repo_url, &app.config.repo_hosts)?;
    let fine = sentinell_core::repository::is_branch(&repo.default_branch);
    if fine { Ok(()) } else { Err(ApiError::invalid("/default_branch", "is not a branch name")) }
}

/// Lists registered repositories.
#[utoipa::path(get, path = "/api/repos", tag = "registry", params(Page), responses((status = 200, body = Repos)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<Repos>, ApiError> {
    let (repos, next_cursor) = page(app.store.repos().await?, &wanted, |repo| &repo.id)?;
    Ok(axum::Json(Repos { repos: repos.into_iter().map(Into::into).collect(), next_cursor }))
}

async fn find(app: &AppState, id: &str) -> Result<Repo, ApiError> {
    app.store.repo(id).await?.ok_or_else(|| ApiError::not_found("repository"))
}

/// One registered repository.
#[utoipa::path(get, path = "/api/repos/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 200, body = RepoView)))]
pub async fn read(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<axum::Json<RepoView>, ApiError> {
    Ok(axum::Json(find(&app, &id).await?.into()))
}

/// Changes a registered repository.
#[utoipa::path(patch, path = "/api/repos/{id}", tag = "registry", params(("id" = String, Path)),
    request_body = RepoPatch, responses((status = 200, body = RepoView)))]
pub async fn change(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
    Json(patch, _): Json<RepoPatch>,
) -> Result<axum::Json<RepoView>, ApiError> {
    let old = find(&app, &id).await?;
    let repo = Repo {
        name: patch.name.unwrap_or(old.name),
        repo_url: patch.repo_url.unwrap_or(old.repo_url),
        default_branch: patch.default_branch.unwrap_or(old.default_branch),
        description: patch.description.or(old.description),
        metadata: patch.metadata.map_or(old.metadata, Value::Object),
        updated_at: app.clock.now(),
        ..old
    };
    validate(&app, &repo)?;
    app.store.put_repo(&repo, principal.at(repo.updated_at)).await?;
    Ok(axum::Json(repo.into()))
}

/// Forgets a registered repository; 409 while log sources or channels belong to it.
#[utoipa::path(delete, path = "/api/repos/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 204, description = "Forgotten")))]
pub async fn remove(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    app.store.delete_repo(&id, principal.at(app.clock.now())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a check ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct Polled {
    /// The repository.
    repo_id: String,
    /// Whether the program ended with 0.
    success: bool,
    /// What it ended with; null if it was stopped.
    exit_code: Option<i32>,
    /// What it printed, bounded.
    stdout: String,
    /// What it printed to standard error, bounded.
    stderr: String,
    /// When it ran.
    #[schema(format = DateTime)]
    ran_at: String,
    /// The incident that a failing check opened or joined, or that a passing one ended.
    incident_id: Option<String>,
}

/// Runs the repository's check now. The command comes from the operator's file, never from here.
#[utoipa::path(post, path = "/api/repos/{id}/poll", tag = "registry", params(("id" = String, Path)),
    responses((status = 200, body = Polled)))]
pub async fn poll(State(app): State<AppState>, _: Responding, Id(id): Id) -> Result<axum::Json<Polled>, ApiError> {
    let repo = find(&app, &id).await?;
    let ran_at: Timestamp = app.clock.now();
    let outcome = app.checks.run(&repo.name, &repo.repo_url).await.map_err(|error| match error {
        CheckError::NotConfigured(_) => ApiError::bad_request(error.to_string()),
        CheckError::Failed(_) => ApiError::unavailable(error.to_string(), 10),
    })?;
    let incident_id = super::signals::check::report(&app, &repo, &outcome, ran_at).await?;
    Ok(axum::Json(Polled {
        repo_id: repo.id,
        success: outcome.exit_code == Some(0),
        exit_code: outcome.exit_code,
        stdout: outcome.stdout,
        stderr: outcome.stderr,
        ran_at: ran_at.to_string(),
        incident_id,
    }))
}
