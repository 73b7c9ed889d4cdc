//! The Loki eye against a fake that answers as Loki's HTTP API documentation says
//! (<https://grafana.com/docs/loki/latest/reference/loki-http-api/>); no Loki is to be had here.

use super::case::{ask, case, clock, first_look, now};
use super::fake::{Answer, Fake, Request, hostile};
use sentinell_adapters::http::Credentials;
use sentinell_adapters::tools::loki::{Loki, LokiSettings};
use sentinell_core::evidence::Telemetry;
use sentinell_core::ports::{Tool, ToolError};
use serde_json::json;

fn tool(url: &str) -> Loki {
    let who = Credentials::Basic("ann".into(), "hunter2".into());
    let settings = LokiSettings { url: url.to_owned(), who, org_id: Some("fair".into()) };
    Loki::new(settings, clock()).unwrap()
}

/// One writer, known as `job="fair/till"`, who complains since a minute ago.
fn loki(request: &Request) -> Answer {
    if request.header("x-scope-orgid") != "fair" || !request.header("authorization").starts_with("Basic ") {
        return (401, "no org id".into());
    }
    let data = match request.path.as_str() {
        "/prefix/loki/api/v1/labels" => json!(["filename", "job", "namespace", "level"]),
        "/prefix/loki/api/v1/series" => {
            let there = request.query.iter().any(|(name, value)| name == "match[]" && value.contains("fair"));
            if there { json!([{"job": "fair/till", "namespace": "fair"}]) } else { json!([]) }
        }
        "/prefix/loki/api/v1/query_range" => {
            if !request.param("query").contains("\"}") {
                return (400, "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER".into());
            }
            let nanos = |name: &str| request.param(name).parse::<i128>().unwrap();
            let minute_ago = i128::from(now().0 - 60_000) * 1_000_000;
            let text = if nanos("end") > minute_ago { "no change left in drawer 4" } else { "sold a ticket" };
            let at = (nanos("end") - 1_000_000).to_string();
            json!({"resultType": "streams", "result": [
                {"stream": {"job": "fair/till", "namespace": "fair", "level": "error"}, "values": [[at, text]]}]})
        }
        _ => return (404, "page not found".into()),
    };
    (200, json!({"status": "success", "data": data}).to_string())
}

#[tokio::test]
async fn a_fake_loki_is_asked_for_the_labels_of_the_service_and_then_for_its_lines_and_calm_ones() {
    let fake = Fake::serve(loki);
    let eye = tool(&format!("{}/prefix/", fake.url));
    let seen = first_look(&eye, &case(&[("service", "till"), ("namespace", "fair")])).await.remove(0);
    assert_eq!(seen.call, r#"{job=~".+/till",namespace="fair"}"#);
    let [Telemetry::Logs { subject, lines, baseline, .. }] = seen.telemetry.as_slice() else { panic!("{seen:?}") };
    assert_eq!((subject.as_str(), seen.gaps.len()), ("service/fair/till", 0));
    assert_eq!((lines[0].text.as_str(), baseline[0].text.as_str()), ("no change left in drawer 4", "sold a ticket"));
    assert_eq!(lines[0].level.as_deref(), Some("error"));
    let asked = fake.seen();
    let reads: Vec<&Request> = asked.iter().filter(|one| one.path.ends_with("query_range")).collect();
    assert_eq!(reads.len(), 2);
    assert!(eye.check().await.is_ok_and(|found| found.is_some_and(|found| found.contains("4 labels"))));
    assert!(
        reads
            .iter()
            .all(|one| one.method == "GET" && one.param("direction") == "backward" && !one.param("limit").is_empty())
    );
}

#[tokio::test]
async fn what_is_asked_stays_a_text_and_errors_say_who_must_act() {
    let fake = Fake::serve(loki);
    let eye = tool(&format!("{}/prefix", fake.url));
    let seen = ask(&eye, &[("service", "till"), ("namespace", "fair"), ("contains", "x\" or \"}")]).await.unwrap();
    assert!(seen.call.ends_with(r#"|= "x\" or \"}""#), "{}", seen.call);
    assert!(matches!(ask(&eye, &[("query", "{job=")]).await, Err(ToolError::BadQuery(text)) if text.contains("parse")));
    assert!(matches!(ask(&eye, &[]).await, Err(ToolError::BadQuery(text)) if text.contains("say what")));
    assert!(matches!(ask(&eye, &[("service", "x"), ("shell", "ls")]).await, Err(ToolError::BadQuery(_))));
    assert!(eye.first_look(&case(&[("namespace", "fair"), ("alertname", "A")])).is_empty());
    // Nobody of that name: a gap that says what there is.
    let nobody = ask(&eye, &[("service", "swing")]).await.unwrap();
    assert!(nobody.telemetry.is_empty() && nobody.gaps[0].why.contains("job, level, namespace"), "{nobody:?}");
    let stranger = Loki::new(LokiSettings { url: format!("{}/prefix", fake.url), ..LokiSettings::default() }, clock());
    assert!(matches!(ask(&stranger.unwrap(), &[("service", "till")]).await, Err(ToolError::Denied(_))));
    assert!(matches!(ask(&tool("http://127.0.0.1:1"), &[("service", "till")]).await, Err(ToolError::Retry(_))));
    let wrong = Loki::new(LokiSettings { url: "ftp://ann:hunter2@x".into(), ..LokiSettings::default() }, clock());
    assert!(wrong.is_err_and(|why| !why.contains("hunter2")));
}

#[tokio::test]
async fn an_answer_that_no_loki_gives_is_an_error_or_nothing_and_never_the_end() {
    for (status, body) in hostile() {
        let fake = Fake::serve(move |_| (status, body.clone()));
        for args in [[("service", "till")], [("query", "{a=\"b\"}")]] {
            let answer = ask(&tool(&fake.url), &args).await;
            assert!(answer.is_err() || answer.is_ok_and(|seen| seen.telemetry.is_empty()));
        }
    }
}

/// Pushes lines to the server at `SENTINELL_LOKI_URL` (a Loki, or what speaks its API, such as qryn) and reads them back.
#[tokio::test]
async fn a_server_that_speaks_like_loki_gives_back_what_was_pushed() {
    let Ok(url) = std::env::var("SENTINELL_LOKI_URL") else {
        eprintln!("SKIPPED: no SENTINELL_LOKI_URL; nothing that speaks LogQL was asked");
        return;
    };
    let labels = json!({"job": "fair/till", "level": "error"});
    let nanos = |minutes_ago: i64| format!("{}000000", now().0 - minutes_ago * 60_000);
    let values = json!([[nanos(30), "sold a ticket"], [nanos(1), "no change left in drawer 4"]]);
    let body = json!({"streams": [{"stream": labels, "values": values}]});
    let http = sentinell_adapters::http::Http::new(Default::default()).unwrap();
    let push = format!("{url}/loki/api/v1/push").parse().unwrap();
    let (status, said) =
        http.exchange(sentinell_adapters::http::Method::POST, push, Some(&body), &Credentials::None).await.unwrap();
    assert!(status.is_success(), "{}", String::from_utf8_lossy(&said));
    let eye = Loki::new(LokiSettings { url, ..LokiSettings::default() }, clock()).unwrap();
    let onset = now().to_string();
    let mut seen = Default::default();
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        seen = ask(&eye, &[("service", "till"), ("onset", &onset)]).await.unwrap();
        if !seen.telemetry.is_empty() {
            break;
        }
    }
    let [Telemetry::Logs { subject, lines, baseline, .. }] = seen.telemetry.as_slice() else { panic!("{seen:?}") };
    assert_eq!(subject, "service/fair/till");
    assert!(lines.iter().all(|line| line.text == "no change left in drawer 4" && line.at.is_some()), "{lines:?}");
    assert!(baseline.iter().any(|line| line.text == "sold a ticket"), "{baseline:?}");
    let series = ask(&eye, &[("query", "count_over_time({job=\"fair/till\"}[1m])")]).await.unwrap();
    assert!(matches!(series.telemetry.first(), Some(Telemetry::Metric { .. })), "{series:?}");
}
