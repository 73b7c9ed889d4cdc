//! What an incident was judged by, as the first version showed it. Reads only what is stored.

use crate::api::AppState;
use crate::api::extract::Id;
use crate::api::problem::ApiError;
use crate::api::repos::RepoView;
use crate::api::views::IncidentView;
use crate::auth::Reading;
use axum::Json;
use axum::extract::State;
use sentinell_core::evidence::{Change, LogLine, Observation, Telemetry};
use sentinell_core::ids::IncidentId;
use sentinell_core::signal::{Signal, SignalType};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Lines shown of one window.
const LINES: usize = 1000;
/// Signals and observations looked at.
const LOOKED_AT: u32 = 200;

/// An incident and what it was judged by.
#[derive(Debug, Serialize, ToSchema)]
pub struct Context {
    /// The incident.
    incident: IncidentView,
    /// Its repository, if it has one that is still registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<RepoView>,
    /// Log lines that were read or sent.
    log_windows: Vec<LogWindow>,
    /// Slack messages that were sent.
    slack_messages: Vec<SlackMessage>,
    /// Commits near the onset.
    commits: Vec<Commit>,
}

/// Lines of one source.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogWindow {
    /// Where they were read.
    source_id: Option<String>,
    /// When the first was written, if known.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When the last was written, if known.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// The lines, oldest first.
    lines: Vec<String>,
}

/// A Slack message.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlackMessage {
    /// The channel.
    channel_id: String,
    /// Slack's name of it.
    message_ts: String,
    /// The text.
    text: String,
    /// Who wrote it.
    user: Option<String>,
}

/// A commit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Commit {
    /// Its id.
    sha: String,
    /// Who.
    author: Option<String>,
    /// One line.
    title: String,
    /// When.
    #[schema(format = DateTime)]
    committed_at: String,
    /// What it touched.
    #[schema(value_type = Object)]
    stats: Value,
}

/// What an incident was judged by.
#[utoipa::path(get, path = "/api/incidents/{id}/context", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Context)))]
pub async fn context(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<Json<Context>, ApiError> {
    let id = IncidentId(id);
    let incident = super::find(&app, &id).await?;
    let repo = match &incident.repo_id {
        Some(repo) => app.store.repo(repo).await?.map(RepoView::from),
        None => None,
    };
    let mut context =
        Context { incident: incident.into(), repo, log_windows: vec![], slack_messages: vec![], commits: vec![] };
    for signal in app.store.signals_of(&id, LOOKED_AT).await? {
        context.add_signal(signal);
    }
    for kept in app.store.observations_of(&id, LOOKED_AT).await? {
        // A body that was too large to keep whole has no lines to show.
        let observation: Observation = serde_json::from_value(kept.body).unwrap_or_default();
        observation.telemetry.into_iter().for_each(|telemetry| context.add_telemetry(telemetry));
    }
    Ok(Json(context))
}

impl Context {
    fn add_signal(&mut self, signal: Signal) {
        match signal.signal_type {
            SignalType::Log => {
                let at = Some(signal.occurred_at.to_string());
                let (source_id, lines) = (signal.source_ref, vec![signal.text]);
                self.log_windows.push(LogWindow { source_id, started_at: at.clone(), ended_at: at, lines });
            }
            SignalType::Slack => {
                let label = |name: &str| signal.labels.get(name).cloned();
                self.slack_messages.push(SlackMessage {
                    channel_id: label("slack_channel").unwrap_or_default(),
                    message_ts: label("slack_ts").unwrap_or_default(),
                    user: label("slack_user"),
                    text: signal.text,
                });
            }
            SignalType::Manual | SignalType::Github | SignalType::Alert => {}
        }
    }

    fn add_telemetry(&mut self, telemetry: Telemetry) {
        match telemetry {
            Telemetry::Logs { source, lines, .. } => self.log_windows.push(window(source, lines)),
            Telemetry::Change { change } if change.kind == "commit" => self.commits.push(commit(change)),
            Telemetry::Text { source, lines, .. } => {
                let (source_id, lines) = (Some(source), lines.into_iter().take(LINES).collect());
                self.log_windows.push(LogWindow { source_id, started_at: None, ended_at: None, lines });
            }
            _ => {}
        }
    }
}

fn window(source: String, lines: Vec<LogLine>) -> LogWindow {
    let mut times = lines.iter().filter_map(|line| line.at);
    let first = times.next();
    let last = times.next_back().or(first);
    // The newest lines are the interesting ones.
    let skipped = lines.len().saturating_sub(LINES);
    LogWindow {
        source_id: Some(source),
        started_at: first.map(|at| at.to_string()),
        ended_at: last.map(|at| at.to_string()),
        lines: lines.into_iter().skip(skipped).map(|line| line.text).collect(),
    }
}

fn commit(change: Change) -> Commit {
    Commit {
        sha: change.reference,
        author: change.author,
        title: change.summary,
        committed_at: change.at.to_string(),
        stats: json!({ "files_changed": change.touched.len(), "files": change.touched }),
    }
}
