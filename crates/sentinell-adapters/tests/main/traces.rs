//! The traces eye against fakes that answer as Jaeger's and Tempo's own APIs do; neither is to be had here.

use super::case::{ask, case, clock, first_look};
use super::fake::{Answer, Fake, Request, hostile};
use sentinell_adapters::http::Credentials;
use sentinell_adapters::tools::traces::{TraceStore, Traces, TracesSettings};
use sentinell_core::evidence::{Observation, Span, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn tool(store: TraceStore, url: &str) -> Traces {
    let who = Credentials::Bearer("hunter2".into());
    Traces::new(TracesSettings { store, url: url.to_owned(), who, org_id: Some("fair".into()) }, clock()).unwrap()
}

fn spans(seen: &Observation) -> Vec<Span> {
    match seen.telemetry.as_slice() {
        [Telemetry::Traces { spans, .. }] => spans.clone(),
        other => panic!("{other:?} {:?}", seen.gaps),
    }
}

/// A request that the gate passes on to the till, where it fails.
fn jaeger(request: &Request) -> Answer {
    if request.header("authorization") != "Bearer hunter2" {
        return (403, "forbidden".into());
    }
    let span = |id: &str, process: &str, parent: Option<&str>, tags: serde_json::Value| {
        let references = parent.map(|parent| json!({"refType": "CHILD_OF", "traceID": TRACE, "spanID": parent}));
        json!({"traceID": TRACE, "spanID": id, "operationName": "pay", "processID": process, "startTime": 1_700_000_000_000_000_i64,
            "duration": 2500, "references": references.into_iter().collect::<Vec<_>>(), "tags": tags})
    };
    let data = match request.path.as_str() {
        "/api/services" => json!(["gate", "till.fair"]),
        "/api/traces" if request.param("service") != "till.fair" => return (400, "unknown service".into()),
        path if path.starts_with("/api/traces") => json!([{"traceID": TRACE, "spans": [
                span("a", "p1", None, json!([])),
                span("b", "p2", Some("a"), json!([{"key": "error", "type": "bool", "value": true}])),
                {"spanID": "c"}],
            "processes": {"p1": {"serviceName": "gate"}, "p2": {"serviceName": "till.fair",
                "tags": [{"key": "k8s.namespace.name", "value": "fair"}]}}}]),
        _ => return (404, "no".into()),
    };
    (200, json!({ "data": data, "errors": null }).to_string())
}

fn tempo(request: &Request) -> Answer {
    if request.header("x-scope-orgid") != "fair" {
        return (401, "no org id".into());
    }
    let answer = match request.path.as_str() {
        "/api/search/tag/service.name/values" => json!({"tagValues": ["till", "gate"]}),
        "/api/search" => {
            assert_eq!(request.param("q"), "{ resource.service.name = \"till\" }");
            assert!(request.param("start").len() == 10 && request.param("end").len() == 10, "seconds are asked for");
            json!({"traces": [{"traceID": "bf92f3577b34da6a3ce929d0e0e4736", "durationMs": 3}]})
        }
        // Tempo writes bytes in base64.
        "/api/traces/0bf92f3577b34da6a3ce929d0e0e4736" => json!({"batches": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "till"}}]},
            "scopeSpans": [{"scope": {}, "spans": [{"traceId": "S/kvNXezTaajzpKdDg5HNg==", "spanId": "AAAAAAAAAAE=", "name": "pay",
                "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000002500000",
                "status": {"code": "STATUS_CODE_ERROR"}}]}]}]}),
        _ => return (404, "trace not found".into()),
    };
    (200, answer.to_string())
}

#[tokio::test]
async fn a_fake_jaeger_tells_which_requests_went_where_and_failed() {
    let fake = Fake::serve(jaeger);
    let eye = tool(TraceStore::Jaeger, &fake.url);
    let seen = first_look(&eye, &case(&[("service", "till"), ("namespace", "fair")])).await.remove(0);
    let found = spans(&seen);
    // Both stretches were asked for; the fake answers each with the same request.
    assert_eq!((found.len(), fake.seen().len()), (4, 3));
    let till = &found[1];
    assert_eq!(
        (till.subject.as_str(), till.parent.as_deref(), till.failed),
        ("service/fair/till.fair", Some("a"), true)
    );
    assert_eq!((found[0].subject.as_str(), found[0].failed, till.duration_us), ("service/gate", false, 2500));
    assert!(seen.gaps.iter().all(|gap| gap.what == "1 spans"), "{:?}", seen.gaps);
    assert_eq!(spans(&ask(&eye, &[("trace", TRACE)]).await.unwrap()).len(), 2);
    let nobody = ask(&eye, &[("service", "swing")]).await.unwrap();
    assert!(nobody.telemetry.is_empty() && nobody.gaps[0].why.contains("gate, till.fair"));
}

#[tokio::test]
async fn a_fake_tempo_is_searched_and_its_traces_are_read_one_by_one() {
    let fake = Fake::serve(tempo);
    let eye = tool(TraceStore::Tempo, &fake.url);
    let found = spans(&ask(&eye, &[("service", "till")]).await.unwrap());
    assert_eq!((found[0].trace.as_str(), found[0].id.as_str()), (TRACE, "0000000000000001"));
    assert!(found[0].failed && found[0].duration_us == 2500);
    assert!(matches!(ask(&eye, &[("trace", TRACE)]).await, Err(ToolError::BadQuery(text)) if text.contains("404")));
}

#[tokio::test]
async fn errors_of_a_fake_trace_store_say_who_must_act() {
    let fake = Fake::serve(jaeger);
    let stranger = Traces::new(TracesSettings { url: fake.url.clone(), ..TracesSettings::default() }, clock()).unwrap();
    assert!(matches!(ask(&stranger, &[("service", "till")]).await, Err(ToolError::Denied(_))));
    let eye = tool(TraceStore::Jaeger, &fake.url);
    for odd in
        [vec![], vec![("trace", "../../etc/passwd")], vec![("service", "gate"), ("minutes", "x")], vec![("q", "{}")]]
    {
        assert!(matches!(ask(&eye, &odd).await, Err(ToolError::BadQuery(_))), "{odd:?}");
    }
    let away = tool(TraceStore::Tempo, "http://127.0.0.1:1");
    assert!(matches!(ask(&away, &[("service", "till")]).await, Err(ToolError::Retry(_))));
    assert!(eye.first_look(&case(&[("namespace", "fair")])).is_empty());
}

#[tokio::test]
async fn an_answer_that_no_trace_store_gives_is_an_error_or_nothing_and_never_the_end() {
    for store in [TraceStore::Jaeger, TraceStore::Tempo] {
        for (status, body) in hostile() {
            let fake = Fake::serve(move |_| (status, body.clone()));
            for args in [[("service", "till")], [("trace", TRACE)]] {
                let answer = ask(&tool(store, &fake.url), &args).await;
                assert!(answer.is_err() || answer.is_ok_and(|seen| seen.telemetry.is_empty()));
            }
        }
    }
}
