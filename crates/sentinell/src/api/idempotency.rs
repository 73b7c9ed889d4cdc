//! `Idempotency-Key`: the same key of the same principal gets the same answer, whether the first one arrived or not.

use super::AppState;
use super::extract::read_body;
use super::problem::ApiError;
use crate::auth::{Caller, secret};
use crate::store::{Reserved, StoredAnswer};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// The largest body that may carry a key, bytes: that of the largest endpoint.
const BODY_LIMIT: usize = 25 << 20;
/// The largest answer that is kept, bytes.
const ANSWER_LIMIT: usize = 4 << 20;

/// Marks an answer that must not be kept: it shows a secret.
#[derive(Debug, Clone, Copy)]
pub struct ShownOnce;

/// Answers a POST that carries a known key as the first time; keeps the answer of a new one.
pub async fn idempotent(State(app): State<AppState>, caller: Caller, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").filter(|_| request.method() == Method::POST).cloned();
    match (key, caller) {
        // Nobody's keys are not kept: the handler will turn them away.
        (None, _) | (_, Caller::Nobody) => next.run(request).await,
        (Some(key), caller) => match keyed(&app, &caller, &key, request, next).await {
            Ok(answer) => answer,
            Err(error) => error.into_response(),
        },
    }
}

async fn keyed(
    app: &AppState,
    caller: &Caller,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let key = key.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    let key = key.ok_or_else(|| ApiError::bad_request("Idempotency-Key is 1 to 200 printable ASCII characters"))?;
    let (parts, body) = request.into_parts();
    let bytes = read_body(body, BODY_LIMIT).await?;
    let digest = Sha256::new().chain_update(parts.uri.path()).chain_update([0]).chain_update(&bytes).finalize();
    let hash = secret::hex(&digest);
    match app.store.reserve_request(caller.name(), key, &hash, app.clock.now()).await? {
        Reserved::Yours => {}
        Reserved::Answered(answer) => return Ok(replay(answer)),
        Reserved::Running => {
            let error = ApiError::conflict("the first request with this Idempotency-Key is still being answered");
            return Err(error.with(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Reserved::OtherRequest => {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request; use a new key for a new request",
            ));
        }
    }
    let answer = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep(app, caller.name(), key, answer).await
}

/// Keeps final answers; whatever may turn out otherwise the next time frees the key.
async fn keep(app: &AppState, principal: &str, key: &str, answer: Response) -> Result<Response, ApiError> {
    let status = answer.status();
    let passing = status.is_server_error()
        || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    if passing {
        app.store.abandon_request(principal, key).await?;
        return Ok(answer);
    }
    let shown_once = answer.extensions().get::<ShownOnce>().is_some();
    let (parts, body) = answer.into_parts();
    let bytes = read_body(body, ANSWER_LIMIT).await?;
    let kept = if shown_once {
        let said = "the first request with this Idempotency-Key was answered with a secret, which is shown only once";
        let problem = ApiError::conflict(said).into_response();
        let body = read_body(problem.into_body(), ANSWER_LIMIT).await?;
        StoredAnswer { status: 409, body: String::from_utf8_lossy(&body).into_owned() }
    } else {
        StoredAnswer { status: status.as_u16(), body: String::from_utf8_lossy(&bytes).into_owned() }
    };
    app.store.finish_request(principal, key, kept).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replay(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let replayed = HeaderName::from_static("idempotency-replayed");
    (status, [(header::CONTENT_TYPE, kind)], [(replayed, "true")], answer.body).into_response()
}
