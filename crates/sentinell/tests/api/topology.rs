//! Alerts of services that call each other and ring together are one incident, and the journal says why.

use super::{House, OPERATOR};
use sentinell::reasoner::Deterministic;
use sentinell::store::{Dependencies, Options};
use sentinell::worker::{self, Worker};
use sentinell_core::ports::{Clock, Tool};
use sentinell_core::topology::ServiceName;
use sentinell_sim::{Role, Town, story};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A house whose operator says that web calls cart, and cart calls payments and stock.
async fn house() -> House {
    let name = |text| ServiceName::parse(text).unwrap();
    let told = [("web", "cart"), ("cart", "payments"), ("cart", "stock")];
    let told = told.map(|(caller, callee)| (name(caller), name(callee))).into();
    let dependencies = Dependencies { told, ..Dependencies::default() };
    House::over(Options { dependencies, ..Options::default() }, |_| {}).await
}

/// What became of an alert: its incident, its fingerprint and what triage said.
async fn alert(house: &House, status: &str, rule: &str, labels: Value) -> (String, String, String) {
    let mut labels = labels;
    labels["alertname"] = json!(rule);
    let body = json!({"alerts": [{"status": status, "labels": labels}]});
    let answer = house.post("/api/signals/alertmanager", &body).await;
    let taken = &answer.ok(202)["alerts"][0];
    let word = |name: &str| taken[name].as_str().unwrap_or_default().to_owned();
    let signals = house.get_as(OPERATOR, "/api/signals?limit=1").await;
    let decision = signals.ok(200)["signals"][0]["decision"].as_str().unwrap_or_default().to_owned();
    (word("incident_id"), word("fingerprint"), decision)
}

async fn fires(house: &House, service: &str, rule: &str) -> (String, String, String) {
    alert(house, "firing", rule, json!({"service": service, "namespace": "shop"})).await
}

async fn journal(house: &House, id: &str) -> String {
    house.get(&format!("/api/incidents/{id}/journal?limit=1000")).await.text
}

#[tokio::test]
async fn a_caller_and_its_callee_that_ring_together_are_one_incident_and_nobody_two_calls_away() {
    let house = house().await;
    let (payments, _, _) = fires(&house, "payments", "Declined").await;
    house.clock.advance(60);
    let (cart, _, decision) = fires(&house, "cart", "Slow").await;
    assert_eq!((&cart, decision.as_str()), (&payments, "gather"));
    let told = journal(&house, &payments).await;
    assert!(told.contains("cart calls payments, which rings since 12:00 UTC"), "{told}");
    let (web, _, decision) = fires(&house, "web", "Errors").await;
    assert!(web != payments && decision == "open", "web does not call payments, and cart came by a call itself");
    let (stock, _, _) = fires(&house, "stock", "Empty").await;
    assert!(stock != payments && stock != web, "nor does stock");

    // The same from the caller's end: what it calls belongs to it, all of it.
    let other = self::house().await;
    let (cart, _, _) = fires(&other, "cart", "Slow").await;
    for (service, rule) in [("payments", "Declined"), ("stock", "Empty"), ("web", "Errors")] {
        assert_eq!(fires(&other, service, rule).await.0, cart, "{service}");
    }
    let told = journal(&other, &cart).await;
    assert!(told.contains("payments is called by cart, which rings since 12:00 UTC"), "{told}");
    assert!(told.contains("web calls cart, which rings since 12:00 UTC"), "{told}");
}

#[tokio::test]
async fn only_within_the_time_the_same_place_and_while_somebody_works_on_it() {
    let house = house().await;
    let in_place = |service: &str, place: &str| json!({"service": service, "namespace": "shop", "env": place});
    let (live, _, _) = alert(&house, "firing", "Declined", in_place("payments", "live")).await;
    let (test, _, _) = alert(&house, "firing", "Slow", in_place("cart", "test")).await;
    assert_ne!(test, live, "another environment");
    assert_eq!(alert(&house, "firing", "Slow", in_place("cart", "live")).await.0, live);
    assert_eq!(alert(&house, "firing", "Late", json!({"service": "stock", "namespace": "bank"})).await.2, "open");

    let house = self::house().await;
    let (payments, _, _) = fires(&house, "payments", "Declined").await;
    house.clock.advance(181);
    assert_ne!(fires(&house, "cart", "Slow").await.0, payments, "too late");

    let house = self::house().await;
    let (payments, _, _) = fires(&house, "payments", "Declined").await;
    let cancel = format!("/api/incidents/{payments}/cancel");
    house.post_as(OPERATOR, &cancel, &json!({"reason": "mine", "comment": "mine"})).await;
    let phase = house.get(&format!("/api/incidents/{payments}")).await.ok(200)["phase"].clone();
    assert_eq!(phase, json!("escalated"));
    assert_ne!(fires(&house, "cart", "Slow").await.0, payments, "a person has taken over");
}

#[tokio::test]
async fn what_people_split_is_not_gathered_by_that_call_again() {
    let house = house().await;
    let (payments, declined, _) = fires(&house, "payments", "Declined").await;
    let (_, slow, _) = fires(&house, "cart", "Slow").await;
    let split = format!("/api/incidents/{payments}/split");
    let made = house.post_as(OPERATOR, &split, &json!({"fingerprints": [slow]})).await;
    let cart = made.ok(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(fires(&house, "cart", "Slow").await.0, cart);
    assert_eq!(fires(&house, "cart", "Errors").await.0, cart, "the service went with its alert");
    assert_eq!(fires(&house, "payments", "Declined").await.0, payments);
    assert_eq!(fires(&house, "payments", "Down").await.0, payments);
    // It is over and comes back while payments still rings.
    let over = format!("/api/incidents/{cart}/dismiss");
    house.post_as(OPERATOR, &over, &json!({"reason": "a drill", "comment": "a drill"})).await;
    let (again, _, decision) = fires(&house, "cart", "Slow").await;
    assert!(again != payments && again != cart && decision == "open", "{again} {decision}");
    for id in [&payments, &cart, &again] {
        assert_eq!(house.state.store.verify_chain(&id.as_str().into()).await.unwrap().broken_at, None);
    }
    assert!(!declined.is_empty());
}

#[tokio::test]
async fn of_all_who_call_one_service_an_investigation_is_told_a_few() {
    let name = |text: &str| ServiceName::parse(text).unwrap();
    let told = (0..300).map(|n| (name(&format!("caller-{n}")), name("db"))).collect();
    let dependencies = Dependencies { told, learnt_days: 0, ..Dependencies::default() };
    let house = House::over(Options { dependencies, ..Options::default() }, |_| {}).await;
    let (db, _, _) = alert(&house, "firing", "Down", json!({"service": "db"})).await;
    let caller =
        |n| json!({"status": "firing", "labels": {"service": format!("caller-{n}"), "alertname": format!("A{n}")}});
    let body = json!({"alerts": (0..300).map(caller).collect::<Vec<_>>()});
    let answer = house.post("/api/signals/alertmanager", &body).await;
    let taken = answer.ok(202)["alerts"].as_array().unwrap();
    assert!(taken.iter().all(|one| one["incident_id"] == json!(db)), "{}", answer.text);
    let joined = journal(&house, &db).await.matches("which rings since").count();
    // The 256 callers that are looked at for the database itself do not matter here: each looks for what it calls.
    assert!((10..=25).contains(&joined), "{joined}");
    assert_eq!(house.state.store.alerts_of(&db.as_str().into()).await.unwrap().len(), 301);
}

#[tokio::test]
async fn what_an_investigation_saw_gathers_the_next_outage() {
    let house = House::open().await;
    let town = Town::new(story("bad_deploy").unwrap().stage(7, house.clock.now()), house.clock.clone());
    let [orders, queue] = [Role::Orders, Role::Queue].map(|role| town.scene().cast.name(role));
    let fires = async |service: &str, rule: &str| {
        alert(&house, "firing", rule, json!({"service": service, "namespace": "town"})).await.0
    };
    let first = fires(orders, "Slow").await;
    assert_ne!(fires(queue, "Full").await, first, "nobody has seen yet that one calls the other");

    let tools: Vec<Arc<dyn Tool>> = town.tools().into_iter().map(|tool| Arc::new(tool) as _).collect();
    let mind = Arc::new(Deterministic::new(tools.clone(), vec![]));
    let (lease, poll) = (Duration::from_secs(15), Duration::from_millis(10));
    let options = worker::Options { holder: "w".into(), lease, concurrency: 1, poll };
    let worker = Worker::new(house.state.store.clone(), tools, vec![], mind, house.clock.clone(), options);
    while worker.work_once().await.unwrap() {}

    house.clock.advance(2 * 86_400);
    let next = fires(queue, "Stuck").await;
    assert_eq!(fires(orders, "Late").await, next);
    let told = journal(&house, &next).await;
    let why = format!("{orders} calls {queue}, which rings since 12:00 UTC (a call last seen on 2026-11-22)");
    assert!(told.contains(&why), "{told}");
    // What was not seen for two weeks is believed no more.
    house.clock.advance(15 * 86_400);
    let last = fires(queue, "Jammed").await;
    assert_ne!(fires(orders, "Lost").await, last);
}
