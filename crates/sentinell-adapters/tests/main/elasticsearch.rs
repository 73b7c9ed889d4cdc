//! The Elasticsearch eye against a fake that answers as the documentation of `_field_caps` and `_search` says; neither
//! Elasticsearch nor OpenSearch is to be had here.

use super::case::{ask, case, clock, first_look, now};
use super::fake::{Answer, Fake, Request, hostile};
use sentinell_adapters::http::Credentials;
use sentinell_adapters::tools::elasticsearch::{Elasticsearch, ElasticsearchSettings};
use sentinell_core::evidence::Telemetry;
use sentinell_core::ports::{Tool, ToolError};
use serde_json::{Value, json};

fn tool(url: &str) -> Elasticsearch {
    let who = Credentials::ApiKey("a2V5".into());
    Elasticsearch::new(ElasticsearchSettings { url: url.to_owned(), who, index: "logs-*,app".into() }, clock()).unwrap()
}

/// An ECS index whose service complains since a minute ago.
fn cluster(request: &Request) -> Answer {
    if request.header("authorization") != "ApiKey a2V5" {
        return (401, json!({"error": {"type": "security_exception"}, "status": 401}).to_string());
    }
    let answer = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/logs-*,app/_field_caps") => {
            assert!(request.param("fields").contains("@timestamp") && request.param("ignore_unavailable") == "true");
            json!({"indices": ["logs-1"], "fields": {
                "@timestamp": {"date": {"type": "date"}}, "message": {"match_only_text": {}}, "log.level": {"keyword": {}},
                "service.name": {"keyword": {}}, "kubernetes.namespace": {"keyword": {}}, "trace.id": {"keyword": {}}}})
        }
        ("POST", "/logs-*,app/_search") => search(&serde_json::from_str(&request.body).unwrap()),
        other => return (404, format!("{other:?}")),
    };
    (200, answer.to_string())
}

fn search(body: &Value) -> Value {
    let filters = body["query"]["bool"]["filter"].as_array().unwrap();
    let text = json!(filters).to_string();
    let to = filters.iter().find_map(|one| one["range"]["@timestamp"]["lt"].as_i64()).unwrap();
    assert!(
        body["size"].as_u64().unwrap() <= 10_000 && body["terminate_after"].is_u64() && body["timeout"].is_string()
    );
    assert_eq!(body["sort"][0]["@timestamp"]["order"], "desc");
    let said = if to > now().0 - 60_000 { "no change left in drawer 4" } else { "sold a ticket" };
    let hit = json!({"_index": "logs-1", "sort": [to - 1], "fields": {"@timestamp": [(to - 1).to_string()], "message": [said],
        "log.level": ["error"], "service.name": ["till"], "kubernetes.namespace": ["fair"],
        "trace.id": ["4bf92f3577b34da6a3ce929d0e0e4736"]}});
    let hits = if text.contains("\"till\"") { vec![hit] } else { vec![] };
    json!({"took": 3, "timed_out": false, "_shards": {"total": 2, "failed": 1}, "hits": {"hits": hits}})
}

#[tokio::test]
async fn a_fake_cluster_is_asked_for_its_fields_and_then_for_the_lines_and_calm_ones() {
    let fake = Fake::serve(cluster);
    let seen = first_look(&tool(&fake.url), &case(&[("app", "till"), ("namespace", "fair")])).await.remove(0);
    let [Telemetry::Logs { subject, lines, baseline, .. }] = seen.telemetry.as_slice() else { panic!("{seen:?}") };
    assert_eq!(subject, "service/fair/till");
    assert_eq!((lines[0].text.as_str(), baseline[0].text.as_str()), ("no change left in drawer 4", "sold a ticket"));
    assert_eq!(lines[0].trace.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert!(lines[0].at.is_some_and(|at| now().0 - at.0 < 60_000) && lines[0].level.as_deref() == Some("error"));
    // A shard that did not answer is told, not hidden.
    assert!(seen.gaps.iter().all(|gap| gap.why.contains("1 shards")) && seen.gaps.len() == 2, "{:?}", seen.gaps);
}

#[tokio::test]
async fn errors_of_a_fake_cluster_say_who_must_act_and_no_secret_is_told() {
    let fake = Fake::serve(cluster);
    let settings = |url: &str, index: &str| ElasticsearchSettings {
        url: url.to_owned(),
        who: Credentials::Basic("ann".into(), "hunter2".into()),
        index: index.to_owned(),
    };
    let stranger = Elasticsearch::new(settings(&fake.url, "logs-*,app"), clock()).unwrap();
    let denied = ask(&stranger, &[("service", "till")]).await;
    assert!(matches!(&denied, Err(ToolError::Denied(text)) if !text.contains("hunter2")), "{denied:?}");
    let eye = tool(&fake.url);
    assert!(matches!(ask(&eye, &[]).await, Err(ToolError::BadQuery(_))));
    assert!(matches!(ask(&eye, &[("service", "till"), ("index", "_all")]).await, Err(ToolError::BadQuery(_))));
    assert!(matches!(ask(&eye, &[("query", &"x".repeat(2000))]).await, Err(ToolError::BadQuery(_))));
    assert!(matches!(ask(&eye, &[("pod", "p-1")]).await.map(|seen| seen.gaps.len()), Ok(1)));
    assert!(matches!(ask(&tool("http://127.0.0.1:1"), &[("service", "till")]).await, Err(ToolError::Retry(_))));
    assert!(eye.first_look(&case(&[("namespace", "fair")])).is_empty());
    for odd in ["", "_all", "a/../_cluster", "a b", "-a", "%2e"] {
        assert!(Elasticsearch::new(settings(&fake.url, odd), clock()).is_err(), "{odd}");
    }
    let wrong = Elasticsearch::new(settings("ftp://ann:hunter2@x", "logs"), clock());
    assert!(wrong.is_err_and(|why| !why.contains("hunter2")));
}

#[tokio::test]
async fn an_answer_that_no_cluster_gives_is_an_error_or_nothing_and_never_the_end() {
    for (status, body) in hostile() {
        let (first, second) = (body.clone(), body);
        let fake = Fake::serve(move |_| (status, first.clone()));
        assert!(ask(&tool(&fake.url), &[("service", "till")]).await.is_err());
        let fake = Fake::serve(move |request| match request.path.ends_with("_field_caps") {
            true => cluster(request),
            false => (status, second.clone()),
        });
        let answer = ask(&tool(&fake.url), &[("service", "till")]).await;
        assert!(answer.is_err() || answer.is_ok_and(|seen| seen.telemetry.is_empty()));
    }
}
