//! A server that asks a fake GitHub what was merged before an incident. The fake answers as the one that GitHub's OpenAPI
//! description judges (`sentinell-adapters`, `tests/main/github.rs`).

use super::serve::{Serve, TOKEN, Wishes};
use axum::extract::Path;
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, StatusCode};
use axum::{Json, Router, routing::get};
use sentinell::digest::diagnose_observations;
use sentinell_core::evidence::{Change, LogLine, Observation, Telemetry};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MERGE: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

/// `acme/till`, where a pull request was merged five minutes ago.
async fn hub(Path(rest): Path<String>) -> Result<([(HeaderName, &'static str); 1], Json<Value>), StatusCode> {
    let at = (chrono::Utc::now() - chrono::Duration::minutes(5)).to_rfc3339();
    let answer = match rest.as_str() {
        "pulls" => json!([{"number": 7, "title": "Raise the limit", "merged_at": at, "updated_at": at,
            "merge_commit_sha": MERGE, "user": {"login": "ann"}}]),
        "commits" => json!([{"sha": MERGE, "commit": {"message": "Raise the limit (#7)", "committer": {"date": at}}}]),
        "deployments" => json!([]),
        "actions/runs" => json!({"total_count": 0, "workflow_runs": []}),
        rest if rest.strip_prefix("commits/") == Some(MERGE) => {
            json!({"sha": MERGE, "files": [{"filename": "limits.toml"}]})
        }
        _ => return Err(StatusCode::NOT_FOUND),
    };
    // A connection that is kept would outlive the fake.
    Ok(([(CONNECTION, "close")], Json(answer)))
}

async fn post(serve: &Serve, path: &str, body: &Value) -> Value {
    let answer = serve.http.post(serve.url(path)).bearer_auth(TOKEN).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

/// The journal of a new incident of a service, once nothing more comes.
async fn incident(serve: &Serve, service: &str, name: &str) -> Vec<Value> {
    let alert = json!({"status": "firing", "labels": {"alertname": name, "service": service}, "annotations": {"summary": name},
        "startsAt": chrono::Utc::now().to_rfc3339(), "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": name});
    let body = json!({"version": "4", "status": "firing", "receiver": "x", "groupKey": name, "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "alerts": [alert]});
    post(serve, "/api/signals/alertmanager", &body).await;
    let began = Instant::now();
    loop {
        let all = serve.get("/api/incidents?limit=9").await;
        let ours =
            all["incidents"].as_array().unwrap().iter().find(|one| one["title"].as_str().unwrap().contains(name));
        if let Some(id) = ours.and_then(|one| one["id"].as_str()) {
            serve.until(id, &["escalated", "concluded", "resolved"]).await;
            let entries = serve.get(&format!("/api/incidents/{id}/journal")).await["entries"].clone();
            return entries.as_array().unwrap().clone();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{all}\n{}", serve.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_tells_is_evidence_and_a_github_that_is_gone_is_a_gap() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let router = Router::new().route("/api/v3/repos/acme/till/{*rest}", get(hub));
    let github = tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("[github]\nurl = \"http://{place}/api/v3\"\n[git]\nhosts = [\"{place}\"]\n");
    let variables = vec![("GITHUB_TOKEN".to_owned(), "github_pat_hunter2".to_owned())];
    let serve = Serve::start(folder.path(), &Wishes { settings, variables, ..Wishes::default() }).await;
    for name in ["till", "mill"] {
        let url = format!("http://{place}/acme/{name}.git");
        post(&serve, "/api/repos", &json!({"name": name, "repo_url": url})).await;
    }
    // The eyes hear of new registrations every five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let journal = incident(&serve, "till", "TillSlow").await;
    let told =
        journal.iter().filter(|entry| entry["type"] == "evidence_gathered").map(|entry| entry["data"].to_string());
    let told: Vec<String> = told.filter(|data| data.contains("commit 6dcb09b5b5 #7 Raise the limit")).collect();
    assert!(told.len() == 1 && told[0].contains("limits.toml"), "{journal:?}\n{}", serve.log());
    github.abort();
    let _ = github.await;
    let journal = incident(&serve, "mill", "MillStuck").await;
    let gap = |entry: &&Value| entry["type"] == "query_failed" && entry.to_string().contains("github");
    assert!(journal.iter().any(|entry| gap(&entry)), "{journal:?}");
    assert!(!serve.log().contains("hunter2") && !format!("{journal:?}").contains("hunter2"));
}

#[test]
fn a_commit_that_three_eyes_tell_of_is_not_three_causes() {
    let noon = Timestamp(1_790_000_000_000);
    let told = |subject: &str, summary: &str, reference: &str| {
        let change = Change {
            at: noon.plus_seconds(-300),
            kind: "commit".into(),
            subject: subject.into(),
            summary: summary.into(),
            reference: reference.into(),
            touched: vec![],
            author: None,
        };
        Observation { telemetry: vec![Telemetry::Change { change }], ..Observation::default() }
    };
    let line = |second: i64| LogLine {
        at: Some(noon.plus_seconds(second)),
        level: Some("error".into()),
        text: "FATAL: sorry, too many clients already".into(),
        trace: None,
    };
    let trouble = Telemetry::Logs {
        subject: "service/till".into(),
        source: "till.log".into(),
        lines: (0..30).map(line).collect(),
        baseline: vec![],
    };
    let trouble = Observation { telemetry: vec![trouble], ..Observation::default() };
    let sure = |changes: Vec<Observation>| {
        let seen: Vec<Observation> = changes.into_iter().chain([trouble.clone()]).collect();
        let ranking = diagnose_observations(&seen, Some(noon), &[]).ranking;
        let blamed = ranking.hypotheses.iter().find(|one| one.fault.word() == "bad_change");
        blamed.map_or(0.0, |one| one.confidence)
    };
    let other = |digit: &str| digit.repeat(40);
    let eyes = |hashes: [&str; 3]| {
        vec![
            told("till", "Raise the limit", hashes[0]),
            told("service/till", "Raise the limit (#7)", hashes[1]),
            told("till", "#7 Raise the limit", hashes[2]),
        ]
    };
    let one = sure(vec![told("till", "Raise the limit", MERGE)]);
    let same = sure(eyes([MERGE, MERGE, MERGE]));
    let three = sure(eyes([&other("a"), &other("b"), &other("c")]));
    assert!(one > 0.0 && same >= one && three > same, "{one} {same} {three}");
    assert!(same - one < 0.5 * (three - one), "{one} {same} {three}");
}
