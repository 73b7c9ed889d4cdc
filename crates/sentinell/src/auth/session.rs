//! Browser sessions: a one-time link becomes an HttpOnly cookie; whatever changes something also needs a header that no
//! other page can send.

use super::{Caller, secret, word};
use crate::api::AppState;
use crate::api::extract::Query;
use crate::api::idempotency::ShownOnce;
use crate::api::problem::ApiError;
use crate::store::{Holder, Proof, Session};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use sentinell_core::approval::Principal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The cookie's name.
const COOKIE: &str = "sentinell_session";
/// The header that a browser must send with whatever changes something.
const CSRF: &str = "x-csrf-token";
/// How long a session lasts, seconds.
const SESSION_SECONDS: i64 = 12 * 3600;
/// How long a ticket for the stream may be used, seconds.
const STREAM_TICKET_SECONDS: i64 = 30;
/// How long a login link may be used, seconds.
pub const LOGIN_TICKET_SECONDS: i64 = 15 * 60;

/// The session secret of a request's cookies.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value).filter(|value| value.len() <= super::SECRET_LIMIT)
}

/// Who a session cookie belongs to; none if it has run out.
///
/// # Errors
/// 403 if the request changes something and the CSRF header is missing or wrong.
pub(super) async fn holder(
    app: &AppState,
    cookie: &str,
    headers: &HeaderMap,
    safe: bool,
) -> Result<Option<Holder>, ApiError> {
    let Some(session) = app.store.session(&secret::hash(cookie), app.clock.now()).await? else { return Ok(None) };
    let given = headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !safe && !secret::same(given, &session.csrf) {
        return Err(ApiError::forbidden("send the `csrf` of GET /api/session as the header X-CSRF-Token"));
    }
    Ok(Some(Holder { principal: session.principal, proof: Proof::Session(session.hash) }))
}

/// The parameters of a login link.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Login {
    /// The one-time ticket of the link.
    #[serde(default)]
    ticket: String,
}

/// Turns a one-time link into a session.
#[utoipa::path(get, path = "/login", params(Login), tag = "sign-in",
    responses((status = 303, description = "Signed in; on to the page"), (status = 401, description = "The link was used or has run out", body = crate::api::problem::Problem, content_type = "application/problem+json")))]
pub async fn login(State(app): State<AppState>, Query(login): Query<Login>) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let ticket = secret::hash(&format!("login/{}", login.ticket));
    let Some(Holder { principal, .. }) = app.store.take_ticket(&ticket, now).await? else {
        return Err(ApiError::unauthorized(
            "this link was used already or has run out; open the page and sign in with a token",
        ));
    };
    let cookie = open(&app, principal, None).await?;
    let mut answer = Redirect::to("/").into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(answer)
}

/// Keeps a new session; the answer is its cookie.
async fn open(app: &AppState, principal: Principal, token_id: Option<String>) -> Result<HeaderValue, ApiError> {
    let (session, now) = (secret::mint("sse_")?, app.clock.now());
    tracing::info!(actor = %principal.actor, role = word(principal.role), "signed in");
    let kept = Session {
        hash: secret::hash(&session),
        principal,
        token_id,
        csrf: secret::mint("")?,
        expires_at: now.plus_seconds(SESSION_SECONDS),
    };
    app.store.create_session(kept, now).await?;
    let cookie = format!("{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/; Max-Age={SESSION_SECONDS}");
    HeaderValue::from_str(&cookie).map_err(|error| ApiError::internal(&error))
}

/// Turns the token of the Authorization header into a browser session, which ends when the token is revoked.
#[utoipa::path(post, path = "/api/session", tag = "sign-in",
    responses((status = 204, description = "Signed in; the cookie is set")))]
pub async fn sign_in(State(app): State<AppState>, caller: Caller, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some(token) = super::bearer(&headers) else {
        return Err(ApiError::unauthorized("send the token as `Authorization: Bearer <token>`"));
    };
    let principal = caller.require(sentinell_core::approval::Role::Viewer)?;
    let token_id = app.store.token_by_hash(&secret::hash(&token)).await?.map(|token| token.id);
    let cookie = open(&app, principal, token_id).await?;
    let mut answer = (StatusCode::NO_CONTENT, axum::Extension(ShownOnce)).into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(answer)
}

/// Makes the ticket of a login link for a principal. The caller prints the link once; only the hash is stored.
///
/// # Errors
/// 503 if the store cannot take it now.
pub async fn login_ticket(app: &AppState, principal: &Principal) -> Result<String, ApiError> {
    let ticket = secret::mint("slt_")?;
    let now = app.clock.now();
    let until = now.plus_seconds(LOGIN_TICKET_SECONDS);
    let holder = Holder { principal: principal.clone(), proof: Proof::Lasting };
    app.store.create_ticket(&secret::hash(&format!("login/{ticket}")), &holder, now, until).await?;
    Ok(ticket)
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct Whoami {
    /// Their name in journals; null on an open loopback.
    actor: Option<String>,
    /// What they may do; null on an open loopback, which may read and post signals.
    role: Option<&'static str>,
    /// What a browser session sends as `X-CSRF-Token` with whatever changes something.
    csrf: Option<String>,
}

/// Says who the caller is, and gives a browser its CSRF token.
#[utoipa::path(get, path = "/api/session", tag = "sign-in", responses((status = 200, body = Whoami)))]
pub async fn session(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<Whoami>, ApiError> {
    let csrf = match cookie(&headers) {
        Some(cookie) => app.store.session(&secret::hash(cookie), app.clock.now()).await?.map(|session| session.csrf),
        None => None,
    };
    match caller {
        Caller::Known(Holder { principal, .. }) => {
            let (actor, role) = (principal.actor.0, word(principal.role));
            Ok(Json(Whoami { actor: Some(actor), role: Some(role), csrf }))
        }
        Caller::Local => Ok(Json(Whoami { actor: None, role: None, csrf: None })),
        Caller::Nobody => Err(ApiError::unauthorized("sign in with the link that `sentinell serve` printed")),
    }
}

/// Ends the session of this cookie.
#[utoipa::path(delete, path = "/api/session", tag = "sign-in", responses((status = 204, description = "Signed out")))]
pub async fn logout(State(app): State<AppState>, _: Caller, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(cookie) = cookie(&headers) {
        app.store.end_session(&secret::hash(cookie), app.clock.now()).await?;
        app.access_changed();
    }
    let gone = HeaderValue::from_static("sentinell_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// A ticket for one WebSocket.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamTicket {
    /// For `/stream?ticket=…`, once.
    ticket: String,
    /// For so many seconds.
    expires_in: i64,
}

/// Makes a ticket that opens `/stream` once, for clients that cannot send headers with an upgrade.
#[utoipa::path(post, path = "/api/stream-ticket", tag = "stream", responses((status = 201, body = StreamTicket)))]
pub async fn stream_ticket(
    State(app): State<AppState>,
    super::Reading(caller): super::Reading,
) -> Result<impl IntoResponse, ApiError> {
    caller.require(sentinell_core::approval::Role::Viewer)?;
    let Caller::Known(holder) = caller else { return Err(ApiError::unauthorized("only somebody known gets a ticket")) };
    let ticket = secret::mint("sst_")?;
    let now = app.clock.now();
    let until = now.plus_seconds(STREAM_TICKET_SECONDS);
    app.store.create_ticket(&secret::hash(&format!("stream/{ticket}")), &holder, now, until).await?;
    Ok((
        StatusCode::CREATED,
        axum::Extension(ShownOnce),
        Json(StreamTicket { ticket, expires_in: STREAM_TICKET_SECONDS }),
    ))
}

/// Who a stream ticket belongs to; it is used up.
///
/// # Errors
/// 401 if it was used or has run out.
pub async fn redeem_stream_ticket(app: &AppState, ticket: &str) -> Result<Caller, ApiError> {
    let hash = secret::hash(&format!("stream/{ticket}"));
    let found = app.store.take_ticket(&hash, app.clock.now()).await?;
    found.map(Caller::Known).ok_or_else(|| ApiError::unauthorized("this ticket was used already or has run out"))
}
