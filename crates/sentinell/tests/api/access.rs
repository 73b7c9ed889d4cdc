//! Who may do what.

use crate::api::{Answer, House, OPERATOR, request};
use axum::body::Body;
use sentinell::auth::session;
use sentinell_core::approval::{Principal, Role};
use serde_json::json;

const ROLES: [(&str, Role); 5] = [
    ("sender", Role::Sender),
    ("viewer", Role::Viewer),
    ("responder", Role::Responder),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];

#[tokio::test]
async fn each_endpoint_asks_for_its_role() {
    let house = House::with(|config| config.open_reading_on_loopback = false).await;
    let mut tokens = vec![];
    for (name, role) in ROLES {
        tokens.push((name, role, house.token(name, role).await));
    }
    let log = json!({"message": "boom"});
    let none = json!({});
    for (method, path, body, least) in [
        ("GET", "/api/incidents", &none, Role::Viewer),
        ("GET", "/api/signals", &none, Role::Viewer),
        ("GET", "/api/policies", &none, Role::Viewer),
        ("GET", "/metrics", &none, Role::Viewer),
        ("POST", "/api/signals/logs", &log, Role::Sender),
        ("POST", "/api/signals/alertmanager", &none, Role::Sender),
        ("POST", "/api/signals/github", &none, Role::Responder),
        ("POST", "/api/incidents/x/notes", &none, Role::Responder),
        ("POST", "/api/incidents/x/cancel", &none, Role::Responder),
        ("POST", "/api/incidents/x/approve", &none, Role::Operator),
        ("POST", "/api/incidents/x/reject", &none, Role::Operator),
        ("PUT", "/api/kill-switch", &none, Role::Operator),
        ("POST", "/api/policies/simulate", &none, Role::Operator),
        ("POST", "/api/repos", &none, Role::Admin),
        ("POST", "/api/policies", &none, Role::Admin),
        ("GET", "/api/tokens", &none, Role::Admin),
        ("POST", "/api/tokens", &none, Role::Admin),
        ("DELETE", "/api/tokens/x", &none, Role::Admin),
    ] {
        let what = format!("{method} {path}");
        let nobody = house.call(method, path, None, body).await;
        nobody.problem(401);
        assert!(nobody.headers.contains_key("www-authenticate"), "{what}");
        house.call(method, path, Some("wrong"), body).await.problem(401);
        for (name, role, token) in &tokens {
            let answer: Answer = house.call(method, path, Some(token), body).await;
            let refused = matches!(answer.status.as_u16(), 401 | 403);
            assert_eq!(refused, *role < least, "{what} as {name}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_open_loopback_reads_and_posts_signals_and_no_more() {
    let house = House::open().await;
    house.get("/api/incidents").await.ok(200);
    house.post("/api/signals/logs", &json!({"message": "boom"})).await.ok(202);
    for path in ["/api/incidents/x/approve", "/api/incidents/x/notes", "/api/tokens", "/api/policies", "/api/repos"] {
        house.post(path, &json!({})).await.problem(401);
    }
    house.call("PUT", "/api/kill-switch", None, &json!({"on": true})).await.problem(401);
    // A proxy would open it to its own clients.
    let proxied = request("GET", "/api/incidents", None).header("x-forwarded-for", "203.0.113.9");
    house.send(proxied.body(Body::empty()).unwrap()).await.problem(401);
    let abroad = House::with(|config| config.listen = "0.0.0.0:8000".parse().unwrap()).await;
    abroad.get("/api/incidents").await.problem(401);
}

#[tokio::test]
async fn other_hosts_and_foreign_pages_are_refused() {
    let house = House::open().await;
    for (host, status) in [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.8:8000", 421),
        ("", 421),
    ] {
        let request = axum::http::Request::builder().uri("/api/incidents").header("host", host);
        let answer = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    let post = |name: &'static str, value: &'static str| {
        let request = request("POST", "/api/signals/logs", None).header("content-type", "application/json");
        request.header(name, value).body(Body::from(r#"{"message": "boom"}"#)).unwrap()
    };
    house.send(post("origin", "http://127.0.0.1:8000")).await.ok(202);
    house.send(post("origin", "https://evil.example")).await.problem(403);
    house.send(post("origin", "null")).await.problem(403);
    house.send(post("sec-fetch-site", "cross-site")).await.problem(403);
    let form = request("POST", "/api/signals/logs", None).header("content-type", "text/plain");
    house.send(form.body(Body::from(r#"{"message": "boom"}"#)).unwrap()).await.problem(415);
}

#[tokio::test]
async fn a_token_signs_a_browser_in_until_it_is_revoked() {
    let house = House::with(|config| config.open_reading_on_loopback = false).await;
    let token = house.token("olga", Role::Viewer).await;
    let sender = house.token("alertmanager", Role::Sender).await;
    house.call("POST", "/api/session", None, &json!({})).await.problem(401);
    house.call("POST", "/api/session", Some("wrong"), &json!({})).await.problem(401);
    house.call("POST", "/api/session", Some(&sender), &json!({})).await.problem(403);
    let signed_in = house.call("POST", "/api/session", Some(&token), &json!({})).await;
    signed_in.ok(204);
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with =
        |method: &str, path: &str| request(method, path, None).header("cookie", &cookie).body(Body::empty()).unwrap();
    assert_eq!(house.send(with("GET", "/api/session")).await.ok(200)["actor"], "olga");
    // A session opens no other one.
    let csrf = house.send(with("GET", "/api/session")).await.body["csrf"].as_str().unwrap().to_owned();
    let again = request("POST", "/api/session", None).header("cookie", &cookie).header("x-csrf-token", csrf);
    house.send(again.body(Body::empty()).unwrap()).await.problem(401);
    let known = house.get_as(OPERATOR, "/api/tokens").await;
    let tokens = known.body["tokens"].as_array().unwrap();
    let id = tokens.iter().find(|token| token["name"] == "olga").unwrap()["id"].as_str().unwrap().to_owned();
    house.call("DELETE", &format!("/api/tokens/{id}"), Some(OPERATOR), &json!({})).await.ok(204);
    house.send(with("GET", "/api/session")).await.problem(401);
}

#[tokio::test]
async fn a_link_signs_a_browser_in_once_and_changes_need_the_csrf_header() {
    let house = House::open().await;
    let olga = Principal { actor: "olga".into(), role: Role::Operator };
    let ticket = session::login_ticket(&house.state, &olga).await.unwrap();
    let login = format!("/login?ticket={ticket}");
    let first = house.get(&login).await;
    assert_eq!(first.status.as_u16(), 303, "{}", first.text);
    let cookie = first.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    house.get(&login).await.problem(401);
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |method: &str, path: &str, csrf: &str| {
        let request = request(method, path, None).header("cookie", &cookie).header("x-csrf-token", csrf);
        request.header("content-type", "application/json").body(Body::from(r#"{"on": true}"#)).unwrap()
    };
    let session = house.send(with("GET", "/api/session", "")).await;
    assert_eq!(session.ok(200)["actor"], "olga");
    let csrf = session.body["csrf"].as_str().unwrap().to_owned();
    house.send(with("PUT", "/api/kill-switch", "")).await.problem(403);
    house.send(with("PUT", "/api/kill-switch", "guess")).await.problem(403);
    assert_eq!(house.send(with("PUT", "/api/kill-switch", &csrf)).await.ok(200)["by"], "olga");
    house.send(with("DELETE", "/api/session", &csrf)).await.ok(204);
    house.send(with("PUT", "/api/kill-switch", &csrf)).await.problem(401);
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_taken_back() {
    let house = House::open().await;
    let new = json!({"name": "ann", "role": "responder"});
    let made = house.post_as(OPERATOR, "/api/tokens", &new).await;
    let (id, token) = (made.ok(201)["id"].as_str().unwrap(), made.body["token"].as_str().unwrap());
    assert_eq!(house.get_as(token, "/api/session").await.ok(200)["actor"], "ann");
    let listed = house.get_as(OPERATOR, "/api/tokens").await;
    assert!(listed.text.contains("ann") && !listed.text.contains(token));
    house.call("DELETE", &format!("/api/tokens/{id}"), Some(OPERATOR), &json!({})).await.ok(204);
    house.get_as(token, "/api/incidents").await.problem(401);
}

#[tokio::test]
async fn a_new_policy_never_releases_the_kill_switch() {
    let house = House::open().await;
    let press = json!({"on": true, "why": "freeze"});
    assert_eq!(house.call("PUT", "/api/kill-switch", Some(OPERATOR), &press).await.ok(200)["on"], true);
    let policy = json!({"policy": {"autonomy": "approve", "kill_switch": null}, "why": "more"});
    assert_eq!(house.post_as(OPERATOR, "/api/policies", &policy).await.ok(201)["version"], 2);
    assert_eq!(house.get("/api/kill-switch").await.ok(200)["why"], "freeze");
    let newest = house.get("/api/policies?limit=1").await;
    assert_eq!(newest.ok(200)["policies"][0]["policy"]["autonomy"], "approve");
    let release = json!({"on": false});
    assert_eq!(house.call("PUT", "/api/kill-switch", Some(OPERATOR), &release).await.ok(200)["on"], false);
    let misspelt = json!({"policy": {"rulez": []}, "why": "x"});
    house.post_as(OPERATOR, "/api/policies", &misspelt).await.problem(422);
}
