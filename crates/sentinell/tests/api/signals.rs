//! Signals by REST: what they open, join and end, and that no delivery counts twice.

use crate::api::{GITHUB, House, OPERATOR, request};
use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_report_comes_back_as_it_was_sent() {
    let house = House::open().await;
    let sent = json!({
        "title": "Checkout is slow", "description": "p99 is 4 s", "severity": "critical", "tags": ["a", "b c"],
        "metadata": {"nested": {"n": 1.5, "list": [null, true]}}, "reporter": "ann"
    });
    let made = house.post("/api/issues", &sent).await;
    let incident = made.ok(201);
    for field in ["title", "description", "severity", "tags"] {
        assert_eq!(incident[field], sent[field]);
    }
    assert_eq!(incident["metadata"], sent["metadata"], "metadata comes back as sent");
    assert_eq!(incident["status"], "queued");
    assert_eq!(incident["signal_type"], "manual");
    let detail = house.get(&format!("/api/incidents/{}", incident["id"].as_str().unwrap())).await;
    assert_eq!(detail.ok(200)["title"], sent["title"]);
    assert_eq!(detail.body["seq"], 1);
}

#[tokio::test]
async fn the_same_message_joins_and_another_opens() {
    let house = House::open().await;
    let log = |message: &str, level: &str| json!({"message": message, "level": level});
    let first = house.post("/api/signals/logs", &log("timeout after 31 ms for 10.0.0.7", "error")).await;
    let again = house.post("/api/signals/logs", &log("timeout after 900 ms for 10.0.0.9", "error")).await;
    let other = house.post("/api/signals/logs", &log("disk is full", "warn")).await;
    assert_eq!(first.ok(202)["severity"], "high");
    assert_eq!(again.ok(202)["id"], first.body["id"]);
    assert_ne!(other.ok(202)["id"], first.body["id"]);
    let slack = json!({"team_id": "T", "channel_id": "C", "message_ts": "1.2", "text": "it burns", "user": "U"});
    let message = house.post("/api/signals/slack", &slack).await;
    assert_eq!(message.ok(202)["severity"], "high");
    let context = house.get(&format!("/api/incidents/{}/context", message.body["id"].as_str().unwrap())).await;
    let told = &context.ok(200)["slack_messages"][0];
    assert_eq!((&told["text"], &told["message_ts"], &told["user"]), (&json!("it burns"), &json!("1.2"), &json!("U")));
    let context = house.get(&format!("/api/incidents/{}/context", other.body["id"].as_str().unwrap())).await;
    assert_eq!(context.ok(200)["log_windows"][0]["lines"][0], "disk is full");
    let listed = house.get("/api/signals?limit=3").await;
    assert_eq!(listed.ok(200)["signals"].as_array().unwrap().len(), 3);
    let rest = house.get(&format!("/api/signals?cursor={}", listed.body["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest.ok(200)["signals"].as_array().unwrap().len(), 1);
}

/// Under overload the time goes to what is kept: whoever is refused is refused unread.
#[tokio::test(flavor = "multi_thread")]
async fn when_no_more_can_wait_a_signal_is_refused_before_it_is_read() {
    let house = Arc::new(House::narrow().await);
    let held = house.held().await;
    let posts = (0..8).map(|n| {
        let house = house.clone();
        tokio::spawn(
            async move { house.post("/api/issues", &json!({"title": format!("{n}"), "description": "?"})).await },
        )
    });
    let posts: Vec<_> = posts.collect();
    while !house.state.store.is_full() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for path in ["/api/issues", "/api/signals/logs", "/api/signals/slack", "/api/signals/alertmanager", "/v1/logs"] {
        let unread = house.post(path, &json!("no such body")).await;
        unread.problem(503);
        assert_eq!(unread.headers["retry-after"], "1");
    }
    house.get("/api/incidents").await.ok(200);
    drop(held);
    let mut kept = 0;
    for post in posts {
        let answer = post.await.unwrap();
        kept += usize::from(answer.status == 201);
        assert!(answer.status == 201 || answer.headers.contains_key("retry-after"), "{}", answer.text);
    }
    let shown = house.get("/api/incidents").await;
    assert_eq!(shown.ok(200)["incidents"].as_array().unwrap().len(), kept);
    assert!(kept >= 2, "those that waited were taken");
    house.post("/api/issues", &json!("no such body")).await.problem(422);
}

fn notification(status: &str, severity: &str) -> Value {
    let alert = |name: &str| {
        json!({
            "status": status, "labels": {"alertname": name, "severity": severity, "service": "cart"},
            "annotations": {"summary": "5xx on cart"}, "startsAt": "2026-11-22T11:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph", "fingerprint": "abc"
        })
    };
    json!({"version": "4", "status": status, "receiver": "sentinell", "alerts": [alert("Errors"), alert("Latency")]})
}

#[tokio::test]
async fn an_alert_fires_repeats_and_ends() {
    let house = House::open().await;
    let firing = house.post("/api/signals/alertmanager", &notification("firing", "critical")).await;
    assert_eq!(firing.ok(202)["accepted"], 2);
    let id = firing.body["alerts"][0]["incident_id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let again = house.post("/api/signals/alertmanager", &notification("firing", "critical")).await;
        assert_eq!(again.ok(202)["alerts"], firing.body["alerts"], "a storm of the same alert is one incident");
    }
    let detail = house.get(&format!("/api/incidents/{id}")).await;
    assert_eq!((&detail.ok(200)["severity"], &detail.body["alerts"][0]["count"]), (&json!("critical"), &json!(4)));
    assert_eq!(detail.body["title"], "Errors: 5xx on cart");
    house.post("/api/signals/alertmanager", &notification("resolved", "critical")).await.ok(202);
    let detail = house.get(&format!("/api/incidents/{id}")).await;
    assert_eq!(detail.ok(200)["resolution"], "self_recovered");
    let unknown = json!({"alerts": [{"status": "resolved", "labels": {"alertname": "Never seen"}}]});
    let answer = house.post("/api/signals/alertmanager", &unknown).await;
    assert!(answer.ok(202)["alerts"][0]["incident_id"].is_null());
}

#[tokio::test]
async fn the_first_alert_of_a_delivery_opens_the_incident_that_the_others_join() {
    let house = House::open().await;
    let alert = |n: usize| json!({"status": "firing", "labels": {"alertname": format!("A{n:03}"), "service": "cart"}});
    let delivery = json!({"alerts": (0..300).map(alert).collect::<Vec<_>>()});
    let taken = house.post("/api/signals/alertmanager", &delivery).await;
    assert_eq!(taken.ok(202)["accepted"], 300);
    let alerts = taken.body["alerts"].as_array().unwrap();
    assert!(alerts.iter().all(|alert| alert["incident_id"] == alerts[0]["incident_id"]), "one outage");
    let id = alerts[0]["incident_id"].as_str().unwrap();
    assert!(house.get(&format!("/api/incidents/{id}")).await.ok(200)["title"].as_str().unwrap().contains("A000"));
}

fn webhook(event: &str, delivery: &str, body: &str, signed_with: &str) -> axum::http::Request<Body> {
    let mut mac = Hmac::<Sha256>::new_from_slice(signed_with.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = request("POST", "/api/signals/github", None).header("content-type", "application/json");
    let request = request.header("x-github-event", event).header("x-github-delivery", delivery);
    request.header("x-hub-signature-256", format!("sha256={signature}")).body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn github_proves_itself_and_a_delivery_counts_once() {
    let house = House::open().await;
    let failed = json!({
        "action": "completed", "repository": {"full_name": "acme/shop"},
        "workflow_run": {"name": "deploy", "head_branch": "main", "conclusion": "failure", "html_url": "https://x/1"}
    });
    let failed = failed.to_string();
    house.send(webhook("workflow_run", "d1", &failed, "another secret")).await.problem(403);
    let first = house.send(webhook("workflow_run", "d1", &failed, GITHUB)).await;
    assert!(first.ok(202)["incident_id"].is_string());
    assert_eq!(house.send(webhook("workflow_run", "d1", &failed, GITHUB)).await.ok(202), &first.body);
    let quiet = house.send(webhook("ping", "d2", r#"{"zen": "x"}"#, GITHUB)).await;
    assert!(quiet.ok(202)["incident_id"].is_null());
    let passed = failed.replace("failure", "success");
    house.send(webhook("workflow_run", "d3", &passed, GITHUB)).await.ok(202);
    let id = first.body["incident_id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/incidents/{id}")).await.ok(200)["status"], "resolved");
    let unset = House::with(|config| config.senders.github = None).await;
    let refused = unset.send(webhook("ping", "d4", "{}", GITHUB)).await;
    assert!(refused.problem(403).contains("GITHUB_WEBHOOK_SECRET"));
}

#[tokio::test]
async fn the_first_versions_wrapper_is_echoed() {
    let house = House::open().await;
    let sent = json!({"delivery_id": "w1", "event": "push", "payload": {"ref": "main"}, "received_at": "2026-11-22T11:00:00Z"});
    let answer = house.post_as(OPERATOR, "/api/signals/github", &sent).await;
    for field in ["delivery_id", "event", "payload"] {
        assert_eq!(answer.ok(202)[field], sent[field]);
    }
}

#[tokio::test]
async fn a_delivery_id_of_the_sender_counts_once() {
    let house = House::open().await;
    let post = |title: &str| {
        let request = request("POST", "/api/issues", None).header("content-type", "application/json");
        let body = json!({"title": title, "description": "d"}).to_string();
        request.header("x-webhook-id", "w-1").body(Body::from(body)).unwrap()
    };
    let first = house.send(post("one")).await;
    assert_eq!(house.send(post("one")).await.ok(201)["id"], first.ok(201)["id"]);
    assert_eq!(house.get("/api/incidents").await.ok(200)["incidents"].as_array().unwrap().len(), 1);
}
