//! Alertmanager's webhook: point a receiver's `webhook_configs` here.

use super::{accept, receipt};
use crate::api::AppState;
use crate::api::extract::{Room, from_json, read_body, require_json};
use crate::api::problem::ApiError;
use crate::auth::Posting;
use crate::intake::alertmanager::{AlertStatus, Notification, incoming};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// The largest notification, bytes: one may carry thousands of alerts.
const LIMIT: usize = 16 << 20;
/// The most alerts of one notification.
const ALERTS: usize = 10_000;

/// What became of a notification.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// Alerts taken in; all of them are on disk.
    accepted: usize,
    /// In the order of the notification.
    alerts: Vec<AcceptedAlert>,
}

/// What became of one alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedAlert {
    /// firing or resolved.
    status: &'static str,
    /// Of its labels.
    fingerprint: String,
    /// The incident it opened or belongs to; null for a resolved alert that nobody knew.
    incident_id: Option<String>,
}

/// Takes in a notification of Alertmanager (webhook version 4). Each alert opens, joins or ends an incident.
#[utoipa::path(post, path = "/api/signals/alertmanager", tag = "signals", request_body = Notification,
    responses((status = 202, description = "What became of each alert", body = Accepted)))]
pub async fn post_alertmanager(
    State(app): State<AppState>,
    _: Posting,
    _: Room,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let bytes = read_body(body, LIMIT).await?;
    let raw: [u8; 32] = Sha256::digest(&bytes).into();
    let notification: Notification = from_json(&bytes)?;
    if notification.alerts.len() > ALERTS {
        return Err(ApiError::invalid("/alerts", format!("at most {ALERTS} alerts at a time; set `max_alerts`")));
    }
    if let Some(left_out) = notification.truncated.filter(|count| *count > 0.0) {
        tracing::warn!(left_out, "Alertmanager left alerts out of a notification; raise its `max_alerts`");
    }
    let mut taken = Vec::with_capacity(notification.alerts.len());
    for (index, alert) in notification.alerts.into_iter().enumerate() {
        let mut receipt = receipt(&app, &parts.headers)?;
        receipt.delivery_id = receipt.delivery_id.map(|id| format!("{id}/{index}"));
        let status = match alert.status {
            AlertStatus::Firing => "firing",
            AlertStatus::Resolved => "resolved",
        };
        let incoming = incoming(alert, receipt);
        let fingerprint = incoming.fingerprint.to_string();
        taken.push((status, fingerprint, accept(&app, incoming, raw)));
    }
    // Side by side, so that they share commits; whatever fails makes the sender try the whole again, which is harmless.
    let mut alerts = Vec::with_capacity(taken.len());
    let (words, stored): (Vec<_>, Vec<_>) = taken.into_iter().map(|(s, f, stored)| ((s, f), stored)).unzip();
    for ((status, fingerprint), stored) in words.into_iter().zip(in_order(stored).await?) {
        alerts.push(AcceptedAlert { status, fingerprint, incident_id: stored.map(|incident| incident.id) });
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: alerts.len(), alerts })))
}

/// Runs at most a few hundred at once, and answers in order.
async fn in_order<T, F: Future<Output = Result<T, ApiError>>>(work: Vec<F>) -> Result<Vec<T>, ApiError> {
    use futures::stream::{StreamExt, TryStreamExt};
    futures::stream::iter(work).buffered(256).try_collect().await
}
