//! Saying no while no more can wait.
//!
//! Under overload the time has to go to what is kept. A signal is refused before anything else looks at the request: no
//! body is read, nobody is identified, nothing is traced, and the log has one line for many.

use super::AppState;
use super::problem::ApiError;
use crate::store::StoreError;
use crate::telemetry::Seldom;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

static REFUSED: Seldom = Seldom::new();

/// Refuses signals with 503 and `Retry-After` while the writer's queue is full.
pub async fn shed(State(app): State<AppState>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !app.store.is_full() || !brings_signals(request.uri().path()) {
        return next.run(request).await;
    }
    app.metrics.shed(StatusCode::SERVICE_UNAVAILABLE.as_u16());
    if let Some(held_back) = REFUSED.line() {
        tracing::warn!(held_back, "no more signals can wait: refused, the sender may come back");
    }
    ApiError::from(StoreError::Busy).into_response()
}

fn brings_signals(path: &str) -> bool {
    // Pressing a button is a decision, not a signal.
    let decides = path == "/api/signals/slack/interactions";
    (path.starts_with("/api/signals/") && !decides) || ["/api/issues", "/v1/logs", "/loki/api/v1/push"].contains(&path)
}
