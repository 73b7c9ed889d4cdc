//! Sentry's integration webhooks (<https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>).

use super::payload::Payload;
use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, severity, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maps one delivery; `resource` is `Sentry-Hook-Resource`. An issue and the alerts about it are one alert, a metric alert is
/// its own; everything else is kept, no more.
pub fn incoming(resource: &str, body: &Value, receipt: Receipt) -> Incoming {
    let said = Payload(body);
    match (resource, said.text("/action")) {
        ("event_alert", "triggered") => of_issue(said, "/data/event", SignalState::Firing, receipt),
        ("error", "created") => of_issue(said, "/data/error", SignalState::Firing, receipt),
        ("issue", "created" | "unresolved") => of_issue(said, "/data/issue", SignalState::Firing, receipt),
        ("issue", "resolved" | "archived" | "ignored") => of_issue(said, "/data/issue", SignalState::Resolved, receipt),
        ("metric_alert", action @ ("critical" | "warning" | "resolved")) => of_metric(said, action, receipt),
        (_, action) => receipt.kept(SignalType::Alert, "sentry", &format!("{resource} {action}")),
    }
}

fn of_issue(said: Payload<'_>, at: &str, state: SignalState, receipt: Receipt) -> Incoming {
    let below = said.0.pointer(at).unwrap_or(&Value::Null);
    let it = Payload(below);
    let issue = if at == "/data/issue" { it.word("/id") } else { it.word("/issue_id") };
    if issue.is_empty() {
        return receipt.kept(SignalType::Alert, "sentry", "an issue without an id");
    }
    let title = it.first(&["/title", "/message", "/metadata/type"]);
    let words = [it.text("/culprit"), it.first(&["/metadata/value", "/message", "/logentry/formatted"])];
    let story: Vec<&str> = std::iter::once(title).chain(words).filter(|text| !text.is_empty()).collect();
    let mut signal = receipt.signal(SignalType::Alert, "sentry", title, &story.join("\n"));
    signal.state = state;
    signal.severity = Severity::from_level(it.text("/level"));
    let moment = ["/datetime", "/timestamp", "/lastSeen"].iter().find_map(|pointer| it.time(pointer));
    signal.occurred_at = moment.unwrap_or(signal.received_at);
    signal.source_ref = it.line(&["/web_url", "/permalink", "/url"]);
    signal.labels = tags(below);
    let named = [
        ("service", it.line(&["/project/slug", "/project/name", "/project_name", "/project_slug"])),
        ("release", it.line(&["/release"])),
        ("environment", it.line(&["/environment"])),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            signal.labels.entry(name.to_owned()).or_insert(value);
        }
    }
    signal.metadata = json!({ "rule": said.line(&["/data/triggered_rule"]), "short_id": it.line(&["/shortId"]) });
    Incoming { signal, fingerprint: fingerprint(["sentry", "issue", &issue]) }
}

fn of_metric(said: Payload<'_>, action: &str, receipt: Receipt) -> Incoming {
    let rule = said.word("/data/metric_alert/alert_rule/id");
    let key = if rule.is_empty() { said.word("/data/metric_alert/id") } else { rule };
    if key.is_empty() {
        return receipt.kept(SignalType::Alert, "sentry", "a metric alert without an id");
    }
    let title =
        said.first(&["/data/description_title", "/data/metric_alert/title", "/data/metric_alert/alert_rule/name"]);
    let mut signal = receipt.signal(SignalType::Alert, "sentry", title, said.text("/data/description_text"));
    signal.state = if action == "resolved" { SignalState::Resolved } else { SignalState::Firing };
    signal.severity = severity(action);
    let moment = ["/data/metric_alert/date_started", "/data/metric_alert/date_detected"];
    signal.occurred_at = moment.iter().find_map(|at| said.time(at)).unwrap_or(signal.received_at);
    signal.source_ref = said.line(&["/data/web_url"]);
    if let Some(project) = said.line(&["/data/metric_alert/projects/0"]) {
        signal.labels.insert("service".to_owned(), project);
    }
    Incoming { signal, fingerprint: fingerprint(["sentry", "metric", &key]) }
}

/// `[[name, value], …]`
fn tags(event: &Value) -> BTreeMap<String, String> {
    let pairs = event.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |pair: &Value| {
        let [name, value] = [pair.get(0)?.as_str()?, pair.get(1)?.as_str()?];
        Some((text::line(name, TITLE_LIMIT), text::line(value, TITLE_LIMIT)))
    };
    pairs.iter().filter_map(pair).take(LABELS_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    #[test]
    fn an_issue_and_the_alert_about_it_are_one_alert() {
        let alert = json!({"action": "triggered", "data": {"triggered_rule": "any error", "event": {
            "issue_id": "117", "title": "ZeroDivisionError: grain", "culprit": "mill.grind", "level": "fatal",
            "datetime": "2026-11-22T12:00:00Z", "web_url": "https://sentry.io/i/117",
            "tags": [["environment", "prod"], ["server_name", "mill-7"], ["broken"]], "release": "3.1"}}});
        let alert = incoming("event_alert", &alert, receipt());
        assert_eq!((alert.signal.state, alert.signal.severity), (SignalState::Firing, Severity::Critical));
        assert_eq!((&*alert.signal.labels["server_name"], &*alert.signal.labels["release"]), ("mill-7", "3.1"));
        let resolved = json!({"action": "resolved", "data": {"issue": {"id": "117", "title": "x", "level": "error"}}});
        let resolved = incoming("issue", &resolved, receipt());
        assert_eq!((resolved.signal.state, &resolved.fingerprint), (SignalState::Resolved, &alert.fingerprint));
    }

    #[test]
    fn a_metric_alert_begins_and_ends_and_the_rest_is_kept() {
        let body = |action: &str| {
            json!({"action": action, "data": {"description_title": "Critical: too slow",
            "description_text": "p95 above 3 s", "metric_alert": {"id": "9", "alert_rule": {"id": 4}, "projects": ["mill"]}}})
        };
        let bad = incoming("metric_alert", &body("critical"), receipt());
        assert_eq!((bad.signal.severity, &*bad.signal.labels["service"]), (Severity::Critical, "mill"));
        let over = incoming("metric_alert", &body("resolved"), receipt());
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &bad.fingerprint));
        for (resource, action) in [("installation", "created"), ("comment", "created"), ("issue", "assigned"), ("", "")]
        {
            let kept = incoming(resource, &json!({"action": action, "data": {"issue": {"id": "117"}}}), receipt());
            assert_eq!(kept.signal.state, SignalState::Resolved);
            assert_ne!(kept.fingerprint, fingerprint(["sentry", "issue", "117"]));
        }
    }
}
