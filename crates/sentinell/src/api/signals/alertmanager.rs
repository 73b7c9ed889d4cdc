//! Alertmanager's webhook, and Grafana's, which is built on it. Neither signs: they bring a token.

use super::many::{ALERTS, Accepted, Answer, Delivery};
use crate::api::AppState;
use crate::api::extract::{from_json, read_body, require_json};
use crate::api::problem::ApiError;
use crate::auth::Posting;
use crate::intake::alertmanager::{Notification, incoming};
use axum::extract::{Request, State};

/// An alert storm is large: ten thousand alerts have to fit.
const LIMIT: usize = 32 << 20;

/// Takes in a notification of Alertmanager (webhook version 4). Each alert opens, joins or ends an incident.
#[utoipa::path(post, path = "/api/signals/alertmanager", tag = "signals", request_body = Notification,
    responses((status = 202, description = "What became of each alert", body = Accepted)))]
pub async fn post_alertmanager(State(app): State<AppState>, _: Posting, request: Request) -> Answer {
    notified(&app, "alertmanager", request).await
}

/// Takes in a notification of Grafana's alerting (contact point "Webhook"). Each alert opens, joins or ends an incident.
#[utoipa::path(post, path = "/api/signals/grafana", tag = "signals", request_body = Notification,
    responses((status = 202, description = "What became of each alert", body = Accepted)))]
pub async fn post_grafana(State(app): State<AppState>, _: Posting, request: Request) -> Answer {
    notified(&app, "grafana", request).await
}

async fn notified(app: &AppState, source: &'static str, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let bytes = read_body(body, LIMIT).await?;
    let notification: Notification = from_json(&bytes)?;
    if notification.alerts.len() > ALERTS {
        return Err(ApiError::invalid("/alerts", format!("at most {ALERTS} alerts at a time; set `max_alerts`")));
    }
    if let Some(left_out) = notification.truncated.filter(|count| *count > 0.0) {
        tracing::warn!(source, left_out, "alerts were left out of a notification; raise `max_alerts`");
    }
    let delivery = Delivery { headers: &parts.headers, bytes: &bytes, id: None };
    delivery.take(app, notification.alerts, |alert, receipt| incoming(source, alert, receipt)).await
}
