//! The memory, asked by people: a search, what is like an incident, the runbooks.

use super::AppState;
use super::extract::{Id, Page, Query};
use super::incidents::{load, moment};
use super::problem::ApiError;
use crate::auth::Reading;
use crate::memory::search::{Answer, Like, alike, search as ask, why};
use crate::store::{Found, Kind, Recall};
use axum::Json;
use axum::extract::State;
use sentinell_core::ids::IncidentId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Characters of a question.
const QUESTION: usize = 2_000;
/// Answers unless more are asked for.
const USUAL: u32 = 20;
/// Answers at most.
const MOST: u32 = 100;

/// What to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Words, in any text; without them the newest records are answered.
    #[param(max_length = 2000)]
    q: Option<String>,
    /// Only this kind.
    #[param(inline)]
    kind: Option<KindWord>,
    /// Only this registered repository.
    repo_id: Option<String>,
    /// Only this service.
    service: Option<String>,
    /// At or after this moment.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this moment.
    #[param(format = DateTime)]
    until: Option<String>,
    /// How many at most (default 20).
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum KindWord {
    Signal,
    Slack,
    Commit,
    Template,
    Incident,
    Postmortem,
    Runbook,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Signal => Self::Signal,
            KindWord::Slack => Self::Slack,
            KindWord::Commit => Self::Commit,
            KindWord::Template => Self::Template,
            KindWord::Incident => Self::Incident,
            KindWord::Postmortem => Self::Postmortem,
            KindWord::Runbook => Self::Runbook,
        }
    }
}

/// What was found, the best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    /// Records.
    results: Vec<RecordView>,
    /// What is missing from the answer and why: a source of meaning that does not answer leaves the words alone.
    gaps: Vec<String>,
}

/// One record of the memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MemoryRecord)]
pub struct RecordView {
    /// Its id.
    id: String,
    /// signal, slack, commit, template, incident, postmortem or runbook.
    kind: Value,
    /// When it was.
    #[schema(format = DateTime)]
    at: String,
    /// The registered repository.
    repo_id: Option<String>,
    /// The service.
    service: Option<String>,
    /// The incident it belongs to.
    incident_id: Option<String>,
    /// One line.
    title: String,
    /// The text, bounded.
    text: String,
    /// Where it can be looked up.
    reference: Option<String>,
    /// What is known besides: of an incident its outcome, resolution, cause, runbook.
    #[schema(value_type = Object)]
    facts: Value,
    /// Greater is better; it says nothing by itself.
    score: f64,
    /// Why it was found.
    why: String,
}

impl From<Found> for RecordView {
    fn from(found: Found) -> Self {
        let why = why(&found);
        let Found { record, score, .. } = found;
        Self {
            id: record.id,
            kind: super::views::json_of(&record.kind),
            at: record.at.to_string(),
            repo_id: record.repo_id,
            service: record.service,
            incident_id: record.incident.map(|id| id.0),
            title: record.title,
            text: record.text,
            reference: record.reference,
            facts: record.facts,
            score,
            why,
        }
    }
}

fn views(found: Vec<Found>) -> Vec<RecordView> {
    found.into_iter().map(RecordView::from).collect()
}

fn limit(wanted: Option<u32>) -> Result<usize, ApiError> {
    match wanted.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit as usize),
        _ => Err(ApiError::bad_request(format!("`limit`: a number from 1 to {MOST}"))),
    }
}

/// Searches signals, messages, changes, log templates, incidents, postmortems and runbooks by words and by meaning.
///
/// Time, service, repository and kind narrow first.
#[utoipa::path(get, path = "/api/search", tag = "memory", params(Wanted), responses((status = 200, body = SearchAnswer)))]
pub async fn search(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Wanted>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let words = wanted.q.unwrap_or_default();
    if words.chars().count() > QUESTION {
        return Err(ApiError::bad_request(format!("`q`: at most {QUESTION} characters")));
    }
    let recall = Recall {
        words,
        kinds: wanted.kind.map(Kind::from).into_iter().collect(),
        repo_id: wanted.repo_id.filter(|id| !id.is_empty()),
        service: wanted.service.filter(|name| !name.is_empty()),
        since: moment("since", wanted.since.as_deref())?,
        until: moment("until", wanted.until.as_deref())?,
        limit: limit(wanted.limit)?,
        ..Recall::default()
    };
    let Answer { found, gaps } = ask(&app.store, &app.config.sense, recall).await?;
    Ok(Json(SearchAnswer { results: views(found), gaps }))
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HowMany {
    /// How many of each at most (default 20).
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What is like an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarAnswer {
    /// Past incidents, the most alike first; their `facts` tell how they ended.
    incidents: Vec<RecordView>,
    /// Runbooks that may fit.
    runbooks: Vec<RecordView>,
    /// What is missing from the answer and why.
    gaps: Vec<String>,
}

/// Past incidents that are like this one, with how they ended, and runbooks that may fit.
#[utoipa::path(get, path = "/api/incidents/{id}/similar", tag = "memory", params(("id" = String, Path), HowMany),
    responses((status = 200, body = SimilarAnswer)))]
pub async fn similar(
    State(app): State<AppState>,
    _: Reading,
    Id(id): Id,
    Query(wanted): Query<HowMany>,
) -> Result<Json<SimilarAnswer>, ApiError> {
    let limit = limit(wanted.limit)?;
    let case = load(&app, &IncidentId(id)).await?;
    let seen = case.evidence.iter().filter(|evidence| evidence.strength > 0.0).take(12);
    let seen: Vec<&str> = seen.map(|evidence| evidence.summary.as_str()).collect();
    let like = Like {
        fingerprint: case.alerts.keys().next().cloned(),
        ..Like::signal(case.id.clone(), &case.signal, &seen.join("\n"), limit)
    };
    let found = alike(&app.store, &app.config.sense, &like).await?;
    Ok(Json(SimilarAnswer { incidents: views(found.incidents), runbooks: views(found.runbooks), gaps: found.gaps }))
}

/// The runbooks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Runbooks {
    /// One page.
    runbooks: Vec<RunbookView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// One runbook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Runbook)]
pub struct RunbookView {
    /// Its file.
    id: String,
    /// Its name.
    name: String,
    /// Faults and the text for people.
    text: String,
    /// Faults, in the engine's words.
    #[schema(value_type = Vec<String>)]
    fault: Value,
    /// The components it is for.
    component: Option<String>,
    /// The kind of action it proposes; null for advice.
    action: Option<String>,
}

/// Lists the runbooks that the worker knows.
#[utoipa::path(get, path = "/api/runbooks", tag = "memory", params(Page), responses((status = 200, body = Runbooks)))]
pub async fn runbooks(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Page>,
) -> Result<Json<Runbooks>, ApiError> {
    let all = Recall { kinds: vec![Kind::Runbook], limit: 500, ..Recall::default() };
    let found = app.store.recall(&all).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut all: Vec<RunbookView> = found
        .into_iter()
        .map(|Found { record, .. }| RunbookView {
            id: record.reference.unwrap_or(record.id),
            name: record.title,
            text: record.text,
            fault: record.facts["fault"].clone(),
            component: text(&record.facts["component"]),
            action: text(&record.facts["action"]),
        })
        .collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let (runbooks, next_cursor) = super::paging::page(all, &wanted, |book| book.id.as_str())?;
    Ok(Json(Runbooks { runbooks, next_cursor }))
}
