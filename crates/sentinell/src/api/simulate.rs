//! What the house rules would say: nothing is done and nothing is kept.

use super::AppState;
use super::extract::Json;
use super::policies::validate;
use super::problem::ApiError;
use super::views::json_of;
use crate::auth::Operating;
use axum::extract::State;
use sentinell_core::policy::{Policy, Question, Tally};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Questions of one call, at most.
const MOST: usize = 100;
/// The longest question, characters.
const LONGEST: usize = 2000;

/// What to ask the rules.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Simulation {
    /// Questions as examples of rules are written: `kind=kubernetes.rollout_restart, environment=staging`. What is left out
    /// has a harmless value; the time is now, and deeds are counted as they were done, unless a question names them.
    #[schema(min_items = 1, max_items = 100)]
    questions: Vec<String>,
    /// A policy to try; left out: the one in force.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    policy: Option<Policy>,
}

/// What would be ruled.
#[derive(Debug, Serialize, ToSchema)]
pub struct Simulated {
    /// The version in force; null for a policy that was sent along.
    version: Option<u64>,
    /// One for each question, in its order.
    rulings: Vec<SimulatedRuling>,
}

/// One ruling and what led to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimulatedRuling {
    /// The question as it was asked.
    question: String,
    /// `{verdict: allow|ask|deny, why}`, and for ask `approvals` and `role` where they are not 1 and operator.
    #[schema(value_type = Object)]
    ruling: Value,
    /// How far that part of the house has come: observe, suggest, approve or automatic.
    autonomy: Value,
    /// The freeze that holds, or null.
    freeze: Option<String>,
    /// Every rule that matches, as `{name, effect}`.
    #[schema(value_type = Vec<Object>)]
    rules: Vec<Value>,
    /// What rules found as `resource` and `context`.
    #[schema(value_type = Object)]
    facts: Value,
}

/// Says what would be ruled, by the policy in force or by one that is to be tried.
#[utoipa::path(post, path = "/api/policies/simulate", tag = "access", request_body = Simulation,
    responses((status = 200, body = Simulated)))]
pub async fn simulate(
    State(app): State<AppState>,
    _operator: Operating,
    Json(body, _): Json<Simulation>,
) -> Result<axum::Json<Simulated>, ApiError> {
    if body.questions.is_empty() || body.questions.len() > MOST {
        return Err(ApiError::invalid("/questions", format!("1 to {MOST} questions")));
    }
    let now = app.clock.now();
    let house = app.store.house(now).await?;
    let (version, _) = app.store.policy().await?;
    if let Some(policy) = &body.policy {
        validate(policy)?;
    }
    let policy = body.policy.as_ref().unwrap_or(&house.policy);
    let mut rulings = vec![];
    for (index, text) in body.questions.iter().enumerate() {
        let wrong = |why: String| ApiError::invalid(format!("/questions/{index}"), why);
        if text.chars().count() > LONGEST {
            return Err(wrong(format!("must not be longer than {LONGEST} characters")));
        }
        let question = Question::read(text, &Question::default().when(now)).map_err(wrong)?;
        let question = if question.tally == Tally::default() { question.after(&house.deeds) } else { question };
        let explained = policy.explain(&question);
        rulings.push(SimulatedRuling {
            question: text.clone(),
            ruling: json_of(&explained.ruling),
            autonomy: json_of(&explained.autonomy),
            freeze: explained.freeze,
            rules: explained.hits.iter().map(|hit| json!({"name": hit.rule, "effect": hit.effect})).collect(),
            facts: json!({"resource": question.resource(), "context": question.context()}),
        });
    }
    Ok(axum::Json(Simulated { version: body.policy.is_none().then_some(version), rulings }))
}
