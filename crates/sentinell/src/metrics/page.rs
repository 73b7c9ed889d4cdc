//! `GET /metrics`.

use super::{stored, text};
use crate::api::AppState;
use crate::api::health;
use crate::api::problem::ApiError;
use crate::auth::Reading;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics: OpenMetrics for who asks for it, as Prometheus does, and Prometheus's older text format for everybody else.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, content((String = "text/plain"), (String = "application/openmetrics-text")))))]
pub async fn metrics(
    State(app): State<AppState>,
    _: Reading,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let state = stored::read(&app.store, now).await?;
    let ready = health::why_not_ready(&app).await.is_none();
    let mut shared = Registry::with_prefix("sentinell");
    stored::register(&mut shared, &state, ready, now);
    let (mut whole, mut own) = (String::new(), String::new());
    encode(&mut whole, &shared).map_err(|error| ApiError::internal(&error))?;
    encode(&mut own, &app.metrics.registry).map_err(|error| ApiError::internal(&error))?;
    // Two registries, one exposition: only the last may say that it ends.
    let whole = format!("{}{own}", whole.trim_end_matches("# EOF\n"));
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    Ok(match accepted.contains("application/openmetrics-text") {
        true => ([(header::CONTENT_TYPE, OPEN)], whole),
        false => ([(header::CONTENT_TYPE, CLASSIC)], text::classic(&whole)),
    })
}
