//! OpenTelemetry's logs over HTTP (<https://opentelemetry.io/docs/specs/otlp/>), in both of their forms. Records are looked at
//! one by one as they stand in the body; only those that are bad enough are read whole.

mod json;
mod protobuf;

use super::lines::{Line, Lines, Place, Structured, fields, level_word};
use sentinell_evidence::case::Level;
use serde_json::Value;

pub use json::read as read_json;
pub use protobuf::read as read_protobuf;

/// Attributes of one resource or record that are looked at.
const ATTRIBUTES: usize = 128;
/// How deep a structured message may be.
const DEPTH: usize = 6;
/// The longest text that a structured message is written out as, bytes.
const WRITTEN: usize = 16 * 1024;

/// Attributes of a resource and the labels that they are.
const LABELS: [(&str, &str); 22] = [
    ("service.name", "service"),
    ("k8s.namespace.name", "namespace"),
    ("service.namespace", "namespace"),
    ("k8s.pod.name", "pod"),
    ("k8s.node.name", "node"),
    ("k8s.container.name", "container"),
    ("container.name", "container"),
    ("k8s.deployment.name", "deployment"),
    ("k8s.statefulset.name", "statefulset"),
    ("k8s.daemonset.name", "daemonset"),
    ("k8s.job.name", "job"),
    ("k8s.cronjob.name", "cronjob"),
    ("k8s.cluster.name", "cluster"),
    ("host.name", "host"),
    ("deployment.environment.name", "environment"),
    ("deployment.environment", "environment"),
    ("cloud.region", "region"),
    ("cloud.availability_zone", "zone"),
    ("service.version", "version"),
    ("service.instance.id", "instance"),
    ("faas.name", "function"),
    ("vcs.repository.name", "repository"),
];

/// A resource, as far as it becomes labels. The first attribute that means a label wins.
#[derive(Debug, Default)]
struct Resource {
    found: [Option<String>; LABELS.len()],
}

impl Resource {
    fn attribute(&mut self, name: &str, value: &str) {
        if let Some(index) = LABELS.iter().position(|(known, _)| *known == name) {
            self.found[index].get_or_insert_with(|| value.to_owned());
        }
    }

    fn place(&self, lines: &mut Lines) -> Place {
        // Later ones are laid first, so that the first wins.
        let found = LABELS.iter().zip(&self.found).rev();
        lines.place(found.filter_map(|((_, label), value)| Some((*label, value.as_deref()?))), None)
    }
}

/// A record that is bad enough to be read, as either form has it.
#[derive(Debug, Default)]
struct Record {
    level: Option<Level>,
    at: Option<i64>,
    body: Value,
    trace: String,
    event: String,
    exception: [String; 3],
}

/// What SDKs call the parts of an exception.
const EXCEPTION: [&str; 3] = ["exception.type", "exception.message", "exception.stacktrace"];

impl Record {
    fn attribute(&mut self, name: &str, value: impl FnOnce() -> String) {
        if let Some(index) = EXCEPTION.iter().position(|known| *known == name) {
            self.exception[index] = value();
        }
    }

    fn tell(self, place: &Place, lines: &mut Lines) {
        let [kind, message, stack] = self.exception;
        let Structured { message: said, level, at, more, trace } = match &self.body {
            Value::String(text) => {
                let plain = || Structured { message: Some(text.clone()), ..Structured::default() };
                super::lines::structured(text).filter(|read| read.message.is_some()).unwrap_or_else(plain)
            }
            Value::Object(_) => fields(&self.body),
            _ => Structured::default(),
        };
        let written = || match &self.body {
            Value::Null => [kind.as_str(), message.as_str()].join(": ").trim_matches([':', ' ']).to_owned(),
            other => super::text::line(&other.to_string(), WRITTEN),
        };
        let mut text = said.filter(|text| !text.trim().is_empty()).unwrap_or_else(written);
        if text.is_empty() {
            text = self.event;
        }
        let more = match (more.is_empty(), stack.is_empty()) {
            (false, _) => more,
            (true, false) if !text.contains(stack.as_str()) => stack,
            (true, true) if !message.is_empty() && !text.contains(message.as_str()) => format!("{kind}: {message}"),
            _ => String::new(),
        };
        if text.trim().is_empty() {
            return lines.let_go();
        }
        let trace = if self.trace.is_empty() { trace } else { self.trace };
        let line = Line { text: &text, level: self.level.or(level), at: self.at.or(at), trace: &trace, more: &more };
        lines.add(place, line);
    }
}

/// How loud a record is, by its number and otherwise by its word.
fn level(number: u64, word: &str) -> Option<Level> {
    match number {
        1..=8 => Some(Level::Debug),
        9..=12 => Some(Level::Info),
        13..=16 => Some(Level::Warn),
        17..=20 => Some(Level::Error),
        21..=24 => Some(Level::Fatal),
        _ => level_word(word.trim_end_matches(|c: char| c.is_ascii_digit())),
    }
}

/// Unix milliseconds of a number of nanoseconds; 0 means that nobody knows.
fn millis(nanos: u64) -> Option<i64> {
    i64::try_from(nanos / 1_000_000).ok().filter(|at| *at > 0)
}

/// What is told of a delivery that was taken only in part.
pub fn partly(rejected: u64) -> String {
    format!("{rejected} records were one kind of error too many: at most {} kinds in one request", super::lines::KINDS)
}

/// The protobuf form of an answer: empty, or the partial success that it is.
pub fn answer_protobuf(rejected: u64) -> Vec<u8> {
    if rejected == 0 {
        return vec![];
    }
    let mut partial = vec![0x08];
    varint(&mut partial, rejected);
    bytes(&mut partial, 2, partly(rejected).as_bytes());
    let mut answer = vec![];
    bytes(&mut answer, 1, &partial);
    answer
}

/// The protobuf form of an error, `google.rpc.Status`.
pub fn status_protobuf(code: u8, message: &str) -> Vec<u8> {
    let mut status = vec![0x08, code];
    bytes(&mut status, 2, message.as_bytes());
    status
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Incoming;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
    use prost::Message;
    use sentinell_core::signal::Severity;
    use serde_json::json;

    fn request() -> Value {
        let text = |name: &str, value: &str| json!({"key": name, "value": {"stringValue": value}});
        let record = |number: u64, body: Value| json!({"timeUnixNano": "1795348800123456789", "observedTimeUnixNano": "0", "severityNumber": number, "severityText": "", "body": body, "attributes": [], "droppedAttributesCount": 0, "flags": 0, "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "", "eventName": ""});
        let mut raised = record(17, json!({"stringValue": "the wheel jams"}));
        raised["attributes"] = json!([text("exception.type", "Jam"), text("exception.stacktrace", "Jam\n at wheel")]);
        let map =
            json!({"kvlistValue": {"values": [text("msg", "no grain"), {"key": "n", "value": {"intValue": "7"}}]}});
        json!({"resourceLogs": [{
            "scopeLogs": [{"scope": null, "schemaUrl": "", "logRecords": [
                record(9, json!({"stringValue": "the wheel turns"})), raised, record(21, map),
                record(18, json!({"stringValue": "the wheel jams"})),
            ]}],
            "resource": {"attributes": [
                text("service.namespace", "hills"), text("service.name", "mill"), text("k8s.namespace.name", "valley"),
                text("k8s.pod.name", "mill-0"), text("telemetry.sdk.name", "x"),
            ], "droppedAttributesCount": 0},
            "schemaUrl": "",
        }]})
    }

    fn told(lines: Lines) -> Vec<(Incoming, u64)> {
        assert_eq!((lines.below, lines.told, lines.rejected), (1, 3, 0));
        lines.into_signals("otlp", |_| Ok::<_, ()>(crate::intake::tests::receipt())).unwrap()
    }

    #[test]
    fn both_forms_of_a_request_say_the_same() {
        let request = request();
        let mut lines = Lines::new(Level::Error);
        read_json(request.to_string().as_bytes(), &mut lines).unwrap();
        let plain = told(lines);
        let official: ExportLogsServiceRequest = serde_json::from_value(request).unwrap();
        let mut lines = Lines::new(Level::Error);
        read_protobuf(&official.encode_to_vec(), &mut lines).unwrap();
        assert_eq!(plain, told(lines));
        let [(wheel, 2), (grain, 1)] = plain.as_slice() else { panic!("{plain:?}") };
        assert_eq!((wheel.signal.title.as_str(), wheel.signal.severity), ("the wheel jams", Severity::High));
        assert_eq!(wheel.signal.text, "the wheel jams\nJam\n at wheel");
        assert_eq!(wheel.signal.occurred_at.0, 1_795_348_800_123);
        assert_eq!(wheel.signal.metadata["trace_id"], "5b8efff798038103d269b633813fc60c");
        assert_eq!((grain.signal.title.as_str(), grain.signal.severity), ("no grain", Severity::Critical));
        let label = |name: &str| grain.signal.labels.get(name).map(String::as_str);
        assert_eq!(["service", "namespace", "pod"].map(label), [Some("mill"), Some("valley"), Some("mill-0")]);
    }

    #[test]
    fn answers_are_what_exporters_read() {
        assert_eq!(answer_protobuf(0), Vec::<u8>::new());
        let read = ExportLogsServiceResponse::decode(answer_protobuf(300).as_slice()).unwrap();
        let partial = read.partial_success.unwrap();
        assert_eq!((partial.rejected_log_records, partial.error_message.is_empty()), (300, false));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let read = |text: &str| read_json(text.as_bytes(), &mut Lines::new(Level::Error));
        for wrong in [
            "",
            "[]",
            "7",
            "{",
            r#"{"resourceLogs": 5}"#,
            r#"{"resourceLogs": [[]]}"#,
            r#"{"resourceLogs": {}}"#,
            r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [3]}]}]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for fine in [
            "{}",
            r#"{"resourceLogs": null}"#,
            r#"{"resourceLogs": [{}], "new": 1}"#,
            r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}"#,
        ] {
            assert!(read(fine).is_ok(), "{fine}");
        }
        assert!(read_protobuf(b"\x0a\x7f", &mut Lines::new(Level::Error)).is_err());
    }
}
