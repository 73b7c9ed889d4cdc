//! Bodies that are JSON, almost JSON and not at all JSON, to everything that takes a body.

use super::{calm, member, posted, rows, senders, unbase64};
use crate::api::{Answer, House};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// Every path that takes a POST, with an incident and a source in its place.
fn doors(incident: &str) -> Vec<String> {
    let described = serde_json::to_value(sentinell::api::openapi()).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let posts = paths.iter().filter(|(_, path)| !path["post"].is_null());
    let filled = posts.map(|(path, _)| path.replace("{id}", incident).replace("{source}", "bells"));
    // Both of these stop what the others need: the operator's session, and incidents that are open.
    filled.filter(|path| !path.starts_with("/api/session")).collect()
}

async fn house() -> (House, Vec<String>) {
    let house = House::with(|config| config.senders = senders()).await;
    let issue = json!({"title": "the wheel jams", "description": "since noon"});
    let id = house.post("/api/issues", &issue).await.ok(201)["id"].as_str().unwrap().to_owned();
    let doors = doors(&id);
    assert!(doors.len() > 30, "{doors:?}");
    (house, doors)
}

/// Sent again for a minute at most, like any sender, while the house asks to come back later: one of the bodies beside it
/// may bring a hundred thousand alerts.
async fn heard(house: &House, door: &str, kind: &str, body: &[u8]) -> Answer {
    for _ in 0..600 {
        let answer = posted(house, door, kind, body).await;
        if answer.status != 503 || !answer.headers.contains_key("retry-after") {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{door} was busy for a minute");
}

async fn at_every_door(bodies: &[(String, Vec<u8>)]) -> BTreeMap<u16, usize> {
    let (house, doors) = house().await;
    let asked = doors.iter().flat_map(|door| {
        let kinds: &[&str] = match door.as_str() {
            "/api/signals/github" => &["application/json", "application/json; charset=utf-8"],
            "/api/signals/slack/interactions" => &["application/x-www-form-urlencoded"],
            "/v1/logs" | "/loki/api/v1/push" => &["application/json", "application/x-protobuf"],
            _ => &["application/json"],
        };
        kinds.iter().flat_map(move |kind| bodies.iter().map(move |(name, body)| (door, *kind, name, body)))
    });
    let asked = asked.map(|(door, kind, name, body)| {
        let house = &house;
        async move {
            let form = kind.contains("form").then(|| {
                let text = String::from_utf8_lossy(body);
                form_urlencoded::Serializer::new(String::new()).append_pair("payload", &text).finish()
            });
            let sent = form.as_ref().map_or(body.as_slice(), |form| form.as_bytes());
            let answer = heard(house, door, kind, sent).await;
            calm(&answer, &format!("{name} at {door} as {kind}"));
            answer.status.as_u16()
        }
    });
    // Many at a time: what they write is committed in groups.
    let answers: Vec<u16> = stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(32).collect().await;
    let mut seen = BTreeMap::new();
    answers.into_iter().for_each(|status| *seen.entry(status).or_default() += 1);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_the_json_test_suite_is_feared() {
    let Some(rows) = rows("json_test_suite.jsonl") else { return };
    assert_eq!(rows.len(), 340);
    let bare = |row: &Value| (row["id"].as_str().unwrap().to_owned(), unbase64(row["body_b64"].as_str().unwrap()));
    let seen = at_every_door(&rows.iter().map(bare).collect::<Vec<_>>()).await;
    eprintln!("json test suite: {} files, answers {seen:?}", rows.len());
    assert!(seen.keys().all(|status| *status < 500));
    // What must not be read is refused where it stands inside an otherwise good body, and what must be read is taken.
    let (house, _) = house().await;
    for row in rows.iter().filter(|row| row["set"] == "test_parsing") {
        let (name, inner) = bare(row);
        let mut body = br#"{"title": "a", "description": "b", "metadata": {"inner": "#.to_vec();
        body.extend_from_slice(&inner);
        body.extend_from_slice(b"}}");
        let answer = posted(&house, "/api/issues", "application/json", &body).await;
        calm(&answer, &name);
        // Some files are broken only as a whole: they end early, or bring their own ends.
        let whole = std::str::from_utf8(&inner).is_ok_and(|text| serde_json::from_str::<Value>(text).is_ok());
        if name.starts_with("y_") {
            answer.ok(201);
        } else if name.starts_with("n_") && !whole && !matches!(name.as_str(), "n_structure_close_unopened_array.json")
        {
            assert!(answer.status.as_u16() >= 400 || super_set(&inner), "{name}: {}", answer.text);
        }
    }
}

/// Whether text that is no value by itself makes a whole one inside another: two members, a comma and an end.
fn super_set(inner: &[u8]) -> bool {
    let text = format!(r#"{{"metadata": {{"inner": {}}}}}"#, String::from_utf8_lossy(inner));
    serde_json::from_str::<Value>(&text).is_ok()
}

fn generated(name: &str) -> Vec<u8> {
    let alert = |n: usize| json!({"status": "firing", "labels": {"alertname": format!("a{n}"), "service": "mill"}});
    let alerts = |alerts: Vec<Value>| json!({"status": "firing", "alerts": alerts}).to_string().into_bytes();
    let labelled = |labels: BTreeMap<String, String>| alerts(vec![json!({"status": "firing", "labels": labels})]);
    match name {
        "depth 100000 arrays" => format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        "depth 100000 objects" => format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)).into_bytes(),
        "10 MiB string" => json!({"title": "x".repeat(10 << 20)}).to_string().into_bytes(),
        "long integer" => format!("{{\"n\":{}}}", "9".repeat(100_000)).into_bytes(),
        "500k keys" => {
            let pairs: Vec<String> = (0..500_000).map(|n| format!("\"k{n}\":1")).collect();
            format!("{{{}}}", pairs.join(",")).into_bytes()
        }
        "utf16" => "{\"title\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "100k alerts" => alerts((0..100_000).map(alert).collect()),
        "label name of 64 KiB" => labelled([("l".repeat(64 << 10), "v".to_owned())].into()),
        "10k labels" => labelled((0..10_000).map(|n| (format!("l{n}"), "v".to_owned())).collect()),
        "same fingerprint, other labels" => alerts(
            ["a", "b"].map(|it| json!({"status": "firing", "fingerprint": "f", "labels": {"alertname": it}})).to_vec(),
        ),
        other => panic!("nobody knows how to make {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_shape_of_json_is_feared() {
    let Some(rows) = rows("json_shapes.jsonl") else { return };
    assert_eq!(rows.len(), 31);
    let bodies: Vec<(String, Vec<u8>)> = rows
        .iter()
        .map(|row| {
            let name = row["name"].as_str().unwrap().to_owned();
            let given = row["body"].as_str().filter(|body| !body.starts_with("<generate"));
            let body = given.map_or_else(|| generated(&name), |body| body.as_bytes().to_vec());
            (name, body)
        })
        .collect();
    let seen = at_every_door(&bodies).await;
    eprintln!("json shapes: {} rows, answers {seen:?}", rows.len());
    assert!(seen.keys().all(|status| *status < 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_bodies_are_unpacked_no_further_than_their_limit() {
    let (house, _) = house().await;
    for name in ["gzip_bomb_100MiB.gz", "gzip_multi_member.gz", "gzip_truncated.gz", "tar_dotdot.tgz", "zip_slip.zip"] {
        let Some(body) = member(&format!("archives/{name}")) else { return };
        for (path, kind) in [
            ("/v1/logs", "application/json"),
            ("/v1/logs", "application/x-protobuf"),
            ("/loki/api/v1/push", "application/json"),
            ("/loki/api/v1/push", "application/x-protobuf"),
        ] {
            let request = crate::api::request("POST", path, None).header("content-type", kind);
            let request =
                request.header("content-encoding", "gzip").body(axum::body::Body::from(body.clone())).unwrap();
            let answer = house.send(request).await;
            assert!(matches!(answer.status.as_u16(), 400 | 413 | 415 | 422), "{name} at {path}: {}", answer.status);
        }
    }
    // Packed thrice; and what was never packed.
    let mut packed = b"{\"resourceLogs\": []}".to_vec();
    for _ in 0..3 {
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        gzip.write_all(&packed).unwrap();
        packed = gzip.finish().unwrap();
    }
    for (coding, body) in
        [("gzip, gzip, gzip", packed.clone()), ("gzip", packed), ("br", b"{}".to_vec()), ("gzip", b"{}".to_vec())]
    {
        let request = crate::api::request("POST", "/v1/logs", None).header("content-type", "application/json");
        let answer =
            house.send(request.header("content-encoding", coding).body(axum::body::Body::from(body)).unwrap()).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{coding}: {}", answer.status);
    }
}
