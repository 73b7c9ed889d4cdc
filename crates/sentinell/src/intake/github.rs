//! A GitHub webhook: failed runs and deployments and newly opened issues are alerts; pushes, merges, deployments and releases
//! are changes, kept for the incidents after them; everything else is kept, no more.

mod changes;

use super::{Incoming, Receipt, text};
pub(crate) use changes::within as changes_within;
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};
use serde_json::{Value, json};

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// `X-GitHub-Event`.
    pub event: &'a str,
    /// The body.
    pub payload: &'a Value,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
}

/// What GitHub calls the repository of a payload (`owner/name`).
pub fn repository(payload: &Value) -> Option<&str> {
    payload.pointer("/repository/full_name")?.as_str()
}

/// Maps one delivery. A state of *resolved* on something that nobody knew as an alert means: stored, and nothing else.
pub fn incoming(delivery: Delivery<'_>, receipt: Receipt) -> Incoming {
    let Delivery { event, payload, repo_id } = delivery;
    let repository = repository(payload).unwrap_or_default();
    let say = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (title, text, key, url, state) = match (event, say("/action")) {
        ("workflow_run", "completed") => {
            let (name, branch) = (say("/workflow_run/name"), say("/workflow_run/head_branch"));
            let (end, message) = (say("/workflow_run/conclusion"), say("/workflow_run/head_commit/message"));
            let key = format!("{name}/{branch}");
            let state = if is_default(payload, branch) { ended(end) } else { SignalState::Resolved };
            (format!("{name} on {branch}: {end}"), message, key, say("/workflow_run/html_url"), state)
        }
        ("check_run", "completed") => {
            let (name, branch) = (say("/check_run/name"), say("/check_run/check_suite/head_branch"));
            let end = say("/check_run/conclusion");
            let key = format!("{name}/{branch}");
            let state = if is_default(payload, branch) { ended(end) } else { SignalState::Resolved };
            (
                format!("{name} on {branch}: {end}"),
                say("/check_run/output/summary"),
                key,
                say("/check_run/html_url"),
                state,
            )
        }
        ("deployment_status", _) => {
            let (environment, end) = (say("/deployment/environment"), say("/deployment_status/state"));
            let title = format!("deployment to {environment}: {end}");
            let url = say("/deployment_status/target_url");
            (title, say("/deployment_status/description"), environment.to_owned(), url, ended(end))
        }
        ("issues", "opened" | "reopened" | "closed") => {
            let number = payload.pointer("/issue/number").map(Value::to_string).unwrap_or_default();
            let state = if say("/action") == "closed" { SignalState::Resolved } else { SignalState::Firing };
            (say("/issue/title").to_owned(), say("/issue/body"), number, say("/issue/html_url"), state)
        }
        (event, action) => {
            // Nothing that could ever be over, so nothing that begins: its key is its own.
            let key = receipt.id.to_string();
            (format!("{event} {action}"), "", key, say("/compare"), SignalState::Resolved)
        }
    };
    let fingerprint = fingerprint(["github", repository, event, &key]);
    let title = if repository.is_empty() { title } else { format!("{repository}: {title}") };
    let mut signal = receipt.signal(SignalType::Github, "github", &title, if text.is_empty() { &title } else { text });
    signal.state = state;
    signal.severity = Severity::Medium;
    signal.repo_id = repo_id;
    signal.source_ref = (!url.is_empty()).then(|| text::line(url, super::TITLE_LIMIT));
    signal.labels.insert("repository".into(), text::line(repository, super::TITLE_LIMIT));
    signal.labels.insert("event".into(), text::line(event, super::TITLE_LIMIT));
    signal.metadata =
        json!({ "event": text::line(event, super::TITLE_LIMIT), "action": text::line(say("/action"), 60) });
    let changes = changes::told(event, payload);
    if !changes.is_empty() {
        signal.metadata["changes"] = json!(changes);
    }
    Incoming { signal, fingerprint }
}

/// Whether a branch is the one that people rely on: what fails on others is somebody's work in progress.
fn is_default(payload: &Value, branch: &str) -> bool {
    payload.pointer("/repository/default_branch").and_then(Value::as_str).is_none_or(|default| default == branch)
}

fn ended(conclusion: &str) -> SignalState {
    match conclusion {
        "failure" | "timed_out" | "startup_failure" | "error" => SignalState::Firing,
        _ => SignalState::Resolved,
    }
}
