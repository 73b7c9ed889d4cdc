//! Alarms of CloudWatch come through SNS: signed with Amazon's key, of a topic that the operator named.
//!
//! `sns.json` was signed with a key made for it, as SNS signs; its certificate is what "Amazon" answers here.

use super::{House, request};
use axum::body::Body;
use sentinell::config::{Fetch, Senders, Sns};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";

fn vectors() -> Value {
    serde_json::from_str(include_str!("sns.json")).unwrap()
}

/// A house that takes the topic, and the addresses that it asks.
async fn listening() -> (House, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(vec![]));
    let (note, certificate) = (asked.clone(), vectors()["certificate"].as_str().unwrap().to_owned());
    let fetch = move |url: String| -> futures::future::BoxFuture<'static, Result<Vec<u8>, String>> {
        note.lock().unwrap().push(url);
        let certificate = certificate.clone();
        Box::pin(async move { Ok(certificate.into_bytes()) })
    };
    let sns = Sns::new([TOPIC.to_owned()].into(), Fetch(Arc::new(fetch)));
    let house = House::with(|config| config.senders = Senders { sns: Some(sns), ..Senders::default() }).await;
    (house, asked)
}

async fn told(house: &House, message: &Value) -> super::Answer {
    let request = request("POST", "/api/signals/cloudwatch", None).header("content-type", "text/plain; charset=UTF-8");
    house.send(request.body(Body::from(message.to_string())).unwrap()).await
}

#[tokio::test]
async fn an_alarm_opens_and_ends_an_incident_and_a_subscription_is_confirmed() {
    let (house, asked) = listening().await;
    let all = vectors();
    told(&house, &all["confirms"]).await.ok(202);
    assert_eq!(asked.lock().unwrap().last(), all["confirms"]["SubscribeURL"].as_str().map(str::to_owned).as_ref());
    let begins = told(&house, &all["begins"]).await;
    let incident = begins.ok(202)["alerts"][0]["incident_id"].clone();
    assert_eq!(told(&house, &all["begins"]).await.ok(202)["alerts"][0]["incident_id"], incident, "counts once");
    assert_eq!(told(&house, &all["ends"]).await.ok(202)["alerts"][0]["incident_id"], incident);
    let shown = house.get(&format!("/api/incidents/{}", incident.as_str().unwrap())).await;
    assert_eq!((&shown.ok(200)["title"], &shown.body["status"]), (&json!("wheel-jams"), &json!("resolved")));
    assert_eq!(house.get("/api/signals").await.ok(200)["signals"].as_array().unwrap().len(), 2);
    assert_eq!(asked.lock().unwrap().len(), 2, "the certificate is read once");
}

#[tokio::test]
async fn what_amazon_did_not_sign_changes_nothing_and_makes_nobody_ask_elsewhere() {
    let (house, asked) = listening().await;
    let all = vectors();
    let changed = |name: &str, value: &str| {
        let mut message = all["begins"].clone();
        message[name] = json!(value);
        message
    };
    for message in [
        changed("Message", "{\"AlarmName\": \"other\", \"NewStateValue\": \"ALARM\"}"),
        changed("SignatureVersion", "2"),
        changed("SignatureVersion", "3"),
        changed("Signature", "AAAA"),
        changed("TopicArn", "arn:aws:sns:eu-west-1:123456789012:others"),
        changed("SigningCertURL", "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"),
        changed("SigningCertURL", "http://169.254.169.254/latest/meta-data.pem"),
        changed("Type", "SubscriptionConfirmation"),
        all["old"].clone(),
    ] {
        told(&house, &message).await.problem(403);
    }
    assert!(asked.lock().unwrap().iter().all(|url| url.starts_with("https://sns.eu-west-1.amazonaws.com/Simple")));
    told(&house, &json!([])).await.problem(422);
    told(&house, &json!({"Type": "Notification"})).await.problem(422);
    assert_eq!(house.get("/api/signals").await.ok(200)["signals"], json!([]));
}
