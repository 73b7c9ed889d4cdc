//! The pages for browsers, under a policy that lets them talk to nobody but this server: the web UI where this program was
//! built with it, otherwise a plain status page of three static files.

mod window;

use crate::api::AppState;
use crate::api::extract::Id;
use crate::api::problem::ApiError;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

/// Nothing inline, nothing from elsewhere, never in a frame, and no text ever becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The pages and their files.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(index))
        .route("/incidents/{id}", get(incident))
        .route("/configuration", get(elsewhere))
        .route("/configuration/{page}", get(elsewhere))
        .route("/sign-in", get(elsewhere))
        .route("/assets/{file}", get(asset))
}

/// The page for browsers, a status for everybody else.
async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        let status = Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }));
        return ([(header::VARY, "Accept")], status).into_response();
    }
    page(&headers).unwrap_or_else(|| html(include_str!("../assets/index.html")).into_response())
}

/// The web UI's page, if there is one.
fn page(headers: &HeaderMap) -> Option<Response> {
    let mut answer = window::find("index.html")?.answer(headers);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Some(answer)
}

/// An incident's own address; the plain page has one page for all.
async fn incident(Id(id): Id, headers: HeaderMap) -> Response {
    let harmless = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let plain = || Redirect::to(&if harmless { format!("/#{id}") } else { "/".into() }).into_response();
    page(&headers).unwrap_or_else(plain)
}

/// Any other view of the web UI; the plain page has none.
async fn elsewhere(headers: HeaderMap) -> Response {
    page(&headers).unwrap_or_else(|| Redirect::to("/").into_response())
}

/// One of the pages' files.
async fn asset(Id(file): Id, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(found) = window::find(&file).filter(|found| found.name != "index.html") {
        return Ok(found.answer(&headers));
    }
    let (kind, text) = match file.as_str() {
        "app.css" => ("text/css; charset=utf-8", include_str!("../assets/app.css")),
        "app.js" => ("text/javascript; charset=utf-8", include_str!("../assets/app.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../assets/icon.svg")),
        "docs.js" => ("text/javascript; charset=utf-8", include_str!("../assets/docs.js")),
        _ => return Err(ApiError::new(StatusCode::NOT_FOUND, "the page has no such file")),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, text).into_response())
}

/// A page under the strict policy.
pub(crate) fn html(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))], Html(text))
}
