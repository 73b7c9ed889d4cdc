//! What people say about what belongs together holds for the signals that come afterwards.

use super::{House, OPERATOR};
use serde_json::{Value, json};

async fn fired(house: &House, status: &str, rule: &str, service: &str) -> (String, String) {
    let body = json!({"alerts": [{"status": status, "labels": {"alertname": rule, "service": service}}]});
    let answer = house.post("/api/signals/alertmanager", &body).await;
    let taken = &answer.ok(202)["alerts"][0];
    let word = |name: &str| taken[name].as_str().unwrap_or_default().to_owned();
    (word("incident_id"), word("fingerprint"))
}

async fn phase(house: &House, id: &str) -> Value {
    house.get(&format!("/api/incidents/{id}")).await.ok(200)["phase"].clone()
}

#[tokio::test]
async fn a_merged_incident_is_over_and_its_alerts_live_on_in_the_other() {
    let house = House::open().await;
    let (mill, _) = fired(&house, "firing", "Jam", "mill").await;
    let (weir, _) = fired(&house, "firing", "Flood", "weir").await;
    assert_ne!(mill, weir);
    let merge = |from: &str| format!("/api/incidents/{from}/merge");
    house.post(&merge(&weir), &json!({"into": mill})).await.problem(401);
    house.post_as(OPERATOR, &merge(&weir), &json!({"into": weir})).await.problem(409);
    house.post_as(OPERATOR, &merge(&weir), &json!({"into": "nope"})).await.problem(404);
    house.post_as(OPERATOR, &merge("nope"), &json!({"into": mill})).await.problem(404);
    assert_eq!(house.post_as(OPERATOR, &merge(&weir), &json!({"into": mill})).await.ok(200)["id"], json!(mill));
    assert_eq!(phase(&house, &weir).await, "dismissed");
    house.post_as(OPERATOR, &merge(&weir), &json!({"into": mill})).await.problem(409);
    house.post_as(OPERATOR, &merge(&mill), &json!({"into": weir})).await.problem(409);
    assert_eq!(fired(&house, "firing", "Flood", "weir").await.0, mill, "the same alert again");
    assert_eq!(fired(&house, "firing", "Wet", "weir").await.0, mill, "and its kin");
    for (rule, service) in [("Flood", "weir"), ("Wet", "weir"), ("Jam", "mill")] {
        assert_eq!(fired(&house, "resolved", rule, service).await.0, mill);
    }
    assert_eq!(phase(&house, &mill).await, "resolved", "all of them are over");
}

#[tokio::test]
async fn what_is_split_off_is_an_incident_of_its_own() {
    let house = House::open().await;
    let (both, jam) = fired(&house, "firing", "Jam", "mill").await;
    let (same, flood) = fired(&house, "firing", "Flood", "mill").await;
    assert_eq!(both, same);
    let path = format!("/api/incidents/{both}/split");
    house.post_as(OPERATOR, &path, &json!({"fingerprints": []})).await.problem(422);
    house.post_as(OPERATOR, &path, &json!({"fingerprints": ["nope"]})).await.problem(404);
    house.post_as(OPERATOR, &path, &json!({"fingerprints": [jam, flood]})).await.problem(409);
    let made = house.post_as(OPERATOR, &path, &json!({"fingerprints": [flood]})).await;
    let own = made.ok(201)["id"].as_str().unwrap().to_owned();
    assert!(own != both && made.body["title"].as_str().unwrap().contains("Flood"), "{}", made.text);
    assert_eq!(fired(&house, "firing", "Flood", "mill").await.0, own);
    assert_eq!(fired(&house, "firing", "Jam", "mill").await.0, both);
    assert_eq!(fired(&house, "resolved", "Flood", "mill").await.0, own);
    assert_eq!((phase(&house, &own).await, phase(&house, &both).await), (json!("resolved"), json!("queued")));
    for id in [own, both] {
        assert_eq!(house.state.store.verify_chain(&id.as_str().into()).await.unwrap().broken_at, None);
    }
}
