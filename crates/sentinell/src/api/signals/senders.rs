//! Alerting services and whatever else posts JSON: each in its own words, each proved in its own way.

use super::many::{Accepted, Answer, Delivery, secret, unsigned};
use crate::api::AppState;
use crate::api::extract::{Id, JSON_LIMIT, read_body, require_json};
use crate::api::problem::ApiError;
use crate::auth::{Caller, Posting, signature};
use crate::intake::{cloudevents, datadog, generic, pagerduty, sentry};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use sentinell_core::approval::Role;
use serde_json::{Map, Value, json};

/// What these services send at most is far less.
const LIMIT: usize = 4 * JSON_LIMIT;

/// Takes in a delivery of PagerDuty's v3 webhooks, signed with `PAGERDUTY_WEBHOOK_SECRET`.
#[utoipa::path(post, path = "/api/signals/pagerduty", tag = "signals", request_body = Object,
    responses((status = 202, description = "What became of it", body = Accepted)))]
pub async fn post_pagerduty(State(app): State<AppState>, request: Request) -> Answer {
    let set = app.config.senders.pagerduty.as_ref();
    let secret = secret(set, "PagerDuty", "PAGERDUTY_WEBHOOK_SECRET", "pagerduty_webhook_secret")?;
    let (headers, bytes) = read(request).await?;
    if !signature::pagerduty(secret, &headers, &bytes) {
        return Err(unsigned("X-PagerDuty-Signature"));
    }
    let body = object(&bytes)?;
    let id = text(&body, "/event/id");
    Delivery { headers: &headers, bytes: &bytes, id }
        .take(&app, vec![body], |body, at| pagerduty::incoming(&body, at))
        .await
}

/// Takes in a delivery of a Sentry integration, signed with `SENTRY_CLIENT_SECRET`.
#[utoipa::path(post, path = "/api/signals/sentry", tag = "signals", request_body = Object,
    responses((status = 202, description = "What became of it", body = Accepted)))]
pub async fn post_sentry(State(app): State<AppState>, request: Request) -> Answer {
    let set = app.config.senders.sentry.as_ref();
    let secret = secret(set, "Sentry", "SENTRY_CLIENT_SECRET", "sentry_client_secret")?;
    let (headers, bytes) = read(request).await?;
    if !signature::sentry(secret, &headers, &bytes) {
        return Err(unsigned("Sentry-Hook-Signature"));
    }
    let body = object(&bytes)?;
    let resource = word(&headers, "sentry-hook-resource");
    let id = Some(word(&headers, "request-id")).filter(|id| !id.is_empty());
    let delivery = Delivery { headers: &headers, bytes: &bytes, id };
    delivery.take(&app, vec![body], |body, at| sentry::incoming(&resource, &body, at)).await
}

/// Takes in a delivery of Datadog's webhook integration, which brings a token.
#[utoipa::path(post, path = "/api/signals/datadog", tag = "signals", request_body = Object,
    responses((status = 202, description = "What became of it", body = Accepted)))]
pub async fn post_datadog(State(app): State<AppState>, _: Posting, request: Request) -> Answer {
    let (headers, bytes) = read(request).await?;
    let body = object(&bytes)?;
    // One event of Datadog tells one transition.
    let id = text(&body, "/id").map(|id| format!("{id}/{}", text(&body, "/alert_transition").unwrap_or_default()));
    Delivery { headers: &headers, bytes: &bytes, id }
        .take(&app, vec![body], |body, at| datadog::incoming(&body, at))
        .await
}

/// Takes in CloudEvents 1.0 over HTTP: structured, batched, or with the attributes in `ce-` headers. They bring a token.
#[utoipa::path(post, path = "/api/signals/cloudevents", tag = "signals", request_body = Object,
    responses((status = 202, description = "What became of each", body = Accepted)))]
pub async fn post_cloudevents(State(app): State<AppState>, _: Posting, request: Request) -> Answer {
    let (headers, bytes) = read(request).await?;
    let events = match object_or_list(&bytes)? {
        Value::Array(events) => events,
        event if headers.contains_key("ce-id") => vec![binary(&headers, event)],
        event => vec![event],
    };
    for (index, event) in events.iter().enumerate() {
        for name in ["id", "source", "type"] {
            if text(event, &format!("/{name}")).is_none() {
                let place = if events.len() > 1 { format!("/{index}/{name}") } else { format!("/{name}") };
                return Err(ApiError::invalid(place, "every CloudEvent has a text here"));
            }
        }
    }
    let id = match events.as_slice() {
        [event] => Some(format!("{} {}", word_of(event, "/source"), word_of(event, "/id"))),
        _ => None,
    };
    Delivery { headers: &headers, bytes: &bytes, id }
        .take(&app, events, |event, at| cloudevents::incoming(&event, at))
        .await
}

/// Takes in the JSON of a sender that `[[generic]]` in the configuration maps. It signs as Standard Webhooks says; without a
/// secret it brings a token.
#[utoipa::path(post, path = "/api/signals/generic/{source}", tag = "signals", request_body = Object,
    params(("source" = String, Path, description = "The mapping's name")),
    responses((status = 202, description = "What became of each alert", body = Accepted)))]
pub async fn post_generic(State(app): State<AppState>, Id(name): Id, caller: Caller, request: Request) -> Answer {
    let Some(mapping) = app.config.senders.generic.get(&name) else {
        let detail = format!(
            "no [[generic]] of the configuration has the name `{:.60}`; add one that says where its JSON has what",
            name
        );
        return Err(ApiError::new(StatusCode::NOT_FOUND, detail));
    };
    let (headers, bytes) = read(request).await?;
    match mapping.secret.as_ref().or(app.config.senders.standard.as_ref()) {
        Some(secret) if signature::standard(secret.expose(), &headers, &bytes, app.clock.now()) => {}
        Some(_) => caller.require(Role::Sender).map(drop).map_err(|_| unsigned("webhook-signature"))?,
        None => caller.require_open(Role::Sender)?,
    }
    let alerts = generic::alerts(mapping, object_or_list(&bytes)?)
        .map_err(|why| ApiError::invalid(mapping.each.clone().unwrap_or_default(), why))?;
    let id = Some(word(&headers, "webhook-id")).filter(|id| !id.is_empty());
    Delivery { headers: &headers, bytes: &bytes, id }
        .take(&app, alerts, |alert, at| generic::incoming(mapping, &alert, at))
        .await
}

async fn read(request: Request) -> Result<(HeaderMap, Bytes), ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let bytes = read_body(body, LIMIT).await?;
    Ok((parts.headers, bytes))
}

fn object(bytes: &[u8]) -> Result<Value, ApiError> {
    parse(bytes).and_then(|body| expect(body.is_object(), body, "expected a JSON object"))
}

/// A JSON object, or the list that a batch is.
fn object_or_list(bytes: &[u8]) -> Result<Value, ApiError> {
    parse(bytes).and_then(|body| expect(body.is_object() || body.is_array(), body, "expected a JSON object or a list"))
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not JSON that can be read: {error}")))
}

fn expect(holds: bool, body: Value, why: &str) -> Result<Value, ApiError> {
    if holds { Ok(body) } else { Err(ApiError::invalid("", why)) }
}

/// The structured form of an event whose attributes are headers.
fn binary(headers: &HeaderMap, data: Value) -> Value {
    let attribute = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        Some((name.as_str().strip_prefix("ce-")?.to_owned(), json!(value.to_str().ok()?)))
    };
    let mut event: Map<String, Value> = headers.iter().filter_map(attribute).collect();
    event.insert("data".to_owned(), data);
    Value::Object(event)
}

fn word(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn word_of<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    Some(word_of(body, pointer)).filter(|text| !text.is_empty()).map(str::to_owned)
}
