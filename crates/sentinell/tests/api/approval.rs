//! A person approves exactly what was shown, or nothing happens.

use crate::api::{House, OPERATOR};
use sentinell_core::approval::Role;
use serde_json::json;
use sha2::{Digest, Sha256};

#[tokio::test]
async fn only_the_right_hash_from_the_right_person_in_time_approves() {
    let house = House::open().await;
    let (id, hash) = house.waiting().await;
    let viewer = house.token("vera", Role::Responder).await;
    let path = format!("/api/incidents/{id}/approve");
    let right = json!({"action_id": "a1", "hash": hash, "by": "somebody else"});
    house.post(&path, &right).await.problem(401);
    house.post_as(&viewer, &path, &right).await.problem(403);
    house.post_as(OPERATOR, &path, &json!({"action_id": "a1", "hash": "0".repeat(64)})).await.problem(409);
    house.post_as(OPERATOR, &path, &json!({"action_id": "a9", "hash": hash})).await.problem(404);
    house.post_as(OPERATOR, "/api/incidents/nope/approve", &right).await.problem(404);
    house.post_as(OPERATOR, &path, &json!({"action_id": "a1"})).await.problem(422);
    let approved = house.post_as(OPERATOR, &path, &right).await;
    assert_eq!(approved.ok(200)["state"], "authorized");
    assert_eq!(approved.body["decided_by"], "olga", "the actor is the principal, never a field of the body");
    house.post_as(OPERATOR, &path, &right).await.problem(409);
}

#[tokio::test]
async fn an_approval_that_comes_too_late_is_gone() {
    let house = House::open().await;
    let (id, hash) = house.waiting().await;
    house.clock.advance(601);
    let body = json!({"action_id": "a1", "hash": hash});
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/approve"), &body).await.problem(410);
}

#[tokio::test]
async fn a_rejected_action_is_not_approved_afterwards() {
    let house = House::open().await;
    let (id, hash) = house.waiting().await;
    let no = json!({"action_id": "a1", "comment": "not now"});
    assert_eq!(house.post_as(OPERATOR, &format!("/api/incidents/{id}/reject"), &no).await.ok(200)["state"], "rejected");
    let yes = json!({"action_id": "a1", "hash": hash});
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/approve"), &yes).await.problem(409);
}

#[tokio::test]
async fn anybody_can_recompute_the_hash_from_what_is_shown() {
    let house = House::open().await;
    let (id, _) = house.waiting().await;
    let actions = house.get(&format!("/api/incidents/{id}/actions")).await;
    let shown = &actions.ok(200)["actions"][0];
    let mut covered = json!({"incident_id": id, "action_id": shown["id"]});
    for field in ["deed", "target", "environment", "undo", "verification", "blast_radius", "evidence", "expires_at"] {
        covered[field] = shown[field].clone();
    }
    let canonical = serde_json_canonicalizer::to_vec(&covered).unwrap();
    let hash: String = Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown["hash"], hash);
    assert_eq!(shown["deed"]["argv"][0], "kubectl");
}

#[tokio::test]
async fn people_steer_and_the_journal_remembers_who() {
    let house = House::open().await;
    let (id, _) = house.waiting().await;
    let ann = house.token("ann", Role::Responder).await;
    let at = |what: &str| format!("/api/incidents/{id}/{what}");
    house.post_as(&ann, &at("hint"), &json!({"suspect": "service/shop/db"})).await.ok(200);
    house.post_as(&ann, &at("hint"), &json!({})).await.problem(422);
    house.post_as(&ann, &at("notes"), &json!({"text": "looking"})).await.ok(200);
    assert_eq!(house.post_as(&ann, &at("cancel"), &json!({"reason": "mine"})).await.ok(200)["phase"], "escalated");
    assert_eq!(house.post_as(&ann, &at("retry"), &json!({})).await.ok(200)["status"], "queued");
    let done = house.post_as(&ann, &at("resolve"), &json!({"reason": "fixed by hand"})).await;
    assert_eq!((&done.ok(200)["status"], &done.body["resolution"]), (&json!("resolved"), &json!("person")));
    house.post_as(&ann, &at("dismiss"), &json!({})).await.problem(409);
    let journal = house.get(&at("journal?limit=3")).await;
    assert_eq!(journal.ok(200)["entries"].as_array().unwrap().len(), 3);
    let cursor = journal.body["next_cursor"].as_str().unwrap();
    let rest = house.get(&at(&format!("journal?limit=1000&cursor={cursor}"))).await;
    assert_eq!(rest.ok(200)["entries"][0]["seq"], 4);
    assert!(rest.text.contains(r#""by":"ann""#) && rest.body["next_cursor"].is_null());
    let postmortem = house.get(&at("postmortem?format=markdown")).await;
    assert_eq!(postmortem.headers["content-type"], "text/markdown; charset=utf-8");
    assert!(postmortem.text.contains("cart is down"));
    assert_eq!(house.get(&at("postmortem")).await.ok(200)["incident"], id);
}
