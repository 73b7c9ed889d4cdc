//! Which path leads where, and what every request passes on its way.

use super::docs::{Description, complete};
use super::problem::ApiError;
use super::{
    AppState, ask, audit, commands, docs, health, idempotency, incidents, journal, log_sources, outbox, policies,
    regroup, repos, search, shed, signals, silences, simulate, slack_channels, tokens, usage,
};
use crate::auth::{self, guard, session};
use crate::feed::{socket, sse};
use crate::telemetry::spans;
use crate::{mcp, metrics, ui};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::panic::AssertUnwindSafe;
use std::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole server: REST, stream, page, and the tools for other agents, which go through a second REST interface inside.
pub fn router(state: AppState) -> Router {
    let rest = layered(rest(), state.clone());
    layered(self::rest().merge(ui::routes()).merge(mcp::routes(rest)), state)
}

fn rest() -> Router<AppState> {
    let (router, _) = paths().split_for_parts();
    router.route("/api/docs", get(docs::page)).route("/api/openapi.json", get(docs::openapi_json))
}

/// What every request passes.
fn layered(router: Router<AppState>, state: AppState) -> Router {
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), idempotency::idempotent))
        .layer(from_fn_with_state(state.clone(), auth::identify))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal(&"a handler panicked").into_response()))
        .layer(from_fn_with_state(state.clone(), outermost))
        .layer(from_fn_with_state(state.clone(), shed::shed))
        .with_state(state)
}

/// The OpenAPI description of [`router`].
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = paths().into_openapi();
    complete(&mut api);
    api
}

fn paths() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(registry())
        .merge(stories())
        .routes(routes!(signals::post_issue))
        .routes(routes!(signals::list::list))
        .routes(routes!(signals::post_log))
        .routes(routes!(signals::post_slack))
        .routes(routes!(signals::github::post_github))
        .routes(routes!(signals::alertmanager::post_alertmanager))
        .routes(routes!(signals::alertmanager::post_grafana))
        .routes(routes!(signals::slack::post_events))
        .routes(routes!(signals::slack::presses::post_interactions))
        .routes(routes!(signals::senders::post_pagerduty))
        .routes(routes!(signals::senders::post_sentry))
        .routes(routes!(signals::senders::post_datadog))
        .routes(routes!(signals::senders::post_cloudevents))
        .routes(routes!(signals::senders::post_generic))
        .routes(routes!(signals::cloudwatch::post_cloudwatch))
        .routes(routes!(signals::collected::post_otlp))
        .routes(routes!(signals::collected::post_loki))
        .routes(routes!(silences::create, silences::list))
        .routes(routes!(silences::end))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(policies::create, policies::list))
        .routes(routes!(simulate::simulate))
        .routes(routes!(policies::switch, policies::set_switch))
        .routes(routes!(session::login))
        .routes(routes!(session::session, session::sign_in, session::logout))
        .routes(routes!(session::stream_ticket))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(usage::usage))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::retry))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(socket::stream))
        .routes(routes!(sse::events))
}

fn registry() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(repos::create, repos::list))
        .routes(routes!(repos::read, repos::change, repos::remove))
        .routes(routes!(repos::poll))
        .routes(routes!(log_sources::create, log_sources::list))
        .routes(routes!(log_sources::read, log_sources::change, log_sources::remove))
        .routes(routes!(slack_channels::create, slack_channels::list))
        .routes(routes!(slack_channels::read, slack_channels::change, slack_channels::remove))
}

fn stories() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::read))
        .routes(routes!(incidents::context::context))
        .routes(routes!(journal::journal))
        .routes(routes!(journal::evidence))
        .routes(routes!(journal::hypotheses))
        .routes(routes!(journal::actions))
        .routes(routes!(journal::postmortem))
        .routes(routes!(search::similar))
        .routes(routes!(search::search))
        .routes(routes!(search::runbooks))
        .routes(routes!(commands::approve))
        .routes(routes!(commands::reject))
        .routes(routes!(commands::cancel))
        .routes(routes!(commands::retry))
        .routes(routes!(commands::resolve))
        .routes(routes!(commands::dismiss))
        .routes(routes!(commands::hint))
        .routes(routes!(commands::note))
        .routes(routes!(ask::ask))
        .routes(routes!(regroup::merge))
        .routes(routes!(regroup::split))
}

async fn nothing_here() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path; GET /api/docs shows what there is")
}

async fn not_that_way() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method; the header Allow names those it does",
    )
}

/// The first and last that sees a request that is not shed: its id, its time limit, its line in the log, and headers for browsers. Queries
/// are not logged: a login link has its ticket there.
async fn outermost(
    State(app): State<AppState>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = matched.map_or_else(|| "(none)".to_owned(), |matched| matched.as_str().to_owned());
    let traced = spans::request(method.as_str(), &route, request.headers());
    let span = tracing::info_span!(parent: &traced, "request", id);
    let work = next.run(request).instrument(span).instrument(traced.clone());
    let mut answer = match tokio::time::timeout(app.config.request_timeout, AssertUnwindSafe(work)).await {
        Ok(answer) => answer,
        Err(_) => ApiError::unavailable("this took too long and was given up; try again", 5).into_response(),
    };
    let took = began.elapsed();
    let status = answer.status().as_u16();
    spans::answered(&traced, status);
    app.metrics.request(method.as_str(), &route, status, took);
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(target: "sentinell::access", id, %method, path, status, millis, "answered");
    dress(answer.headers_mut(), &id);
    answer
}

/// The client's own id if it is harmless, otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let harmless =
        |id: &&str| (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    given.filter(harmless).map_or_else(|| uuid::Uuid::now_v7().simple().to_string(), str::to_owned)
}

fn dress(headers: &mut HeaderMap, id: &str) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
}
