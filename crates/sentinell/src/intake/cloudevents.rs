//! CloudEvents 1.0 in their JSON form (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).

use super::payload::Payload;
use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, is_over, labels_of, severity, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{SignalState, SignalType};
use serde_json::{Value, json};

/// Maps one event. The same source, subject and kind is the same alert; a kind's last part that says that it is over, or the
/// data's `status` or `state`, ends it.
pub fn incoming(event: &Value, receipt: Receipt) -> Incoming {
    let said = Payload(event);
    let (kind, source, subject) = (said.text("/type"), said.text("/source"), said.text("/subject"));
    let (family, last) = kind.rsplit_once('.').unwrap_or(("", kind));
    let status = [said.first(&["/data/status", "/data/state"]), last];
    let over = status.iter().any(|word| is_over(word));
    let titles = ["/data/title", "/data/summary", "/data/message", "/data/name"];
    let title = match said.first(&titles) {
        "" if subject.is_empty() => kind.to_owned(),
        "" => format!("{kind}: {subject}"),
        title => title.to_owned(),
    };
    let body = match said.first(&["/data/description", "/data/text", "/data/message"]) {
        "" => event.get("data").map(Value::to_string).unwrap_or_default(),
        body => body.to_owned(),
    };
    let mut signal = receipt.signal(SignalType::Alert, "cloudevents", &title, &body);
    signal.state = if over { SignalState::Resolved } else { SignalState::Firing };
    signal.severity = severity(said.first(&["/data/severity", "/data/level", "/data/priority"]));
    signal.occurred_at = said.time("/time").unwrap_or(signal.received_at);
    signal.source_ref = said.line(&["/data/url", "/data/link", "/dataschema"]);
    signal.labels = event.get("data").map(labels_of).unwrap_or_default();
    let own = event.pointer("/data/labels").and_then(Value::as_object).into_iter().flatten();
    let own =
        own.filter_map(|(name, value)| Some((text::line(name, TITLE_LIMIT), text::line(value.as_str()?, TITLE_LIMIT))));
    signal.labels.extend(own.take(LABELS_LIMIT));
    signal.metadata = json!({ "type": said.line(&["/type"]), "source": said.line(&["/source"]) });
    // "opened" and "closed" of one family are one alert.
    let family = if is_over(last) || ENDINGS.contains(&last) { family } else { kind };
    Incoming { signal, fingerprint: fingerprint(["cloudevents", source, subject, family]) }
}

/// Last parts of a kind that say that something began.
const ENDINGS: [&str; 7] = ["opened", "open", "firing", "fired", "triggered", "raised", "failed"];

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    #[test]
    fn an_event_begins_and_another_of_its_family_ends() {
        let event = |last: &str| {
            json!({"specversion": "1.0", "id": "1", "source": "/town/mill", "subject": "wheel",
            "type": format!("town.mill.jam.{last}"), "time": "2026-11-22T12:00:00Z",
            "data": {"message": "the wheel stands still", "severity": "critical", "service": "mill", "labels": {"floor": "2"}}})
        };
        let bad = incoming(&event("opened"), receipt());
        assert_eq!((bad.signal.state, &*bad.signal.title), (SignalState::Firing, "the wheel stands still"));
        assert_eq!((&*bad.signal.labels["service"], &*bad.signal.labels["floor"]), ("mill", "2"));
        let over = incoming(&event("resolved"), receipt());
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &bad.fingerprint));
        let other = incoming(&event("smoke"), receipt());
        assert_ne!(other.fingerprint, bad.fingerprint);
        incoming(&json!({"data": [1, {"a": null}]}), receipt());
    }
}
