//! Alarms of Amazon CloudWatch, as SNS brings them
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>).

use super::payload::Payload;
use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};
use serde_json::{Value, json};

/// Dimensions of metrics and the labels that they are.
const DIMENSIONS: [(&str, &str); 9] = [
    ("ServiceName", "service"),
    ("FunctionName", "service"),
    ("ApiName", "service"),
    ("QueueName", "component"),
    ("DBInstanceIdentifier", "component"),
    ("CacheClusterId", "component"),
    ("TableName", "component"),
    ("ClusterName", "cluster"),
    ("InstanceId", "instance"),
];

/// Maps one message of a topic. The same alarm is the same alert; what is no alarm is kept.
pub fn incoming(topic: &str, subject: &str, message: &str, receipt: Receipt) -> Incoming {
    let body: Value = serde_json::from_str(message).unwrap_or_default();
    let said = Payload(&body);
    let (name, state) = (said.text("/AlarmName"), said.text("/NewStateValue"));
    let fires = match (name.is_empty(), state) {
        (false, "ALARM") => true,
        (false, "OK") => false,
        _ => {
            let title = if subject.is_empty() { "a message of SNS" } else { subject };
            let mut kept = receipt.kept(SignalType::Alert, "cloudwatch", title);
            kept.signal.text = text::block(message, super::TEXT_LIMIT);
            kept.signal.source_ref = Some(text::line(topic, TITLE_LIMIT));
            return kept;
        }
    };
    let place = format!("{}/{}", said.text("/AWSAccountId"), said.text("/Region"));
    let alarm = said.first(&["/AlarmArn"]);
    let fingerprint = fingerprint(["cloudwatch", if alarm.is_empty() { &place } else { alarm }, name]);
    let whole = [said.text("/AlarmDescription"), said.text("/NewStateReason")].join("\n");
    let mut signal = receipt.signal(SignalType::Alert, "cloudwatch", name, whole.trim());
    signal.state = if fires { SignalState::Firing } else { SignalState::Resolved };
    signal.severity = Severity::High;
    signal.source_ref = Some(text::line(if alarm.is_empty() { name } else { alarm }, TITLE_LIMIT));
    signal.occurred_at = said.time("/StateChangeTime").unwrap_or(signal.received_at);
    let region = alarm.split(':').nth(3).filter(|region| !region.is_empty()).unwrap_or(said.text("/Region"));
    let metric = said.text("/Trigger/MetricName");
    for (label, value) in
        [("alertname", name), ("region", region), ("account", said.text("/AWSAccountId")), ("metric", metric)]
    {
        if !value.is_empty() {
            signal.labels.insert(label.into(), text::line(value, TITLE_LIMIT));
        }
    }
    let dimensions = body.pointer("/Trigger/Dimensions").and_then(Value::as_array).into_iter().flatten();
    for dimension in dimensions.take(LABELS_LIMIT) {
        let dimension = Payload(dimension);
        let (name, value) = (dimension.first(&["/name", "/Name"]), dimension.first(&["/value", "/Value"]));
        if let Some((_, label)) = DIMENSIONS.iter().find(|(known, _)| *known == name) {
            signal.labels.entry((*label).to_owned()).or_insert_with(|| text::line(value, TITLE_LIMIT));
        }
    }
    signal.metadata = text::value(json!({"topic": topic, "alarm": body}));
    Incoming { signal, fingerprint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::tests::receipt;

    #[test]
    fn an_alarm_begins_and_ends_one_alert() {
        let alarm = |state: &str| {
            let body = json!({"AlarmName": "wheel-jams", "AlarmDescription": "no grain", "AWSAccountId": "123456789012",
                "NewStateValue": state, "NewStateReason": "Threshold Crossed: 1 datapoint [3.0] was greater than 1.0",
                "StateChangeTime": "2026-11-22T12:00:00.000+0000", "Region": "EU (Ireland)",
                "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:wheel-jams",
                "Trigger": {"MetricName": "Jams", "Namespace": "Mill", "Dimensions": [{"name": "ServiceName", "value": "mill"}]}});
            incoming("arn:aws:sns:eu-west-1:123456789012:alarms", "ALARM", &body.to_string(), receipt())
        };
        let (begins, ends) = (alarm("ALARM"), alarm("OK"));
        assert_eq!(begins.fingerprint, ends.fingerprint);
        assert_eq!((begins.signal.state, ends.signal.state), (SignalState::Firing, SignalState::Resolved));
        let label = |name: &str| begins.signal.labels.get(name).map(String::as_str);
        assert_eq!(
            ["service", "region", "alertname"].map(label),
            [Some("mill"), Some("eu-west-1"), Some("wheel-jams")]
        );
        assert_eq!(begins.signal.occurred_at.0, 1_795_348_800_000);
        for odd in ["", "plain words", "[]", "{}", "{\"AlarmName\": 3}"] {
            assert_eq!(incoming("t", "", odd, receipt()).signal.state, SignalState::Resolved, "{odd}");
        }
        assert_eq!(alarm("INSUFFICIENT_DATA").signal.state, SignalState::Resolved, "kept, of a key of its own");
    }
}
