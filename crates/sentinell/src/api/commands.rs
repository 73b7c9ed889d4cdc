//! What people say about an incident. The event and the wake-up are committed before the answer; the actor is the
//! authenticated principal.

use super::AppState;
use super::extract::{Id, Json};
use super::problem::ApiError;
use super::signals::text_of;
use super::views::{ActionView, IncidentView};
use crate::auth::{Operating, Responding};
use crate::store::CommandError;
use axum::extract::State;
use sentinell_core::approval::Principal;
use sentinell_core::ids::{ActionHash, ActionId, Actor, IncidentId};
use sentinell_core::investigation::{Command, Investigation};
use sentinell_core::redact::redact;
use serde::Deserialize;
use utoipa::ToSchema;

/// The longest word of a person, characters.
const WORDS: usize = 10_000;

/// An approval of exactly what was shown.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Approval {
    /// Which action.
    action_id: String,
    /// Its `hash` as shown.
    hash: String,
    /// In your words.
    #[schema(max_length = 10000)]
    comment: Option<String>,
}

/// A refusal of an action.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Rejection {
    /// Which action.
    action_id: String,
    /// In your words.
    #[schema(max_length = 10000)]
    comment: Option<String>,
}

/// A reason.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Reason {
    /// In your words.
    #[schema(max_length = 10000)]
    reason: Option<String>,
}

/// A steer.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewHint {
    /// In your words.
    #[serde(default)]
    #[schema(max_length = 10000)]
    text: String,
    /// A component to suspect (`service/shop/cart`).
    #[schema(max_length = 300)]
    suspect: Option<String>,
    /// A component to leave out.
    #[schema(max_length = 300)]
    exclude: Option<String>,
}

/// A remark.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewNote {
    /// In your words.
    #[schema(min_length = 1, max_length = 10000)]
    text: String,
}

/// Approves exactly one action: 409 for another hash or phase, 410 when its time is over.
#[utoipa::path(post, path = "/api/incidents/{id}/approve", tag = "commands", params(("id" = String, Path)),
    request_body = Approval, responses((status = 200, body = ActionView)))]
pub async fn approve(
    State(app): State<AppState>,
    Operating(principal): Operating,
    Id(id): Id,
    Json(body, _): Json<Approval>,
) -> Result<axum::Json<ActionView>, ApiError> {
    let (action, hash) = (ActionId(body.action_id), ActionHash(body.hash));
    let comment = words("/comment", body.comment)?;
    let Principal { actor: by, role } = principal;
    let command = Command::Approve { action: action.clone(), hash, by, role, comment };
    let case = say(&app, id, command).await?;
    view(&case, &action)
}

/// Refuses an action; the investigation goes on without it.
#[utoipa::path(post, path = "/api/incidents/{id}/reject", tag = "commands", params(("id" = String, Path)),
    request_body = Rejection, responses((status = 200, body = ActionView)))]
pub async fn reject(
    State(app): State<AppState>,
    Operating(principal): Operating,
    Id(id): Id,
    Json(body, _): Json<Rejection>,
) -> Result<axum::Json<ActionView>, ApiError> {
    let action = ActionId(body.action_id);
    let comment = words("/comment", body.comment)?;
    let case = say(&app, id, Command::Reject { action: action.clone(), by: principal.actor, comment }).await?;
    view(&case, &action)
}

fn view(case: &Investigation, action: &ActionId) -> Result<axum::Json<ActionView>, ApiError> {
    let record = case.action(action).ok_or_else(|| ApiError::not_found("action of this incident"))?;
    Ok(axum::Json(record.into()))
}

macro_rules! reasoned { ($($(#[$doc:meta])* $name:ident => $command:ident, $path:literal, $role:ident);* $(;)?) => { $(
    $(#[$doc])*
    #[utoipa::path(post, path = $path, tag = "commands", params(("id" = String, Path)),
        request_body = Reason, responses((status = 200, body = IncidentView)))]
    pub async fn $name(
        State(app): State<AppState>,
        $role(principal): $role,
        Id(id): Id,
        Json(body, _): Json<Reason>,
    ) -> Result<axum::Json<IncidentView>, ApiError> {
        let why = words("/reason", body.reason)?;
        steer(&app, id, Command::$command { by: principal.actor, why }).await
    }
)* } }

reasoned! {
    /// Stops the investigation; a person takes over.
    cancel => Cancel, "/api/incidents/{id}/cancel", Responding;
    /// Tries again with a fresh budget; for a deed in doubt: looks again.
    retry => Retry, "/api/incidents/{id}/retry", Responding;
    /// Says that it is over.
    resolve => Resolve, "/api/incidents/{id}/resolve", Responding;
    /// Says that it was nothing.
    dismiss => Dismiss, "/api/incidents/{id}/dismiss", Responding;
}

/// Steers: a text, a component to suspect, a component to leave out.
#[utoipa::path(post, path = "/api/incidents/{id}/hint", tag = "commands", params(("id" = String, Path)),
    request_body = NewHint, responses((status = 200, body = IncidentView)))]
pub async fn hint(
    State(app): State<AppState>,
    Responding(principal): Responding,
    Id(id): Id,
    Json(body, _): Json<NewHint>,
) -> Result<axum::Json<IncidentView>, ApiError> {
    if body.text.trim().is_empty() && body.suspect.is_none() && body.exclude.is_none() {
        return Err(ApiError::invalid("/text", "say something: `text`, `suspect` or `exclude`"));
    }
    let component = |pointer: &str, name: Option<String>| match name {
        Some(name) => text_of(pointer, &name, 300).map(|()| Some(redact(&name).replace('\0', "\u{fffd}"))),
        None => Ok(None),
    };
    let (suspect, exclude) = (component("/suspect", body.suspect)?, component("/exclude", body.exclude)?);
    let text = words("/text", Some(body.text))?;
    steer(&app, id, Command::Hint { by: principal.actor, text, suspect, exclude }).await
}

/// Adds a remark to the journal.
#[utoipa::path(post, path = "/api/incidents/{id}/notes", tag = "commands", params(("id" = String, Path)),
    request_body = NewNote, responses((status = 200, body = IncidentView)))]
pub async fn note(
    State(app): State<AppState>,
    Responding(principal): Responding,
    Id(id): Id,
    Json(body, _): Json<NewNote>,
) -> Result<axum::Json<IncidentView>, ApiError> {
    text_of("/text", &body.text, WORDS)?;
    let text = words("/text", Some(body.text))?;
    steer(&app, id, Command::Note { by: principal.actor, text }).await
}

async fn steer(app: &AppState, id: String, command: Command) -> Result<axum::Json<IncidentView>, ApiError> {
    let case = say(app, id, command).await?;
    let incident = super::incidents::find(app, &case.id).await?;
    Ok(axum::Json(incident.into()))
}

/// Carries a person's command out.
pub(in crate::api) async fn say(app: &AppState, id: String, command: Command) -> Result<Investigation, ApiError> {
    let by: Actor = by(&command).clone();
    let id = IncidentId(id);
    let done = app.store.command(&id, command, app.clock.now()).await;
    tracing::info!(incident = %id, actor = %by, taken = done.is_ok(), "a person's command");
    done.map_err(|error| match error {
        CommandError::NotFound => ApiError::not_found("incident"),
        CommandError::Refused(refusal) => refusal.into(),
        CommandError::Store(error) => error.into(),
    })
}

fn by(command: &Command) -> &Actor {
    match command {
        Command::Approve { by, .. }
        | Command::Reject { by, .. }
        | Command::Hint { by, .. }
        | Command::Cancel { by, .. }
        | Command::Retry { by, .. }
        | Command::Resolve { by, .. }
        | Command::Dismiss { by, .. }
        | Command::Note { by, .. }
        | Command::Merge { by, .. }
        | Command::Split { by, .. } => by,
    }
}

/// A person's words, bounded and redacted; none is empty.
fn words(pointer: &str, text: Option<String>) -> Result<String, ApiError> {
    let text = text.unwrap_or_default();
    if text.chars().count() > WORDS {
        return Err(ApiError::invalid(pointer, format!("must not be longer than {WORDS} characters")));
    }
    Ok(redact(&text.replace('\0', "\u{fffd}")).into_owned())
}
