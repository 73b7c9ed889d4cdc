//! Alerting services post in their own words; whoever cannot prove who it is changes nothing.

use super::{House, OPERATOR, request};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sentinell::config::{Secret, Senders};
use sentinell_core::approval::Role;
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECRET: &str = "a-secret-of-the-mill";

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secrets(secret: &str) -> Senders {
    let all = || Some(Secret::new(secret));
    let bells =
        "name = \"bells\"\ntitle = \"/what\"\nkey = [\"/where\"]\nstate = \"/state\"\n[labels]\nservice = \"/where\"";
    let generic = [("bells".to_owned(), toml::from_str(bells).unwrap())].into();
    Senders { github: all(), slack: all(), pagerduty: all(), sentry: all(), standard: all(), generic, sns: None }
}

fn posted(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let request = request("POST", path, None).header("content-type", "application/json");
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// What the incident list shows of the one incident that there is: title, status, severity.
async fn only(house: &House) -> (String, String, String) {
    let list = house.get("/api/incidents").await;
    let incidents = list.ok(200)["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "{}", list.text);
    let word = |name: &str| incidents[0][name].as_str().unwrap_or_default().to_owned();
    (word("title"), word("status"), word("severity"))
}

#[tokio::test]
async fn each_service_begins_and_ends_an_incident_in_its_own_words() {
    let pagerduty = |kind: &str| json!({"event": {"id": format!("e-{kind}"), "event_type": kind, "data": {"id": "P1", "title": "the wheel jams", "urgency": "high"}}});
    let sentry = |action: &str| json!({"action": action, "data": {"issue": {"id": "7", "title": "the wheel jams", "level": "error"}}});
    let datadog = |word: &str| json!({"id": word, "alert_id": "1", "alert_transition": word, "title": "the wheel jams", "alert_type": "error"});
    let event = |word: &str| json!({"id": word, "source": "mill", "type": format!("wheel.{word}"), "data": {"title": "the wheel jams", "severity": "high"}});
    let grafana = |word: &str| json!({"status": word, "alerts": [{"status": word, "labels": {"alertname": "the wheel jams", "severity": "high"}, "values": {"B": 22.5}}]});
    let bells = |word: &str| json!({"what": "the wheel jams", "where": "mill", "state": word});
    let cases: [(&str, [Value; 2]); 6] = [
        ("/api/signals/pagerduty", ["incident.triggered", "incident.resolved"].map(pagerduty)),
        ("/api/signals/sentry", ["created", "resolved"].map(sentry)),
        ("/api/signals/datadog", ["Triggered", "Recovered"].map(datadog)),
        ("/api/signals/cloudevents", ["failed", "resolved"].map(event)),
        ("/api/signals/grafana", ["firing", "resolved"].map(grafana)),
        ("/api/signals/generic/bells", ["down", "OK"].map(bells)),
    ];
    for (path, [begins, ends]) in cases {
        let house = House::with(|config| config.senders = Senders { standard: None, ..secrets(SECRET) }).await;
        for (body, status) in [(&begins, "queued"), (&begins, "queued"), (&ends, "resolved")] {
            let body = body.to_string();
            let signature = hex(&mac(SECRET.as_bytes(), &[body.as_bytes()]));
            let headers = [
                ("x-pagerduty-signature", &*format!("v1={signature}")),
                ("sentry-hook-signature", &*signature),
                ("sentry-hook-resource", "issue"),
            ];
            let answer = house.send(posted(path, &headers, &body)).await;
            assert!(answer.ok(202)["alerts"][0]["incident_id"].is_string(), "{path}: {}", answer.text);
            assert_eq!(only(&house).await.1, status, "{path}");
        }
        let (title, _, severity) = only(&house).await;
        assert_eq!(title, "the wheel jams", "{path}");
        assert!(severity == "high" || path.ends_with("bells"), "{path}: {severity}");
    }
}

#[tokio::test]
async fn without_a_secret_an_endpoint_refuses_and_names_the_setting() {
    let house = House::with(|config| config.senders = Senders::default()).await;
    for (path, setting) in [
        ("/api/signals/pagerduty", "PAGERDUTY_WEBHOOK_SECRET"),
        ("/api/signals/sentry", "SENTRY_CLIENT_SECRET"),
        ("/api/signals/slack/events", "SLACK_SIGNING_SECRET"),
    ] {
        let refused = house.send(posted(path, &[], "{}")).await;
        assert!(refused.problem(403).contains(setting), "{path}: {}", refused.text);
    }
    let refused = house.send(posted("/api/signals/cloudwatch", &[], "{}")).await;
    assert!(refused.problem(403).contains("[cloudwatch]"), "{}", refused.text);
    assert!(house.send(posted("/api/signals/generic/bells", &[], "{}")).await.problem(404).contains("[[generic]]"));
    let closed = House::with(|config| config.open_reading_on_loopback = false).await;
    let viewer = closed.token("viewer", Role::Sender).await;
    for path in ["grafana", "datadog", "cloudevents", "alertmanager"] {
        let path = format!("/api/signals/{path}");
        closed.send(posted(&path, &[], "{}")).await.problem(401);
        assert_ne!(closed.post_as(&viewer, &path, &json!({"alerts": []})).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_delivery_counts_once_and_odd_ones_get_a_clear_answer() {
    let house = House::with(|config| config.senders = secrets(SECRET)).await;
    let odd = |body: &'static str| posted("/api/signals/cloudevents", &[], body);
    assert!(house.send(odd(r#"{"id": "1"}"#)).await.problem(422).starts_with("/source"));
    assert!(house.send(odd(r#"[{"id":"1","source":"a","type":"b"},{}]"#)).await.problem(422).starts_with("/1/id"));
    house.send(odd("[1")).await.problem(400);
    house.send(odd("7")).await.problem(422);
    house.send(posted("/api/signals/datadog", &[], "[null, null]")).await.problem(422);
    let binary = [("ce-id", "9"), ("ce-source", "mill"), ("ce-type", "wheel.failed"), ("ce-specversion", "1.0")];
    let sent = || posted("/api/signals/cloudevents", &binary, r#"{"message": "the wheel jams"}"#);
    let first = house.send(sent()).await;
    assert_eq!(house.send(sent()).await.ok(202), first.ok(202));
    let signals = house.get("/api/signals").await;
    assert_eq!(signals.ok(200)["signals"].as_array().unwrap().len(), 1);
    assert_eq!(only(&house).await.0, "the wheel jams");
}

#[tokio::test]
async fn slack_is_heard_in_mapped_channels_only_and_our_own_words_never() {
    let house = House::with(|config| config.senders = secrets(SECRET)).await;
    let channel = json!({"team_id": "T1", "channel_id": "C1"});
    house.post_as(OPERATOR, "/api/slack/channels", &channel).await.ok(201);
    let say = |channel: &str, more: Value| {
        let mut event = json!({"type": "message", "channel": channel, "user": "U1", "text": "the wheel jams", "ts": "1795348700.000100"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1", "event": event,
            "authorizations": [{"user_id": "UBOT", "is_bot": true}]});
        let (body, at) = (body.to_string(), "1795348800");
        let signature = format!("v0={}", hex(&mac(SECRET.as_bytes(), &[b"v0:", at.as_bytes(), b":", body.as_bytes()])));
        posted(
            "/api/signals/slack/events",
            &[("x-slack-request-timestamp", at), ("x-slack-signature", &signature)],
            &body,
        )
    };
    for ignored in [
        say("C2", json!({})),
        say("C1", json!({"app_id": "A1", "subtype": "bot_message"})),
        say("C1", json!({"user": "UBOT"})),
        say("C1", json!({"subtype": "message_changed"})),
        say("C1", json!({"type": "reaction_added"})),
    ] {
        assert_eq!(house.send(ignored).await.ok(200), &json!({}));
    }
    let heard = house.send(say("C1", json!({}))).await;
    let id = heard.ok(200)["incident_id"].as_str().unwrap().to_owned();
    let mention = house.send(say("C1", json!({"type": "app_mention"}))).await;
    assert_eq!(mention.ok(200)["incident_id"], json!(id), "told twice, heard once");
    let reply = json!({"ts": "1795348710.000200", "thread_ts": "1795348700.000100", "text": "since noon"});
    assert_eq!(house.send(say("C1", reply)).await.ok(200)["incident_id"], json!(id));
    assert_eq!(house.get("/api/signals").await.ok(200)["signals"].as_array().unwrap().len(), 2);
}

/// The public vectors, each sent to a server that has its secret and stands at its time.
#[tokio::test]
async fn every_webhook_vector_is_judged_as_it_is_labelled() {
    let Some(vectors) = lines("security/webhook_vectors/vectors.jsonl") else { return };
    assert!(vectors.len() > 100);
    for vector in vectors {
        let word = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
        let path = match word("scheme").as_str() {
            "github" => "/api/signals/github",
            "slack" => "/api/signals/slack/events",
            "pagerduty-v3" => "/api/signals/pagerduty",
            "standard-webhooks" => "/api/signals/generic/bells",
            other => panic!("no sender for {other}"),
        };
        let house = House::with(|config| {
            config.senders = secrets(&word("secret"));
            config.open_reading_on_loopback = false;
        })
        .await;
        if let Some(now) = vector["now"].as_i64() {
            house.clock.advance(now - super::NOON / 1000);
        }
        let body = STANDARD.decode(word("body_b64")).unwrap();
        let mut sent = request("POST", path, None).header("content-type", "application/json");
        if path.ends_with("github") {
            sent = sent.header("x-github-event", "ping").header("x-github-delivery", "d1");
        }
        // What no HTTP message can carry is turned away before it reaches anybody.
        let mut carried = true;
        for header in vector["headers"].as_array().unwrap() {
            let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
            match (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
                (Ok(name), Ok(value)) => sent = sent.header(name, value),
                _ => carried = false,
            }
        }
        let answer = house.send(sent.body(Body::from(body)).unwrap()).await;
        let refused = matches!(answer.status.as_u16(), 401 | 403) || !carried;
        let (id, expect) = (word("id"), word("expect"));
        match expect.as_str() {
            "reject" => assert!(refused, "{id}: {} {}", answer.status, answer.text),
            "reject-or-accept" => assert!(answer.status.as_u16() < 500, "{id}"),
            "accept-signature-then-400" => assert_eq!(answer.status, 400, "{id}: {}", answer.text),
            _ => assert!(!refused && answer.status.as_u16() < 500, "{id}: {} {}", answer.status, answer.text),
        }
        let challenge = answer.body["challenge"].as_str();
        assert_eq!(challenge.is_some(), id.contains("url-verification") && !refused, "{id}: {}", answer.text);
        assert!(!refused || house.get_as(OPERATOR, "/api/signals").await.ok(200)["signals"] == json!([]), "{id}");
    }
}

#[tokio::test]
async fn known_answers_of_rfc_4231_hold() {
    let Some(answers) = lines("security/webhook_vectors/rfc4231_hmac_sha256.jsonl") else { return };
    for answer in answers {
        let bytes = |name: &str| {
            let text = answer[name].as_str().unwrap();
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect::<Vec<u8>>()
        };
        let expected = bytes("mac_hex");
        assert_eq!(mac(&bytes("key_hex"), &[&bytes("data_hex")])[..expected.len()], expected, "{answer}");
    }
}

/// The lines of a file of the shared archive; none, loudly, where it is not at hand.
fn lines(member: &str) -> Option<Vec<Value>> {
    let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/security.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    let unpacked = Command::new("tar").arg("-xJOf").arg(&archive).arg(member).output().unwrap();
    assert!(unpacked.status.success(), "tar could not read {}", archive.display());
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
