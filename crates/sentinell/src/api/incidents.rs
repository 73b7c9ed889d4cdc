//! Incidents: the list, one of them, and the raw context it was judged by.

pub mod context;

use super::AppState;
use super::extract::{Id, Page, Query};
use super::problem::ApiError;
use super::signals::SeverityWord;
use super::views::IncidentView;
use crate::auth::Reading;
use crate::store::Filter;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use sentinell_core::ids::IncidentId;
use sentinell_core::incident::Incident;
use sentinell_core::investigation::Investigation;
use sentinell_core::signal::Severity;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which incidents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// queued, processing or resolved.
    #[param(inline)]
    status: Option<Status>,
    /// Where the investigation stands.
    #[param(inline)]
    phase: Option<PhaseWord>,
    /// How bad.
    #[param(inline)]
    severity: Option<SeverityWord>,
    /// A registered repository.
    repo_id: Option<String>,
    /// Words of the title or description.
    q: Option<String>,
    /// Opened at or after this moment.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Opened before this moment.
    #[param(format = DateTime)]
    until: Option<String>,
    /// How many at most (default 500).
    #[param(minimum = 1, maximum = 1000, default = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The first version's three words.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody looked yet.
    Queued,
    /// Under way.
    Processing,
    /// Resolved or dismissed.
    Resolved,
}

/// Where an investigation stands.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's words say it")]
pub enum PhaseWord {
    Queued,
    Observing,
    Reasoning,
    AwaitingApproval,
    Acting,
    InDoubt,
    Verifying,
    Resolved,
    Escalated,
    Dismissed,
    DeadLetter,
}

/// Incidents, newest first.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the list writes: its objects are stored as they are shown")]
pub struct Incidents {
    /// One page.
    incidents: Vec<IncidentView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Lists incidents, newest first.
#[utoipa::path(get, path = "/api/incidents", tag = "incidents", params(Wanted),
    responses((status = 200, body = Incidents)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Wanted>,
) -> Result<impl IntoResponse, ApiError> {
    let word = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let limit = Page { limit: wanted.limit, cursor: None }.limit()?;
    let filter = Filter {
        status: word(wanted.status.map(|status| super::views::json_of(&status))),
        phase: word(wanted.phase.map(|phase| super::views::json_of(&phase))),
        severity: wanted.severity.map(severity),
        repo_id: wanted.repo_id,
        q: wanted.q.filter(|words| !words.trim().is_empty()),
        since: moment("since", wanted.since.as_deref())?,
        until: moment("until", wanted.until.as_deref())?,
    };
    let (views, next) = app.store.incident_views(filter, wanted.cursor.as_deref(), limit).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], page(&views, next.as_deref())))
}

/// One page as JSON. The objects are stored as they are shown: reading them only to write them again would be most of the
/// work.
fn page(views: &[String], next: Option<&str>) -> String {
    let mut body = String::with_capacity(views.iter().map(|view| view.len() + 1).sum::<usize>() + 200);
    body.push_str(r#"{"incidents":["#);
    for (at, view) in views.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(view);
    }
    body.push_str(r#"],"next_cursor":"#);
    body.push_str(&super::views::json_of(&next).to_string());
    body.push('}');
    body
}

fn severity(word: SeverityWord) -> Severity {
    match word {
        SeverityWord::Low => Severity::Low,
        SeverityWord::Medium => Severity::Medium,
        SeverityWord::High => Severity::High,
        SeverityWord::Critical => Severity::Critical,
    }
}

pub(super) fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let parse = |text: &str| Timestamp::parse(text).map_err(|why| ApiError::bad_request(format!("`{name}`: {why}")));
    text.map(parse).transpose()
}

/// An incident with its alerts and where its investigation stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    incident: IncidentView,
    /// Entries in its journal.
    seq: u64,
    /// Its alerts.
    alerts: Vec<AlertView>,
    /// What could not be read: `{what, why}`.
    gaps: Vec<Value>,
    /// What was spent: turns, tokens, money, deeds.
    #[schema(value_type = Object)]
    spent: Value,
    /// What may be spent.
    #[schema(value_type = Object)]
    budget: Value,
    /// When the first hypothesis stood.
    #[schema(format = DateTime)]
    first_hypothesis_at: Option<String>,
}

/// One alert of an incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentAlert)]
pub struct AlertView {
    /// What makes it the same alert.
    fingerprint: String,
    /// One line.
    title: String,
    /// Whether its sender still says that it is happening.
    firing: bool,
    /// low, medium, high or critical.
    severity: Value,
    /// Signals since the incident opened.
    count: u64,
}

/// One incident.
#[utoipa::path(get, path = "/api/incidents/{id}", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentDetail)))]
pub async fn read(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<Json<IncidentDetail>, ApiError> {
    let id = IncidentId(id);
    let (incident, case) = (find(&app, &id).await?, load(&app, &id).await?);
    let counted = app.store.alerts_of(&id).await?;
    let count =
        |fingerprint: &str| counted.iter().find(|row| row.fingerprint.as_str() == fingerprint).map(|row| row.count);
    let alerts = case.alerts.iter().map(|(fingerprint, alert)| AlertView {
        fingerprint: fingerprint.to_string(),
        title: alert.title.clone(),
        firing: alert.firing,
        severity: super::views::json_of(&alert.severity),
        count: count(fingerprint.as_str()).unwrap_or(1),
    });
    Ok(Json(IncidentDetail {
        incident: incident.into(),
        seq: case.seq,
        alerts: alerts.collect(),
        gaps: case.gaps.iter().map(super::views::json_of).collect(),
        spent: super::views::json_of(&case.spent),
        budget: super::views::json_of(&case.budget),
        first_hypothesis_at: case.first_hypothesis_at.map(|at| at.to_string()),
    }))
}

/// The incident as listed.
pub(super) async fn find(app: &AppState, id: &IncidentId) -> Result<Incident, ApiError> {
    app.store.incident(id).await?.ok_or_else(|| ApiError::not_found("incident"))
}

/// The investigation as its journal tells it.
pub(super) async fn load(app: &AppState, id: &IncidentId) -> Result<Investigation, ApiError> {
    app.store.load(id).await?.ok_or_else(|| ApiError::not_found("incident"))
}
