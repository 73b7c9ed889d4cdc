//! Other agents: they read and open investigations with their own token's rights, and decide nothing.

use super::{Answer, House, OPERATOR, request};
use axum::body::Body;
use sentinell_core::approval::Role;
use serde_json::{Value, json};

async fn asked(house: &House, token: Option<&str>, origin: Option<&str>, method: &str, params: Value) -> Answer {
    let mut request = request("POST", "/mcp", token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    house.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn called(house: &House, token: &str, name: &str, arguments: Value) -> Value {
    let answer = asked(house, Some(token), None, "tools/call", json!({"name": name, "arguments": arguments})).await;
    answer.ok(200).clone()
}

#[tokio::test]
async fn an_agent_reads_and_opens_and_decides_nothing() {
    let house = House::with(|config| config.open_reading_on_loopback = false).await;
    let viewer = house.token("vera", Role::Viewer).await;
    let listed = asked(&house, Some(&viewer), None, "tools/list", json!({})).await;
    let tools = listed.ok(200)["result"]["tools"].as_array().unwrap().clone();
    assert_eq!(tools.len(), 10);
    let opened =
        called(&house, &viewer, "investigate", json!({"title": "the wheel jams", "description": "since noon"})).await;
    let id = opened["result"]["structuredContent"]["id"].as_str().unwrap().to_owned();
    house.ask(&id).await;
    let read = called(&house, &viewer, "get_incident", json!({"incident_id": id})).await;
    let rest = house.get_as(&viewer, &format!("/api/incidents/{id}")).await;
    assert_eq!(&read["result"]["structuredContent"], rest.ok(200), "the same as over REST");
    assert_eq!(rest.body["phase"], "awaiting_approval");
    for name in tools.iter().map(|tool| tool["name"].as_str().unwrap()).filter(|name| *name != "investigate") {
        let given = |key: &str| {
            tools.iter().any(|tool| tool["name"] == name && !tool["inputSchema"]["properties"][key].is_null())
        };
        let mut arguments = json!({});
        for (key, value) in [("incident_id", &*id), ("question", "why?")] {
            if given(key) {
                arguments[key] = json!(value);
            }
        }
        let answer = called(&house, OPERATOR, name, arguments).await;
        assert_eq!(answer["result"]["isError"], false, "{name}: {answer}");
    }
    let after = house.get_as(&viewer, &format!("/api/incidents/{id}")).await;
    assert_eq!(after.ok(200)["phase"], "awaiting_approval", "nothing decided, whatever was called");
    for (name, arguments) in
        [("get_incident", json!({"incident_id": "../tokens"})), ("get_incident", json!({"incident_id": "nope"}))]
    {
        let answer = called(&house, OPERATOR, name, arguments).await;
        assert!(answer["result"]["isError"] == true && answer.to_string().contains("404"), "{answer}");
    }
    assert!(called(&house, OPERATOR, "approve", json!({"incident_id": id})).await["error"].is_object());
    let postmortem = json!({"uri": format!("sentinell://incidents/{id}/postmortem")});
    let postmortem = asked(&house, Some(&viewer), None, "resources/read", postmortem).await;
    assert!(postmortem.ok(200)["result"]["contents"][0]["text"].as_str().unwrap().contains("the wheel jams"));
}

#[tokio::test]
async fn whoever_may_not_ask_is_told_nothing() {
    let house = House::with(|config| config.open_reading_on_loopback = false).await;
    let sender = house.token("bell", Role::Sender).await;
    for (token, origin, status) in [
        (None, None, 401),
        (Some("wrong"), None, 401),
        (Some(&*sender), None, 403),
        (Some(OPERATOR), Some("https://evil.example"), 403),
    ] {
        asked(&house, token, origin, "tools/list", json!({})).await.problem(status);
    }
    let large = json!({"name": "x".repeat(2 << 20)});
    assert_eq!(asked(&house, Some(OPERATOR), None, "tools/call", large).await.status, 413);
    let open = House::open().await;
    asked(&open, None, None, "tools/list", json!({})).await.ok(200);
}
