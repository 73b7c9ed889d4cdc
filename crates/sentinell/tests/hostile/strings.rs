//! Naughty strings in every text: they come back as they were sent, or are refused; they never break what shows them.

use super::{calm, posted, rows, senders};
use crate::api::{House, OPERATOR};
use futures::stream::{self, StreamExt};
use sentinell::report::paint::Paint;
use sentinell::report::timeline::{Frame, lines};
use sentinell_core::redact::redact;
use serde_json::{Value, json};

/// What is kept of a text: no NUL, no secret.
fn kept(text: &str) -> String {
    redact(&text.replace('\0', "\u{fffd}")).into_owned()
}

/// Bodies with the string in every field that is text.
#[expect(clippy::too_many_lines, reason = "one line for each endpoint")]
fn bodies(text: &str, incident: &str, repo: &str) -> Vec<(String, Value)> {
    let of = |path: &str| format!("/api/incidents/{incident}{path}");
    let labels = json!({"alertname": text, "service": text, "severity": text});
    let alert = json!({"status": "firing", "labels": labels, "annotations": {"summary": text, text: text}, "generatorURL": text, "fingerprint": text});
    vec![
        (
            "/api/signals/logs".into(),
            json!({"message": text, "level": text, "source_id": text, "metadata": {text: text}}),
        ),
        (
            "/api/signals/slack".into(),
            json!({"team_id": text, "channel_id": text, "message_ts": text, "text": text, "user": text, "thread_ts": text}),
        ),
        (
            "/api/signals/github".into(),
            json!({"delivery_id": text, "event": text, "payload": {"action": text, "repository": {"full_name": text}, "issue": {"title": text}}}),
        ),
        (
            "/api/signals/alertmanager".into(),
            json!({"status": "firing", "receiver": text, "externalURL": text, "alerts": [alert]}),
        ),
        ("/api/signals/grafana".into(), json!({"status": "firing", "title": text, "message": text, "alerts": [alert]})),
        (
            "/api/signals/pagerduty".into(),
            json!({"event": {"id": text, "event_type": "incident.triggered", "data": {"id": text, "title": text, "urgency": text, "service": {"summary": text}}}}),
        ),
        (
            "/api/signals/sentry".into(),
            json!({"action": "created", "data": {"issue": {"id": text, "title": text, "level": text, "culprit": text, "project": {"slug": text}}}}),
        ),
        (
            "/api/signals/datadog".into(),
            json!({"id": text, "alert_id": text, "alert_transition": "Triggered", "title": text, "body": text, "tags": text}),
        ),
        (
            "/api/signals/cloudevents".into(),
            json!({"specversion": "1.0", "id": text, "source": text, "type": text, "subject": text, "data": {"title": text, "message": text}}),
        ),
        (
            "/api/signals/generic/bells".into(),
            json!({"title": text, "id": text, "status": text, "labels": {"service": text}}),
        ),
        (
            "/v1/logs".into(),
            json!({"resourceLogs": [{"resource": {"attributes": [{"key": text, "value": {"stringValue": text}}]}, "scopeLogs": [{"logRecords": [{"severityNumber": 17, "severityText": text, "body": {"stringValue": text}}]}]}]}),
        ),
        (
            "/loki/api/v1/push".into(),
            json!({"streams": [{"stream": {"level": "error", "service_name": text}, "values": [["1795348800000000000", text]]}]}),
        ),
        (
            "/api/log-sources".into(),
            json!({"name": text, "endpoint": text, "auth_mode": text, "metadata": {text: text}}),
        ),
        (
            "/api/slack/channels".into(),
            json!({"team_id": text, "channel_id": text, "channel_name": text, "description": text}),
        ),
        (
            "/api/repos".into(),
            json!({"name": text, "repo_url": text, "default_branch": text, "github_app_installation_id": text}),
        ),
        (
            "/api/silences".into(),
            json!({"matchers": [{"name": "service", "op": "=", "value": format!("s{text}")}], "comment": text, "ends_at": "2026-11-22T13:00:00Z"}),
        ),
        ("/api/tokens".into(), json!({"name": text, "role": "viewer"})),
        ("/api/policies".into(), json!({"why": text, "policy": {"autonomy": text}})),
        (of("/notes"), json!({"text": text})),
        (of("/hint"), json!({"text": text, "suspect": text, "exclude": text})),
        (of("/ask"), json!({"question": text, "text": text})),
        (of("/approve"), json!({"action_id": text, "hash": text, "comment": text})),
        (of("/reject"), json!({"action_id": text, "hash": text, "comment": text})),
        (of("/merge"), json!({"into": text, "from": text, "incident_id": text})),
        (of("/split"), json!({"alerts": [text], "fingerprints": [text]})),
        (format!("/api/repos/{repo}/poll"), json!({"why": text})),
    ]
}

/// The same as senders that sign send it: Slack's events and presses, GitHub's hooks.
fn signed(text: &str) -> Vec<(&'static str, &'static str, String)> {
    let event = json!({"type": "message", "channel": text, "user": text, "text": text, "ts": text, "thread_ts": text});
    let mention =
        json!({"type": "app_mention", "channel": "C1", "user": text, "text": format!("<@U0> {text}"), "ts": "1.2"});
    let told =
        |event: Value| json!({"type": "event_callback", "team_id": text, "event_id": text, "event": event}).to_string();
    let pressed = json!({"type": "block_actions", "user": {"id": text, "name": text}, "team": {"id": text}, "channel": {"id": text},
        "message": {"ts": text}, "response_url": text, "actions": [{"action_id": "approve", "value": text, "block_id": text}]});
    let form: String = pressed.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let hook = json!({"action": "opened", "repository": {"full_name": text, "html_url": text}, "sender": {"login": text},
        "issue": {"number": 1, "title": text, "body": text, "html_url": text, "labels": [{"name": text}], "user": {"login": text}}});
    vec![
        (
            "/api/signals/slack/events",
            "application/json",
            json!({"type": "url_verification", "challenge": text}).to_string(),
        ),
        ("/api/signals/slack/events", "application/json", told(event)),
        ("/api/signals/slack/events", "application/json", told(mention)),
        ("/api/signals/slack/interactions", "application/x-www-form-urlencoded", format!("payload={form}")),
        ("/api/signals/github", "application/json; charset=utf-8", hook.to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_naughty_string_comes_back_as_it_was_sent_or_is_refused() {
    let Some(rows) = rows("blns.jsonl") else { return };
    assert_eq!(rows.len(), 515);
    let house = House::with(|config| config.senders = senders()).await;
    let issue = json!({"title": "the wheel jams", "description": "since noon"});
    let steady = house.post("/api/issues", &issue).await.ok(201)["id"].as_str().unwrap().to_owned();
    let repo = json!({"name": "mill", "repo_url": "https://git.example.org/a/mill"});
    let repo = house.post_as(OPERATOR, "/api/repos", &repo).await.ok(201)["id"].as_str().unwrap().to_owned();
    let each = rows.iter().map(|row| try_everywhere(&house, row, &steady, &repo)).collect::<Vec<_>>();
    // Many at a time: what they write is committed in groups.
    let taken: Vec<bool> = stream::iter(each).buffer_unordered(32).collect().await;
    let taken = taken.into_iter().filter(|taken| *taken).count();
    let sent = rows.len() * (bodies("", "", "").len() + signed("").len());
    eprintln!("naughty strings: {} strings, {sent} bodies, {taken} issues read back", rows.len());
    assert!(taken > 500, "{taken}");
}

/// One string in every place; whether an issue with it was taken, and came back whole.
async fn try_everywhere(house: &House, row: &Value, steady: &str, repo: &str) -> bool {
    let (text, what) = (row["value"].as_str().unwrap(), row["id"].as_str().unwrap());
    for (path, body) in bodies(text, steady, repo) {
        let answer = posted(house, &path, "application/json", body.to_string().as_bytes()).await;
        calm(&answer, &format!("{what} at {path}"));
    }
    for (path, kind, body) in signed(text) {
        let answer = posted(house, path, kind, body.as_bytes()).await;
        calm(&answer, &format!("{what} at {path}"));
        assert_ne!(answer.status.as_u16(), 401, "{what}: {path} was signed");
    }
    let body = json!({"title": format!("t{text}"), "description": format!("d{text}"), "reporter": text, "tags": [text], "metadata": {"a": text}});
    let answer = house.post("/api/issues", &body).await;
    calm(&answer, what);
    if !answer.status.is_success() {
        return false;
    }
    let id = answer.body["id"].as_str().unwrap();
    let shown = house.get(&format!("/api/incidents/{id}")).await;
    assert_eq!(shown.ok(200)["description"].as_str().unwrap(), kept(&format!("d{text}")), "{what}");
    assert_eq!(shown.body["metadata"]["a"].as_str().unwrap(), redact(text), "{what}");
    let query: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in [
        format!("/api/incidents?q={query}&limit=5"),
        format!("/api/search?q={query}&limit=5"),
        format!("/api/incidents/{query}"),
    ] {
        calm(&house.get(&path).await, &path);
    }
    if text.chars().any(|c| !c.is_alphanumeric()) {
        harmless(house, id, what).await;
    }
    true
}

/// Nothing in what is shown of an incident can do more than be read.
async fn harmless(house: &House, id: &str, what: &str) {
    let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let markdown = house.get(&format!("/api/incidents/{id}/postmortem?format=markdown")).await;
    let live = ["<script", "<img", "<iframe", "<svg", "](javascript:", "<a href"];
    // An escaped bracket is a bracket, and begins nothing.
    let lower = markdown.text.replace("\\<", "").replace("\\]", "").to_ascii_lowercase();
    let found: Vec<_> = live.iter().filter(|word| lower.contains(**word)).collect();
    assert!(found.is_empty() && !markdown.text.contains(odd), "{what}: {found:?} {:?}", markdown.text);
    let journal = house.get(&format!("/api/incidents/{id}/journal")).await;
    for entry in journal.ok(200)["entries"].as_array().unwrap() {
        let Ok(frame) = serde_json::from_value::<Frame>(entry.clone()) else { continue };
        let told = lines(&frame, Paint::plain(100));
        assert!(!told.contains(odd), "{what}: {told:?}");
    }
}
