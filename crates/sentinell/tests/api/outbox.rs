//! `/api/outbox`.

use super::House;
use sentinell::store::{Attempt, Destination};
use sentinell_core::approval::Role;
use sentinell_core::notice::{Delivery, NoticeKind, Wanted};
use sentinell_core::ports::Clock;
use sentinell_core::signal::Severity;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_notice_is_shown_counted_and_retried_by_an_operator_only() {
    let wanted = Wanted { kinds: NoticeKind::ALL.into(), at_least: Severity::Low };
    let house = House::telling(vec![Destination { name: "pager".into(), wanted }]).await;
    house.post("/api/issues", &json!({"title": "cart is down", "description": "since noon"})).await.ok(201);
    let waiting = house.get("/api/outbox?state=waiting").await;
    let notice = &waiting.ok(200)["outbox"][0];
    assert_eq!((&notice["kind"], &notice["destination"]), (&json!("opened"), &json!("pager")));
    let id = notice["id"].as_str().unwrap().to_owned();
    let operator = house.token("olaf", Role::Operator).await;
    let retry = format!("/api/outbox/{id}/retry");
    house.post_as(&operator, &retry, &json!({})).await.problem(409);

    let now = house.clock.now();
    let letter = house.state.store.take_letter("pager", now, 1000).await.unwrap().unwrap();
    let ended = Attempt::Failed { why: "422: no".into(), away: false, then: Delivery::Dead, hold: None };
    house.state.store.end_letter(&letter, "pager", ended, now).await.unwrap();
    let dead = house.get("/api/outbox?state=dead").await;
    assert_eq!(dead.ok(200)["outbox"][0]["answer"], "422: no");
    assert_eq!(dead.body["destinations"], json!([{"name": "pager", "waiting": 0, "dead": 1, "closed_at": null}]));
    let metrics = house.get("/metrics").await.text;
    assert!(metrics.contains(r#"sentinell_outbox_notices{destination="pager",state="dead"} 1"#), "{metrics}");

    house.post(&retry, &json!({})).await.problem(401);
    let responder = house.token("rosa", Role::Responder).await;
    house.post_as(&responder, &retry, &json!({})).await.problem(403);
    assert_eq!(house.post_as(&operator, &retry, &json!({})).await.ok(200)["state"], "waiting");
    for unknown in ["/api/outbox/999/retry", "/api/outbox/x/retry"] {
        house.post_as(&operator, unknown, &json!({})).await.problem(404);
    }
    house.get("/api/outbox?state=lost").await.problem(400);
    house.get("/api/outbox?cursor=zzz").await.problem(400);
}
