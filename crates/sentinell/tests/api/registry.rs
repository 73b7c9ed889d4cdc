//! Repositories, log sources, channels.

use crate::api::{House, OPERATOR};
use serde_json::json;

#[tokio::test]
async fn a_repository_comes_back_as_it_was_sent() {
    let house = House::open().await;
    let sent = json!({
        "name": "shop", "repo_url": "https://github.com/acme/shop", "github_app_installation_id": 42,
        "metadata": {"team": "a", "n": [1, 2.5, null]}, "unknown": true
    });
    let made = house.post_as(OPERATOR, "/api/repos", &sent).await;
    let repo = made.ok(201).clone();
    for field in ["name", "repo_url", "github_app_installation_id", "metadata"] {
        assert_eq!(repo[field], sent[field]);
    }
    assert_eq!(repo["default_branch"], "main");
    let path = format!("/api/repos/{}", repo["id"].as_str().unwrap());
    let patched = house.call("PATCH", &path, Some(OPERATOR), &json!({"default_branch": "trunk"})).await;
    assert_eq!((&patched.ok(200)["default_branch"], &patched.body["name"]), (&json!("trunk"), &json!("shop")));
    assert_eq!(house.get("/api/repos").await.ok(200)["repos"][0], patched.body);
    let source = json!({"name": "loki", "repo_id": repo["id"]});
    assert_eq!(house.post_as(OPERATOR, "/api/log-sources", &source).await.ok(201)["source_type"], "loki");
    house.post_as(OPERATOR, "/api/log-sources", &json!({"name": "x", "repo_id": "nope"})).await.problem(404);
    house.call("DELETE", &path, Some(OPERATOR), &json!({})).await.problem(409);
    house.call("DELETE", "/api/repos/nope", Some(OPERATOR), &json!({})).await.problem(404);
}

#[tokio::test]
async fn urls_that_no_rule_allows_are_refused_with_the_line_that_would() {
    let house = House::open().await;
    for (url, said) in [
        ("http://10.0.0.7/x", "git.hosts"),
        ("file:///etc", "http or https"),
        ("https://user:pass@github.com/a/b", "password"),
    ] {
        let refused = house.post_as(OPERATOR, "/api/repos", &json!({"name": "x", "repo_url": url})).await;
        assert!(refused.problem(422).contains(said), "{url}");
    }
}

#[tokio::test]
async fn a_channel_is_one_however_often_it_is_posted() {
    let house = House::open().await;
    let channel = |name: &str| json!({"team_id": "T1", "channel_id": "C1", "channel_name": name});
    let first = house.post_as(OPERATOR, "/api/slack/channels", &channel("ops")).await;
    let again = house.post_as(OPERATOR, "/api/slack/channels", &channel("ops-new")).await;
    assert_eq!(first.ok(201)["id"], again.ok(201)["id"]);
    let listed = house.get("/api/slack/channels").await;
    assert_eq!(listed.ok(200)["channels"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["channels"][0]["channel_name"], "ops-new");
}

#[tokio::test]
async fn a_failing_check_opens_an_incident() {
    let house = House::open().await;
    let repo = |name: &str| json!({"name": name, "repo_url": "https://github.com/acme/x"});
    let id = |answer: &crate::api::Answer| answer.ok(201)["id"].as_str().unwrap().to_owned();
    let broken = id(&house.post_as(OPERATOR, "/api/repos", &repo("broken")).await);
    let other = id(&house.post_as(OPERATOR, "/api/repos", &repo("other")).await);
    let none = json!({});
    assert!(house.post_as(OPERATOR, &format!("/api/repos/{other}/poll"), &none).await.problem(400).contains("check"));
    house.post_as(OPERATOR, "/api/repos/nope/poll", &none).await.problem(404);
    let polled = house.post_as(OPERATOR, &format!("/api/repos/{broken}/poll"), &none).await;
    assert_eq!((&polled.ok(200)["success"], &polled.body["exit_code"]), (&json!(false), &json!(2)));
    let incident = house.get(&format!("/api/incidents/{}", polled.body["incident_id"].as_str().unwrap())).await;
    assert_eq!(incident.ok(200)["repo_id"], broken);
}
