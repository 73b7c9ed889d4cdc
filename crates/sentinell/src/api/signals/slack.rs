//! Slack's Events API: what is written in a channel that somebody mapped opens an incident or goes on with one.
//!
//! <https://docs.slack.dev/apis/events-api/>

pub mod presses;

use super::many::{secret, unsigned};
use super::{accept, receipt};
use crate::api::AppState;
use crate::api::extract::{JSON_LIMIT, from_json, read_body};
use crate::api::problem::ApiError;
use crate::auth::signature;
use crate::intake::slack::{self, SlackMessage};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use sentinell_core::answer::answer;
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// One delivery of Slack's.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Envelope {
    /// `url_verification`, `event_callback`, `app_rate_limited`.
    #[serde(rename = "type")]
    kind: String,
    /// What Slack wants to hear back when the address is set up.
    #[serde(default)]
    challenge: Option<String>,
    /// The workspace.
    #[serde(default)]
    team_id: String,
    /// The app that this is delivered to.
    #[serde(default)]
    api_app_id: String,
    /// What happened.
    #[serde(default)]
    event: Option<Happening>,
    /// On whose behalf it is delivered: our bot among them.
    #[serde(default)]
    authorizations: Vec<Authorization>,
}

/// What happened.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Happening {
    /// `message`, `app_mention` and others.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of message; none for one that a person wrote.
    #[serde(default)]
    subtype: Option<String>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    thread_ts: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    user: Option<String>,
    /// The app that wrote it.
    #[serde(default)]
    app_id: Option<String>,
}

/// Somebody on whose behalf Slack delivers.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Authorization {
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    is_bot: bool,
}

/// What Slack is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct Heard {
    /// Slack's own challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    /// The incident that the message opened or belongs to; null for what is none of our business.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_id: Option<String>,
}

/// Takes in a delivery of Slack's Events API, signed with `SLACK_SIGNING_SECRET`. Messages in registered channels open an
/// incident, those in its thread belong to it.
#[utoipa::path(post, path = "/api/signals/slack/events", tag = "signals", request_body = Envelope,
    responses((status = 200, description = "Heard", body = Heard)))]
pub async fn post_events(State(app): State<AppState>, request: Request) -> Result<Json<Heard>, ApiError> {
    let secret = secret(app.config.senders.slack.as_ref(), "Slack", "SLACK_SIGNING_SECRET", "slack_signing_secret")?;
    let (parts, body) = request.into_parts();
    let bytes = read_body(body, JSON_LIMIT).await?;
    if !signature::slack(secret, &parts.headers, &bytes, app.clock.now()) {
        return Err(unsigned("X-Slack-Signature"));
    }
    let envelope: Envelope = from_json(&bytes)?;
    let challenge = envelope.challenge.clone().filter(|_| envelope.kind == "url_verification");
    let incident_id = hear(&app, envelope, Sha256::digest(&bytes).into()).await?;
    Ok(Json(Heard { challenge, incident_id }))
}

/// Takes one delivery; the incident that it opened or belongs to, none for what is none of our business. `raw` is the SHA-256
/// of what came in.
///
/// # Errors
/// What keeps it from being stored.
pub(crate) async fn hear(app: &AppState, envelope: Envelope, raw: [u8; 32]) -> Result<Option<String>, ApiError> {
    if envelope.kind == "app_rate_limited" {
        tracing::warn!("Slack holds events back: more than 30,000 an hour in this workspace");
    }
    let mention = mention(&envelope);
    let Some(message) = message(envelope) else { return Ok(None) };
    // Whoever may write anywhere else in the workspace is not thereby somebody who may wake us.
    let Some(channel) = app.store.slack_channel(&message.team_id, &message.channel_id).await? else { return Ok(None) };
    if let Some(answered) = answer_mention(app, mention, &message).await? {
        return Ok(Some(answered.0));
    }
    let message = SlackMessage { repo_id: channel.repo_id, ..message };
    // The message's own name, not the event's: a mention is delivered twice, as a message and as a mention.
    let incoming = slack::incoming(message, receipt(app, &HeaderMap::new())?);
    Ok(accept(app, incoming, raw).await?.map(|incident| incident.id))
}

/// Whether somebody turns to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mention {
    No,
    /// With the event that is made of it.
    Told,
    /// With the message that it stands in, which is delivered besides.
    Copied,
}

fn mention(envelope: &Envelope) -> Mention {
    let Some(event) = &envelope.event else { return Mention::No };
    let bots = envelope.authorizations.iter().filter(|own| own.is_bot).filter_map(|own| own.user_id.as_deref());
    match event.kind.as_str() {
        "app_mention" => Mention::Told,
        _ if bots.into_iter().any(|bot| event.text.contains(&format!("<@{bot}>"))) => Mention::Copied,
        _ => Mention::No,
    }
}

/// Answers a question in the thread of an incident, from its journal alone; which incident that was.
async fn answer_mention(
    app: &AppState,
    mention: Mention,
    message: &SlackMessage,
) -> Result<Option<IncidentId>, ApiError> {
    let asked = message.thread_ts.as_ref().filter(|_| mention != Mention::No);
    let (Some(desk), Some(thread)) = (&app.config.slack, asked) else { return Ok(None) };
    let Some(id) = app.store.incident_in_slack(&message.channel_id, thread).await? else { return Ok(None) };
    if mention == Mention::Copied {
        return Ok(Some(id));
    }
    let Some(case) = app.store.load(&id).await? else { return Ok(None) };
    desk.answer(&message.channel_id, thread, &id, &answer(&case, &message.text).text);
    Ok(Some(id))
}

/// The message that somebody else wrote, if it is one.
fn message(envelope: Envelope) -> Option<SlackMessage> {
    let Envelope { team_id, api_app_id, event, authorizations, .. } = envelope;
    let event = event.filter(|event| matches!(event.kind.as_str(), "message" | "app_mention"))?;
    let written = matches!(event.subtype.as_deref(), None | Some("bot_message" | "thread_broadcast" | "file_share"));
    let our_bot = |user: &str| authorizations.iter().any(|own| own.is_bot && own.user_id.as_deref() == Some(user));
    let ours =
        event.app_id.as_deref().is_some_and(|app| app == api_app_id) || event.user.as_deref().is_some_and(our_bot);
    let named = [&team_id, &event.channel, &event.ts].iter().all(|id| (1..=60).contains(&id.len()));
    if !written || ours || !named || event.text.trim().is_empty() {
        return None;
    }
    Some(SlackMessage {
        occurred_at: written_at(&event.ts),
        team_id,
        channel_id: event.channel,
        message_ts: event.ts,
        thread_ts: event.thread_ts,
        text: event.text,
        user: event.user,
        repo_id: None,
        metadata: json!({}),
    })
}

/// Slack's name of a message begins with the second it was written in.
fn written_at(ts: &str) -> Option<Timestamp> {
    let seconds: i64 = ts.split('.').next()?.parse().ok()?;
    (0..4_102_444_800).contains(&seconds).then(|| Timestamp(seconds * 1000))
}
