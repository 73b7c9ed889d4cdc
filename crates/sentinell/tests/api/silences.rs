//! A silence keeps away what is new and loses nothing; afterwards what still fires is heard.

use super::{House, OPERATOR};
use sentinell::store::{Options, When, Window};
use sentinell_core::approval::Role;
use sentinell_core::silence::{Matcher, Matchers, Op};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};

fn alert(status: &str, service: &str) -> Value {
    json!({"status": status, "alerts": [{"status": status, "labels": {"alertname": "Jam", "service": service}}]})
}

async fn told(house: &House, status: &str, service: &str) -> (Option<String>, String) {
    let answer = house.post("/api/signals/alertmanager", &alert(status, service)).await;
    let incident = answer.ok(202)["alerts"][0]["incident_id"].as_str().map(str::to_owned);
    let signals = house.get("/api/signals?limit=1").await;
    (incident, signals.ok(200)["signals"][0]["decision"].as_str().unwrap().to_owned())
}

fn silence(value: &str) -> Value {
    json!({"matchers": [{"name": "service", "op": "=~", "value": value}], "ends_at": "2026-11-22T13:00:00Z", "comment": "new wheel"})
}

#[tokio::test]
async fn a_silenced_alert_is_kept_and_opens_nothing_until_the_silence_is_over() {
    let house = House::open().await;
    let (open, _) = told(&house, "firing", "weir").await;
    let made = house.post_as(OPERATOR, "/api/silences", &silence("mill|weir")).await;
    assert_eq!((&made.ok(201)["state"], &made.body["created_by"]), (&json!("active"), &json!("olga")));
    assert_eq!(told(&house, "firing", "mill").await, (None, "silenced".into()));
    assert_eq!(told(&house, "firing", "mill-2").await.1, "gather", "the whole value has to match");
    assert_eq!(
        told(&house, "firing", "weir").await,
        (open.clone(), "repeat".into()),
        "an incident that is open goes on"
    );
    assert_eq!(told(&house, "resolved", "weir").await, (open, "resolve".into()), "and ends");
    let log = json!({"message": "the wheel jams", "level": "error", "metadata": {"service": "mill"}});
    house.post("/api/signals/logs", &log).await.ok(202);
    house.clock.advance(3599);
    assert_eq!(told(&house, "firing", "mill").await.1, "silenced");
    house.clock.advance(1);
    let (incident, decision) = told(&house, "firing", "mill").await;
    assert!(incident.is_some() && decision == "open", "it still fires: {decision}");
    assert_eq!(house.get("/api/silences").await.ok(200)["silences"], json!([]));
    assert_eq!(house.get("/api/silences?all=true").await.ok(200)["silences"][0]["state"], "over");
}

#[tokio::test]
async fn whoever_ends_a_silence_hears_the_next_notice() {
    let house = House::open().await;
    let made = house.post_as(OPERATOR, "/api/silences", &silence("mill")).await;
    let path = format!("/api/silences/{}", made.ok(201)["id"].as_str().unwrap());
    assert_eq!(told(&house, "firing", "mill").await.1, "silenced");
    house.call("DELETE", &path, None, &json!({})).await.problem(401);
    assert_eq!(house.call("DELETE", &path, Some(OPERATOR), &json!({})).await.ok(200)["state"], "over");
    house.call("DELETE", "/api/silences/nope", Some(OPERATOR), &json!({})).await.problem(404);
    assert_eq!(told(&house, "firing", "mill").await.1, "open");
}

#[tokio::test]
async fn a_silence_has_an_end_a_reason_and_something_that_it_is_about() {
    let house = House::open().await;
    let sender = house.token("sender", Role::Viewer).await;
    house.post_as(&sender, "/api/silences", &silence("mill")).await.problem(403);
    house.post("/api/silences", &silence("mill")).await.problem(401);
    for (change, pointer) in [
        (json!({"matchers": []}), "/matchers"),
        (json!({"matchers": [{"name": "service", "op": "=~", "value": "("}]}), "/matchers/0/value"),
        (json!({"matchers": [{"name": "service", "op": "~", "value": "x"}]}), "/matchers/0/op"),
        (json!({"matchers": [{"name": "service", "op": "!=", "value": "x"}]}), "/matchers/0/value"),
        (json!({"matchers": [{"name": "", "value": "x"}]}), "/matchers/0/name"),
        (json!({"ends_at": "2026-11-22T11:59:59Z"}), "/ends_at"),
        (json!({"ends_at": "2028-11-22T11:59:59Z"}), "/ends_at"),
        (json!({"comment": ""}), "/comment"),
    ] {
        let mut body = silence("mill");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = house.post_as(OPERATOR, "/api/silences", &body).await;
        refused.problem(422);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{}", refused.text);
    }
}

#[tokio::test]
async fn a_window_of_the_configuration_silences_while_it_is_open() {
    let matcher = Matcher { name: "service".into(), op: Op::Equal, value: "mill".into() };
    let when = When::Once(Timestamp(super::NOON), Timestamp(super::NOON + 60_000));
    let window =
        Window { name: "new wheel".into(), matchers: Matchers::new(&[matcher]).unwrap(), days: [true; 7], when };
    let house = House::over(Options { windows: vec![window], ..Options::default() }, |_| {}).await;
    assert_eq!(told(&house, "firing", "mill").await, (None, "silenced".into()));
    house.clock.advance(60);
    assert_eq!(told(&house, "firing", "mill").await.1, "open");
}
