//! Pages of other origins: no WebSocket, nothing changed, nothing that a browser would show them.

use super::rows;
use crate::api::{House, OPERATOR};
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use serde_json::json;

/// A request to `sre.example.com`, as the browser of a page of this origin would send it.
fn from(path: &str, origin: Option<&str>, host: &str, body: Option<&str>) -> Option<Request<Body>> {
    let mut request = Request::builder().uri(path).header("host", host);
    request = match body {
        Some(_) => request.method("POST").header("content-type", "application/json"),
        None => request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    };
    if let Some(origin) = origin {
        // What no header can carry, no browser sends.
        request = request.header("origin", HeaderValue::from_bytes(origin.as_bytes()).ok()?);
    }
    request.body(Body::from(body.unwrap_or_default().to_owned())).ok()
}

#[tokio::test]
async fn no_foreign_origin_gets_in() {
    let Some(rows) = rows("origins.jsonl") else { return };
    assert_eq!(rows.len(), 37);
    let house = House::with(|config| {
        config.allowed_hosts = vec!["sre.example.com".into()];
        config.allowed_origins = vec!["https://sre.example.com".into()];
    })
    .await;
    let signed = |mut request: Request<Body>| {
        let bearer = HeaderValue::from_str(&format!("Bearer {OPERATOR}")).unwrap();
        request.headers_mut().insert("authorization", bearer);
        request
    };
    let issue = json!({"title": "a", "description": "b"}).to_string();
    let mut refused = 0;
    for row in &rows {
        let origin = row["origin"].as_str();
        let host = row["host"].as_str().unwrap_or("sre.example.com");
        let accept = row["expect"] == "accept";
        let (Some(upgrade), Some(post)) =
            (from("/stream", origin, host, None), from("/api/issues", origin, host, Some(&issue)))
        else {
            refused += 1;
            continue;
        };
        if origin.is_none() {
            let mut cookie = from("/stream", None, host, None).unwrap();
            cookie.headers_mut().insert("cookie", HeaderValue::from_static("sentinell_session=sse_1"));
            assert_eq!(house.send(cookie).await.status, 403, "a cookie without an origin opens no stream");
            assert_eq!(house.send(signed(post)).await.status, 201, "a machine has no origin");
            continue;
        }
        // In process there is no connection to upgrade: 426 is as far as an accepted one gets.
        let statuses = [house.send(signed(upgrade)).await.status, house.send(signed(post)).await.status];
        let statuses = statuses.map(|status| status.as_u16());
        if accept {
            assert_eq!(statuses, [426, 201], "{row}");
        } else {
            assert!(statuses.iter().all(|status| matches!(status, 403 | 421)), "{row}: {statuses:?}");
            refused += 1;
        }
    }
    eprintln!("origins: {} rows, {refused} refused", rows.len());
    assert_eq!(refused, 33);
}

#[tokio::test]
async fn no_answer_invites_another_origin() {
    let house = House::open().await;
    for (method, path) in
        [("GET", "/api/incidents"), ("OPTIONS", "/api/incidents"), ("GET", "/api/stream"), ("GET", "/")]
    {
        let request = crate::api::request(method, path, None).header("origin", "https://evil.example");
        let request = request.header("access-control-request-method", "POST").body(Body::empty()).unwrap();
        let answer = if path == "/api/stream" {
            use tower::ServiceExt;
            house.router.clone().oneshot(request).await.unwrap().headers().clone()
        } else {
            house.send(request).await.headers
        };
        assert!(!answer.keys().any(|name| name.as_str().starts_with("access-control-")), "{method} {path}: {answer:?}");
        assert_eq!(answer["cross-origin-resource-policy"], "same-origin", "{method} {path}");
    }
}
