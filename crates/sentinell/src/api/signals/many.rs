//! What the webhooks of alerting systems have in common: one delivery, some alerts, one answer.

use super::receipt;
use crate::api::AppState;
use crate::api::problem::ApiError;
use crate::config::Secret;
use crate::ears::take_all;
use crate::intake::{Incoming, Receipt};
use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use futures::stream::TryStreamExt;
use sentinell_core::signal::SignalState;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// More alerts than this in one delivery are refused.
pub(super) const ALERTS: usize = 20_000;

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// Alerts taken in; all of them are on disk.
    accepted: usize,
    /// In the order of the delivery.
    alerts: Vec<AcceptedAlert>,
}

/// What became of one alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedAlert {
    /// firing or resolved.
    status: &'static str,
    /// Of what makes it the same alert.
    fingerprint: String,
    /// The incident it opened or belongs to; null for what is over and was never known.
    incident_id: Option<String>,
}

/// How the endpoints of this room answer.
pub(super) type Answer = Result<(StatusCode, Json<Accepted>), ApiError>;

/// A delivery that has proved where it comes from.
pub(super) struct Delivery<'a> {
    /// Its headers; `X-Webhook-Id` is an id of the delivery unless it has one of its own.
    pub(super) headers: &'a HeaderMap,
    /// Its body.
    pub(super) bytes: &'a [u8],
    /// The sender's own id of it.
    pub(super) id: Option<String>,
}

impl Delivery<'_> {
    /// Takes in the alerts of a delivery, side by side, so that they share commits; whatever fails makes the sender try the
    /// whole again, which is harmless.
    pub(super) async fn take<A>(self, app: &AppState, alerts: Vec<A>, map: impl Fn(A, Receipt) -> Incoming) -> Answer {
        if alerts.len() > ALERTS {
            return Err(ApiError::invalid("", format!("at most {ALERTS} alerts at a time; send less in one delivery")));
        }
        let raw: [u8; 32] = Sha256::digest(self.bytes).into();
        let several = alerts.len() > 1;
        let mut delivery = Vec::with_capacity(alerts.len());
        let mut answers = Vec::with_capacity(alerts.len());
        for (index, alert) in alerts.into_iter().enumerate() {
            let mut receipt = receipt(app, self.headers)?;
            let id = self.id.clone().map(bounded).or(receipt.delivery_id);
            receipt.delivery_id = id.map(|id| if several { format!("{id}/{index}") } else { id });
            let incoming = map(alert, receipt);
            let status = match incoming.signal.state {
                SignalState::Firing => "firing",
                SignalState::Resolved => "resolved",
            };
            answers.push(AcceptedAlert { status, fingerprint: incoming.fingerprint.to_string(), incident_id: None });
            delivery.push(incoming);
        }
        let mut taken = std::pin::pin!(take_all(&app.store, &app.metrics, delivery, raw).await?);
        for answer in &mut answers {
            let receipt = taken.try_next().await?;
            answer.incident_id = receipt.and_then(|receipt| receipt.incident).map(|incident| incident.id.to_string());
        }
        let accepted = answers.len();
        Ok((StatusCode::ACCEPTED, Json(Accepted { accepted, alerts: answers })))
    }
}

/// An id that is longer than ids may be, as its hash.
fn bounded(id: String) -> String {
    if id.len() <= 180 {
        return id;
    }
    Sha256::digest(id).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secret that a sender signs with, or the refusal that names the setting.
pub(super) fn secret<'a>(set: Option<&'a Secret>, sender: &str, setting: &str, key: &str) -> Result<&'a str, ApiError> {
    set.map(Secret::expose).filter(|secret| !secret.is_empty()).ok_or_else(|| {
        ApiError::forbidden(format!("webhooks of {sender} are refused until {setting} is set (`auth.{key}`)"))
    })
}

/// A request whose signature is wrong or not there.
pub(super) fn unsigned(header: &str) -> ApiError {
    ApiError::forbidden(format!("{header} does not sign this body with the configured secret"))
}
