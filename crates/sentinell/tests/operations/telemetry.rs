use super::collector::{Collector, attribute};
use super::serve::{Serve, Wishes};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "the lighthouse keeper lost his umbrella";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn wishes(folder: &Path, collector: &str) -> Wishes {
    fs::create_dir_all(folder.join("recorded")).unwrap();
    fs::write(folder.join("recorded/incident.json"), r#"{"namespace": "shop"}"#).unwrap();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20team".into()),
        ("OTEL_SERVICE_NAME", "night-watch".into()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200".into()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".into()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Wishes { settings: "recordings = [\"recorded\"]\n".into(), variables, ..Wishes::default() }
}

/// Posts a signal as a part of somebody's trace and waits until its incident rests.
async fn one_incident(serve: &Serve) -> String {
    let body = serde_json::json!({"message": SECRET, "level": "error"});
    let post = serve.http.post(serve.url("/api/signals/logs")).header("traceparent", CALLER).json(&body);
    let answer: serde_json::Value = post.send().await.unwrap().json().await.unwrap();
    let id = answer["id"].as_str().unwrap().to_owned();
    serve.until(&id, &["escalated", "resolved"]).await;
    id
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} among {names:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_one_trace_from_its_request_to_its_rest_and_no_outside_text_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let mut serve = Serve::start(folder.path(), &wishes(folder.path(), &collector.address)).await;
    let id = one_incident(&serve).await;
    serve.stop().await;
    let kept = collector.kept.lock().unwrap();
    let request = named(&kept.spans, "POST /api/signals/logs");
    assert_eq!(format!("{:x}", u128::from_be_bytes(request.trace_id[..].try_into().unwrap())), &CALLER[4..35]);
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("202"));
    let accept = named(&kept.spans, "accept signal");
    assert_eq!((&accept.trace_id, &accept.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(attribute(accept, "sentinell.incident.id"), Some(id.clone()));

    let root = named(&kept.spans, "incident");
    assert!(root.parent_span_id.is_empty(), "the incident's whole life is the root of its trace");
    assert_eq!(attribute(root, "sentinell.incident.id"), Some(id.clone()));
    assert_eq!(accept.links[0].trace_id, root.trace_id, "the request leads to the incident");
    let claim = named(&kept.spans, "claim");
    assert_eq!((&claim.trace_id, &claim.parent_span_id), (&root.trace_id, &root.span_id));
    assert!(attribute(claim, "sentinell.fingerprints").is_some_and(|fingerprints| fingerprints.len() == 32));
    for (step, under) in [("reason", "claim"), ("observe", "claim"), ("execute_tool recording", "observe")] {
        let (step, under) = (named(&kept.spans, step), named(&kept.spans, under));
        assert_eq!((&step.trace_id, &step.parent_span_id), (&root.trace_id, &under.span_id), "{}", step.name);
    }
    for span in &kept.spans {
        let bytes = String::from_utf8_lossy(&span.encode_to_vec()).into_owned();
        assert!(!bytes.contains("lighthouse") && !bytes.contains("umbrella"), "outside text in {}", span.name);
    }
    assert!(kept.services.iter().all(|name| name == "night-watch"));
    assert!(kept.headers.iter().all(|headers| headers["x-tenant"] == "blue team"));
    for metric in ["http.server.request.duration", "sentinell.signals.taken", "sentinell.step.duration"] {
        assert!(kept.metrics.contains_key(metric), "{metric} is not among {:?}", kept.metrics.keys());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_slows_nothing_and_holds_up_the_end_for_three_seconds_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = Collector::that_hangs().await;
    let mut serve = Serve::start(folder.path(), &wishes(folder.path(), &hangs)).await;
    one_incident(&serve).await;
    let began = std::time::Instant::now();
    for n in 0..50 {
        assert_eq!(serve.post_log(&format!("k{n}"), "cart is slow").await.unwrap().status(), 202);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let took = serve.stop().await;
    assert!(took < Duration::from_secs(8), "it took {took:?} to end");
    assert!(serve.log().contains("the last traces or metrics could not be delivered"), "{}", serve.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_said_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut serve = Serve::start(folder.path(), &wishes(folder.path(), &nobody)).await;
    one_incident(&serve).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    serve.stop().await;
    let said = serve.log().matches("telemetry cannot be delivered").count();
    assert!((1..=2).contains(&said), "once for traces and once for metrics, not {said} times:\n{}", serve.log());
}
