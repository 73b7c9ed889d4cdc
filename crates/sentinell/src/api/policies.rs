//! The house rules as versioned rows, and the kill switch.

use super::AppState;
use super::extract::{Json, Page, Query};
use super::paging::page;
use super::problem::ApiError;
use super::signals::text_of;
use super::views::json_of;
use crate::auth::{Administering, Operating, Reading};
use crate::store::PolicyVersion;
use axum::extract::State;
use axum::http::StatusCode;
use sentinell_core::ids::Actor;
use sentinell_core::policy::{KillSwitch, Policy};
use sentinell_core::redact::redact;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How many versions are listed at most.
const VERSIONS: u32 = 1000;
/// How often the kill switch is set again because a policy came in between.
const TRIES: u32 = 5;

/// A new version of the policy.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewPolicy {
    /// `{autonomy, levels[], rules[], cedar, limits, freezes[], approval_seconds, deed_seconds, budget}`; what is left out has
    /// its default. Unknown fields are refused here: a misspelt rule must not be a missing one. The kill switch stays as it is.
    #[schema(value_type = Object)]
    policy: Policy,
    /// Why it changes.
    #[schema(min_length = 1, max_length = 1000)]
    why: String,
}

/// One version of the policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub struct PolicyView {
    /// From 1; 0 is the built-in default: look, never touch.
    version: u64,
    /// What it says.
    #[schema(value_type = Object)]
    policy: Value,
    /// Who set it.
    by: Option<String>,
    /// Why.
    why: String,
    /// When.
    #[schema(format = DateTime)]
    at: Option<String>,
}

impl From<PolicyVersion> for PolicyView {
    fn from(version: PolicyVersion) -> Self {
        Self {
            version: version.version,
            policy: json_of(&version.policy),
            by: Some(version.by.0),
            why: version.why,
            at: Some(version.at.to_string()),
        }
    }
}

/// Versions of the policy, newest first; the first one is in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policies {
    /// One page.
    policies: Vec<PolicyView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Lists the versions of the policy; the newest is in force.
#[utoipa::path(get, path = "/api/policies", tag = "access", params(Page), responses((status = 200, body = Policies)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<Policies>, ApiError> {
    let versions = app.store.policies(VERSIONS).await?.into_iter();
    let versions = versions.map(|version| (version.version.to_string(), PolicyView::from(version)));
    let (versions, next_cursor) = page(versions.collect(), &wanted, |(version, _)| version)?;
    let mut policies: Vec<PolicyView> = versions.into_iter().map(|(_, view)| view).collect();
    if policies.is_empty() {
        let policy = json_of(&Policy::default());
        policies.push(PolicyView { version: 0, policy, by: None, why: "the built-in default".into(), at: None });
    }
    Ok(axum::Json(Policies { policies, next_cursor }))
}

/// Puts a new version of the policy into force.
#[utoipa::path(post, path = "/api/policies", tag = "access", request_body = NewPolicy,
    responses((status = 201, description = "In force", body = PolicyView)))]
pub async fn create(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Json(body, _): Json<NewPolicy>,
) -> Result<(StatusCode, axum::Json<PolicyView>), ApiError> {
    text_of("/why", &body.why, 1000)?;
    validate(&body.policy)?;
    // One change at a time, so that a policy never takes the kill switch with it.
    let _turn = app.policy_turn.lock().await;
    let (_, present) = app.store.policy().await?;
    let policy = Policy { kill_switch: present.kill_switch, ..body.policy };
    let (now, why) = (app.clock.now(), plain(&body.why));
    let version = app.store.set_policy(policy.clone(), &principal.actor, &why, now).await?;
    tracing::warn!(actor = %principal.actor, version, "the policy changed");
    let (by, at) = (Some(principal.actor.0), Some(now.to_string()));
    Ok((StatusCode::CREATED, axum::Json(PolicyView { version, policy: json_of(&policy), by, why, at })))
}

pub(super) fn validate(policy: &Policy) -> Result<(), ApiError> {
    let within = |name: &str, value: u32, most: u32| match value {
        value if (1..=most).contains(&value) => Ok(()),
        _ => Err(ApiError::invalid(format!("/policy/{name}"), format!("must be 1 to {most}"))),
    };
    within("approval_seconds", policy.approval_seconds, 7 * 86_400)?;
    within("deed_seconds", policy.deed_seconds, 3600)?;
    for (index, rule) in policy.rules.iter().enumerate().take(1000) {
        text_of(&format!("/policy/rules/{index}/name"), &rule.name, 200)?;
    }
    match policy.problems().into_iter().next() {
        Some(problem) => Err(ApiError::invalid(format!("/policy{}", problem.pointer), problem.why)),
        None => Ok(()),
    }
}

/// The kill switch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KillSwitch)]
pub struct SwitchView {
    /// While it is on nothing is done, whatever was approved.
    on: bool,
    /// Who pressed it.
    by: Option<String>,
    /// Why.
    why: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    at: Option<String>,
}

impl From<Option<KillSwitch>> for SwitchView {
    fn from(switch: Option<KillSwitch>) -> Self {
        match switch {
            None => Self { on: false, by: None, why: None, at: None },
            Some(KillSwitch { by, why, at }) => {
                Self { on: true, by: Some(by), why: Some(why), at: Some(at.to_string()) }
            }
        }
    }
}

/// Pressing or releasing the kill switch.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SetSwitch {
    /// Whether to stop everything.
    on: bool,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 1000)]
    why: String,
}

/// Whether the kill switch is on.
#[utoipa::path(get, path = "/api/kill-switch", tag = "access", responses((status = 200, body = SwitchView)))]
pub async fn switch(State(app): State<AppState>, _: Reading) -> Result<axum::Json<SwitchView>, ApiError> {
    Ok(axum::Json(app.store.policy().await?.1.kill_switch.into()))
}

/// Presses or releases the kill switch: a new version of the policy.
#[utoipa::path(put, path = "/api/kill-switch", tag = "access", request_body = SetSwitch,
    responses((status = 200, body = SwitchView)))]
pub async fn set_switch(
    State(app): State<AppState>,
    Operating(principal): Operating,
    Json(body, _): Json<SetSwitch>,
) -> Result<axum::Json<SwitchView>, ApiError> {
    if body.why.chars().count() > 1000 {
        return Err(ApiError::invalid("/why", "must not be longer than 1000 characters"));
    }
    let _turn = app.policy_turn.lock().await;
    for _ in 0..TRIES {
        let (_, present) = app.store.policy().await?;
        if present.kill_switch.is_some() == body.on {
            return Ok(axum::Json(present.kill_switch.into()));
        }
        set(&app, present, &principal.actor, &body).await?;
    }
    Err(ApiError::conflict("the policy changes all the time; try again"))
}

/// One try; another process may put a policy of its own after it, which the caller sees by reading again.
async fn set(app: &AppState, present: Policy, actor: &Actor, body: &SetSwitch) -> Result<(), ApiError> {
    let (now, why) = (app.clock.now(), plain(&body.why));
    let pressed = KillSwitch { by: actor.0.clone(), why: why.clone(), at: now };
    let policy = Policy { kill_switch: body.on.then_some(pressed), ..present };
    let what = if body.on { "kill switch pressed" } else { "kill switch released" };
    app.store.set_policy(policy, actor, &format!("{what}: {why}"), now).await?;
    tracing::warn!(%actor, on = body.on, "the kill switch changed");
    Ok(())
}

fn plain(text: &str) -> String {
    redact(&text.replace('\0', "\u{fffd}")).into_owned()
}
