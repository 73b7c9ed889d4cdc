use super::case::{ask, case, first_look};
use sentinell_adapters::tools::log_file::{LogContent, LogFile, LogSource};
use sentinell_adapters::tools::recording::Recording;
use sentinell_core::evidence::Telemetry;
use sentinell_core::ports::{Tool, ToolError};
use std::fs;
use std::path::Path;

fn source(name: &str, content: LogContent, baseline: Option<LogContent>) -> LogSource {
    LogSource { name: name.into(), subject: format!("service/{name}"), content, baseline }
}

#[tokio::test]
async fn a_log_file_is_read_from_its_newest_end_beside_its_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cart.log");
    let text: String = (0..25_000).map(|n| format!("2026-11-22T14:00:00Z line {n}\n")).collect();
    fs::write(&path, text).unwrap();
    let given = source("stdin", LogContent::Text("only this\n".into()), None);
    let baseline = Some(LogContent::Text("quiet\n".into()));
    let tool = LogFile::new(vec![source("cart", LogContent::File(path), baseline), given]);
    let seen = first_look(&tool, &case(&[])).await;
    let Telemetry::Logs { lines, baseline, subject, .. } = &seen[0].telemetry[0] else { panic!() };
    assert_eq!((lines.len(), baseline.len(), subject.as_str()), (20_000, 1, "service/cart"));
    assert!(lines[19_999].text.ends_with("line 24999") && lines[0].at.is_some());
    assert_eq!(seen[0].gaps.len(), 1, "what was left out is said");
    let Telemetry::Logs { lines, .. } = &seen[1].telemetry[0] else { panic!() };
    assert_eq!(lines[0].text, "only this");
}

#[tokio::test]
async fn a_question_cannot_name_a_file() {
    let tool = LogFile::new(vec![source("gone", LogContent::File("/nowhere/x.log".into()), None)]);
    for pairs in [[("source", "/etc/passwd")], [("path", "/etc/passwd")]] {
        assert!(matches!(ask(&tool, &pairs).await, Err(ToolError::BadQuery(_))));
    }
    assert!(matches!(ask(&tool, &[("source", "gone")]).await, Err(ToolError::BadQuery(_))));
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn whole_recording(root: &Path) {
    let incident = r#"{"title": "cart answers 500", "onset": "2026-11-22T14:00:00Z", "namespace": "shop",
        "service": "cart", "labels": {"alertname": "CartErrors"}, "something_newer": 1}"#;
    write(root, "incident.json", incident);
    write(root, "logs/cart.log", "2026-11-22 14:00:01,5 ERROR no connection\n");
    write(root, "logs-baseline/cart.log", "all well\n");
    write(root, "metrics/cart.csv", "time,cpu\n2026-11-22T14:00:00Z,0.5\n");
    write(root, "kubernetes/pods.json", r#"{"kind": "PodList", "items": []}"#);
    write(root, "kubernetes/quota.yaml", "kind: ResourceQuota\n---\n: : :\n\t- broken\n---\nkind: Service\n");
    let printed =
        "$ kubectl get pods -n shop -l 'app in (a, b)'\nNAME READY\ncart-1 0/1\n$ kubectl get svc -n shop\nnone\n";
    write(root, "kubernetes/calls.txt", printed);
    let change = r#"{"at": "2026-11-22T13:55:00Z", "kind": "deploy", "subject": "service/shop/cart", "summary": "v2", "reference": "5"}"#;
    write(root, "changes.jsonl", &format!("{change}\nnonsense\n"));
    let span = r#"{"traceId":"a1","spanId":"b1","name":"pay","startTimeUnixNano":"1","endTimeUnixNano":"2"}"#;
    let service = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]}"#;
    let export = format!(r#"{{"resourceSpans":[{{"resource":{service},"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    write(root, "traces/collector.jsonl", &export);
    write(root, "calls.jsonl", "{\"caller\": \"web\", \"callee\": \"cart\"}\n");
}

#[tokio::test]
async fn a_whole_recording_is_read_and_what_is_broken_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    whole_recording(folder.path());
    let tool = Recording::open(folder.path()).unwrap();
    let incident = tool.incident();
    assert_eq!((incident.namespace.as_deref(), incident.service.as_deref()), (Some("shop"), Some("cart")));
    assert_eq!(incident.onset.map(|at| at.to_string()).as_deref(), Some("2026-11-22T14:00:00.000Z"));
    let seen = first_look(&tool, &case(&[])).await.remove(0);
    let mut kinds: Vec<String> = vec![];
    for telemetry in &seen.telemetry {
        kinds.push(match telemetry {
            Telemetry::Logs { subject, baseline, .. } => format!("logs {subject} {}", baseline.len()),
            Telemetry::Metric { subject, name, .. } => format!("metric {subject} {name}"),
            Telemetry::KubernetesJson { object } => format!("json {}", object["kind"]),
            Telemetry::KubernetesText { argv, .. } => format!("text {}", argv.join("|")),
            Telemetry::Traces { spans, .. } => format!("traces {} {}", spans.len(), spans[0].subject),
            Telemetry::Change { change } => format!("change {}", change.reference),
            Telemetry::Call { caller, callee } => format!("call {caller} {callee}"),
            Telemetry::Precedent { precedent } => format!("precedent {}", precedent.reference),
            Telemetry::Text { source, .. } => format!("text {source}"),
        });
    }
    let expected = [
        "logs service/shop/cart 1",
        "metric service/shop/cart cpu",
        "text get|pods|-n|shop|-l|app in (a, b)",
        "text get|svc|-n|shop",
        "json \"PodList\"",
        "json \"ResourceQuota\"",
        "json \"Service\"",
        "traces 1 service/shop/cart",
        "change 5",
        "call service/shop/web service/shop/cart",
    ];
    assert_eq!(kinds, expected);
    let gaps: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(gaps, ["kubernetes/quota.yaml document 2", "changes.jsonl line 2"]);
}

#[tokio::test]
async fn a_hostile_recording_shows_nothing_from_outside_its_folder() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), "secret.log", "the secret\n");
    write(outside.path(), "more/secret.csv", "time,secret\n1700000000,1\n");
    fs::create_dir(folder.path().join("logs")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.log"), folder.path().join("logs/cart.log")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("more"), folder.path().join("metrics")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("changes.jsonl")).unwrap();
    fs::create_dir(folder.path().join("calls.jsonl")).unwrap();
    write(folder.path(), "kubernetes/deep.json", &"[".repeat(100_000));
    write(folder.path(), "kubernetes/.json", "{}");
    let tool = Recording::open(folder.path()).unwrap();
    let seen = ask(&tool, &[]).await.unwrap();
    assert_eq!(seen.telemetry, vec![]);
    assert_eq!(seen.gaps.len(), 5, "{:?}", seen.gaps);
    std::os::unix::fs::symlink(outside.path().join("secret.log"), folder.path().join("incident.json")).unwrap();
    assert_eq!(Recording::open(folder.path()).unwrap().incident().title, "");
    assert!(tool.first_look(&case(&[])).len() == 1);
}
