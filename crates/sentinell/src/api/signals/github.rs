//! GitHub: bare webhooks prove themselves by their signature; the first version's wrapper is for clients of ours.

use super::many::{secret, unsigned};
use super::{accept, header_text, receipt};
use crate::api::AppState;
use crate::api::extract::{JSON_LIMIT, from_value, read_body, require_json};
use crate::api::problem::ApiError;
use crate::auth::{Caller, signature};
use crate::intake::github;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use sentinell_core::approval::Role;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// GitHub caps its payloads at 25 MB.
const WEBHOOK_LIMIT: usize = 25 << 20;

/// A delivery in the first version's wrapper.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Wrapper {
    /// The sender's id of it.
    #[schema(min_length = 1, max_length = 200)]
    delivery_id: String,
    /// GitHub's name of the event.
    #[schema(min_length = 1, max_length = 200)]
    event: String,
    /// GitHub's body.
    #[serde(deserialize_with = "super::object")]
    #[schema(value_type = Object)]
    payload: Value,
    /// A registered repository; the payload's if left out.
    repo_id: Option<String>,
    /// When it was received; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivered {
    /// The sender's id of it.
    delivery_id: String,
    /// GitHub's name of the event.
    event: String,
    /// The body, where it came in the wrapper.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
    /// The registered repository.
    repo_id: Option<String>,
    /// The incident that it opened or belongs to, if any.
    incident_id: Option<String>,
    /// When it was received, where the wrapper says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    received_at: Option<String>,
}

/// Takes in a GitHub event: the wrapper of our own clients, or GitHub's own webhook with its `X-GitHub-*` headers.
#[utoipa::path(post, path = "/api/signals/github", tag = "signals", request_body = Wrapper,
    responses((status = 202, description = "Stored", body = Delivered)))]
pub async fn post_github(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Delivered>), ApiError> {
    let (parts, body) = request.into_parts();
    let bare = parts.headers.contains_key("x-github-event") || parts.headers.contains_key("x-hub-signature-256");
    let delivered = if bare {
        let bytes = read_body(body, WEBHOOK_LIMIT).await?;
        webhook(&app, &parts.headers, &bytes).await?
    } else {
        caller.require_open(Role::Responder)?;
        require_json(&parts.headers)?;
        let bytes = read_body(body, JSON_LIMIT).await?;
        wrapper(&app, &parts.headers, &bytes).await?
    };
    Ok((StatusCode::ACCEPTED, Json(delivered)))
}

async fn webhook(app: &AppState, headers: &HeaderMap, bytes: &[u8]) -> Result<Delivered, ApiError> {
    let set = app.config.senders.github.as_ref();
    let secret = secret(set, "GitHub", "GITHUB_WEBHOOK_SECRET", "github_webhook_secret")?;
    if !signature::github(secret, headers, bytes) {
        return Err(unsigned("X-Hub-Signature-256"));
    }
    require_json(headers)?;
    let named =
        |name: &str| headers.get(name).ok_or_else(|| ApiError::bad_request(format!("the header {name} is missing")));
    let event = header_text(named("x-github-event")?)?.to_owned();
    let delivery_id = header_text(named("x-github-delivery")?)?.to_owned();
    let payload = parse(bytes)?;
    let repo_id = repo_of(app, &payload).await?;
    let raw = Sha256::digest(bytes).into();
    store(app, headers, Taken { delivery_id, event, payload, repo_id, received_at: None, raw }, false).await
}

async fn wrapper(app: &AppState, headers: &HeaderMap, bytes: &[u8]) -> Result<Delivered, ApiError> {
    let body: Wrapper = from_value(parse(bytes)?)?;
    super::text_of("/delivery_id", &body.delivery_id, 200)?;
    super::text_of("/event", &body.event, 200)?;
    app.known_repo(body.repo_id.as_deref()).await?;
    let repo_id = match body.repo_id {
        Some(id) => Some(id),
        None => repo_of(app, &body.payload).await?,
    };
    let Wrapper { delivery_id, event, payload, received_at, .. } = body;
    let raw = Sha256::digest(bytes).into();
    store(app, headers, Taken { delivery_id, event, payload, repo_id, received_at, raw }, true).await
}

struct Taken {
    delivery_id: String,
    event: String,
    payload: Value,
    repo_id: Option<String>,
    received_at: Option<Timestamp>,
    raw: [u8; 32],
}

async fn store(app: &AppState, headers: &HeaderMap, taken: Taken, echo: bool) -> Result<Delivered, ApiError> {
    let mut receipt = receipt(app, headers)?;
    receipt.delivery_id = Some(taken.delivery_id.clone());
    let delivery = github::Delivery { event: &taken.event, payload: &taken.payload, repo_id: taken.repo_id.clone() };
    let incident = accept(app, github::incoming(delivery, receipt), taken.raw).await?;
    Ok(Delivered {
        delivery_id: taken.delivery_id,
        event: taken.event,
        payload: echo.then_some(taken.payload),
        repo_id: taken.repo_id,
        incident_id: incident.map(|incident| incident.id),
        received_at: taken.received_at.map(|at| at.to_string()),
    })
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not JSON that can be read: {error}")))
}

async fn repo_of(app: &AppState, payload: &Value) -> Result<Option<String>, ApiError> {
    match github::repository(payload) {
        Some(full_name) => app.repo_by_full_name(full_name).await,
        None => Ok(None),
    }
}
