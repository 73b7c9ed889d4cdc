//! Bad input gets a problem document, never a 5xx.

use crate::api::{House, OPERATOR, request};
use axum::body::Body;
use serde_json::json;

#[tokio::test]
async fn bodies_that_do_not_validate_say_where() {
    let house = House::open().await;
    for (path, body, status, pointer) in [
        ("/api/issues", "", 400, ""),
        ("/api/issues", "{", 400, ""),
        ("/api/issues", "\u{0}", 400, ""),
        ("/api/issues", "[]", 422, ""),
        ("/api/issues", "null", 422, ""),
        ("/api/issues", r#"{"title": "x"}"#, 422, "/description"),
        ("/api/issues", r#"{"title": 7, "description": "y"}"#, 422, "/title"),
        ("/api/issues", r#"{"title": "", "description": "y"}"#, 422, "/title"),
        ("/api/issues", r#"{"title": "x", "description": "y", "severity": "awful"}"#, 422, "/severity"),
        ("/api/issues", r#"{"title": "x", "description": "y", "tags": [1]}"#, 422, "/tags/0"),
        ("/api/issues", r#"{"title": "x", "description": "y", "metadata": [1]}"#, 422, "/metadata"),
        ("/api/issues", r#"{"title": "x", "description": "y", "metadata": {"a": 1e999}}"#, 400, ""),
        ("/api/issues", r#"{"title": "x", "description": "y", "repo_id": "nope"}"#, 404, ""),
        ("/api/signals/logs", r#"{"message": "x", "occurred_at": "+999999-01-01T00:00:00Z"}"#, 422, "/occurred_at"),
        ("/api/signals/logs", r#"{"message": "x", "occurred_at": "1815-06-18T00:00:00Z"}"#, 422, "/occurred_at"),
        ("/api/signals/logs", r#"{"message": "x", "occurred_at": 3}"#, 422, "/occurred_at"),
        ("/api/signals/slack", r#"{"team_id": "t"}"#, 422, "/channel_id"),
        ("/api/signals/github", r#"{"delivery_id": "d", "event": "push"}"#, 422, "/payload"),
        ("/api/signals/alertmanager", r#"{"alerts": {}}"#, 422, "/alerts"),
        ("/api/signals/alertmanager", r#"{"alerts": [{"status": "odd"}]}"#, 422, "/alerts/0/status"),
        (
            "/api/signals/alertmanager",
            r#"{"alerts": [{"status": "firing", "labels": {"a": 1}}]}"#,
            422,
            "/alerts/0/labels/a",
        ),
    ] {
        let request = request("POST", path, None).header("content-type", "application/json");
        let answer = house.send(request.body(Body::from(body)).unwrap()).await;
        answer.problem(status);
        if status == 422 {
            assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{path} {body}");
        }
    }
}

#[tokio::test]
async fn strange_requests_are_refused_and_not_feared() {
    let house = House::open().await;
    let deep = format!("{{\"title\": {}", "[".repeat(100_000));
    let large = format!("{{\"title\": \"{}\"}}", "x".repeat(2 << 20));
    for (body, status) in
        [(deep.into_bytes(), 400), (large.into_bytes(), 413), (b"{\"title\": \"\xff\xfe\"}".to_vec(), 400)]
    {
        let request = request("POST", "/api/issues", None).header("content-type", "application/json");
        house.send(request.body(Body::from(body)).unwrap()).await.problem(status);
    }
    for path in [
        "/api/incidents?limit=0",
        "/api/incidents?limit=1001",
        "/api/incidents?limit=-1",
        "/api/incidents?limit=99999999999999999999",
        "/api/incidents?cursor=nope",
        "/api/incidents?cursor=%00",
        "/api/incidents?cursor=%F0%9F%92%A3",
        "/api/incidents?status=odd",
        "/api/incidents?phase=odd",
        "/api/incidents?since=yesterday",
        "/api/incidents?until=99999-01-01T00:00:00Z",
        "/api/repos?cursor=x",
        "/api/signals?cursor=n",
        "/api/signals?cursor=n99999999999999999999",
        "/api/usage?days=0",
        "/api/search?limit=0",
        "/api/search?kind=odd",
        "/api/search?q=x&since=yesterday",
        "/api/incidents/nope/similar?limit=101",
        "/api/stream?after=-1",
        "/api/incidents/%FF",
    ] {
        house.get(path).await.problem(400);
    }
    for path in [
        "/api/incidents/nope",
        "/api/incidents/%00",
        "/api/incidents/%F0%9F%92%A3/journal",
        "/api/incidents/..%2F..%2Fetc%2Fpasswd/context",
        "/api/repos/%27%20OR%201=1",
        "/api/incidents/%00/similar",
        "/api/nothing",
        "/assets/..%2fapp.js",
        "/api/stream?incident=nope",
    ] {
        house.get(path).await.problem(404);
    }
    house.get(&format!("/api/incidents/{}", "x".repeat(5000))).await.problem(404);
    house.get("/api/incidents?q=%00%25_!'%22").await.ok(200);
    house.get("/api/incidents?unknown=1&repo_id=%00").await.ok(200);
    house.get("/stream").await.problem(426);
    let wrong_way = house.call("PATCH", "/api/issues", None, &json!({})).await;
    wrong_way.problem(405);
    assert!(wrong_way.headers["allow"].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn text_with_nul_and_secrets_is_stored_clean() {
    let house = House::open().await;
    let body = json!({"title": "a\u{0}b", "description": "password=hunter2hunter2 \u{0}", "tags": ["t\u{0}"]});
    let answer = house.post("/api/issues", &body).await;
    let incident = answer.ok(201);
    assert_eq!(incident["title"], "a\u{fffd}b");
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_request() {
    let house = House::open().await;
    let post = |key: &str, title: &str| {
        let request = request("POST", "/api/issues", None).header("content-type", "application/json");
        let body = json!({"title": title, "description": "d"}).to_string();
        request.header("idempotency-key", key).body(Body::from(body)).unwrap()
    };
    let first = house.send(post("k1", "one")).await;
    let again = house.send(post("k1", "one")).await;
    assert_eq!(first.ok(201), again.ok(201));
    house.send(post("k1", "two")).await.problem(422);
    house.send(post(&"k".repeat(300), "one")).await.problem(400);
    assert_ne!(house.send(post("k2", "one")).await.ok(201)["id"], first.body["id"]);
    assert_eq!(house.get("/api/incidents").await.ok(200)["incidents"].as_array().unwrap().len(), 2);
    let token = |key: &str| {
        let request = request("POST", "/api/tokens", Some(OPERATOR)).header("content-type", "application/json");
        request.header("idempotency-key", key).body(Body::from(r#"{"name": "ann", "role": "viewer"}"#)).unwrap()
    };
    house.send(token("k3")).await.ok(201);
    let again = house.send(token("k3")).await;
    again.problem(409);
    assert!(!again.text.contains("sen_"), "a secret is never replayed");
}

#[tokio::test]
async fn every_operation_and_answer_is_described() {
    let house = House::open().await;
    let api = house.get("/api/openapi.json").await;
    let api = api.ok(200);
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/api/repos", "/api/issues", "/api/signals/alertmanager", "/api/incidents/{id}/approve", "/api/ready"]
    {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["responses"]["400"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    let page = house.send(request("GET", "/", None).header("accept", "text/html").body(Body::empty()).unwrap()).await;
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    assert_eq!(house.get("/").await.ok(200)["status"], "ok");
}
