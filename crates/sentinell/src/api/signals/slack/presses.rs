//! Buttons that were pressed in Slack. A press is an approval like any other: bound to the hash that was shown, by somebody
//! who may.
//!
//! <https://docs.slack.dev/interactivity/handling-user-interaction/>

use crate::api::AppState;
use crate::api::commands;
use crate::api::extract::{JSON_LIMIT, from_json, read_body};
use crate::api::problem::ApiError;
use crate::api::signals::many::{secret, unsigned};
use crate::auth::signature;
use crate::config::SlackPerson;
use crate::slackbot::Desk;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use sentinell_core::approval::Role;
use sentinell_core::ids::{ActionHash, ActionId, Actor, IncidentId};
use sentinell_core::investigation::Command;
use serde::Deserialize;
use serde_json::Value;

/// What Slack's form carries as JSON.
#[derive(Debug, Deserialize)]
struct Press {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    user: Named,
    #[serde(default)]
    channel: Named,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    actions: Vec<Pressed>,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    id: String,
}

#[derive(Debug, Deserialize)]
struct Pressed {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// What a button stands for.
#[derive(Debug, Deserialize)]
struct Shown {
    incident: IncidentId,
    action: ActionId,
    hash: ActionHash,
}

/// Takes in the press of a button, signed with `SLACK_SIGNING_SECRET`. Who may press stands under `[slack.people]`; whoever
/// may not is told so, and nothing else happens.
#[utoipa::path(post, path = "/api/signals/slack/interactions", tag = "signals",
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`payload`: JSON, as Slack sends it"),
    responses((status = 200, description = "Taken; what became of it is said in the thread")))]
pub async fn post_interactions(State(app): State<AppState>, request: Request) -> Result<StatusCode, ApiError> {
    let secret = secret(app.config.senders.slack.as_ref(), "Slack", "SLACK_SIGNING_SECRET", "slack_signing_secret")?;
    let (parts, body) = request.into_parts();
    let bytes = read_body(body, JSON_LIMIT).await?;
    if !signature::slack(secret, &parts.headers, &bytes, app.clock.now()) {
        return Err(unsigned("X-Slack-Signature"));
    }
    let form = form_urlencoded::parse(&bytes).find(|(name, _)| name == "payload");
    let (_, payload) = form.ok_or_else(|| ApiError::invalid("/payload", "expected a form with the field `payload`"))?;
    take(&app, payload.as_bytes()).await.map(|()| StatusCode::OK)
}

/// Takes one press, as Slack's JSON tells it; what became of it is said in Slack.
///
/// # Errors
/// What cannot be understood, or no bot is configured.
pub(crate) async fn take(app: &AppState, payload: &[u8]) -> Result<(), ApiError> {
    let press: Press = from_json(payload)?;
    let Some(desk) = &app.config.slack else {
        let detail = "no bot is configured; set SLACK_BOT_TOKEN (docs/connect/slack.md)";
        return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    };
    // Links are buttons too, and other apps' blocks are none of our business.
    let mut ours = press.actions.iter().filter_map(|pressed| Some((pressed, desk.meant(&pressed.action_id)?)));
    if let Some((pressed, yes)) = ours.next().filter(|_| press.kind == "block_actions") {
        let shown: Shown = from_json(pressed.value.as_bytes())?;
        decide(app, desk, &press, yes, shown).await;
    }
    Ok(())
}

async fn decide(app: &AppState, desk: &Desk, press: &Press, yes: bool, shown: Shown) {
    let Press { user: Named { id: user }, channel: Named { id: channel }, message, .. } = press;
    match carry_out(app, desk.person(user), yes, shown).await {
        Ok(()) => desk.decided(channel, message, if yes { "Approved by" } else { "Rejected by" }, user),
        Err(error) => {
            let thread = message["thread_ts"].as_str().or(message["ts"].as_str());
            desk.whisper(channel, thread, user, &format!("Nothing was done: {}", error.detail()));
        }
    }
}

async fn carry_out(app: &AppState, person: Option<&SlackPerson>, yes: bool, shown: Shown) -> Result<(), ApiError> {
    let may = person.filter(|person| person.role >= Role::Operator);
    let Some(SlackPerson { name, role, .. }) = may else {
        let detail =
            "you may not decide this; an administrator lists who may under [slack.people], with the role operator";
        return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    };
    let (by, comment) = (Actor(name.clone()), "in Slack".to_owned());
    let Shown { incident, action, hash } = shown;
    let command = match yes {
        true => Command::Approve { action, hash, by, role: *role, comment },
        false => Command::Reject { action, by, comment },
    };
    commands::say(app, incident.0, command).await.map(drop)
}
