//! Datadog's webhook integration. Its body is a template of the user's; these are the names of docs/connect/datadog.md, and
//! of the template that Datadog starts with (<https://docs.datadoghq.com/integrations/webhooks/>).

use super::payload::Payload;
use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, severity, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maps one delivery. The same monitor over the same scope is the same alert.
pub fn incoming(body: &Value, receipt: Receipt) -> Incoming {
    let said = Payload(body);
    let (full, monitor) = (said.text("/title"), said.word("/alert_id"));
    // `[Triggered on {host:a}] the mill is slow` without a template of one's own.
    let (mark, plain) = full.strip_prefix('[').and_then(|rest| rest.split_once("] ")).unwrap_or(("", full));
    let transition =
        [said.text("/alert_transition"), mark].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let scope = said.first(&["/alert_scope", "/scope", "/aggreg_key"]);
    let key = if monitor.is_empty() { plain } else { &monitor };
    let fingerprint = fingerprint(["datadog", key, scope]);
    let mut signal = receipt.signal(SignalType::Alert, "datadog", plain, said.first(&["/body", "/text"]));
    signal.state = match transition.to_ascii_lowercase().contains("recovered") {
        true => SignalState::Resolved,
        false => SignalState::Firing,
    };
    signal.severity = match said.text("/alert_priority") {
        "P1" => Severity::Critical,
        "P2" => Severity::High,
        "P4" | "P5" => Severity::Low,
        _ if transition.starts_with("Warn") => Severity::Medium,
        _ => severity(said.text("/alert_type")),
    };
    signal.occurred_at = ["/date", "/last_updated"].iter().find_map(|at| said.time(at)).unwrap_or(signal.received_at);
    signal.source_ref = said.line(&["/link", "/url"]);
    signal.labels = tags(said.text("/tags"));
    if let Some(host) = said.line(&["/hostname"]) {
        signal.labels.entry("host".to_owned()).or_insert(host);
    }
    signal.metadata = json!({
        "transition": text::line(transition, TITLE_LIMIT),
        "metric": said.line(&["/alert_metric"]),
        "query": said.line(&["/alert_query"]),
    });
    Incoming { signal, fingerprint }
}

/// `env:prod,service:mill,urgent`
fn tags(list: &str) -> BTreeMap<String, String> {
    let pairs = list.split(',').filter_map(|tag| tag.trim().split_once(':')).take(LABELS_LIMIT);
    pairs.map(|(name, value)| (text::line(name, TITLE_LIMIT), text::line(value, TITLE_LIMIT))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    #[test]
    fn a_monitor_triggers_and_recovers() {
        let body = |transition: &str| {
            json!({"id": "1", "alert_id": "777", "alert_transition": transition,
            "alert_scope": "host:mill-7", "title": format!("[{transition} on {{host:mill-7}}] the mill is slow"),
            "body": "p95 above 3 s", "alert_type": "error", "tags": "service:mill, env:prod,urgent", "date": 1_795_348_800_000_i64})
        };
        let bad = incoming(&body("Triggered"), receipt());
        assert_eq!((bad.signal.state, bad.signal.severity), (SignalState::Firing, Severity::High));
        assert_eq!((&*bad.signal.title, &*bad.signal.labels["service"]), ("the mill is slow", "mill"));
        let over = incoming(&body("Recovered"), receipt());
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &bad.fingerprint));
    }

    #[test]
    fn the_template_that_datadog_starts_with_will_do() {
        let body = |mark: &str| {
            json!({"body": "x", "title": format!("[{mark}] the mill is slow"), "date": "1795348800000",
            "event_type": "query_alert_monitor", "id": "5", "org": {"id": 1}})
        };
        let (bad, over) = (incoming(&body("Triggered"), receipt()), incoming(&body("Recovered"), receipt()));
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &bad.fingerprint));
        assert_eq!(bad.signal.occurred_at.0, 1_795_348_800_000);
    }
}
