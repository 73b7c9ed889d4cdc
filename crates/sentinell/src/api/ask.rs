//! Questions about an incident.

use super::AppState;
use super::extract::{Id, Json};
use super::problem::ApiError;
use super::signals::text_of;
use crate::auth::Reading;
use axum::extract::State;
use sentinell_core::answer::answer;
use sentinell_core::ids::IncidentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Question {
    /// In your words; a component that it names is answered about.
    #[schema(min_length = 1, max_length = 1000)]
    question: String,
}

/// What the journal says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answered {
    /// One statement a line.
    text: String,
    /// The evidence that it cites.
    evidence: Vec<String>,
}

/// Answers a question from the journal and its evidence alone: the leading cause, or the component that the question names.
#[utoipa::path(post, path = "/api/incidents/{id}/ask", tag = "incidents", params(("id" = String, Path)),
    request_body = Question, responses((status = 200, body = Answered)))]
pub async fn ask(
    State(app): State<AppState>,
    _: Reading,
    Id(id): Id,
    Json(body, _): Json<Question>,
) -> Result<axum::Json<Answered>, ApiError> {
    text_of("/question", &body.question, 1000)?;
    let case = app.store.load(&IncidentId(id)).await?.ok_or_else(|| ApiError::not_found("incident"))?;
    let told = answer(&case, &body.question);
    let evidence = told.evidence.into_iter().map(|id| id.to_string()).collect();
    Ok(axum::Json(Answered { text: told.text, evidence }))
}
