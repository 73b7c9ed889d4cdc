//! Collectors bring log lines by the thousand; a service in trouble is one incident, and calm lines are nobody's.

use super::{Answer, House, request};
use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message;
use sentinell_core::approval::Role;
use serde_json::{Value, json};
use std::io::Write;

const NANOS: u64 = 1_795_348_790_000_000_000;

fn record(n: usize, number: u64, text: &str) -> Value {
    let time = (NANOS + n as u64).to_string();
    json!({"timeUnixNano": time, "observedTimeUnixNano": time, "severityNumber": number, "severityText": "",
        "body": {"stringValue": text}, "attributes": [], "droppedAttributesCount": 0, "flags": 0, "traceId": "",
        "spanId": "", "eventName": ""})
}

fn export(service: &str, records: Vec<Value>) -> Value {
    json!({"resourceLogs": [{"schemaUrl": "", "resource": {"droppedAttributesCount": 0, "attributes": [
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "k8s.namespace.name", "value": {"stringValue": "valley"}},
    ]}, "scopeLogs": [{"scope": null, "schemaUrl": "", "logRecords": records}]}]})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

async fn send(house: &House, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let request =
        headers.iter().fold(request("POST", path, None), |request, (name, value)| request.header(*name, *value));
    house.send(request.body(Body::from(body)).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

async fn listed(house: &House, what: &str) -> Vec<Value> {
    house.get(&format!("/api/{what}?limit=1000")).await.ok(200)[what].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lines_of_a_service_in_trouble_are_one_incident() {
    let house = House::open().await;
    let records = (0..10_000).map(|n| match n % 10 {
        0 => record(n, 17, &format!("wheel {n} jams after {} ms", n * 7)),
        1 => record(n, 21, &format!("no grain from 10.0.{}.{}", n / 250, n % 250)),
        _ => record(n, 9, &format!("turn {n} took {n} ms")),
    });
    let commits = || async { house.state.store.counters(sentinell_core::time::Timestamp(0)).await.unwrap().commits };
    let before = commits().await;
    let answer =
        send(&house, "/v1/logs", &[JSON, GZIP], gzip(export("mill", records.collect()).to_string().as_bytes())).await;
    assert_eq!(*answer.ok(200), json!({}));
    let commits = commits().await - before;
    assert!(commits <= 3, "{commits} commits");
    let signals = listed(&house, "signals").await;
    let lines: Vec<u64> = signals.iter().map(|signal| signal["metadata"]["lines"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1000, 1000], "one signal for each kind");
    let incidents = listed(&house, "incidents").await;
    assert_eq!(incidents.len(), 1, "the second kind gathers with the first: the same service");
    assert_eq!((&incidents[0]["signal_type"], &incidents[0]["severity"]), (&json!("log"), &json!("critical")));
    let metrics = house.get("/metrics").await.text;
    assert!(metrics.contains(r#"sentinell_log_lines_total{source="otlp",fate="below"} 8000"#), "{metrics}");
}

#[tokio::test]
async fn exporters_and_promtail_are_answered_in_their_own_words() {
    let house = House::open().await;
    let official: ExportLogsServiceRequest =
        serde_json::from_value(export("mill", vec![record(0, 17, "the wheel jams")])).unwrap();
    let answer = send(&house, "/v1/logs", &[PROTOBUF, GZIP], gzip(&official.encode_to_vec())).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/x-protobuf".parse().unwrap())
    );
    let taken = ExportLogsServiceResponse::decode(answer.text.as_bytes()).unwrap();
    assert_eq!(taken.partial_success, None);
    let word = |n: usize| -> String { (0..4).map(|at| char::from(b'g' + (n / 13_usize.pow(at) % 13) as u8)).collect() };
    let many = (0..600).map(|n| record(n, 17, &word(n))).collect();
    let partly = send(&house, "/v1/logs", &[JSON], export("weir", many).to_string().into()).await;
    assert_eq!(partly.ok(200)["partialSuccess"]["rejectedLogRecords"], "88", "{}", partly.text);
    let push = json!({"streams": [{"stream": {"app": "mill", "namespace": "valley"}, "values": [
        ["1795348790000000000", "level=info msg=\"the wheel turns\""],
        ["1795348790000000000", "the wheel jams", {"level": "error"}]]}]});
    let answer = send(&house, "/loki/api/v1/push", &[JSON, GZIP], gzip(push.to_string().as_bytes())).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    // {1: {1: labels, 2: {2: line}}}
    let line = b"level=error msg=\"the wheel jams once more\"";
    let mut stream = vec![0x0a, 12];
    stream.extend(br#"{app="mill"}"#);
    stream.extend([0x12, line.len() as u8 + 2, 0x12, line.len() as u8]);
    stream.extend(line);
    let mut push = vec![0x0a, stream.len() as u8];
    push.extend(stream);
    let packed = snap::raw::Encoder::new().compress_vec(&push).unwrap();
    assert_eq!(send(&house, "/loki/api/v1/push", &[PROTOBUF], packed).await.status.as_u16(), 204);
    let signals = listed(&house, "signals").await;
    let told = |source: &str| signals.iter().filter(|signal| signal["source"] == source).count();
    assert_eq!((told("loki"), told("otlp")), (2, 513));
    let decided =
        |source: &str| signals.iter().rfind(move |signal| signal["source"] == source).unwrap()["decision"].clone();
    assert_eq!(decided("loki"), "repeat", "however it reached us, it is the same line of the same service");
}

#[tokio::test]
async fn odd_bodies_get_a_clear_answer_and_strangers_none() {
    let house = House::open().await;
    for path in ["/v1/logs", "/loki/api/v1/push"] {
        send(&house, path, &[("content-type", "text/plain")], b"x".to_vec()).await.problem(415);
        send(&house, path, &[JSON, ("content-encoding", "br")], b"{}".to_vec()).await.problem(415);
        send(&house, path, &[JSON, GZIP], b"{}".to_vec()).await.problem(400);
        send(&house, path, &[JSON], b"[]".to_vec()).await.problem(400);
        send(&house, path, &[JSON], vec![b' '; (16 << 20) + 1]).await.problem(413);
    }
    let refused = send(&house, "/v1/logs", &[PROTOBUF], b"\x0a\x7f".to_vec()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["content-type"]),
        (400, &"application/x-protobuf".parse().unwrap())
    );
    assert!(refused.text.contains("no protobuf message"));
    let closed = House::with(|config| config.open_reading_on_loopback = false).await;
    send(&closed, "/v1/logs", &[JSON], b"{}".to_vec()).await.problem(401);
    let sender = closed.token("collector", Role::Sender).await;
    closed.post_as(&sender, "/v1/logs", &json!({})).await.ok(200);
    closed.post_as(&sender, "/loki/api/v1/push", &json!({"streams": []})).await.ok(204);
    assert!(listed(&house, "signals").await.is_empty());
}
