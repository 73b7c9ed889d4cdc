//! The audit: what people did to the system stands in one stream, and an export shows every change by itself.

use crate::api::{House, OPERATOR};
use sentinell::audit::{Notary, is_signed};
use sentinell::config::Secret;
use sentinell::store::Expiry;
use sentinell_core::approval::Role;
use sentinell_core::audit::{Auditor, Findings, Head, Line};
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::sync::Arc;

async fn signed() -> House {
    let notary = Notary::new(&Secret::new("5e".repeat(32))).unwrap();
    House::with(|config| config.notary = Some(Arc::new(notary))).await
}

async fn exported(house: &House) -> Vec<Line> {
    let answer = house.get_as(OPERATOR, "/api/audit/export").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judged(lines: &[Line], anchors: Vec<Head>) -> Findings {
    let mut auditor = Auditor::with_anchors(anchors);
    lines.iter().for_each(|line| auditor.read(line, &is_signed));
    auditor.finish()
}

#[tokio::test]
async fn everything_that_changes_the_system_is_told_with_who_did_it() {
    let house = signed().await;
    let made = house.post_as(OPERATOR, "/api/tokens", &json!({"name": "vera", "role": "viewer"})).await;
    let id = made.ok(201)["id"].as_str().unwrap().to_owned();
    let secret = made.body["token"].as_str().unwrap().to_owned();
    let repo = json!({"name": "mill", "repo_url": "https://git.example.org/a/mill"});
    let repo = house.post_as(OPERATOR, "/api/repos", &repo).await.ok(201)["id"].as_str().unwrap().to_owned();
    house.call("DELETE", &format!("/api/repos/{repo}"), Some(OPERATOR), &json!({})).await;
    let policy = json!({"policy": {"autonomy": "suggest"}, "why": "the first month went well"});
    house.post_as(OPERATOR, "/api/policies", &policy).await.ok(201);
    house.call("PUT", "/api/kill-switch", Some(OPERATOR), &json!({"on": true, "why": "freeze"})).await.ok(200);
    house.post_as(&secret, "/api/session", &json!({})).await;
    house.call("DELETE", &format!("/api/tokens/{id}"), Some(OPERATOR), &json!({})).await;

    let told = house.get_as(OPERATOR, "/api/audit").await;
    let events = told.ok(200)["events"].as_array().unwrap();
    let kinds: Vec<_> =
        events.iter().map(|event| (event["kind"].as_str().unwrap(), event["actor"].as_str().unwrap())).collect();
    let expected = [
        ("token_revoked", "olga"),
        ("signed_in", "vera"),
        ("policy_set", "olga"),
        ("policy_set", "olga"),
        ("repository_deleted", "olga"),
        ("repository_set", "olga"),
        ("token_made", "olga"),
    ];
    assert_eq!(kinds, expected);
    assert!(!told.text.contains(&secret), "a secret is never told");
    assert_eq!(events[3]["body"]["why"], "the first month went well");
    let viewer = house.token("nosy", Role::Viewer).await;
    for path in ["/api/audit", "/api/audit/verify", "/api/audit/export"] {
        house.get_as(&viewer, path).await.problem(403);
    }
    let page = house.get_as(OPERATOR, "/api/audit?limit=2").await;
    let next = page.ok(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(
        house.get_as(OPERATOR, &format!("/api/audit?limit=2&cursor={next}")).await.ok(200)["events"][0]["seq"],
        6
    );
}

#[tokio::test]
async fn an_export_verifies_alone_and_shows_what_was_bent() {
    let house = signed().await;
    let (first, _) = house.waiting().await;
    exported(&house).await;
    let (second, _) = house.waiting().await;
    house.post_as(OPERATOR, &format!("/api/incidents/{second}/notes"), &json!({"text": "looks fine"})).await.ok(200);
    let lines = exported(&house).await;
    let found = judged(&lines, vec![]);
    assert_eq!((found.heads, found.broken), (2, vec![]));
    let said = house.get_as(OPERATOR, "/api/audit/verify").await;
    assert_eq!((&said.ok(200)["holds"], &said.body["entries"]), (&json!(true), &json!(found.entries)));
    let anchor = house.get_as(OPERATOR, "/api/audit/export?head=true").await;
    let Ok(Line::Head(anchor)) = serde_json::from_str(&anchor.text) else { panic!("{}", anchor.text) };

    // Whoever can write to the database changes what was said, and mends the hashes of that journal.
    let cut = lines.iter().position(|line| matches!(line, Line::Head(_))).unwrap();
    assert!(judged(&lines[..=cut], vec![]).broken.is_empty(), "an older export is one, too");
    assert!(
        judged(&lines[..=cut], vec![anchor.clone()]).broken[0].contains("cut off"),
        "but not where a later head is known"
    );
    let mut bent = lines.clone();
    let mut last = String::new();
    for line in &mut bent {
        if let Line::Entry(entry) = line
            && entry.incident.as_str() == first
        {
            entry.event["by"] = json!("mallory");
            entry.hash = entry.hash_after(&last).unwrap();
            last.clone_from(&entry.hash);
        }
    }
    let found = judged(&bent, vec![anchor]);
    assert!(found.broken.iter().any(|what| what.contains("does not cover")), "{:?}", found.broken);
}

#[tokio::test]
async fn what_retention_drops_leaves_a_hash_and_the_audit_holds() {
    let house = signed().await;
    let (old, _) = house.waiting().await;
    house.post_as(OPERATOR, &format!("/api/incidents/{old}/resolve"), &json!({})).await.ok(200);
    exported(&house).await;
    house.clock.advance(100 * 86_400);
    house.waiting().await;
    let before = Timestamp(sentinell_core::ports::Clock::now(&*house.clock).0 - 86_400_000);
    let expiry = Expiry { incidents: Some(before), ..Expiry::default() };
    let dropped = house.state.store.drop_all(&expiry).await.unwrap();
    assert_eq!(dropped.incidents, 1);
    let found = judged(&exported(&house).await, vec![]);
    assert_eq!((found.dropped, found.broken), (dropped.entries, vec![]));
}

#[tokio::test]
async fn without_a_key_nothing_is_signed_and_that_is_said() {
    let house = signed().await;
    house.waiting().await;
    exported(&house).await;
    let without = House::open().await;
    without.get_as(OPERATOR, "/api/audit/export").await.problem(503);
    assert!(without.get_as(OPERATOR, "/api/audit").await.ok(200)["head"].is_null());
}
