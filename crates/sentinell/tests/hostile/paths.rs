//! Paths that climb, as paths of requests and as ids in them.

use super::{calm, rows};
use crate::api::{House, OPERATOR, request};
use axum::body::Body;
use serde_json::json;

#[tokio::test]
async fn no_path_leads_to_a_file_of_this_machine() {
    let Some(rows) = rows("paths.jsonl") else { return };
    assert_eq!(rows.len(), 50);
    let house = House::open().await;
    let issue = json!({"title": "the wheel jams", "description": "since noon"});
    let incident = house.post("/api/issues", &issue).await.ok(201)["id"].as_str().unwrap().to_owned();
    let (mut sent, mut found) = (0, vec![]);
    for row in &rows {
        let value = row["value"].as_str().unwrap();
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for form in [value.to_owned(), escaped] {
            let form = form.trim_start_matches('/');
            for place in
                ["/", "/assets/", "/api/", "/api/incidents/", "/api/repos/", "/api/log-sources/", "/incidents/"]
            {
                let path = format!("{place}{form}");
                // What no URL can carry is not a request; the raw bytes are for the tests on sockets.
                let Ok(wanted) = request("GET", &path, Some(OPERATOR)).body(Body::empty()) else { continue };
                let answer = house.send(wanted).await;
                calm(&answer, &path);
                assert!(!answer.text.contains("root:"), "{path}");
                sent += 1;
                let page = answer.text.starts_with("<!doctype") || answer.text.starts_with("<!DOCTYPE");
                if answer.status.is_success() && !page {
                    found.push(path);
                }
            }
            let path = format!("/api/incidents/{form}/context");
            if let Ok(wanted) = request("GET", &path, Some(OPERATOR)).body(Body::empty()) {
                calm(&house.send(wanted).await, &path);
            }
        }
        // And as text that could be taken for a file's name.
        for (path, body) in [
            ("/api/signals/logs", json!({"message": "m", "source_id": value, "level": "error"})),
            ("/api/log-sources", json!({"name": "n", "source_type": "file", "endpoint": value})),
            ("/api/repos", json!({"name": "n", "repo_url": value})),
            ("/api/repos", json!({"name": "n", "repo_url": format!("https://git.example.org/{value}")})),
        ] {
            calm(&house.post_as(OPERATOR, path, &body).await, &format!("{value:?} at {path}"));
        }
    }
    eprintln!("paths: {} rows, {sent} requests, answered by an endpoint: {found:?}", rows.len());
    // `.` is the list itself to whoever resolves it; nothing else is anything.
    let known = ["/api/incidents", "/api/incidents/", "/"];
    assert!(found.iter().all(|path| known.contains(&path.as_str())), "{found:?} {incident}");
}
