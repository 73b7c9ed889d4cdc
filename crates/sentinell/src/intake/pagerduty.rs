//! PagerDuty's webhooks, version 3 (<https://developer.pagerduty.com/docs/webhooks-overview>).

use super::payload::Payload;
use super::{Incoming, Receipt, severity, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};
use serde_json::{Value, json};

/// Maps one delivery. An incident that is triggered, reopened or made graver fires, one that is resolved ends; whatever
/// else people do to it is kept, no more.
pub fn incoming(body: &Value, receipt: Receipt) -> Incoming {
    let said = Payload(body);
    let (event, id) = (said.text("/event/event_type"), said.word("/event/data/id"));
    let state = match event {
        "incident.triggered"
        | "incident.reopened"
        | "incident.unacknowledged"
        | "incident.escalated"
        | "incident.priority_updated" => Some(SignalState::Firing),
        "incident.resolved" => Some(SignalState::Resolved),
        _ => None,
    };
    let name = said.first(&["/event/data/title", "/event/data/summary"]);
    let title = if name.is_empty() { event } else { name };
    let Some(state) = state.filter(|_| !id.is_empty()) else {
        return receipt.kept(SignalType::Alert, "pagerduty", &format!("{event} {name}"));
    };
    let mut signal = receipt.signal(SignalType::Alert, "pagerduty", title, title);
    signal.state = state;
    signal.severity = match said.text("/event/data/priority/summary") {
        "" => severity(said.text("/event/data/urgency")),
        priority => of_priority(priority),
    };
    signal.occurred_at = said.time("/event/occurred_at").unwrap_or(signal.received_at);
    signal.source_ref = said.line(&["/event/data/html_url", "/event/data/self"]);
    let labels = [
        ("service", "/event/data/service/summary"),
        ("priority", "/event/data/priority/summary"),
        ("urgency", "/event/data/urgency"),
        ("escalation_policy", "/event/data/escalation_policy/summary"),
    ];
    signal.labels = labels.iter().filter_map(|(name, at)| Some(((*name).to_owned(), said.line(&[at])?))).collect();
    signal.metadata = json!({
        "event": text::line(event, super::TITLE_LIMIT),
        "number": said.word("/event/data/number"),
        "incident_key": said.line(&["/event/data/incident_key"]),
    });
    Incoming { signal, fingerprint: fingerprint(["pagerduty", &id]) }
}

/// P1 to P5, as most accounts name them; the sender's words otherwise.
fn of_priority(name: &str) -> Severity {
    match name.trim_start_matches(['P', 'p', 'S', 's', 'E', 'e', 'V', 'v', '-', ' ']) {
        "0" | "1" => Severity::Critical,
        "2" => Severity::High,
        "3" => Severity::Medium,
        "4" | "5" => Severity::Low,
        _ => severity(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    fn event(kind: &str, more: Value) -> Value {
        let mut data = json!({
            "id": "PGR0VU2", "type": "incident", "title": "A little bump in the road", "urgency": "high",
            "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "service": {"summary": "mill"}, "number": 2,
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"event": {"id": "e1", "event_type": kind, "occurred_at": "2026-11-22T12:00:00.458Z", "data": data}})
    }

    #[test]
    fn an_incident_of_theirs_begins_gets_worse_and_ends() {
        let begun = incoming(&event("incident.triggered", json!({})), receipt());
        assert_eq!((begun.signal.state, begun.signal.severity), (SignalState::Firing, Severity::High));
        assert_eq!(begun.signal.labels["service"], "mill");
        assert_eq!(begun.signal.occurred_at.0, 1_795_348_800_458);
        let worse = incoming(&event("incident.priority_updated", json!({"priority": {"summary": "P1"}})), receipt());
        assert_eq!((worse.signal.severity, &worse.fingerprint), (Severity::Critical, &begun.fingerprint));
        let over = incoming(&event("incident.resolved", json!({})), receipt());
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &begun.fingerprint));
    }

    #[test]
    fn what_people_do_to_it_neither_begins_nor_ends_anything() {
        let begun = incoming(&event("incident.triggered", json!({})), receipt());
        for kind in ["incident.acknowledged", "incident.annotated", "service.updated", "pagey.ping", ""] {
            let kept = incoming(&event(kind, json!({})), receipt());
            assert_eq!(kept.signal.state, SignalState::Resolved, "{kind}");
            assert_ne!(kept.fingerprint, begun.fingerprint, "{kind}: it must not end the incident");
        }
        incoming(&json!([1]), receipt());
    }
}
