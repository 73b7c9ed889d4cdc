//! CloudWatch's alarms through Amazon SNS: signed with Amazon's key, and only from topics that the operator named.

use super::many::{Accepted, Answer, Delivery};
use crate::api::AppState;
use crate::api::extract::{JSON_LIMIT, from_json, read_body};
use crate::api::problem::ApiError;
use crate::auth::sns::{self, Message};
use crate::config::Sns;
use crate::intake::cloudwatch;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// SNS tries for an hour; what is older was recorded by somebody.
const OLDEST_MILLIS: i64 = 4 * 60 * 60 * 1000;
/// Certificates that are remembered.
const REMEMBERED: usize = 16;

/// A message as Amazon SNS posts it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SnsMessage, rename_all = "PascalCase")]
#[expect(dead_code, reason = "describes what `auth::sns::Message` reads")]
pub struct Described {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[schema(rename = "Type")]
    kind: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[schema(rename = "SigningCertURL")]
    signing_cert_url: String,
    token: Option<String>,
    #[schema(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

/// Takes in what Amazon SNS delivers of the topics in `[cloudwatch]`: alarms open, join or end incidents, and a subscription is
/// confirmed.
#[utoipa::path(post, path = "/api/signals/cloudwatch", tag = "signals", request_body = Described,
    responses((status = 202, description = "What became of it", body = Accepted)))]
pub async fn post_cloudwatch(State(app): State<AppState>, request: Request) -> Answer {
    let Some(settings) = app.config.senders.sns.as_ref() else {
        let detail = "messages of SNS are refused until `topics` is set (`[cloudwatch]` in sentinell.toml)";
        return Err(ApiError::forbidden(detail));
    };
    let (parts, body) = request.into_parts();
    require_text(&parts.headers)?;
    let bytes = read_body(body, JSON_LIMIT).await?;
    let message: Message = from_json(&bytes)?;
    if !settings.topics.contains(&message.topic_arn) {
        return Err(ApiError::forbidden("this topic is none of `topics` (`[cloudwatch]` in sentinell.toml)"));
    }
    prove(settings, &message, app.clock.now()).await?;
    if message.kind == "SubscriptionConfirmation" {
        confirm(settings, &message).await?;
    }
    let told = if message.kind == "Notification" { vec![message] } else { vec![] };
    let id = told.first().map(|message| message.message_id.clone());
    let delivery = Delivery { headers: &parts.headers, bytes: &bytes, id };
    let map = |message: Message, receipt| {
        let subject = message.subject.unwrap_or_default();
        cloudwatch::incoming(&message.topic_arn, &subject, &message.message, receipt)
    };
    delivery.take(&app, told, map).await
}

/// SNS says that its JSON is text.
fn require_text(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/plain" | "application/json" => Ok(()),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON as text/plain or application/json, as SNS does",
        )),
    }
}

/// Demands that Amazon signed it, lately.
async fn prove(settings: &Sns, message: &Message, now: Timestamp) -> Result<(), ApiError> {
    let refused = |why: &str| ApiError::forbidden(format!("this is no message of SNS: {why}"));
    let at = Timestamp::parse(&message.timestamp).map_err(|_| refused("its time cannot be read"))?;
    if now.millis_since(at).abs() > OLDEST_MILLIS {
        return Err(refused("its time is not of the last hours"));
    }
    if !sns::is_certificate(&message.signing_cert_url) {
        return Err(refused("its certificate is not Amazon's"));
    }
    let pem = settings.certificate(&message.signing_cert_url, REMEMBERED).await;
    let pem = pem.map_err(|why| ApiError::unavailable(format!("Amazon's certificate cannot be read: {why}"), 10))?;
    if message.is_signed_by(&pem, now) { Ok(()) } else { Err(refused("the signature does not fit")) }
}

async fn confirm(settings: &Sns, message: &Message) -> Result<(), ApiError> {
    let url = message.subscribe_url.as_deref().filter(|url| sns::is_confirmation(url));
    let url = url.ok_or_else(|| ApiError::invalid("/SubscribeURL", "is not an address of SNS that confirms"))?;
    let asked = (settings.fetch.0)(url.to_owned()).await;
    asked.map_err(|why| ApiError::unavailable(format!("the subscription could not be confirmed: {why}"), 10))?;
    tracing::info!(topic = message.topic_arn, "the subscription of a topic was confirmed");
    Ok(())
}
