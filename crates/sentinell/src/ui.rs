//! The status page: three static files inside the program, under a policy that lets them talk to nobody but this server.

use crate::api::problem::ApiError;
use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

/// Nothing inline, nothing from elsewhere, never in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The page for browsers, a status for everybody else.
pub async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return html(include_str!("../assets/index.html")).into_response();
    }
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response()
}

/// One of the page's files.
pub async fn asset(Path(file): Path<String>) -> Result<Response, ApiError> {
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
